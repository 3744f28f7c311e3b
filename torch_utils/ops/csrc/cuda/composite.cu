// SPDX-License-Identifier: Apache-2.0
// composite, composite_passes and their gradients on the GPU. Contract and vocabulary: torch_utils/ops/composite.py.
//
// What belongs to a ray (the order of its samples, opacities, weights) is done by one thread a ray, in sequence: it is a few
// numbers a sample. What belongs to features, nearly all bytes, is done by a kernel of its own with neighbouring threads at
// neighbouring features. What they tell each other goes through memory, one number a sample and ray.

#include "contract.h"
#include "cuda/element.cuh"

namespace fullhead {
namespace {

// What lies between two neighbouring samples. `through` is 1 - alpha + 1e-10.
template <class A>
struct Interval {
  A delta, shifted, alpha, through;

  __device__ Interval(A density, A next_density, A depth, A next_depth)
      : delta(next_depth - depth),
        shifted((density + next_density) / A(2) - A(kDensityShift)),
        alpha(A(1) - std::exp(-softplus(shifted) * delta)),
        through(A(1) - alpha + A(kMinTransmittance)) {}
};

// A ray's samples, counted through both passes.
template <class A>
struct Ray {
  const A *densities[2], *depths[2];
  int num_first, num_all;

  __device__ Ray(const RayArguments& a, int64_t r) : num_first(a.samples[0]), num_all(a.all_samples) {
#pragma unroll
    for (int p = 0; p < 2; ++p) {
      densities[p] = static_cast<const A*>(a.densities[p]) + r * a.samples[p];
      depths[p] = static_cast<const A*>(a.depths[p]) + r * a.samples[p];
    }
  }
  __device__ A density(int sample) const { return sample < num_first ? densities[0][sample] : densities[1][sample - num_first]; }
  __device__ A depth(int sample) const { return sample < num_first ? depths[0][sample] : depths[1][sample - num_first]; }
};

// Goes through both passes in the order of their depths; of equal depths the first pass's comes first. Never leaves the lists,
// whatever their order.
template <class A>
struct Merge {
  const Ray<A>& ray;
  int first = 0, second;

  __device__ explicit Merge(const Ray<A>& ray_) : ray(ray_), second(ray_.num_first) {}
  __device__ int next() {
    const bool take_first = first < ray.num_first && (second >= ray.num_all || ray.depth(first) <= ray.depth(second));
    return take_first ? first++ : second++;
  }
};

// A thread composites one ray, but for its features. `total` and `front` may be null.
template <class A>
__global__ void weights_kernel(RayArguments a, A* __restrict__ out_depth, A* __restrict__ out_weights, int32_t* __restrict__ out_order,
                               A* __restrict__ out_total, A* __restrict__ out_front) {
  const int samples = a.all_samples, intervals = samples - 1;
  for (int64_t r = first_item(); r < a.rays; r += item_step()) {
    const Ray<A> ray(a, r);
    Merge<A> merge(ray);
    int sample = merge.next();
    out_order[r * samples] = sample;
    A density = ray.density(sample), depth = ray.depth(sample);
    A front = 1, total = 0, total_depth = 0;
    for (int k = 0; k < intervals; ++k) {
      sample = merge.next();
      out_order[r * samples + k + 1] = sample;
      const A next_density = ray.density(sample), next_depth = ray.depth(sample);
      const Interval<A> interval(density, next_density, depth, next_depth);
      const A weight = interval.alpha * front;
      out_weights[r * intervals + k] = weight;
      if (out_front) out_front[r * intervals + k] = front;
      front *= interval.through;
      total += weight;
      total_depth += weight * (depth + next_depth);
      density = next_density, depth = next_depth;
    }
    out_depth[r] = total == A(0) ? depth : total_depth / (A(2) * total);
    if (out_total) out_total[r] = total;
  }
}

// A sample belongs to the intervals on both sides, half to each.
template <class A>
__device__ inline A share_of(const A* weights, int64_t ray, int k, int intervals) {
  const A* w = weights + ray * intervals;
  return ((k > 0 ? w[k - 1] : A(0)) + (k < intervals ? w[k] : A(0))) / A(2);
}

// Where a sample of a ray lies in the lists of its pass. Passes are chosen by `?:`, since a computed index would move the arguments
// from constants into memory.
struct Spot {
  bool is_first;
  int64_t row;

