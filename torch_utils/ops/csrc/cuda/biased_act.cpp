// SPDX-License-Identifier: Apache-2.0
// Glue of biased_act on the GPU. Contract: torch_utils/ops/biased_act.py.

#include <ATen/ops/empty_like.h>

#include "cuda/glue.h"

namespace fullhead {
namespace {

// Into y, which is laid out as x is, and may be x itself: a pack is read before it is written.
void write_biased_act(const at::Tensor& x, const std::optional<at::Tensor>& bias_any, c10::string_view name, double gain,
                      double clamp, const at::Tensor& y) {
  const Act act = checked_act(name);
  TORCH_CHECK(!bias_any || (is_piecewise(act) && x.dim() >= 2 && bias_any->numel() == x.size(1) &&
                            bias_any->scalar_type() == x.scalar_type() && bias_any->device() == x.device()),
              "biased_act: bias does not fit x");
  const at::Tensor bias = bias_any ? bias_any->contiguous() : at::Tensor();
  const Place place(x);
  ActShape shape{x.numel(), 1, 1};
  if (bias_any && x.numel() > 0) {
    shape.channels = x.size(1);
    shape.inner = dense_format(x) == at::MemoryFormat::ChannelsLast ? 1 : x.numel() / (x.size(0) * x.size(1));
  }
  check(launch_biased_act(place.stream, element_of(x, "biased_act"), x.const_data_ptr(), bias_any ? bias.const_data_ptr() : nullptr,
                          y.mutable_data_ptr(), shape, act, gain, clamp),
        "biased_act");
}

at::Tensor biased_act(const at::Tensor& x_any, const std::optional<at::Tensor>& bias, c10::string_view name, double gain,
                      double clamp) {
  const auto format = dense_format(x_any);
  const at::Tensor x = x_any.contiguous(format);
  at::Tensor y = at::empty_like(x, format);
  write_biased_act(x, bias, name, gain, clamp, y);
  return y;
}

void biased_act_in_place(const at::Tensor& x, const std::optional<at::Tensor>& bias, c10::string_view name, double gain,
                         double clamp) {
  TORCH_CHECK(x.is_contiguous(dense_format(x)), "biased_act_: x must be dense");
  write_biased_act(x, bias, name, gain, clamp, x);
}

at::Tensor act_slope_op(const at::Tensor& g_any, const at::Tensor& kept_any, c10::string_view name, double gain, double clamp) {
  TORCH_CHECK(g_any.sizes() == kept_any.sizes() && g_any.scalar_type() == kept_any.scalar_type(),
              "act_slope: g and kept must be alike");
  const auto format = dense_format(kept_any);
  const at::Tensor g = g_any.contiguous(format), kept = kept_any.contiguous(format);
  const Place place(kept);
  at::Tensor out = at::empty_like(kept, format);
  check(launch_act_slope(place.stream, element_of(kept, "act_slope"), g.const_data_ptr(), kept.const_data_ptr(),
                         out.mutable_data_ptr(), kept.numel(), checked_act(name), gain, clamp),
        "act_slope");
  return out;
}

at::Tensor act_curve_op(const at::Tensor& g_any, const at::Tensor& h_any, const at::Tensor& kept_any, c10::string_view name,
                     double gain, double clamp) {
  TORCH_CHECK(g_any.sizes() == kept_any.sizes() && h_any.sizes() == kept_any.sizes() &&
                  g_any.scalar_type() == kept_any.scalar_type() && h_any.scalar_type() == kept_any.scalar_type(),
              "act_curve: g, h and kept must be alike");
  const auto format = dense_format(kept_any);
  const at::Tensor g = g_any.contiguous(format), h = h_any.contiguous(format), kept = kept_any.contiguous(format);
  const Place place(kept);
  at::Tensor out = at::empty_like(kept, format);
  check(launch_act_curve(place.stream, element_of(kept, "act_curve"), g.const_data_ptr(), h.const_data_ptr(),
                         kept.const_data_ptr(), out.mutable_data_ptr(), kept.numel(), checked_act(name), gain, clamp),
        "act_curve");
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("biased_act", fullhead::biased_act);
  m.impl("biased_act_", fullhead::biased_act_in_place);
  m.impl("act_slope", fullhead::act_slope_op);
  m.impl("act_curve", fullhead::act_curve_op);
}
