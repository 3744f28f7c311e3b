// SPDX-License-Identifier: Apache-2.0
// trigrid_sample and its two gradients on the CPU. Contract: torch_utils/ops/trigrid_sample.py.
//
// Features are innermost, so every corner of a cell is one contiguous vector. The gradient into the planes splits its work
// by (image, plane, band of rows): no two threads write the same place, so there are no atomics, and every texel sums its
// points in their order, however many threads and bands there are.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include <vector>

#include "cpu/sums.h"
#include "cpu/tensors.h"
#include "planes.h"

namespace fullhead {
namespace {

constexpr int64_t kPointsPerTask = 256;
constexpr int64_t kZeroGrain = 1 << 16;

// The planes with features innermost, as strides over a base pointer.
struct Grid {
  at::Tensor planes;  // [N, 3, D, F, H, W], stride(3) == 1
  int64_t n, depth, features, height, width;
  int64_t stride_n, stride_plane, stride_d, stride_h, stride_w;
  int64_t axes[3][3];
  int64_t row_begin = 0, row_end;  // rows outside this band count as outside the planes
  double per_unit;                 // q per world unit
  bool planar;

  Grid(const at::Tensor& any, const at::Tensor& points, double box_size, at::IntArrayRef order, bool planar_)
      : planes(any), per_unit(2.0 / box_size), planar(planar_) {
    check_trigrid(any, points, order, planar);
    planes = features_innermost(any);
    n = planes.size(0), depth = planes.size(2), features = planes.size(3), height = planes.size(4), width = planes.size(5);
    stride_n = planes.stride(0), stride_plane = planes.stride(1), stride_d = planes.stride(2);
    stride_h = planes.stride(4), stride_w = planes.stride(5);
    row_end = height;
    for (int p = 0; p < 3; ++p)
      for (int a = 0; a < 3; ++a) axes[p][a] = order[3 * p + a];
    check_plane_span(planes);
  }
};

// Points are looked up kLanes at a time, so that the arithmetic of cells and weights is done in vectors.
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

  explicit Corners(const Cells<A>& cells) {
    for (int c = 0; c < 8; ++c) {
      const int w = c & 1, h = c >> 1 & 1, d = c >> 2;
      for (int i = 0; i < kLanes; ++i) {
        weight[c][i] = cells.weight[0][w][i] * cells.weight[1][h][i] * cells.weight[2][d][i];
        offset[c][i] = cells.offset[0][w][i] + cells.offset[1][h][i] + cells.offset[2][d][i];
      }
    }
  }
};

// Coordinates of `count` points, the spare lanes outside.
template <class A>
inline void load_q(const Grid& grid, const A* points, int64_t count, A q[3][kLanes]) {
  for (int a = 0; a < 3; ++a)
    for (int i = 0; i < kLanes; ++i) q[a][i] = i < count ? points[3 * i + a] * A(grid.per_unit) : A(-9);
}

// Calls f(first, count) for runs of at most kLanes points of one image in [begin, end).
template <class F>
inline void for_each_run(int64_t begin, int64_t end, int64_t points_per_image, const F& f) {
  for (int64_t i = begin; i < end;) {
    const int64_t image_end = (i / points_per_image + 1) * points_per_image;
    const int64_t count = std::min<int64_t>({kLanes, end - i, image_end - i});
    f(i, count);
    i += count;
  }
}

// kFeatures = 0: any number.
template <int kFeatures, class T, class A>
void sample_range(const Grid& grid, const T* planes, const A* points, T* out, int64_t num_points, int64_t begin, int64_t end) {
  std::vector<A> buffer(grid.features);
  for_each_run(begin, end, num_points, [&](int64_t first, int64_t count) {
    A q[3][kLanes];
    load_q(grid, points + 3 * first, count, q);
    const T* image = planes + first / num_points * grid.stride_n;
    const Corners<A> corners[3] = {Corners<A>(Cells<A>(grid, 0, q)), Corners<A>(Cells<A>(grid, 1, q)),
                                   Corners<A>(Cells<A>(grid, 2, q))};
    for (int64_t i = 0; i < count; ++i) {
      Sums<kFeatures, A> sum(buffer);
      for (int plane = 0; plane < 3; ++plane) {
        const T* base = image + plane * grid.stride_plane;
        for (int c = 0; c < 8; ++c) {
          const A weight = corners[plane].weight[c][i];
          if (weight != A(0)) sum.add(weight, base + corners[plane].offset[c][i]);
        }
      }
      sum.store(out + (first + i) * grid.features, A(1.0 / 3));
    }
  });
}

at::Tensor trigrid_sample(const at::Tensor& planes, const at::Tensor& points_any, double box_size, at::IntArrayRef axes,
                          bool planar) {
  const Grid grid(planes, points_any, box_size, axes, planar);
  const at::Tensor points = points_any.contiguous();
  const int64_t m = points.size(1);
  at::Tensor out = on_huge_pages(at::empty({grid.n, m, grid.features}, planes.options()));
  with_float_type(planes.scalar_type(), "trigrid_sample", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    parallel_for(0, grid.n * m, kPointsPerTask, [&](int64_t begin, int64_t end) {
      auto run = grid.features == 32 ? sample_range<32, T, A> : grid.features == 16 ? sample_range<16, T, A> : sample_range<0, T, A>;
      run(grid, grid.planes.const_data_ptr<T>(), points.const_data_ptr<A>(), out.mutable_data_ptr<T>(), m, begin, end);
    });
  });
  return out;
}