  __device__ Spot(const RayArguments& a, int64_t ray, int sample)
      : is_first(sample < a.samples[0]), row(is_first ? ray * a.samples[0] + sample : ray * a.samples[1] + sample - a.samples[0]) {}
};

template <class T>
__device__ inline const T* features_of(const RayArguments& a, const Spot& spot) {
  return static_cast<const T*>(spot.is_first ? a.features[0] : a.features[1]) + spot.row * a.channels;
}

// A thread makes one pack of what a ray sees.
template <int kSize, class T>
__global__ void features_kernel(RayArguments a, const Acc<T>* __restrict__ weights, const int32_t* __restrict__ order,
                                T* __restrict__ out, int64_t items) {
  using A = Acc<T>;
  const int samples = a.all_samples, packs = a.channels / kSize;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t ray = item / packs, channel = (item - ray * packs) * kSize;
    A sums[kSize] = {};
    for (int k = 0; k < samples; ++k) {
      const A share = share_of(weights, ray, k, samples - 1);
      if (share == A(0)) continue;
      const T* features = features_of<T>(a, Spot(a, ray, order[ray * samples + k])) + channel;
      const auto pack = *reinterpret_cast<const Pack<T, kSize>*>(features);
#pragma unroll
      for (int i = 0; i < kSize; ++i) sums[i] += share * widen(pack.values[i]);
    }
    Pack<T, kSize> pack;
#pragma unroll
    for (int i = 0; i < kSize; ++i) pack.values[i] = narrow<T>(sums[i]);
    reinterpret_cast<Pack<T, kSize>*>(out)[item] = pack;
  }
}

// A warp makes the gradient of one sample's features, and how much they align with that of the ray's.
template <class T>
__global__ void grad_features_kernel(RayArguments a, const T* __restrict__ g_features, const Acc<T>* __restrict__ weights,
                                     const int32_t* __restrict__ order, Acc<T>* __restrict__ along, T* first, T* second) {
  using A = Acc<T>;
  const int samples = a.all_samples;
  const int64_t items = a.rays * samples;
  for (int64_t item = first_warp_item(); item < items; item += warp_item_step()) {
    const int64_t ray = item / samples;
    const int k = int(item - ray * samples);
    const A share = share_of(weights, ray, k, samples - 1);
    const Spot spot(a, ray, order[item]);
    const T *g = g_features + ray * a.channels, *features = features_of<T>(a, spot);
    T* out = (spot.is_first ? first : second) + spot.row * a.channels;
    A dot = 0;
    for (int c = lane(); c < a.channels; c += kWarp) {
      dot += widen(g[c]) * widen(features[c]);
      out[c] = narrow<T>(share * widen(g[c]));
    }
    dot = warp_sum(dot);
    if (lane() == 0) along[item] = dot;
  }
}

// Where the gradients of densities and depths go. Depths may be null.
template <class A>
struct SampleGradients {
  A *densities[2], *depths[2];

