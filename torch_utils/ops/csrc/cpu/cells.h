// SPDX-License-Identifier: Apache-2.0
// Where points lie in a tri-grid: in each of its planes the texels around them and their weights, for kLanes points at a time, so
// that the arithmetic is done in vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cpu/numeric.h"
#include "planes.h"

namespace fullhead {

// The planes with features innermost, as strides over a base pointer.
struct Grid {
  at::Tensor planes;  // [N, 3, D, F, H, W], stride(3) == 1
  int64_t n, depth, features, height, width;
  int64_t stride_n, stride_plane, stride_d, stride_h, stride_w;
  int64_t axes[3][3];
  int64_t row_begin = 0, row_end;  // rows outside this band count as outside the planes
  double per_unit;                 // q per world unit
  bool planar;

  Grid(const at::Tensor& any, double box_size, at::IntArrayRef order, bool planar_)
      : planes(features_innermost(any)), per_unit(2.0 / box_size), planar(planar_) {
    n = planes.size(0), depth = planes.size(2), features = planes.size(3), height = planes.size(4), width = planes.size(5);
    stride_n = planes.stride(0), stride_plane = planes.stride(1), stride_d = planes.stride(2);
    stride_h = planes.stride(4), stride_w = planes.stride(5);
    row_end = height;
    for (int p = 0; p < 3; ++p)
      for (int a = 0; a < 3; ++a) axes[p][a] = order[3 * p + a];
    check_plane_span(planes);
  }
};

constexpr int kLanes = 16;

// For each axis of a plane the two texels beside each point: offsets in memory, and weights that are zero where there is no texel.
template <class A>
struct Cells {
  A weight[3][2][kLanes];
  A inside[3][2][kLanes];  // 1 where the texel exists: the derivative of the weights is -+inside
  int32_t offset[3][2][kLanes];

  Cells(const Grid& grid, int plane, const A q[3][kLanes]) {
    look_up(0, q[grid.axes[plane][0]], grid.width, grid.stride_w, 0, grid.width);
    look_up(1, q[grid.axes[plane][1]], grid.height, grid.stride_h, grid.row_begin, grid.row_end);
    if (grid.planar)
      one_slice();
    else
      look_up(2, q[grid.axes[plane][2]], grid.depth, grid.stride_d, 0, grid.depth);
  }

 private:
  // Texels exist from `begin_any` to `end_any`, of `size_any` that the box spans.
  void look_up(int axis, const A* q, int64_t size_any, int64_t stride_any, int64_t begin_any, int64_t end_any) {
    const int32_t size = static_cast<int32_t>(size_any), stride = static_cast<int32_t>(stride_any);
    const int32_t begin = static_cast<int32_t>(begin_any), end = static_cast<int32_t>(end_any);
    const A scale = A(size) / A(2), shift = (A(size) - A(1)) / A(2), far = A(size) + A(1);
    for (int i = 0; i < kLanes; ++i) {
      A x = q[i] * scale + shift;
      // Far outside, or NaN, there is no texel; the integers below must not overflow on the way to that answer.
      x = x >= A(-2) ? x : A(-2);
      x = x <= far ? x : far;
      const A low = std::floor(x), t = x - low;
      const int32_t k = static_cast<int32_t>(low);
      const bool first = k >= begin && k < end, second = k + 1 >= begin && k + 1 < end;
      inside[axis][0][i] = first ? A(1) : A(0);
      inside[axis][1][i] = second ? A(1) : A(0);
      weight[axis][0][i] = first ? A(1) - t : A(0);
      weight[axis][1][i] = second ? t : A(0);
      offset[axis][0][i] = first ? k * stride : 0;
      offset[axis][1][i] = second ? (k + 1) * stride : 0;
    }
  }

  // The depth axis of a planar grid: its one slice, whatever the coordinate.
  void one_slice() {
    for (int i = 0; i < kLanes; ++i) {
      weight[2][0][i] = A(1), weight[2][1][i] = A(0);
      inside[2][0][i] = inside[2][1][i] = A(0);
      offset[2][0][i] = offset[2][1][i] = 0;
    }
  }
};

// The eight corners of each cell, corner c = 4 * depth + 2 * height + width.
template <class A>
struct Corners {
  A weight[8][kLanes];
  int32_t offset[8][kLanes];

  Corners() = default;
  explicit Corners(const Cells<A>& cells) {
    for (int c = 0; c < 8; ++c) {
      const int w = c & 1, h = c >> 1 & 1, d = c >> 2;
      for (int i = 0; i < kLanes; ++i) {
        weight[c][i] = cells.weight[0][w][i] * cells.weight[1][h][i] * cells.weight[2][d][i];
        offset[c][i] = cells.offset[0][w][i] + cells.offset[1][h][i] + cells.offset[2][d][i];
      }
    }
  }

  // Calls f(weight, offset) for the corners of a point that have a weight.
  template <class F>
  FULLHEAD_DEVICE void for_each(int64_t lane, const F& f) const {
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c)
      if (weight[c][lane] != A(0)) f(weight[c][lane], offset[c][lane]);
  }
};

// How the weights of a cell's corners change as a point moves along the plane's width, height and depth.
template <class A>
struct Slopes {
  A along[3][8][kLanes];  // per world unit
  int32_t offset[8][kLanes];

  Slopes(const Grid& grid, const Cells<A>& cells) {
    const A scale = A(grid.per_unit / 2);
    const A per_texel[3] = {A(grid.width) * scale, A(grid.height) * scale, A(grid.depth) * scale};
    for (int c = 0; c < 8; ++c) {
      const int w = c & 1, h = c >> 1 & 1, d = c >> 2;
      // The weight of texel k along an axis is 1 - t or t, so its derivative is -1 or 1, where the texel exists.
      const A step[3] = {w ? per_texel[0] : -per_texel[0], h ? per_texel[1] : -per_texel[1], d ? per_texel[2] : -per_texel[2]};
      for (int i = 0; i < kLanes; ++i) {
        const A weight_w = cells.weight[0][w][i], weight_h = cells.weight[1][h][i], weight_d = cells.weight[2][d][i];
        along[0][c][i] = step[0] * cells.inside[0][w][i] * weight_h * weight_d;
        along[1][c][i] = step[1] * cells.inside[1][h][i] * weight_w * weight_d;
        along[2][c][i] = step[2] * cells.inside[2][d][i] * weight_w * weight_h;
        offset[c][i] = cells.offset[0][w][i] + cells.offset[1][h][i] + cells.offset[2][d][i];
      }
    }
  }
};

// Coordinates of the points `rows`, the spare lanes outside.
template <class A>
inline void load_q(const Grid& grid, const A* points, const int64_t* rows, int64_t count, A q[3][kLanes]) {
  for (int a = 0; a < 3; ++a)
    for (int i = 0; i < kLanes; ++i) q[a][i] = i < count ? points[3 * rows[i] + a] * A(grid.per_unit) : A(-9);
}

}  // namespace fullhead
