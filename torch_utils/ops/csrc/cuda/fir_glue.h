// SPDX-License-Identifier: Apache-2.0
// From tensors to the arguments of launch_fir.
#pragma once

#include <vector>

#include "cuda/glue.h"

namespace fullhead {

struct FirOperand {
  at::MemoryFormat format;
  at::Tensor x, taps;
  FirArguments arguments;

  FirOperand(const at::Tensor& x_any, const at::Tensor& taps_any, int64_t up, int64_t down, at::IntArrayRef pad, double gain)
      : format(dense_format(x_any)), x(x_any.contiguous(format)), taps(taps_any.contiguous()) {
    TORCH_CHECK(x.dim() == 4 && pad.size() == 4 && taps.numel() > 0 && up > 0 && down > 0, "fir: bad arguments");
    TORCH_CHECK(taps.device() == x.device() && taps.scalar_type() == (x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat),
                "fir: taps must be float32 (float64 for float64 images) on the image's device");
    const bool last = format == at::MemoryFormat::ChannelsLast;
    arguments.outer = last ? x.size(0) : x.size(0) * x.size(1);
    arguments.inner = last ? x.size(1) : 1;
    arguments.gain = gain;
    arguments.y = axis(x.size(2), up, down, pad[2], pad[3]);
    arguments.x = axis(x.size(3), up, down, pad[0], pad[1]);
  }

  std::vector<int64_t> out_sizes() const { return {x.size(0), x.size(1), arguments.y.out, arguments.x.out}; }

 private:
  FirAxis axis(int64_t in, int64_t up, int64_t down, int64_t before, int64_t after) const {
    const int64_t out = (in * up + before + after - taps.numel()) / down + 1;
    TORCH_CHECK(out > 0, "fir: the input is smaller than the filter");
    return {int(in), int(out), int(up), int(down), int(before), int(taps.numel()), taps.const_data_ptr()};
  }
};

// An axis that leaves its samples alone.
inline FirAxis identity_axis(int64_t length) { return {int(length), int(length), 1, 1, 0, 1, nullptr}; }

}  // namespace fullhead
