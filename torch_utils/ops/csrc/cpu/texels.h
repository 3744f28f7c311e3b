// SPDX-License-Identifier: Apache-2.0
// Reading the texels around points, and adding to them. Features are innermost, so every corner of a cell is one contiguous vector.
// `rows` are the numbers of points; kFeatures is that of the features, or 0 for any number.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/cells.h"
#include "cpu/sums.h"

namespace fullhead {

constexpr int64_t kTile = 32;  // Points that are computed together.

// Points of one image that are computed together, and where they lie in its planes.
template <class A>
struct Tile {
  int64_t count = 0, rows[kTile];
  Corners<A> corners[kTile / kLanes][3];

  // Of the points that are listed; at most kTile of them.
  void look_up(const Grid& grid, const A* points, const int64_t* listed, int64_t num_listed) {
    count = std::min(num_listed, kTile);
    std::copy_n(listed, count, rows);
    for (int64_t first = 0; first < count; first += kLanes) {
      A q[3][kLanes];
      load_q(grid, points, rows + first, std::min<int64_t>(kLanes, count - first), q);
      for (int plane = 0; plane < 3; ++plane) corners[first / kLanes][plane] = Corners<A>(Cells<A>(grid, plane, q));
    }
  }

  // Asks for the texels of kAtOnce points in one plane. They come while something else is computed.
  static constexpr int64_t kAtOnce = 8;
  template <class T>
  void prefetch(const Grid& grid, const T* image, int plane, int64_t first) const {
    const int64_t bytes = grid.features * int64_t(sizeof(T));
    for (int64_t i = first; i < std::min(first + kAtOnce, count); ++i)
      corners[i / kLanes][plane].for_each(i % kLanes, [&](A, int32_t offset) {
        const char* texel = reinterpret_cast<const char*>(image + plane * grid.stride_plane + offset);
        for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(texel + line);
      });
  }

  // The mean of the planes, as rows of `out`.
  template <int kFeatures, class T>
  void sample(const Grid& grid, const T* image, A* out, int64_t out_row) const {
    std::vector<A> buffer(kFeatures ? 0 : grid.features);
    for (int64_t i = 0; i < count; ++i) {
      Sums<kFeatures, A> sum(buffer);
      for (int plane = 0; plane < 3; ++plane) {
        const T* base = image + plane * grid.stride_plane;
        corners[i / kLanes][plane].for_each(i % kLanes, [&](A weight, int32_t offset) { sum.add(weight, base + offset); });
      }
      sum.store(out + i * out_row, A(1.0 / 3));
    }
  }
};

// The gradient of points from those of their features, a third of which are the rows of g.
template <int kFeatures, class T, class A>
void point_gradients(const Grid& grid, const T* image, const A* points, const int64_t* rows, int64_t count, const A* g, int64_t g_row,
                     A* out) {
  std::vector<A> buffer(kFeatures ? 0 : grid.features);
  for (int64_t first = 0; first < count; first += kLanes) {
    const int64_t lanes = std::min<int64_t>(kLanes, count - first);
    A q[3][kLanes];
    load_q(grid, points, rows + first, lanes, q);
    A moved[kLanes][3] = {};
    for (int plane = 0; plane < 3; ++plane) {
      const Slopes<A> slopes(grid, Cells<A>(grid, plane, q));
      for (int64_t i = 0; i < lanes; ++i) {
        const A* wanted = g + (first + i) * g_row;
        for (int a = 0; a < 3; ++a) {
          Sums<kFeatures, A> change(buffer);  // of the features, as the point moves along this axis
          for (int c = 0; c < 8; ++c)
            if (slopes.along[a][c][i] != A(0)) change.add(slopes.along[a][c][i], image + plane * grid.stride_plane + slopes.offset[c][i]);
          moved[i][grid.axes[plane][a]] += change.dot(wanted);
        }
      }
    }
    for (int64_t i = 0; i < lanes; ++i) std::copy_n(moved[i], 3, out + 3 * rows[first + i]);
  }
}

// Adds to one plane of one image, in the grid's band of rows: a third of the gradients of the features, which are the rows of g.
template <int kFeatures, class A>
void scatter_rows(const Grid& grid, int plane, const A* points, const int64_t* rows, int64_t count, const A* g, A* out) {
  const int64_t features = kFeatures ? kFeatures : grid.features;
  int64_t picked[kLanes], num_picked = 0;
  const A* from[kLanes];
  auto flush = [&] {
    A q[3][kLanes];
    load_q(grid, points, picked, num_picked, q);
    const Corners<A> corners{Cells<A>(grid, plane, q)};
    for (int64_t i = 0; i < num_picked; ++i) {
      corners.for_each(i, [&](A weight, int32_t offset) { add_scaled<kFeatures, A>(weight, from[i], out + offset, features); });
    }
    num_picked = 0;
  };
  // Points that may touch the band, a row to spare on either side for rounding.
  const A rows_per_unit = A(grid.per_unit) * A(grid.height) / A(2), middle = (A(grid.height) - A(1)) / A(2);
  const A lowest = A(grid.row_begin - 2), highest = A(grid.row_end + 1);
  const A* along = points + grid.axes[plane][1];
  for (int64_t i = 0; i < count; ++i) {
    const A row = along[3 * rows[i]] * rows_per_unit + middle;
    if (!(row >= lowest && row <= highest)) continue;
    picked[num_picked] = rows[i];
    from[num_picked] = g + i * features;
    if (++num_picked == kLanes) flush();
  }
  flush();
}

}  // namespace fullhead
