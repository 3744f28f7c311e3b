// SPDX-License-Identifier: Apache-2.0
// composite and its gradient on the CPU, one ray at a time. Contract and vocabulary: torch_utils/ops/composite.py.

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <tuple>
#include <utility>
#include <vector>

#include "cpu/sums.h"
#include "cpu/tensors.h"
#include "contract.h"
#include "rays.h"

namespace fullhead {
namespace {

constexpr int64_t kRaysPerTask = 32;

using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Four = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// What one ray's intervals are. `through` is 1 - alpha + 1e-10, `front` the transmittance before the interval.
template <class A>
struct Intervals {
  std::vector<A> delta, shifted, alpha, through, front, weight;
  A total = 0, mean_depth = 0;

  explicit Intervals(int64_t samples)
      : delta(samples), shifted(samples), alpha(samples), through(samples), front(samples), weight(samples) {}

  void compute(const A* density, const A* depth, int64_t samples) {
    const int64_t n = samples - 1;
    opacities(density, depth, n, delta.data(), shifted.data(), alpha.data(), through.data());
    A t = 1;
    for (int64_t k = 0; k < n; ++k) {
      front[k] = t;
      weight[k] = alpha[k] * t;
      t *= through[k];
    }
    A sum = 0, sum_depth = 0;
    for (int64_t k = 0; k < n; ++k) {
      sum += weight[k];
      sum_depth += weight[k] * (depth[k] + depth[k + 1]);
    }
    total = sum;
    mean_depth = sum == A(0) ? depth[n] : sum_depth / (A(2) * sum);
  }

  // From the gradient of alpha to those of the shifted midpoint density's two ends and of the length.
  void slopes(const A* __restrict d_alpha, int64_t n, A* __restrict d_shifted, A* __restrict d_delta) const {
    const A *__restrict s = shifted.data(), *__restrict l = delta.data(), *__restrict a = alpha.data();
    for (int64_t k = 0; k < n; ++k) {
      const A d_optical = d_alpha[k] * (A(1) - a[k]);
      d_shifted[k] = d_optical * l[k] * sigmoid(s[k]) / A(2);
      d_delta[k] = d_optical * softplus(s[k]);
    }
  }

 private:
  static void opacities(const A* __restrict density, const A* __restrict depth, int64_t n, A* __restrict delta,
                        A* __restrict shifted, A* __restrict alpha, A* __restrict through) {
    for (int64_t k = 0; k < n; ++k) {
      delta[k] = depth[k + 1] - depth[k];
      shifted[k] = (density[k] + density[k + 1]) / A(2) - A(kDensityShift);
      alpha[k] = A(1) - exp_nonpositive(-softplus(shifted[k]) * delta[k]);
      through[k] = A(1) - alpha[k] + A(kMinTransmittance);
    }
  }
};

// One ray's samples of all passes in the order of their depths; of equal depths the first pass's comes first.
template <class A>
struct Sorted {
  std::vector<A> density, depth;
  std::vector<int> pass;
  std::vector<int64_t> place;  // Among all samples of that pass.

  explicit Sorted(int64_t samples) : density(samples), depth(samples), pass(samples), place(samples) {}

