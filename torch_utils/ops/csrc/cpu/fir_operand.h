// SPDX-License-Identifier: Apache-2.0
// From tensors to what fir.h works on: a dense input, its shape, and the taps as the inner loops want them.
#pragma once

#include <ATen/ops/contiguous.h>

#include <utility>
#include <vector>

#include "cpu/fir.h"
#include "cpu/tensors.h"

namespace fullhead {

struct FirOperand {
  at::MemoryFormat format;
  at::Tensor x;
  FirShape shape;

  FirOperand(const at::Tensor& x_any, int64_t up, int64_t down, at::IntArrayRef pad, int64_t num_taps)
      : format(dense_format(x_any)), x(x_any.contiguous(format)) {
    TORCH_CHECK(x.dim() == 4 && pad.size() == 4 && num_taps > 0 && up > 0 && down > 0, "fir: bad arguments");
    const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
    const bool last = format == at::MemoryFormat::ChannelsLast;
    const int64_t out_h = (h * up + pad[2] + pad[3] - num_taps) / down + 1;
    const int64_t out_w = (w * up + pad[0] + pad[1] - num_taps) / down + 1;
    TORCH_CHECK(out_h > 0 && out_w > 0, "fir: the input is smaller than the filter");
    shape = {last ? n : n * c, h, w, out_h, out_w, last ? c : 1, up, down, pad[0], pad[2]};
  }

  std::vector<int64_t> out_sizes() const { return {x.size(0), x.size(1), shape.out_h, shape.out_w}; }
};

// Convolution flips its taps. The gain goes into the column taps.
template <class A>
std::pair<std::vector<A>, std::vector<A>> flipped_taps(const at::Tensor& taps_any, double gain) {
  const at::Tensor taps = taps_any.contiguous();
  std::vector<A> x(taps.numel()), y(taps.numel());
  with_float_type(taps.scalar_type(), "fir taps", [&](auto zero) {
    const auto* p = taps.const_data_ptr<decltype(zero)>();
    for (int64_t k = 0; k < taps.numel(); ++k) {
      x[k] = A(p[taps.numel() - 1 - k]);
      y[k] = x[k] * A(gain);
    }
  });
  return {y, x};
}

}  // namespace fullhead
