// SPDX-License-Identifier: Apache-2.0
// philox_words on the CPU, a few blocks of any items at a time, each in a lane. Contract: torch_utils/ops/philox_words.py.

#include <ATen/ops/empty.h>

#include <algorithm>

#include "cpu/tensors.h"
#include "philox.h"
#include "words.h"

namespace fullhead {
namespace {

constexpr int64_t kLanes = 64;
constexpr int64_t kBlocksPerTask = 4096;

struct Lanes {
  uint64_t index[kLanes] = {}, block[kLanes] = {}, words[4][kLanes];

  // The next blocks of an item.
  void fill(int64_t begin, int64_t run, int64_t item, int64_t first) {
    for (int64_t j = 0; j < run; ++j) index[begin + j] = uint64_t(item), block[begin + j] = uint64_t(first + j);
  }

  void work(uint64_t key) {
    for (int64_t j = 0; j < kLanes; ++j) {
      uint64_t made[4];
      philox(index[j], block[j], key, made);
      for (int w = 0; w < 4; ++w) words[w][j] = made[w];
    }
  }

  // Whole blocks, one behind the other.
  void store(int64_t used, int64_t* to) const {
    for (int64_t j = 0; j < used; ++j)
      for (int w = 0; w < 4; ++w) to[4 * j + w] = int64_t(words[w][j]);
  }

  // The same where the last block of an item is cut short.
  void store(int64_t used, int64_t count, int64_t* to) const {
    for (int64_t j = 0; j < used; ++j) {
      const int64_t kept = std::min<int64_t>(4, count - 4 * int64_t(block[j]));
      for (int64_t w = 0; w < kept; ++w) *to++ = int64_t(words[w][j]);
    }
  }
};

at::Tensor philox_words(const at::Tensor& indices_any, int64_t key, int64_t count) {
  check_words(indices_any, count);
  const at::Tensor indices = indices_any.contiguous();
  const int64_t items = indices.numel(), blocks = (count + 3) / 4;
  at::Tensor out = on_huge_pages(at::empty({items, count}, indices.options()));
  const int64_t* index = indices.const_data_ptr<int64_t>();
  int64_t* to = out.mutable_data_ptr<int64_t>();
  parallel_for(0, items * blocks, kBlocksPerTask, [&](int64_t begin, int64_t end) {
    Lanes lanes;
    int64_t item = begin / blocks, block = begin % blocks;
    for (int64_t start = begin; start < end; start += kLanes) {
      const int64_t used = std::min(kLanes, end - start);
      int64_t* row = to + item * count + 4 * block;
      const bool is_whole = count % 4 == 0 || 4 * (block + used) <= count;
      for (int64_t filled = 0; filled < used;) {
        const int64_t run = std::min(used - filled, blocks - block);
        lanes.fill(filled, run, index[item], block);
        filled += run, block += run;
        if (block == blocks) block = 0, ++item;
      }
      lanes.work(uint64_t(key));
      is_whole ? lanes.store(used, row) : lanes.store(used, count, row);
    }
  });
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) { m.impl("philox_words", fullhead::philox_words); }