  void read(const Rays& rays, int64_t ray) {
    const Pass &first = rays.passes.front(), &last = rays.passes.back();
    const A *density_of[2] = {first.densities.const_data_ptr<A>(), last.densities.const_data_ptr<A>()};
    const A *depth_of[2] = {first.depths.const_data_ptr<A>(), last.depths.const_data_ptr<A>()};
    int64_t next[2] = {ray * first.samples, ray * last.samples};
    const int64_t end[2] = {next[0] + first.samples, rays.passes.size() > 1 ? next[1] + last.samples : next[1]};
    for (int64_t k = 0; k < rays.samples; ++k) {
      const int p = next[0] < end[0] && (next[1] >= end[1] || depth_of[0][next[0]] <= depth_of[1][next[1]]) ? 0 : 1;
      density[k] = density_of[p][next[p]];
      depth[k] = depth_of[p][next[p]];
      pass[k] = p;
      place[k] = next[p]++;
    }
  }
};

template <int kChannels, class T, class A>
void composite_range(const Rays& rays, T* out_features, A* out_depth, A* out_weights, int64_t begin, int64_t end) {
  const int64_t samples = rays.samples, channels = kChannels ? kChannels : rays.channels;
  const T* features[2] = {rays.passes.front().features.const_data_ptr<T>(), rays.passes.back().features.const_data_ptr<T>()};
  Sorted<A> sorted(samples);
  Intervals<A> ray(samples);
  std::vector<A> sums(channels);
  for (int64_t r = begin; r < end; ++r) {
    sorted.read(rays, r);
    ray.compute(sorted.density.data(), sorted.depth.data(), samples);
    Sums<kChannels, A> sum(sums);
    A previous = 0;
    for (int64_t k = 0; k < samples; ++k) {
      // A sample belongs to the intervals on both sides, half to each.
      const A next = k + 1 < samples ? ray.weight[k] : A(0);
      const A share = (previous + next) / A(2);
      previous = next;
      if (share == A(0)) continue;
      sum.add(share, features[sorted.pass[k]] + sorted.place[k] * channels);
    }
    sum.store(out_features + r * channels);
    out_depth[r] = ray.mean_depth;
    for (int64_t k = 0; k + 1 < samples; ++k) out_weights[r * (samples - 1) + k] = ray.weight[k];
  }
}

Three forward(const Rays& rays) {
  const at::Tensor &features = rays.passes[0].features, &depths = rays.passes[0].depths;
  at::Tensor out = on_huge_pages(at::empty(rays.sizes_with(rays.channels), features.options()));
  at::Tensor depth = at::empty(rays.sizes(), depths.options());
  at::Tensor weights = at::empty(rays.sizes_with(rays.samples - 1), depths.options());
  with_float_type(features.scalar_type(), "composite", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    auto run = rays.channels == 32   ? composite_range<32, T, A>
               : rays.channels == 16 ? composite_range<16, T, A>
                                     : composite_range<0, T, A>;
    parallel_for(0, rays.count, kRaysPerTask, [&](int64_t begin, int64_t end) {
      run(rays, out.mutable_data_ptr<T>(), depth.mutable_data_ptr<A>(), weights.mutable_data_ptr<A>(), begin, end);
    });
  });
  return {out, depth, weights};
}

Three composite(const at::Tensor& features, const at::Tensor& densities, const at::Tensor& depths) {
  return forward(Rays({Pass(features, densities, depths)}));
}

Three composite_passes(const at::Tensor& features_a, const at::Tensor& densities_a, const at::Tensor& depths_a,
                       const at::Tensor& features_b, const at::Tensor& densities_b, const at::Tensor& depths_b) {
  return forward(Rays({Pass(features_a, densities_a, depths_a), Pass(features_b, densities_b, depths_b)}));
}

// The gradients of the passes' samples, each laid out as they are.
struct Gradients {
  std::vector<at::Tensor> features, densities, depths;