// Adds the gradient of one plane of one image, in the grid's band of rows. `out` is that plane, `points` and `g` that image.
template <int kFeatures, class T, class A>
void scatter_band(const Grid& grid, int plane, const A* points, const T* g, int64_t m, A* out) {
  const int64_t features = kFeatures ? kFeatures : grid.features;
  A picked[3 * kLanes];
  const T* from[kLanes];
  std::vector<A> scaled(features);
  int64_t num_picked = 0;
  auto flush = [&] {
    A q[3][kLanes];
    load_q(grid, picked, num_picked, q);
    const Corners<A> corners{Cells<A>(grid, plane, q)};
    for (int64_t i = 0; i < num_picked; ++i) {
      A* __restrict to_add = scaled.data();
      for (int64_t f = 0; f < features; ++f) to_add[f] = A(from[i][f]) * A(1.0 / 3);
      for (int c = 0; c < 8; ++c) {
        const A weight = corners.weight[c][i];
        if (weight == A(0)) continue;
        A* __restrict texel = out + corners.offset[c][i];
        for (int64_t f = 0; f < features; ++f) texel[f] += weight * to_add[f];
      }
    }
    num_picked = 0;
  };

  // Points that may touch the band, a row to spare on either side for rounding.
  const A rows_per_unit = A(grid.per_unit) * A(grid.height) / A(2), middle = (A(grid.height) - A(1)) / A(2);
  const A lowest = A(grid.row_begin - 2), highest = A(grid.row_end + 1);
  const A* along = points + grid.axes[plane][1];
  for (int64_t i = 0; i < m; ++i) {
    const A row = along[3 * i] * rows_per_unit + middle;
    if (!(row >= lowest && row <= highest)) continue;
    for (int a = 0; a < 3; ++a) picked[3 * num_picked + a] = points[3 * i + a];
    from[num_picked] = g + i * features;
    if (++num_picked == kLanes) flush();
  }
  flush();
}

at::Tensor grad_planes(const at::Tensor& g_any, const at::Tensor& planes, const at::Tensor& points_any, double box_size,
                       at::IntArrayRef axes, bool planar) {
  const at::Tensor points = points_any.contiguous(), g = g_any.contiguous();
  // Low-precision planes collect their gradient in float32.
  const auto sum_type = planes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor out = on_huge_pages(
      at::empty_strided(planes.sizes(), gradient_strides(planes), planes.options().dtype(sum_type)));
  const Grid grid(out, points, box_size, axes, planar);
  const int64_t m = points.size(1), threads = at::get_num_threads();
  // One band where the planes alone occupy all threads.
  const int64_t bands = grid.n * 3 % threads == 0 ? 1 : std::min(threads, grid.height);
  with_float_type(planes.scalar_type(), "trigrid_sample", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    A* data = out.mutable_data_ptr<A>();
    // By all threads, since most of the time here goes into the first touch of fresh pages.
    parallel_for(0, out.numel(), kZeroGrain, [&](int64_t begin, int64_t end) { std::fill(data + begin, data + end, A(0)); });
    auto run = grid.features == 32   ? scatter_band<32, T, A>
               : grid.features == 16 ? scatter_band<16, T, A>
                                     : scatter_band<0, T, A>;
    parallel_for(0, grid.n * 3 * bands, 1, [&](int64_t begin, int64_t end) {
      Grid band = grid;
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / (3 * bands), k = task % bands;
        const int plane = static_cast<int>(task / bands % 3);
        band.row_begin = k * grid.height / bands;
        band.row_end = (k + 1) * grid.height / bands;
        run(band, plane, points.const_data_ptr<A>() + n * m * 3, g.const_data_ptr<T>() + n * m * grid.features, m,
            data + n * grid.stride_n + plane * grid.stride_plane);
      }
    });
  });
  return out.scalar_type() == planes.scalar_type() ? out : out.to(planes.scalar_type());
}

