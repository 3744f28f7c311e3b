// SPDX-License-Identifier: Apache-2.0
// Glue of fir_resample on the GPU. Contract: torch_utils/ops/fir_resample.py.

#include <ATen/ops/empty.h>

#include "cuda/fir_glue.h"

namespace fullhead {
namespace {

constexpr int64_t kMaxJointTaps = 8;  // longer filters pay for a second pass: 2 k reads an output instead of k^2

at::Tensor fir_resample(const at::Tensor& x_any, const at::Tensor& taps, int64_t up, int64_t down, at::IntArrayRef pad,
                        double gain) {
  const FirOperand f(x_any, taps, up, down, pad, gain);
  const auto element = element_of(f.x, "fir_resample");
  const Place place(f.x);
  auto sizes = f.out_sizes();
  at::Tensor y = at::empty(sizes, x_any.options(), f.format);
  if (taps.numel() <= kMaxJointTaps) {
    check(launch_fir(place.stream, element, f.x.const_data_ptr(), y.mutable_data_ptr(), f.arguments), "fir_resample");
    return y;
  }
  FirArguments columns = f.arguments, rows = f.arguments;
  columns.x = identity_axis(f.arguments.x.in);
  rows.y = identity_axis(f.arguments.y.out);
  rows.gain = 1;
  sizes[3] = f.arguments.x.in;
  at::Tensor between = at::empty(sizes, x_any.options(), f.format);
  check(launch_fir(place.stream, element, f.x.const_data_ptr(), between.mutable_data_ptr(), columns), "fir_resample");
  check(launch_fir(place.stream, element, between.const_data_ptr(), y.mutable_data_ptr(), rows), "fir_resample");
  return y;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) { m.impl("fir_resample", fullhead::fir_resample); }
