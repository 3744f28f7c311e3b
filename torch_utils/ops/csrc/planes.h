// SPDX-License-Identifier: Apache-2.0
// What trigrid_decode needs of planes and points on any device, and how planes and their gradient lie in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <optional>
#include <vector>

namespace fullhead {

inline void check_trigrid(const at::Tensor& planes, const at::Tensor& points, at::IntArrayRef axes, bool planar,
                          const std::optional<at::Tensor>& seen) {
  TORCH_CHECK(planes.dim() == 6 && planes.size(1) == 3 && axes.size() == 9, "trigrid_decode: bad arguments");
  TORCH_CHECK(points.dim() == 3 && points.size(0) == planes.size(0) && points.size(2) == 3, "trigrid_decode: bad points");
  TORCH_CHECK(points.device() == planes.device() &&
                  points.scalar_type() == (planes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat),
              "trigrid_decode: points must be float32 (float64 for float64 planes) on the planes' device");
  for (const int64_t axis : axes) TORCH_CHECK(axis >= 0 && axis < 3, "trigrid_decode: axes must be 0, 1 or 2");
  TORCH_CHECK(!planar || planes.size(2) == 1, "trigrid_decode: planar sampling needs depth 1");
  TORCH_CHECK(!seen || (seen->scalar_type() == at::kBool && seen->device() == points.device() && seen->dim() == 2 &&
                        seen->size(0) == points.size(0) && seen->size(1) == points.size(1)),
              "trigrid_decode: seen must be bool [N, P] on the planes' device");
}

// The planes themselves where features are innermost, else a copy that is so, as [N, H, W, 3, D, F] in memory.
inline at::Tensor features_innermost(const at::Tensor& planes) {
  if (planes.size(3) <= 1 || planes.stride(3) == 1) return planes;
  return planes.permute({0, 4, 5, 1, 2, 3}).contiguous().permute({0, 3, 4, 5, 1, 2});
}

// Within one plane, kernels count in 32 bits.
inline void check_plane_span(const at::Tensor& planes) {
  const int64_t last_texel = (planes.size(2) - 1) * planes.stride(2) + (planes.size(4) - 1) * planes.stride(4) +
                             (planes.size(5) - 1) * planes.stride(5);
  TORCH_CHECK(last_texel <= std::numeric_limits<int32_t>::max(), "trigrid_decode: a plane spans more than 2^31 elements");
}

// The planes' own strides where features are innermost and memory is dense, else [N, H, W, 3, D, F] in memory.
// torch_utils/ops/trigrid_decode.py: _gradient_strides agrees.
inline std::vector<int64_t> gradient_strides(const at::Tensor& planes) {
  if (planes.stride(3) == 1 && planes.is_non_overlapping_and_dense()) return planes.strides().vec();
  const int64_t features = planes.size(3), plane = planes.size(2) * features, texel = 3 * plane;
  const int64_t row = planes.size(5) * texel;
  return {planes.size(4) * row, plane, features, 1, row, texel};
}

}  // namespace fullhead
