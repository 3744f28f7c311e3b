// SPDX-License-Identifier: Apache-2.0
// What trigrid_decode needs of its layers on any device: as precise as its points.
#pragma once

#include <ATen/core/Tensor.h>

namespace fullhead {

inline void check_layers(const at::Tensor& planes, const at::Tensor& points, const at::Tensor& w1, const at::Tensor& b1,
                         const at::Tensor& w2, const at::Tensor& b2) {
  TORCH_CHECK(w1.dim() == 2 && w2.dim() == 2, "trigrid_decode: bad layers");
  const int64_t inputs = w1.size(1), hidden = w1.size(0), outputs = w2.size(0);
  TORCH_CHECK(planes.size(3) == inputs && inputs > 0 && hidden > 0 && outputs > 0 && w2.size(1) == hidden &&
                  b1.numel() == hidden && b2.numel() == outputs,
              "trigrid_decode: the layers do not fit");
  for (const at::Tensor& layer : {w1, b1, w2, b2})
    TORCH_CHECK(layer.scalar_type() == points.scalar_type() && layer.device() == points.device(),
                "trigrid_decode: layers must be of the points' type and device");
}

}  // namespace fullhead
