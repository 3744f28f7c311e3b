// SPDX-License-Identifier: Apache-2.0
// Glue of philox_words on the GPU. Contract: torch_utils/ops/philox_words.py.

#include <ATen/ops/empty.h>

#include "cuda/glue.h"
#include "words.h"

namespace fullhead {
namespace {

at::Tensor philox_words(const at::Tensor& indices_any, int64_t key, int64_t count) {
  check_words(indices_any, count);
  const Place place(indices_any);
  const at::Tensor indices = indices_any.contiguous();
  at::Tensor out = at::empty({indices.numel(), count}, indices.options());
  check(launch_philox_words(place.stream, indices.const_data_ptr<int64_t>(), out.mutable_data_ptr<int64_t>(), uint64_t(key),
                            indices.numel(), count),
        "philox_words");
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) { m.impl("philox_words", fullhead::philox_words); }
