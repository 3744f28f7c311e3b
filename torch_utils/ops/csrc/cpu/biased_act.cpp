// SPDX-License-Identifier: Apache-2.0
// biased_act, its slope and its curve on the CPU. One pass over memory each. Contract: torch_utils/ops/biased_act.py.

#include <ATen/ops/empty_like.h>

#include "cpu/tensors.h"

namespace fullhead {
namespace {

constexpr int64_t kGrain = 32768;  // elements a thread takes at least

Act checked_act(c10::string_view name) {
  const Act act = act_from_name({name.data(), name.size()});
  TORCH_CHECK(act != Act::unknown, "biased_act: unknown activation '", name, "'");
  return act;
}

// Into y, which is laid out as x is, and may be x itself: an element is read before it is written.
void write_biased_act(const at::Tensor& x, const std::optional<at::Tensor>& bias_any, c10::string_view name, double gain,
                      double clamp, const at::Tensor& y) {
  const Act act = checked_act(name);
  const bool has_bias = bias_any.has_value();
  TORCH_CHECK(!has_bias || is_piecewise(act), "biased_act: the smooth kinds take their bias beforehand");
  TORCH_CHECK(!has_bias || (x.dim() >= 2 && bias_any->numel() == x.size(1) && bias_any->scalar_type() == x.scalar_type()),
              "biased_act: bias does not fit x");
  const at::Tensor bias = has_bias ? bias_any->contiguous() : at::Tensor();
  if (x.numel() == 0) return;

  // Memory seen as [rows, inner]. In a row the bias is either one value (inner = pixels) or one value an element.
  const bool per_element = !has_bias || dense_format(x) == at::MemoryFormat::ChannelsLast || x.dim() == 2;
  const int64_t channels = x.dim() >= 2 ? x.size(1) : 1;
  const int64_t inner = per_element ? (has_bias ? channels : x.numel()) : x.numel() / (x.size(0) * channels);

  with_float_type(x.scalar_type(), "biased_act", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const T* px = x.const_data_ptr<T>();
    const T* pb = has_bias ? bias.const_data_ptr<T>() : nullptr;
    T* py = y.mutable_data_ptr<T>();
    with_act(act, [&](auto kind) {
      constexpr Act k = decltype(kind)::value;
      const A g = A(gain), c = A(clamp);
      auto finish = [&](A z) { return T(limited(act_value<k>(z) * g, c)); };
      if (!has_bias) {
        parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) py[i] = finish(A(px[i]));
        });
        return;
      }
      parallel_for(0, x.numel() / inner, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const T* in = px + row * inner;
          T* out = py + row * inner;
          if (per_element) {
            for (int64_t i = 0; i < inner; ++i) out[i] = finish(A(in[i]) + A(pb[i]));
          } else {
            const A b = A(pb[row % channels]);
            for (int64_t i = 0; i < inner; ++i) out[i] = finish(A(in[i]) + b);
          }
        }
      });
    });
  });
}

at::Tensor biased_act(const at::Tensor& x_any, const std::optional<at::Tensor>& bias, c10::string_view name, double gain,
                      double clamp) {
  const auto format = dense_format(x_any);
  const at::Tensor x = x_any.contiguous(format);
  at::Tensor y = on_huge_pages(at::empty_like(x, format));
  write_biased_act(x, bias, name, gain, clamp, y);
  return y;
}

void biased_act_in_place(const at::Tensor& x, const std::optional<at::Tensor>& bias, c10::string_view name, double gain,
                         double clamp) {
  TORCH_CHECK(x.is_contiguous(dense_format(x)), "biased_act_: x must be dense");
  write_biased_act(x, bias, name, gain, clamp, x);
}

at::Tensor act_slope_op(const at::Tensor& g_any, const at::Tensor& kept_any, c10::string_view name, double gain,
                        double clamp) {
  const Act act = checked_act(name);
  TORCH_CHECK(g_any.sizes() == kept_any.sizes() && g_any.scalar_type() == kept_any.scalar_type(),
              "act_slope: g and kept must be alike");
  const auto format = dense_format(kept_any);
  const at::Tensor g = g_any.contiguous(format), kept = kept_any.contiguous(format);
  at::Tensor out = on_huge_pages(at::empty_like(kept, format));
  with_float_type(kept.scalar_type(), "act_slope", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const T *pg = g.const_data_ptr<T>(), *pk = kept.const_data_ptr<T>();
    T* po = out.mutable_data_ptr<T>();
    const A a = A(gain), c = A(T(clamp));  // rounded as the kept output is
    with_act(act, [&](auto kind) {
      constexpr Act k = decltype(kind)::value;
      parallel_for(0, kept.numel(), kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const A z = A(pk[i]), slope = A(pg[i]) * act_slope<k>(z) * a;
          po[i] = T(is_free<k>(z, a, c) ? slope : A(0));  // a load under a condition would keep the loop scalar
        }
      });
    });
  });
  return out;
}

at::Tensor act_curve_op(const at::Tensor& g_any, const at::Tensor& h_any, const at::Tensor& kept_any, c10::string_view name,
                        double gain, double clamp) {
  const Act act = checked_act(name);
  TORCH_CHECK(g_any.sizes() == kept_any.sizes() && h_any.sizes() == kept_any.sizes() &&
                  g_any.scalar_type() == kept_any.scalar_type() && h_any.scalar_type() == kept_any.scalar_type(),
              "act_curve: g, h and kept must be alike");
  const auto format = dense_format(kept_any);
  const at::Tensor g = g_any.contiguous(format), h = h_any.contiguous(format), kept = kept_any.contiguous(format);
  at::Tensor out = on_huge_pages(at::empty_like(kept, format));
  with_float_type(kept.scalar_type(), "act_curve", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const T *pg = g.const_data_ptr<T>(), *ph = h.const_data_ptr<T>(), *pk = kept.const_data_ptr<T>();
    T* po = out.mutable_data_ptr<T>();
    const A a = A(gain), c = A(clamp);
    with_act(act, [&](auto kind) {
      constexpr Act k = decltype(kind)::value;
      parallel_for(0, kept.numel(), kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const A z = A(pk[i]), curve = A(pg[i]) * A(ph[i]) * act_curve<k>(z) * a;
          po[i] = T(is_free<k>(z, a, c) ? curve : A(0));
        }
      });
    });
  });
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("biased_act", fullhead::biased_act);
  m.impl("biased_act_", fullhead::biased_act_in_place);
  m.impl("act_slope", fullhead::act_slope_op);
  m.impl("act_curve", fullhead::act_curve_op);
}
