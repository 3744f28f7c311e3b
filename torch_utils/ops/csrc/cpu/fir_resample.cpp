// SPDX-License-Identifier: Apache-2.0
// fir_resample on the CPU: fir.h with a plain store at the end. Contract: torch_utils/ops/fir_resample.py.

#include <ATen/ops/empty.h>

#include "cpu/fir_operand.h"

namespace fullhead {
namespace {

at::Tensor fir_resample(const at::Tensor& x_any, const at::Tensor& taps, int64_t up, int64_t down, at::IntArrayRef pad,
                        double gain) {
  const FirOperand f(x_any, up, down, pad, taps.numel());
  at::Tensor y = on_huge_pages(at::empty(f.out_sizes(), x_any.options(), f.format));
  if (y.numel() == 0) return y;
  with_float_type(f.x.scalar_type(), "fir_resample", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const auto [taps_y, taps_x] = flipped_taps<A>(taps, gain);
    T* out = y.mutable_data_ptr<T>();
    const FirShape& s = f.shape;
    fir_rows(f.x.const_data_ptr<T>(), s, taps_y, taps_x, [&](const A* values, int64_t o, int64_t row, int64_t x, int64_t count) {
      T* to = out + ((o * s.out_h + row) * s.out_w + x) * s.inner;
      for (int64_t i = 0; i < count; ++i) to[i] = T(values[i]);
    });
  });
  return y;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) { m.impl("fir_resample", fullhead::fir_resample); }
