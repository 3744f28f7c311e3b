// SPDX-License-Identifier: Apache-2.0
// composite and its gradient on the CPU, one ray at a time. Contract and vocabulary: torch_utils/ops/composite.py.

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <tuple>
#include <vector>

#include "cpu/sums.h"
#include "cpu/tensors.h"

namespace fullhead {
namespace {

constexpr int64_t kRaysPerTask = 32;
constexpr double kDensityShift = 1.0;
constexpr double kMinTransmittance = 1e-10;

using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

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

struct Rays {
  at::Tensor features, densities, depths;
  int64_t count, samples, channels;

  Rays(const at::Tensor& f, const at::Tensor& s, const at::Tensor& t)
      : features(f.contiguous()), densities(s.contiguous()), depths(t.contiguous()) {
    const auto precise = f.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    TORCH_CHECK(s.scalar_type() == precise && t.scalar_type() == precise && s.sizes() == t.sizes() && f.dim() == s.dim() + 1 &&
                    f.sizes().slice(0, s.dim()) == s.sizes() && s.dim() >= 1 && s.size(-1) >= 1,
                "composite: bad arguments");
    samples = s.size(-1);
    channels = f.size(-1);
    count = s.numel() / samples;
  }
};

template <int kChannels, class T, class A>
void composite_range(const Rays& rays, const T* features, T* out_features, A* out_depth, A* out_weights, int64_t begin,
                     int64_t end) {
  const int64_t samples = rays.samples, channels = kChannels ? kChannels : rays.channels;
  const A *densities = rays.densities.const_data_ptr<A>(), *depths = rays.depths.const_data_ptr<A>();
  Intervals<A> ray(samples);
  std::vector<A> sums(channels);
  for (int64_t r = begin; r < end; ++r) {
    ray.compute(densities + r * samples, depths + r * samples, samples);
    Sums<kChannels, A> sum(sums);
    A previous = 0;
    for (int64_t k = 0; k < samples; ++k) {
      // A sample belongs to the intervals on both sides, half to each.
      const A next = k + 1 < samples ? ray.weight[k] : A(0);
      const A share = (previous + next) / A(2);
      previous = next;
      if (share == A(0)) continue;
      sum.add(share, features + (r * samples + k) * channels);
    }
    sum.store(out_features + r * channels);
    out_depth[r] = ray.mean_depth;
    for (int64_t k = 0; k + 1 < samples; ++k) out_weights[r * (samples - 1) + k] = ray.weight[k];
  }
}

Three composite(const at::Tensor& features, const at::Tensor& densities, const at::Tensor& depths) {
  const Rays rays(features, densities, depths);
  auto ray_sizes = densities.sizes().vec();
  auto weight_sizes = ray_sizes, feature_sizes = ray_sizes;
  weight_sizes.back() -= 1;
  feature_sizes.back() = rays.channels;
  ray_sizes.pop_back();
  at::Tensor out = on_huge_pages(at::empty(feature_sizes, features.options()));
  at::Tensor depth = at::empty(ray_sizes, depths.options()), weights = at::empty(weight_sizes, depths.options());
  with_float_type(features.scalar_type(), "composite", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    auto run = rays.channels == 32 ? composite_range<32, T, A> : composite_range<0, T, A>;
    parallel_for(0, rays.count, kRaysPerTask, [&](int64_t begin, int64_t end) {
      run(rays, rays.features.const_data_ptr<T>(), out.mutable_data_ptr<T>(), depth.mutable_data_ptr<A>(),
          weights.mutable_data_ptr<A>(), begin, end);
    });
  });
  return {out, depth, weights};
}

template <int kChannels, class T, class A>
void grad_range(const Rays& rays, const T* g_features, const A* g_depth, const A* g_weights, T* d_features, A* d_densities,
                A* d_depths, int64_t begin, int64_t end) {
  const int64_t samples = rays.samples, n = samples - 1, channels = kChannels ? kChannels : rays.channels;
  const T* features = rays.features.const_data_ptr<T>();
  Intervals<A> ray(samples);
  std::vector<A> along(samples), g_weight(samples), d_alpha(samples), d_shifted(samples), d_delta(samples);
  for (int64_t r = begin; r < end; ++r) {
    const A *density = rays.densities.const_data_ptr<A>() + r * samples, *t = rays.depths.const_data_ptr<A>() + r * samples;
    const T* g = g_features + r * channels;
    ray.compute(density, t, samples);

    // Features, and how much each sample's features align with the gradient.
    A previous = 0;
    for (int64_t k = 0; k < samples; ++k) {
      const A next = k < n ? ray.weight[k] : A(0);
      const A share = (previous + next) / A(2);
      previous = next;
      const T* f = features + (r * samples + k) * channels;
      T* d = d_features + (r * samples + k) * channels;
      A dot = 0;
      for (int64_t c = 0; c < channels; ++c) {
        dot += A(g[c]) * A(f[c]);
        d[c] = T(share * A(g[c]));
      }
      along[k] = dot;
    }

    // Weights.
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
      d_densities[r * samples + k] = d_density;
      d_depths[r * samples + k] = d_t;
    }
  }
}

Three composite_grad(const at::Tensor& g_features_any, const at::Tensor& g_depth_any, const at::Tensor& g_weights_any,
                     const at::Tensor& features, const at::Tensor& densities, const at::Tensor& depths) {
  const Rays rays(features, densities, depths);
  const at::Tensor g_features = g_features_any.contiguous(), g_depth = g_depth_any.contiguous();
  const at::Tensor g_weights = g_weights_any.contiguous();
  at::Tensor d_features = on_huge_pages(at::empty_like(rays.features));
  at::Tensor d_densities = at::empty_like(rays.densities), d_depths = at::empty_like(rays.depths);
  with_float_type(features.scalar_type(), "composite", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    auto run = rays.channels == 32 ? grad_range<32, T, A> : grad_range<0, T, A>;
    parallel_for(0, rays.count, kRaysPerTask, [&](int64_t begin, int64_t end) {
      run(rays, g_features.const_data_ptr<T>(), g_depth.const_data_ptr<A>(), g_weights.const_data_ptr<A>(),
          d_features.mutable_data_ptr<T>(), d_densities.mutable_data_ptr<A>(), d_depths.mutable_data_ptr<A>(), begin, end);
    });
  });
  return {d_features, d_densities, d_depths};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("composite", fullhead::composite);
  m.impl("composite_grad", fullhead::composite_grad);
}