  explicit Gradients(const Rays& rays) {
    for (const Pass& pass : rays.passes) {
      features.push_back(on_huge_pages(at::empty_like(pass.features)));
      densities.push_back(at::empty_like(pass.densities));
      depths.push_back(at::empty_like(pass.depths));
    }
  }
};

template <int kChannels, class T, class A>
void grad_range(const Rays& rays, const T* g_features, const A* g_depth, const A* g_weights, const Gradients& out,
                int64_t begin, int64_t end) {
  const int64_t samples = rays.samples, n = samples - 1, channels = kChannels ? kChannels : rays.channels;
  const T* features[2] = {rays.passes.front().features.const_data_ptr<T>(), rays.passes.back().features.const_data_ptr<T>()};
  T* d_features[2] = {out.features.front().mutable_data_ptr<T>(), out.features.back().mutable_data_ptr<T>()};
  A* d_densities[2] = {out.densities.front().mutable_data_ptr<A>(), out.densities.back().mutable_data_ptr<A>()};
  A* d_depths[2] = {out.depths.front().mutable_data_ptr<A>(), out.depths.back().mutable_data_ptr<A>()};
  Sorted<A> sorted(samples);
  Intervals<A> ray(samples);
  std::vector<A> along(samples), g_weight(samples), d_alpha(samples), d_shifted(samples), d_delta(samples), buffer(channels);
  for (int64_t r = begin; r < end; ++r) {
    const T* g = g_features + r * channels;
    sorted.read(rays, r);
    ray.compute(sorted.density.data(), sorted.depth.data(), samples);

    // Features, and how much each sample's features align with the gradient.
    Sums<kChannels, A> direction(buffer);
    direction.add(A(1), g);
    A previous = 0;
    for (int64_t k = 0; k < samples; ++k) {
      const A next = k < n ? ray.weight[k] : A(0);
      const A share = (previous + next) / A(2);
      previous = next;
      const int64_t row = sorted.place[k] * channels;
      along[k] = direction.dot(features[sorted.pass[k]] + row);
      direction.store(d_features[sorted.pass[k]] + row, share);
    }

    // Weights.
    const A* t = sorted.depth.data();
    const A per_total = ray.total == A(0) ? A(0) : g_depth[r] / ray.total;
    for (int64_t k = 0; k < n; ++k)
      g_weight[k] = (along[k] + along[k + 1]) / A(2) + per_total * ((t[k] + t[k + 1]) / A(2) - ray.mean_depth) +
                    g_weights[r * n + k];

    // alpha_k raises its own weight and dims all that lie behind: `behind` is what these would lose.
    A behind = 0;
    for (int64_t k = n - 1; k >= 0; --k) {
      d_alpha[k] = ray.front[k] * (g_weight[k] - behind);
      behind = ray.alpha[k] * g_weight[k] + ray.through[k] * behind;
    }
    ray.slopes(d_alpha.data(), n, d_shifted.data(), d_delta.data());

    // Each sample is one end of the intervals on both sides.
    for (int64_t k = 0; k < samples; ++k) {
      A d_density = 0, d_t = 0;
      if (k < n) {
        d_density += d_shifted[k];
        d_t += per_total * ray.weight[k] / A(2) - d_delta[k];
      }
      if (k > 0) {
        d_density += d_shifted[k - 1];
        d_t += per_total * ray.weight[k - 1] / A(2) + d_delta[k - 1];
      }
      if (k == n && ray.total == A(0)) d_t += g_depth[r];
      d_densities[sorted.pass[k]][sorted.place[k]] = d_density;
      d_depths[sorted.pass[k]][sorted.place[k]] = d_t;
    }
  }
}

Gradients backward(const at::Tensor& g_features_any, const at::Tensor& g_depth_any, const at::Tensor& g_weights_any,
                   const Rays& rays) {
  const at::Tensor g_features = g_features_any.contiguous(), g_depth = g_depth_any.contiguous();
  const at::Tensor g_weights = g_weights_any.contiguous();
  Gradients out(rays);
  with_float_type(g_features.scalar_type(), "composite", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    auto run = rays.channels == 32 ? grad_range<32, T, A> : rays.channels == 16 ? grad_range<16, T, A> : grad_range<0, T, A>;
    parallel_for(0, rays.count, kRaysPerTask, [&](int64_t begin, int64_t end) {
      run(rays, g_features.const_data_ptr<T>(), g_depth.const_data_ptr<A>(), g_weights.const_data_ptr<A>(), out, begin, end);
    });
  });
  return out;
}

Three composite_grad(const at::Tensor& g_features, const at::Tensor& g_depth, const at::Tensor& g_weights,
                     const at::Tensor& features, const at::Tensor& densities, const at::Tensor& depths) {
  const Gradients out = backward(g_features, g_depth, g_weights, Rays({Pass(features, densities, depths)}));
  return {out.features[0], out.densities[0], out.depths[0]};
}

Four composite_passes_grad(const at::Tensor& g_features, const at::Tensor& g_depth, const at::Tensor& g_weights,
                           const at::Tensor& features_a, const at::Tensor& densities_a, const at::Tensor& depths_a,
                           const at::Tensor& features_b, const at::Tensor& densities_b, const at::Tensor& depths_b) {
  const Gradients out = backward(
      g_features, g_depth, g_weights, Rays({Pass(features_a, densities_a, depths_a), Pass(features_b, densities_b, depths_b)}));
  return {out.features[0], out.densities[0], out.features[1], out.densities[1]};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("composite", fullhead::composite);
  m.impl("composite_grad", fullhead::composite_grad);
  m.impl("composite_passes", fullhead::composite_passes);
  m.impl("composite_passes_grad", fullhead::composite_passes_grad);
}
