// SPDX-License-Identifier: Apache-2.0
// importance_depths and merge_depths on the CPU, one ray at a time. Contract: torch_utils/ops/importance_depths.py.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "cpu/tensors.h"
#include "contract.h"
#include "depths.h"

namespace fullhead {
namespace {

constexpr int64_t kRaysPerTask = 64;

template <class F>
void with_depth_type(const at::Tensor& depths, const F& f) {
  if (depths.scalar_type() == at::kFloat) return f(float());
  return f(double());
}

at::Tensor importance_depths(const at::Tensor& depths_any, const at::Tensor& weights_any, const at::Tensor& u_any, bool shifted) {
  const at::Tensor depths = depths_any.contiguous(), weights = weights_any.contiguous(), u = u_any.contiguous();
  const int64_t samples = depths.size(-1), draws = u.size(-1);
  check_draws(depths, weights, u, shifted);
  at::Tensor out = at::empty(u.sizes(), u.options());
  with_depth_type(depths, [&](auto zero) {
    using A = decltype(zero);
    const A *pt = depths.const_data_ptr<A>(), *pw = weights.const_data_ptr<A>(), *pu = u.const_data_ptr<A>();
    A* po = out.mutable_data_ptr<A>();
    const int64_t n = samples - 1, bins = shifted ? n - 2 : n, skip = shifted ? 1 : 0;
    parallel_for(0, depths.numel() / samples, kRaysPerTask, [&](int64_t begin, int64_t end) {
      std::vector<A> largest(samples), cdf(bins + 1), knots(bins + 1);
      for (int64_t r = begin; r < end; ++r) {
        const A *t = pt + r * samples, *w = pw + r * n;
        largest[0] = w[0], largest[n] = w[n - 1];
        for (int64_t k = 1; k < n; ++k) largest[k] = std::max(w[k - 1], w[k]);
        cdf[0] = 0;
        for (int64_t k = 0; k < bins; ++k)
          cdf[k + 1] = cdf[k] + (largest[k + skip] + largest[k + skip + 1]) / A(2) + A(kFloor) + A(kMinWeight);
        const A scale = A(1) / cdf[bins];
        for (int64_t k = 1; k <= bins; ++k) cdf[k] *= scale;
        for (int64_t k = 0; k <= bins; ++k) knots[k] = shifted ? (t[k] + t[k + 1]) / A(2) : t[k];
        for (int64_t i = 0; i < draws; ++i) {
          const A ui = pu[r * draws + i];
          const int64_t above = std::upper_bound(cdf.begin(), cdf.end(), ui) - cdf.begin();
          const int64_t low = std::max<int64_t>(above - 1, 0), high = std::min(above, bins);
          const A width = cdf[high] - cdf[low];
          po[r * draws + i] = knots[low] + (ui - cdf[low]) / (width < A(kMinBin) ? A(1) : width) * (knots[high] - knots[low]);
        }
      }
    });
  });
  return out;
}

std::tuple<at::Tensor, at::Tensor> merge_depths(const at::Tensor& first_any, const at::Tensor& second_any) {
  const at::Tensor first = first_any.contiguous(), second = second_any.contiguous();
  const auto sizes = merged_sizes(first, second);
  const int64_t s = first.size(-1), k = second.size(-1);
  at::Tensor depths = at::empty(sizes, first.options()), order = at::empty(sizes, first.options().dtype(at::kLong));
  if (depths.numel() == 0) return {depths, order};
  with_depth_type(first, [&](auto zero) {
    using A = decltype(zero);
    const A *pa = first.const_data_ptr<A>(), *pb = second.const_data_ptr<A>();
    A* pd = depths.mutable_data_ptr<A>();
    int64_t* po = order.mutable_data_ptr<int64_t>();
    parallel_for(0, depths.numel() / (s + k), kRaysPerTask, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const A *a = pa + r * s, *b = pb + r * k;
        int64_t i = 0, j = 0;
        for (int64_t at = r * (s + k); at < (r + 1) * (s + k); ++at) {
          const bool take_first = j >= k || (i < s && a[i] <= b[j]);
          pd[at] = take_first ? a[i] : b[j];
          po[at] = take_first ? i++ : s + j++;
        }
      }
    });
  });
  return {depths, order};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("importance_depths", fullhead::importance_depths);
  m.impl("merge_depths", fullhead::merge_depths);
}
