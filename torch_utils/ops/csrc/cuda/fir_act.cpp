// SPDX-License-Identifier: Apache-2.0
// Glue of fir_act on the GPU. Contract: torch_utils/ops/fir_act.py.

#include <ATen/ops/empty.h>

#include "cuda/fir_glue.h"

namespace fullhead {
namespace {

double slope_below_zero(Act act) {
  switch (act) {
    case Act::linear: return 1;
    case Act::relu: return 0;
    case Act::lrelu: return kLreluSlope;
    default: TORCH_CHECK(false, "fir_act: only piecewise linear activations");
  }
}

at::Tensor fir_act(const at::Tensor& x_any, const at::Tensor& taps, const std::optional<at::Tensor>& noise_any,
                   const std::optional<at::Tensor>& bias_any, at::IntArrayRef pad, double fir_gain, c10::string_view name,
                   double gain, double clamp) {
  const FirOperand f(x_any, taps, 1, 1, pad, fir_gain);
  const int64_t channels = f.x.size(1), pixels = int64_t(f.arguments.y.out) * f.arguments.x.out;
  const at::Tensor noise = noise_any ? noise_any->contiguous() : at::Tensor();
  const at::Tensor bias = bias_any ? bias_any->contiguous() : at::Tensor();
  TORCH_CHECK(!noise_any || (noise.dim() == 4 && (noise.size(0) == 1 || noise.size(0) == f.x.size(0)) &&
                             noise.numel() == noise.size(0) * pixels && noise.scalar_type() == f.x.scalar_type() &&
                             noise.device() == f.x.device()),
              "fir_act: noise must be [1 or N, 1, H, W] of the output and of x's type");
  TORCH_CHECK(!bias_any || (bias.numel() == channels && bias.scalar_type() == f.x.scalar_type() && bias.device() == f.x.device()),
              "fir_act: bias must have one value a channel, of x's type");
  const Place place(f.x);
  at::Tensor y = at::empty(f.out_sizes(), x_any.options(), f.format);
  const FirEpilogue epilogue{noise_any ? noise.const_data_ptr() : nullptr,
                             noise_any && noise.size(0) > 1 ? pixels : 0,
                             bias_any ? bias.const_data_ptr() : nullptr,
                             channels,
                             slope_below_zero(checked_act(name)),
                             gain,
                             clamp};
  check(launch_fir_act(place.stream, element_of(f.x, "fir_act"), f.x.const_data_ptr(), y.mutable_data_ptr(), f.arguments,
                       epilogue),
        "fir_act");
  return y;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) { m.impl("fir_act", fullhead::fir_act); }
