// SPDX-License-Identifier: Apache-2.0
// importance_depths and merge_depths on the GPU: a thread a ray sums its weights up, a thread a draw looks its depth up, a
// thread a place of the merged list finds what stands there. Contract: torch_utils/ops/importance_depths.py.

#include "contract.h"
#include "cuda/element.cuh"

namespace fullhead {
namespace {

// Which stretch of the ray a weight stands for.
struct Bins {
  int samples, count, skip;
  bool shifted;

  Bins(int32_t num_samples, bool is_shifted)
      : samples(num_samples), count(is_shifted ? num_samples - 3 : num_samples - 1), skip(is_shifted ? 1 : 0), shifted(is_shifted) {}
};

// std::max, which the CPU's kernel takes.
template <class A>
__device__ inline A larger(A a, A b) {
  return a < b ? b : a;
}

// A thread makes one ray's cumulative distribution.
template <class A>
__global__ void cdf_kernel(const A* __restrict__ weights, A* __restrict__ out, int64_t rays, Bins bins) {
  const int intervals = bins.samples - 1;
  for (int64_t r = first_item(); r < rays; r += item_step()) {
    const A* w = weights + r * intervals;
    A* cdf = out + r * (bins.count + 1);
    // The larger of the weights on either side of sample k.
    const auto at_sample = [&](int k) {
      return k == 0 ? w[0] : k == intervals ? w[intervals - 1] : larger(w[k - 1], w[k]);
    };
    A sum = 0, here = at_sample(bins.skip);
    cdf[0] = 0;
    for (int k = 0; k < bins.count; ++k) {
      const A next = at_sample(k + bins.skip + 1);
      sum += (here + next) / A(2) + A(kFloor) + A(kMinWeight);
      cdf[k + 1] = sum;
      here = next;
    }
    const A scale = A(1) / sum;
    for (int k = 1; k <= bins.count; ++k) cdf[k] *= scale;
  }
}

// A thread makes one depth.
template <class A>
__global__ void draw_kernel(const A* __restrict__ depths, const A* __restrict__ cdfs, const A* __restrict__ u, A* __restrict__ out,
                            int64_t items, int draws, Bins bins) {
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t r = item / draws;
    const A *t = depths + r * bins.samples, *cdf = cdfs + r * (bins.count + 1);
    const A ui = u[item];
    // The first place whose value is above u, bins.count + 1 if there is none.
    int above = 0, end = bins.count + 1;
    while (above < end) {
      const int middle = (above + end) / 2;
      if (ui < cdf[middle])
        end = middle;
      else
        above = middle + 1;
    }
    const int low = above > 0 ? above - 1 : 0, high = above < bins.count ? above : bins.count;
    const auto knot = [&](int k) { return bins.shifted ? (t[k] + t[k + 1]) / A(2) : t[k]; };
    const A width = cdf[high] - cdf[low];
    out[item] = knot(low) + (ui - cdf[low]) / (width < A(kMinBin) ? A(1) : width) * (knot(high) - knot(low));
  }
}

// A thread fills one place of a merged list: it looks for how many of the first list stand before it. Never leaves the lists,
// whatever their order.
template <class A>
__global__ void merge_kernel(const A* __restrict__ first, const A* __restrict__ second, A* __restrict__ depths,
                             int64_t* __restrict__ order, int64_t items, int num_first, int num_second) {
  const int all = num_first + num_second;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t r = item / all;
    const int place = int(item - r * all);
    const A *a = first + r * num_first, *b = second + r * num_second;
    // a[i] stands before `place` if it comes before b[place - 1 - i], which would then be one too many.
    int i = place > num_second ? place - num_second : 0, end = place < num_first ? place : num_first;
    while (i < end) {
      const int middle = (i + end) / 2;
      if (a[middle] <= b[place - 1 - middle])
        i = middle + 1;
      else
        end = middle;
    }
    const int j = place - i;
    const bool take_first = j >= num_second || (i < num_first && a[i] <= b[j]);
    depths[item] = take_first ? a[i] : b[j];
    order[item] = take_first ? i : num_first + j;
  }
}

}  // namespace

int launch_importance_depths(void* stream, Element element, const void* depths, const void* weights, const void* u, void* cdf,
                             void* out, int64_t rays, int32_t samples, int32_t draws, bool shifted) {
  int error = cudaErrorInvalidValue;
  const Bins bins(samples, shifted);
  with_precise_element(element, [&](auto zero) {
    using A = decltype(zero);
    error = run(cdf_kernel<A>, blocks_for(rays), kThreads, 0, stream, static_cast<const A*>(weights), static_cast<A*>(cdf), rays, bins);
    if (error) return;
    error = run(draw_kernel<A>, blocks_for(rays * draws), kThreads, 0, stream, static_cast<const A*>(depths),
                static_cast<const A*>(cdf), static_cast<const A*>(u), static_cast<A*>(out), rays * draws, draws, bins);
  });
  return error;
}

int launch_merge_depths(void* stream, Element element, const void* first, const void* second, void* depths, int64_t* order,
                        int64_t rays, int32_t num_first, int32_t num_second) {
  int error = cudaErrorInvalidValue;
  const int64_t items = rays * (int64_t(num_first) + num_second);
  with_precise_element(element, [&](auto zero) {
    using A = decltype(zero);
    error = run(merge_kernel<A>, blocks_for(items), kThreads, 0, stream, static_cast<const A*>(first),
                static_cast<const A*>(second), static_cast<A*>(depths), order, items, num_first, num_second);
  });
  return error;
}

}  // namespace fullhead
