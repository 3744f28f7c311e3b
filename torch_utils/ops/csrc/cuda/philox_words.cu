// SPDX-License-Identifier: Apache-2.0
// philox_words on the GPU: a thread a block of four words. Contract: torch_utils/ops/philox_words.py.

#include "philox.h"

#include "cuda/element.cuh"

namespace fullhead {
namespace {

using Pair = Pack<int64_t, 2>;

__global__ void philox_kernel(const int64_t* __restrict__ indices, int64_t* __restrict__ out, uint64_t key, int64_t items,
                              int64_t blocks, int64_t count) {
  for (int64_t i = first_item(); i < items; i += item_step()) {
    const int64_t item = i / blocks, block = i - item * blocks;
    uint64_t words[4];
    philox(uint64_t(indices[item]), uint64_t(block), key, words);
    int64_t* to = out + item * count + 4 * block;
    const int64_t left = count - 4 * block;
    if (count % 2 == 0) {
      reinterpret_cast<Pair*>(to)[0] = {int64_t(words[0]), int64_t(words[1])};
      if (left > 2) reinterpret_cast<Pair*>(to)[1] = {int64_t(words[2]), int64_t(words[3])};
      continue;
    }
#pragma unroll
    for (int w = 0; w < 4; ++w)
      if (w < left) to[w] = int64_t(words[w]);
  }
}

}  // namespace

int launch_philox_words(void* stream, const int64_t* indices, int64_t* out, uint64_t key, int64_t items, int64_t count) {
  const int64_t blocks = (count + 3) / 4;
  return run(philox_kernel, blocks_for(items * blocks), kThreads, 0, stream, indices, out, key, items * blocks, blocks, count);
}

}  // namespace fullhead
