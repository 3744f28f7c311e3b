// SPDX-License-Identifier: Apache-2.0
// distance_field on the CPU. Contract: torch_utils/ops/distance_field.py.
// Points are taken in blocks of 64, and 64 blocks at a time are asked which rows they need.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "cpu/solid_bounds.h"
#include "cpu/tensors.h"

namespace fullhead {
namespace {

constexpr int64_t kBlock = kNumLanes, kGroup = kBlock * kNumLanes;

// Beyond the end the last point is repeated.
void load(const float* xyz, int64_t count, Points& points) {
  for (int64_t i = 0; i < kBlock; ++i) {
    const float* p = xyz + 3 * std::min(i, count - 1);
    points.x.v[i] = p[0], points.y.v[i] = p[1], points.z.v[i] = p[2];
  }
}

// A ball around the points of a block, as lane `ball`.
void enclose(const Points& points, Balls& balls, int ball) {
  const auto middle = [](const Lanes& a) {
    float low = a.v[0], high = a.v[0];
    for (int i = 1; i < kNumLanes; ++i) low = least(low, a.v[i]), high = most(high, a.v[i]);
    return (low + high) / 2;
  };
  const float x = middle(points.x), y = middle(points.y), z = middle(points.z);
  float square = 0;
  for (int i = 0; i < kNumLanes; ++i) {
    const float dx = points.x.v[i] - x, dy = points.y.v[i] - y, dz = points.z.v[i] - z;
    const float here = dx * dx + dy * dy + dz * dz;
    square = square > here ? square : here;  // NaN stays, and a ball that is not a number leaves nothing out
  }
  balls.centres.x.v[ball] = x, balls.centres.y.v[ball] = y, balls.centres.z.v[ball] = z;
  balls.radii.v[ball] = std::sqrt(square) + 1e-6f * (std::abs(x) + std::abs(y) + std::abs(z));  // rounding far from the origin
}

std::tuple<at::Tensor, at::Tensor> distance_field(const at::Tensor& points_any, const at::Tensor& table_any) {
  TORCH_CHECK(points_any.scalar_type() == at::kFloat && table_any.scalar_type() == at::kFloat && points_any.dim() == 2 &&
                  points_any.size(1) == 3 && table_any.dim() == 2 && table_any.size(1) == Row::kNumColumns,
              "distance_field: bad arguments");
  const at::Tensor points = points_any.contiguous(), table = table_any.contiguous();
  const Solid solid(table.const_data_ptr<float>(), table.size(0));
  const int64_t count = points.size(0);
  at::Tensor distance = at::empty({count}, points.options()), layer = at::empty({count}, points.options().dtype(at::kInt));
  const float* xyz = points.const_data_ptr<float>();
  float* out_distance = distance.mutable_data_ptr<float>();
  int32_t* out_layer = layer.mutable_data_ptr<int32_t>();
  parallel_for(0, (count + kGroup - 1) / kGroup, 1, [&](int64_t first_group, int64_t last_group) {
    Bounds bounds(solid);
    Needs needs;
    Balls balls{};
    Points block;
    std::vector<Lanes> layers(solid.num_layers());
    for (int64_t group = first_group; group < last_group; ++group) {
      const int64_t begin = group * kGroup, end = std::min(begin + kGroup, count);
      for (int64_t first = begin, ball = 0; first < end; first += kBlock, ++ball) {
        load(xyz + 3 * first, end - first, block);
        enclose(block, balls, ball);
      }
      bounds.find(balls, needs);
      for (int64_t first = begin, ball = 0; first < end; first += kBlock, ++ball) {
        load(xyz + 3 * first, end - first, block);
        for (size_t r = 0; r < solid.rows.size(); ++r)
          if (needs.rows[r] >> ball & 1) step(solid.rows[r], block, layers.data());
        Lanes nearest;
        alignas(64) int32_t which[kNumLanes] = {};
        std::fill(nearest.v, nearest.v + kNumLanes, INFINITY);
        for (int l = 0; l < solid.num_layers(); ++l)
          if (needs.layers[l] >> ball & 1)
            for (int i = 0; i < kNumLanes; ++i) {
              const float here = layers[l].v[i];
              which[i] = here < nearest.v[i] ? l : which[i];
              nearest.v[i] = least(here, nearest.v[i]);
            }
        const int64_t inside = std::min(kBlock, end - first);
        std::copy(nearest.v, nearest.v + inside, out_distance + first);
        std::copy(which, which + inside, out_layer + first);
      }
    }
  });
  return {distance, layer};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) { m.impl("distance_field", fullhead::distance_field); }
