// SPDX-License-Identifier: Apache-2.0
// The arguments of composite and composite_passes on any device: samples along rays, of one pass or of two.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

namespace fullhead {

// Samples along rays, as one pass took them.
struct Pass {
  at::Tensor features, densities, depths;
  int64_t count, samples, channels;

  Pass(const at::Tensor& f, const at::Tensor& s, const at::Tensor& t)
      : features(f.contiguous()), densities(s.contiguous()), depths(t.contiguous()) {
    const auto precise = f.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    TORCH_CHECK(s.scalar_type() == precise && t.scalar_type() == precise && s.sizes() == t.sizes() && f.dim() == s.dim() + 1 &&
                    f.sizes().slice(0, s.dim()) == s.sizes() && s.dim() >= 1 && s.size(-1) >= 1,
                "composite: bad arguments");
    TORCH_CHECK(s.device() == f.device() && t.device() == f.device(), "composite: tensors of different devices");
    samples = s.size(-1);
    channels = f.size(-1);
    count = s.numel() / samples;
  }
};

struct Rays {
  std::vector<Pass> passes;
  int64_t count, samples = 0, channels;

  explicit Rays(std::vector<Pass> some) : passes(std::move(some)), count(passes[0].count), channels(passes[0].channels) {
    for (const Pass& pass : passes) {
      TORCH_CHECK(pass.count == count && pass.channels == channels && pass.features.device() == passes[0].features.device() &&
                      pass.features.scalar_type() == passes[0].features.scalar_type(),
                  "composite: the passes differ");
      samples += pass.samples;
    }
  }

  std::vector<int64_t> sizes() const {
    auto sizes = passes[0].densities.sizes().vec();
    sizes.pop_back();
    return sizes;
  }
  std::vector<int64_t> sizes_with(int64_t last) const {
    auto all = sizes();
    all.push_back(last);
    return all;
  }
};

}  // namespace fullhead
