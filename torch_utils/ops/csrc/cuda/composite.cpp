// SPDX-License-Identifier: Apache-2.0
// Glue of composite and composite_passes on the GPU. Contract: torch_utils/ops/composite.py.

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <tuple>

#include "cuda/glue.h"
#include "rays.h"

namespace fullhead {
namespace {

using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Four = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

RayArguments arguments_of(const Rays& rays) {
  RayArguments a{};
  a.rays = rays.count;
  a.all_samples = int32_t(rays.samples), a.channels = int32_t(rays.channels);
  for (size_t p = 0; p < rays.passes.size(); ++p) {
    const Pass& pass = rays.passes[p];
    a.samples[p] = int32_t(pass.samples);
    a.features[p] = pass.features.const_data_ptr();
    a.densities[p] = pass.densities.const_data_ptr();
    a.depths[p] = pass.depths.const_data_ptr();
  }
  return a;
}

// What compositing leaves, laid out as the rays are.
struct Results {
  at::Tensor depth, weights, order, total, front;

  Results(const Rays& rays, bool for_gradient) {
    const auto& like = rays.passes[0].depths;
    depth = at::empty(rays.sizes(), like.options());
    weights = at::empty(rays.sizes_with(rays.samples - 1), like.options());
    order = at::empty({rays.count, rays.samples}, like.options().dtype(at::kInt));
    if (!for_gradient) return;
    total = at::empty_like(depth);
    front = at::empty_like(weights);
  }
  RayResults pointers() const {
    return {depth.mutable_data_ptr(), weights.mutable_data_ptr(), total.defined() ? total.mutable_data_ptr() : nullptr,
            order.mutable_data_ptr<int32_t>(), front.defined() ? front.mutable_data_ptr() : nullptr};
  }
};

Three forward(const Rays& rays) {
  const at::Tensor& features = rays.passes[0].features;
  const Place place(features);
  const Results results(rays, false);
  at::Tensor out = at::empty(rays.sizes_with(rays.channels), features.options());
  check(launch_composite(place.stream, element_of(features, "composite"), arguments_of(rays), results.pointers(),
                         out.mutable_data_ptr()),
        "composite");
  return {out, results.depth, results.weights};
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
};

Gradients backward(const at::Tensor& g_features_any, const at::Tensor& g_depth_any, const at::Tensor& g_weights_any,
                   const Rays& rays, bool with_depths) {
  const at::Tensor &features = rays.passes[0].features, &precise = rays.passes[0].depths;
  check_gradient(g_features_any, features, rays.count * rays.channels, "composite");
  check_gradient(g_depth_any, precise, rays.count, "composite");
  check_gradient(g_weights_any, precise, rays.count * (rays.samples - 1), "composite");
  const Place place(features);
  const at::Tensor g_features = g_features_any.contiguous(), g_depth = g_depth_any.contiguous();
  const at::Tensor g_weights = g_weights_any.contiguous();
  const Results results(rays, true);
  const at::Tensor along = at::empty({rays.count, rays.samples}, precise.options());
  Gradients out;
  RayGradients g{};
  g.g_features = g_features.const_data_ptr(), g.g_depth = g_depth.const_data_ptr(), g.g_weights = g_weights.const_data_ptr();
  for (size_t p = 0; p < rays.passes.size(); ++p) {
    g.features[p] = out.features.emplace_back(at::empty_like(rays.passes[p].features)).mutable_data_ptr();
    g.densities[p] = out.densities.emplace_back(at::empty_like(rays.passes[p].densities)).mutable_data_ptr();
    if (with_depths) g.depths[p] = out.depths.emplace_back(at::empty_like(rays.passes[p].depths)).mutable_data_ptr();
  }
  check(launch_composite_grad(place.stream, element_of(features, "composite"), arguments_of(rays), results.pointers(),
                              along.mutable_data_ptr(), g),
        "composite");
  return out;
}

Three composite_grad(const at::Tensor& g_features, const at::Tensor& g_depth, const at::Tensor& g_weights,
                     const at::Tensor& features, const at::Tensor& densities, const at::Tensor& depths) {
  const Gradients out = backward(g_features, g_depth, g_weights, Rays({Pass(features, densities, depths)}), true);
  return {out.features[0], out.densities[0], out.depths[0]};
}

Four composite_passes_grad(const at::Tensor& g_features, const at::Tensor& g_depth, const at::Tensor& g_weights,
                           const at::Tensor& features_a, const at::Tensor& densities_a, const at::Tensor& depths_a,
                           const at::Tensor& features_b, const at::Tensor& densities_b, const at::Tensor& depths_b) {
  const Rays rays({Pass(features_a, densities_a, depths_a), Pass(features_b, densities_b, depths_b)});
  const Gradients out = backward(g_features, g_depth, g_weights, rays, false);
  return {out.features[0], out.densities[0], out.features[1], out.densities[1]};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("composite", fullhead::composite);
  m.impl("composite_grad", fullhead::composite_grad);
  m.impl("composite_passes", fullhead::composite_passes);
  m.impl("composite_passes_grad", fullhead::composite_passes_grad);
}
