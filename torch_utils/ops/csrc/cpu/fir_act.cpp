// SPDX-License-Identifier: Apache-2.0
// fir_act on the CPU: fir.h, then noise, bias, activation, gain and clamp before the store. The image is touched once.
// Contract: torch_utils/ops/fir_act.py.

#include <ATen/ops/empty.h>

#include "cpu/fir_operand.h"

namespace fullhead {
namespace {

at::Tensor fir_act(const at::Tensor& x_any, const at::Tensor& taps, const std::optional<at::Tensor>& noise_any,
                   const std::optional<at::Tensor>& bias_any, at::IntArrayRef pad, double fir_gain, c10::string_view name,
                   double gain, double clamp) {
  const Act act = act_from_name({name.data(), name.size()});
  TORCH_CHECK(is_piecewise(act), "fir_act: only piecewise linear activations, got '", name, "'");
  const FirOperand f(x_any, 1, 1, pad, taps.numel());
  const FirShape& s = f.shape;
  const int64_t channels = f.x.size(1), pixels = s.out_h * s.out_w;
  const at::Tensor noise = noise_any ? noise_any->contiguous() : at::Tensor();
  const at::Tensor bias = bias_any ? bias_any->contiguous() : at::Tensor();
  TORCH_CHECK(!noise_any || (noise.dim() == 4 && (noise.size(0) == 1 || noise.size(0) == f.x.size(0)) &&
                             noise.numel() == noise.size(0) * pixels && noise.scalar_type() == f.x.scalar_type()),
              "fir_act: noise must be [1 or N, 1, H, W] of the output and of x's type");
  TORCH_CHECK(!bias_any || (bias.numel() == channels && bias.scalar_type() == f.x.scalar_type()),
              "fir_act: bias must have one value a channel, of x's type");
  at::Tensor y = on_huge_pages(at::empty(f.out_sizes(), x_any.options(), f.format));
  if (y.numel() == 0) return y;

  with_float_type(f.x.scalar_type(), "fir_act", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const auto [taps_y, taps_x] = flipped_taps<A>(taps, fir_gain);
    T* out = y.mutable_data_ptr<T>();
    const T* pn = noise_any ? noise.const_data_ptr<T>() : nullptr;
    const int64_t noise_stride = noise_any && noise.size(0) > 1 ? pixels : 0;
    std::vector<A> b(channels, A(0));
    for (int64_t c = 0; bias_any && c < channels; ++c) b[c] = A(bias.const_data_ptr<T>()[c]);
    with_act(act, [&](auto kind) {
      constexpr Act k = decltype(kind)::value;
      const A g = A(gain), limit = A(clamp);
      auto finished = [&](A z) { return T(limited(act_value<k>(z) * g, limit)); };
      fir_rows(f.x.const_data_ptr<T>(), s, taps_y, taps_x,
               [&](const A* values, int64_t o, int64_t row, int64_t x, int64_t count) {
                 T* to = out + ((o * s.out_h + row) * s.out_w + x) * s.inner;
                 const int64_t image = s.inner == 1 ? o / channels : o;
                 const T* n = pn ? pn + image * noise_stride + row * s.out_w + x : nullptr;
                 if (s.inner == 1) {  // a row of one channel
                   const A bias_here = b[o % channels];
                   for (int64_t i = 0; i < count; ++i) to[i] = finished(values[i] + bias_here + (n ? A(n[i]) : A(0)));
                 } else {  // all channels of one pixel
                   const A noise_here = n ? A(*n) : A(0);
                   for (int64_t i = 0; i < count; ++i) to[i] = finished(values[i] + noise_here + b[i]);
                 }
               });
    });
  });
  return y;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) { m.impl("fir_act", fullhead::fir_act); }