  __device__ void store(const RayArguments& a, int64_t ray, int sample, A d_density, A d_depth) const {
    const Spot spot(a, ray, sample);
    (spot.is_first ? densities[0] : densities[1])[spot.row] = d_density;
    A* depth = spot.is_first ? depths[0] : depths[1];
    if (depth) depth[spot.row] = d_depth;
  }
};

// A thread makes the gradients of one ray's densities and depths, from the last sample to the first: alpha raises the weight of
// its own interval and dims all that lie behind; `behind` is what these would lose.
template <class A>
__global__ void grad_samples_kernel(RayArguments a, const A* __restrict__ g_depth, const A* __restrict__ g_weights,
                                    const A* __restrict__ along, const int32_t* __restrict__ order, const A* __restrict__ front,
                                    const A* __restrict__ totals, const A* __restrict__ mean_depths, SampleGradients<A> out) {
  const int samples = a.all_samples, intervals = samples - 1;
  for (int64_t r = first_item(); r < a.rays; r += item_step()) {
    const Ray<A> ray(a, r);
    const A mean_depth = mean_depths[r];
    const bool is_empty = totals[r] == A(0);
    const A per_total = is_empty ? A(0) : g_depth[r] / totals[r];
    int next = order[r * samples + intervals];
    A next_density = ray.density(next), next_depth = ray.depth(next), next_along = along[r * samples + intervals];
    A behind = 0;
    // What the interval after a sample gives to it. Where nothing is seen, the depth is that of the last sample.
    A to_density = 0, to_depth = is_empty ? g_depth[r] : A(0);
    for (int k = intervals - 1; k >= 0; --k) {
      const int sample = order[r * samples + k];
      const A density = ray.density(sample), depth = ray.depth(sample), here_along = along[r * samples + k];
      const Interval<A> interval(density, next_density, depth, next_depth);
      const A weight = interval.alpha * front[r * intervals + k];
      const A g_weight = (here_along + next_along) / A(2) + per_total * ((depth + next_depth) / A(2) - mean_depth) +
                         g_weights[r * intervals + k];
      const A d_alpha = front[r * intervals + k] * (g_weight - behind);
      behind = interval.alpha * g_weight + interval.through * behind;
      const A d_optical = d_alpha * (A(1) - interval.alpha);
      const A d_end = d_optical * interval.delta * sigmoid(interval.shifted) / A(2);  // of the density at either end
      const A d_delta = d_optical * softplus(interval.shifted);
      const A d_mean = per_total * weight / A(2);
      out.store(a, r, next, to_density + d_end, to_depth + d_mean + d_delta);
      to_density = d_end, to_depth = d_mean - d_delta;
      next = sample, next_density = density, next_depth = depth, next_along = here_along;
    }
    out.store(a, r, next, to_density, to_depth);
  }
}

template <class A>
int launch_weights(void* stream, const RayArguments& a, const RayResults& r) {
  return run(weights_kernel<A>, blocks_for(a.rays), kThreads, 0, stream, a, static_cast<A*>(r.depth), static_cast<A*>(r.weights),
             r.order, static_cast<A*>(r.total), static_cast<A*>(r.front));
}

}  // namespace

int launch_composite(void* stream, Element element, const RayArguments& a, const RayResults& results, void* features) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    constexpr int kSize = kPackSize<T>;
    error = launch_weights<A>(stream, a, results);
    if (error) return;
    const auto* weights = static_cast<const A*>(results.weights);
    const int32_t* order = results.order;
    T* out = static_cast<T*>(features);
    const int64_t items = a.rays * a.channels;
    const bool packable = a.channels % kSize == 0 && is_pack_aligned(a.features[0]) && is_pack_aligned(a.features[1]) &&
                          is_pack_aligned(features);
    error = packable ? run(features_kernel<kSize, T>, blocks_for(items / kSize), kThreads, 0, stream, a, weights, order, out,
                           items / kSize)
                     : run(features_kernel<1, T>, blocks_for(items), kThreads, 0, stream, a, weights, order, out, items);
  });
  return error;
}

int launch_composite_grad(void* stream, Element element, const RayArguments& a, const RayResults& results, void* along,
                          const RayGradients& g) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    error = launch_weights<A>(stream, a, results);
    if (error) return;
    const int32_t* order = results.order;
    error = run(grad_features_kernel<T>, blocks_for_warps(a.rays * a.all_samples), kThreads, 0, stream, a,
                static_cast<const T*>(g.g_features), static_cast<const A*>(results.weights), order, static_cast<A*>(along),
                static_cast<T*>(g.features[0]), static_cast<T*>(g.features[1]));
    if (error) return;
    const SampleGradients<A> out{{static_cast<A*>(g.densities[0]), static_cast<A*>(g.densities[1])},
                                 {static_cast<A*>(g.depths[0]), static_cast<A*>(g.depths[1])}};
    error = run(grad_samples_kernel<A>, blocks_for(a.rays), kThreads, 0, stream, a, static_cast<const A*>(g.g_depth),
                static_cast<const A*>(g.g_weights), static_cast<const A*>(along), order, static_cast<const A*>(results.front),
                static_cast<const A*>(results.total), static_cast<const A*>(results.depth), out);
  });
  return error;
}

}  // namespace fullhead
