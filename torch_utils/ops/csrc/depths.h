// SPDX-License-Identifier: Apache-2.0
// What importance_depths and merge_depths need of their arguments on any device. Depths are float or double: a half could
// not tell neighbouring samples apart.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace fullhead {

inline void check_depth_type(const at::Tensor& depths, const char* op) {
  TORCH_CHECK(depths.scalar_type() == at::kFloat || depths.scalar_type() == at::kDouble, op,
              ": depths must be float32 or float64, got ", depths.scalar_type());
}

inline void check_draws(const at::Tensor& depths, const at::Tensor& weights, const at::Tensor& u, bool shifted) {
  check_depth_type(depths, "importance_depths");
  const int64_t samples = depths.size(-1), draws = u.size(-1);
  TORCH_CHECK(weights.size(-1) == samples - 1 && samples >= (shifted ? 4 : 2), "importance_depths: bad arguments");
  TORCH_CHECK(u.scalar_type() == depths.scalar_type() && weights.scalar_type() == depths.scalar_type() &&
                  u.device() == depths.device() && weights.device() == depths.device() &&
                  u.numel() * samples == depths.numel() * draws && weights.numel() * samples == depths.numel() * (samples - 1),
              "importance_depths: rays differ");
}

// The sizes of both lists together.
inline std::vector<int64_t> merged_sizes(const at::Tensor& first, const at::Tensor& second) {
  TORCH_CHECK(first.dim() >= 1 && second.dim() >= 1 &&
                  first.sizes().slice(0, first.dim() - 1) == second.sizes().slice(0, second.dim() - 1) &&
                  first.scalar_type() == second.scalar_type() && first.device() == second.device(),
              "merge_depths: bad arguments");
  check_depth_type(first, "merge_depths");
  auto sizes = first.sizes().vec();
  sizes.back() += second.size(-1);
  return sizes;
}

}  // namespace fullhead
