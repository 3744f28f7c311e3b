// SPDX-License-Identifier: Apache-2.0
// What softplus_mlp needs of its arguments on any device.
#pragma once

#include <ATen/core/Tensor.h>

namespace fullhead {

inline void check_layers(const at::Tensor& x, const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                         const at::Tensor& b2) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble, "softplus_mlp: float32 or float64, got ",
              x.scalar_type());
  TORCH_CHECK(w1.dim() == 2 && w2.dim() == 2, "softplus_mlp: bad arguments");
  const int64_t inputs = w1.size(1), hidden = w1.size(0), outputs = w2.size(0);
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == inputs && inputs > 0 && hidden > 0 && outputs > 0 && w2.size(1) == hidden &&
                  b1.numel() == hidden && b2.numel() == outputs,
              "softplus_mlp: bad arguments");
  for (const at::Tensor& other : {w1, b1, w2, b2})
    TORCH_CHECK(other.scalar_type() == x.scalar_type() && other.device() == x.device(), "softplus_mlp: types or devices differ");
}

}  // namespace fullhead
