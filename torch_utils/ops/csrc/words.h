// SPDX-License-Identifier: Apache-2.0
// What philox_words needs of its arguments on any device.
#pragma once

#include <ATen/core/Tensor.h>

namespace fullhead {

// A counter has one word for the block: an item ends after 2^32 of them.
constexpr int64_t kMostWords = int64_t(1) << 34;

inline void check_words(const at::Tensor& indices, int64_t count) {
  TORCH_CHECK(indices.dim() == 1 && indices.scalar_type() == at::kLong, "philox_words: indices must be [n] of int64");
  TORCH_CHECK(count >= 0 && count <= kMostWords, "philox_words: an item has 0 to 2^34 words, not ", count);
}

}  // namespace fullhead