// How the weights of a cell's corners change as a point moves along the plane's width, height and depth.
template <class A>
struct Slopes {
  A along[3][8][kLanes];  // Times the third that each plane has in the mean, per world unit.
  int32_t offset[8][kLanes];

  Slopes(const Grid& grid, const Cells<A>& cells) {
    const A scale = A(grid.per_unit / 6);
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

// The gradient with respect to points begin .. end of all images, one after another.
template <int kFeatures, class T, class A>
void point_gradients(const Grid& grid, const T* planes, const A* points, const T* g, A* out, int64_t m, int64_t begin,
                     int64_t end) {
  std::vector<A> buffers[3];
  for (auto& buffer : buffers) buffer.resize(grid.features);
  for_each_run(begin, end, m, [&](int64_t first, int64_t count) {
    A q[3][kLanes];
    load_q(grid, points + 3 * first, count, q);
    const T* image = planes + first / m * grid.stride_n;
    const Slopes<A> slopes[3] = {Slopes<A>(grid, Cells<A>(grid, 0, q)), Slopes<A>(grid, Cells<A>(grid, 1, q)),
                                 Slopes<A>(grid, Cells<A>(grid, 2, q))};
    for (int64_t i = 0; i < count; ++i) {
      A moved[3] = {A(0), A(0), A(0)};
      for (int plane = 0; plane < 3; ++plane) {
        // How the features change along the plane's width, height and depth.
        Sums<kFeatures, A> change[3] = {Sums<kFeatures, A>(buffers[0]), Sums<kFeatures, A>(buffers[1]),
                                        Sums<kFeatures, A>(buffers[2])};
        const auto& slope = slopes[plane];
        for (int c = 0; c < 8; ++c) {
          const A along[3] = {slope.along[0][c][i], slope.along[1][c][i], slope.along[2][c][i]};
          if (along[0] == A(0) && along[1] == A(0) && along[2] == A(0)) continue;
          const T* texel = image + plane * grid.stride_plane + slope.offset[c][i];
          for (int a = 0; a < 3; ++a) change[a].add(along[a], texel);
        }
        for (int a = 0; a < 3; ++a) moved[grid.axes[plane][a]] += change[a].dot(g + (first + i) * grid.features);
      }
      std::copy_n(moved, 3, out + 3 * (first + i));
    }
  });
}

at::Tensor grad_points(const at::Tensor& g_any, const at::Tensor& planes, const at::Tensor& points_any, double box_size,
                       at::IntArrayRef axes, bool planar) {
  const Grid grid(planes, points_any, box_size, axes, planar);
  const at::Tensor points = points_any.contiguous(), g = g_any.contiguous();
  const int64_t m = points.size(1);
  at::Tensor out = at::empty(points.sizes(), points.options());
  with_float_type(planes.scalar_type(), "trigrid_sample", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    auto run = grid.features == 32   ? point_gradients<32, T, A>
               : grid.features == 16 ? point_gradients<16, T, A>
                                     : point_gradients<0, T, A>;
    parallel_for(0, grid.n * m, kPointsPerTask, [&](int64_t begin, int64_t end) {
      run(grid, grid.planes.const_data_ptr<T>(), points.const_data_ptr<A>(), g.const_data_ptr<T>(), out.mutable_data_ptr<A>(), m,
          begin, end);
    });
  });
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("trigrid_sample", fullhead::trigrid_sample);
  m.impl("trigrid_sample_grad_planes", fullhead::grad_planes);
  m.impl("trigrid_sample_grad_points", fullhead::grad_points);
}
