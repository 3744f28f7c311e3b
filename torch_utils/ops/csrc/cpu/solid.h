// SPDX-License-Identifier: Apache-2.0
// The rows of a solid and what each does to numbers. Contract: torch_utils/ops/distance_field.py, whose words these are.
// Everything works on `Lanes`, a fixed number of points side by side, in loops that compilers vectorise.
#pragma once

#include <torch/library.h>

#include <cstdint>
#include <vector>

#include "cpu/numeric.h"

namespace fullhead {

constexpr int kNumLanes = 64;
constexpr float kFar = 1e3f;

struct alignas(64) Lanes {
  float v[kNumLanes];
};
struct Points {
  Lanes x, y, z;
};

enum class Kind { layer, ellipsoid, round_cone, box, torus_arc, disc, half_space, value, inflate, shell, waves, unknown };
enum class Join { add, cut, keep, unknown };

struct Row {
  static constexpr int kNumParameters = 7, kNumColumns = 18 + kNumParameters;
  Kind kind;
  int layer;
  Join join;
  float blend, mirrored, slope, centre[3], rotation[9], p[kNumParameters];

  explicit Row(const float* n)
      : kind(Kind(int(n[0]))), layer(int(n[1])), join(Join(int(n[2]))), blend(n[3]), mirrored(n[4]), slope(n[5]) {
    std::copy(n + 6, n + 9, centre);
    std::copy(n + 9, n + 18, rotation);
    std::copy(n + 18, n + kNumColumns, p);
  }
  bool is_operand() const { return kind >= Kind::ellipsoid && kind <= Kind::value; }
  int source() const { return int(p[0]); }
};

struct Solid {
  std::vector<Row> rows;
  std::vector<bool> is_visible;

