// SPDX-License-Identifier: Apache-2.0
// Glue of importance_depths and merge_depths on the GPU. Contract: torch_utils/ops/importance_depths.py.

#include <ATen/ops/empty.h>

#include <tuple>

#include "cuda/glue.h"
#include "depths.h"

namespace fullhead {
namespace {

at::Tensor importance_depths(const at::Tensor& depths_any, const at::Tensor& weights_any, const at::Tensor& u_any, bool shifted) {
  check_draws(depths_any, weights_any, u_any, shifted);
  const Place place(depths_any);
  const at::Tensor depths = depths_any.contiguous(), weights = weights_any.contiguous(), u = u_any.contiguous();
  const int64_t samples = depths.size(-1), rays = depths.numel() / samples;
  at::Tensor out = at::empty(u.sizes(), u.options());
  at::Tensor cdf = at::empty({rays, samples}, depths.options());  // one more than there are bins, which are fewer than samples
  check(launch_importance_depths(place.stream, element_of(depths, "importance_depths"), depths.const_data_ptr(),
                                 weights.const_data_ptr(), u.const_data_ptr(), cdf.mutable_data_ptr(), out.mutable_data_ptr(), rays,
                                 int32_t(samples), int32_t(u.size(-1)), shifted),
        "importance_depths");
  return out;
}

std::tuple<at::Tensor, at::Tensor> merge_depths(const at::Tensor& first_any, const at::Tensor& second_any) {
  const auto sizes = merged_sizes(first_any, second_any);
  const Place place(first_any);
  const at::Tensor first = first_any.contiguous(), second = second_any.contiguous();
  at::Tensor depths = at::empty(sizes, first.options()), order = at::empty(sizes, first.options().dtype(at::kLong));
  if (depths.numel() == 0) return {depths, order};
  check(launch_merge_depths(place.stream, element_of(first, "merge_depths"), first.const_data_ptr(), second.const_data_ptr(),
                            depths.mutable_data_ptr(), order.mutable_data_ptr<int64_t>(), depths.numel() / sizes.back(),
                            int32_t(first.size(-1)), int32_t(second.size(-1))),
        "merge_depths");
  return {depths, order};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("importance_depths", fullhead::importance_depths);
  m.impl("merge_depths", fullhead::merge_depths);
}