  // A table that no builder writes must not lead out of memory.
  Solid(const float* table, int64_t num_rows) {
    for (int64_t r = 0; r < num_rows; ++r) {
      const Row row(table + r * Row::kNumColumns);
      const int known = int(is_visible.size());
      if (row.kind == Kind::layer && row.layer == known) is_visible.push_back(row.p[0] != 0);
      TORCH_CHECK(row.kind >= Kind::layer && row.kind < Kind::unknown && row.join >= Join::add && row.join < Join::unknown &&
                      row.layer >= 0 && row.layer < int(is_visible.size()) && (row.kind != Kind::layer || row.layer == known) &&
                      (row.kind != Kind::value || (row.source() >= 0 && row.source() < known)),
                  "distance_field: row ", r, " of the table is none");
      rows.push_back(row);
    }
  }
  int num_layers() const { return int(is_visible.size()); }
};

// --- One point --------------------------------------------------------------------------------------------------------

FULLHEAD_DEVICE float least(float a, float b) { return a < b ? a : b; }
FULLHEAD_DEVICE float most(float a, float b) { return a > b ? a : b; }
FULLHEAD_DEVICE float length(float x, float y) { return std::sqrt(x * x + y * y); }
FULLHEAD_DEVICE float length(float x, float y, float z) { return std::sqrt(x * x + y * y + z * z); }

// Half of the overlap goes off, squared and divided by the blend: `quarter` is 1 / (4 blend), or 0 for a sharp corner.
FULLHEAD_DEVICE float smooth_min(float a, float b, float blend, float quarter) {
  const float overlap = most(blend - std::abs(a - b), 0.0f);
  return least(a, b) - overlap * overlap * quarter;
}

FULLHEAD_DEVICE float round_cone(float x, float y, float z, float height, float radius_a, float radius_b, float sine, float cosine) {
  const float r = length(x, z), along = y * cosine - r * sine;
  const float flank = r * cosine + y * sine - radius_a;
  const float low = length(r, y) - radius_a, high = length(r, y - height) - radius_b;
  const float upper = along > height * cosine ? high : flank;
  return along < 0.0f ? low : upper;
}

FULLHEAD_DEVICE float torus_arc(float x, float y, float z, float radius, float tube, float sine, float cosine) {
  x = std::abs(x);
  const float within = length(length(x, y) - radius, z);
  const float beyond = length(x - radius * sine, y - radius * cosine, z);
  return (x * cosine > y * sine ? beyond : within) - tube;
}

FULLHEAD_DEVICE float box(float x, float y, float z, float width, float height, float depth, float edge) {
  x = std::abs(x) - (width - edge), y = std::abs(y) - (height - edge), z = std::abs(z) - (depth - edge);
  return length(most(x, 0.0f), most(y, 0.0f), most(z, 0.0f)) + least(most(x, most(y, z)), 0.0f) - edge;
}

FULLHEAD_DEVICE float disc(float x, float y, float z, float radius, float half_height, float edge) {
  const float out = length(x, z) - (radius - edge), up = std::abs(y) - (half_height - edge);
  return length(most(out, 0.0f), most(up, 0.0f)) + least(most(out, up), 0.0f) - edge;
}

// --- Many points ------------------------------------------------------------------------------------------------------

// out = f(x, y, z) in the frame of the row.
template <class F>
void each(const Row& row, const Points& points, Lanes& out, const F& f) {
  const float cx = row.centre[0], cy = row.centre[1], cz = row.centre[2], *R = row.rotation;
  const float xx = R[0], xy = R[1], xz = R[2], yx = R[3], yy = R[4], yz = R[5], zx = R[6], zy = R[7], zz = R[8];
  const bool mirrored = row.mirrored != 0;
  for (int i = 0; i < kNumLanes; ++i) {
    const float world_x = points.x.v[i];
    const float x = (mirrored ? std::abs(world_x) : world_x) - cx, y = points.y.v[i] - cy, z = points.z.v[i] - cz;
    out.v[i] = f(x * xx + y * yx + z * zx, x * xy + y * yy + z * zy, x * xz + y * yz + z * zz);
  }
}

// The operand of a row, or what waves add.
inline void evaluate(const Row& row, const Points& points, const Lanes* layers, Lanes& out) {
  const float a = row.p[0], b = row.p[1], c = row.p[2], d = row.p[3], e = row.p[4], f = row.p[5], g = row.p[6];
  switch (row.kind) {
    case Kind::ellipsoid: {
      const float ia = 1 / a, ib = 1 / b, ic = 1 / c, smallest = least(a, least(b, c));
      return each(row, points, out, [=](float x, float y, float z) {
        x *= ia, y *= ib, z *= ic;
        const float k0 = length(x, y, z), k1 = length(x * ia, y * ib, z * ic), share = least(k0, 1.0f);
        return (k0 - 1.0f) * (share * (k0 / most(k1, 1e-9f)) + (1.0f - share) * smallest);
      });
    }
    case Kind::round_cone:
      return each(row, points, out, [=](float x, float y, float z) { return round_cone(x, y, z, a, b, c, d, e); });
    case Kind::box: return each(row, points, out, [=](float x, float y, float z) { return box(x, y, z, a, b, c, d); });
    case Kind::torus_arc:
      return each(row, points, out, [=](float x, float y, float z) { return torus_arc(x, y, z, a, b, c, d); });
    case Kind::disc: return each(row, points, out, [=](float x, float y, float z) { return disc(x, y, z, a, b, c); });
    case Kind::half_space: return each(row, points, out, [=](float, float y, float) { return y; });
    case Kind::waves:
      return each(row, points, out, [=](float x, float y, float z) {
        return a * sine(x * b + e) * sine(y * c + f) * sine(z * d + g);
      });
    case Kind::value: {
      const Lanes& source = layers[row.source()];
      for (int i = 0; i < kNumLanes; ++i) out.v[i] = source.v[i] - b;
      return;
    }
    default: return;
  }
}

inline float quarter_of(const Row& row) { return row.blend > 0 ? 0.25f / row.blend : 0.0f; }

inline void join(const Row& row, Lanes& layer, const Lanes& operand) {
  const float blend = row.blend, quarter = quarter_of(row);
  float* a = layer.v;
  const float* b = operand.v;
  switch (row.join) {
    case Join::add:
      for (int i = 0; i < kNumLanes; ++i) a[i] = smooth_min(a[i], b[i], blend, quarter);
      return;
    case Join::cut:
      for (int i = 0; i < kNumLanes; ++i) a[i] = -smooth_min(-a[i], b[i], blend, quarter);
      return;
    default:
      for (int i = 0; i < kNumLanes; ++i) a[i] = -smooth_min(-a[i], -b[i], blend, quarter);
  }
}

// Carries out one row.
inline void step(const Row& row, const Points& points, Lanes* layers) {
  float* layer = layers[row.layer].v;
  Lanes operand;
  switch (row.kind) {
    case Kind::layer: std::fill(layer, layer + kNumLanes, kFar); return;
    case Kind::inflate:
      for (int i = 0; i < kNumLanes; ++i) layer[i] -= row.p[0];
      return;
    case Kind::shell: {
      const float half = row.p[0] / 2;
      for (int i = 0; i < kNumLanes; ++i) layer[i] = std::abs(layer[i] + half) - half;
      return;
    }
    case Kind::waves:
      evaluate(row, points, layers, operand);
      for (int i = 0; i < kNumLanes; ++i) layer[i] += operand.v[i];
      return;
    default:
      evaluate(row, points, layers, operand);
      join(row, layers[row.layer], operand);
  }
}

}  // namespace fullhead
