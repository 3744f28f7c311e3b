// SPDX-License-Identifier: Apache-2.0
// trigrid_decode on the GPU. A thread takes one point through sampling and both layers: neither features nor the hidden layer reach
// memory. The backward pass computes both again and writes them down, some rows at a time, since the gradients of the weights are
// products of large matrices, which is what cuBLAS is for; and since the gradients of the features then go into the planes with
// neighbouring threads at neighbouring features, so that every corner of a cell is written in one piece.
//
// The gradient into the planes is summed by atomics, in float at least: one kernel, no sort and no scratch. The price is that the
// last bits of the sums depend on the order in which threads arrive.

#include "cuda/cell.cuh"
#include "cuda/small_layers.cuh"
#include "contract.h"

namespace fullhead {
namespace {

// The first output comes apart from the others, `rest`.
template <class S, int kSize, class T>
__global__ void __launch_bounds__(kRowThreads)
    decode_kernel(const T* __restrict__ planes, const Acc<T>* __restrict__ points, TrigridArguments a, LayerArguments n,
                  Acc<T>* __restrict__ density, Acc<T>* __restrict__ rest, bool packed_rest) {
  using A = Acc<T>;
  A* shared = reinterpret_cast<A*>(shared_bytes);
  load_weights<S>(n, shared);
  for (int64_t point = first_item(); point < a.points; point += item_step()) {
    A y[S::outputs] = {};
    if (is_seen(a, point)) {
      A x[S::inputs] = {}, to[S::inputs], from[S::outputs];
      const T* image = planes + point / a.points_per_image * a.stride_image;
#pragma unroll
      for (int plane = 0; plane < 3; ++plane) {
        const Cell<A> cell(a, plane, points + 3 * point);
#pragma unroll
        for (int c = 0; c < 8; ++c) {
          const A weight = cell.corner_weight(c) * A(1.0 / 3);
          if (weight == A(0)) continue;
          const T* texel = image + plane * a.stride_plane + cell.corner_offset(c);
#pragma unroll
          for (int p = 0; p < S::inputs / kSize; ++p) {
            if (p * kSize >= a.features) break;
            const auto pack = reinterpret_cast<const Pack<T, kSize>*>(texel)[p];
#pragma unroll
            for (int i = 0; i < kSize; ++i) x[p * kSize + i] += weight * widen(pack.values[i]);
          }
        }
      }
      load_packs(shared + n.hidden * kUnit<S>, y);
      for (int h = 0; h < n.hidden; ++h) {
        const A* unit = shared + h * kUnit<S>;
        load_packs(unit, to);
        load_packs(unit + S::inputs, from);
        add_scaled(softplus(dot(to, x, unit[S::inputs + S::outputs])), from, y);
      }
    } else {
      y[0] = A(kHiddenDensity);
    }
    density[point] = y[0];
    store_row<1>(y, rest + point * (n.outputs - 1), n.outputs - 1, packed_rest);
  }
}

// A thread makes one pack of one point's features, as rows of `out` from point `first` on; zero where nothing is seen.
template <int kSize, class T>
__global__ void sample_kernel(const T* __restrict__ planes, const Acc<T>* __restrict__ points, Acc<T>* __restrict__ out,
                              TrigridArguments a, int64_t first, int64_t items) {
  using A = Acc<T>;
  const int packs = a.features / kSize;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t point = item / packs;
    const T* image = planes + (first + point) / a.points_per_image * a.stride_image + (item - point * packs) * kSize;
    A sums[kSize] = {};
#pragma unroll
    for (int plane = 0; plane < 3; ++plane) {
      if (!is_seen(a, first + point)) break;
      const Cell<A> cell(a, plane, points + 3 * (first + point));
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        const A weight = cell.corner_weight(c);
        if (weight == A(0)) continue;
        const auto texel = *reinterpret_cast<const Pack<T, kSize>*>(image + plane * a.stride_plane + cell.corner_offset(c));
#pragma unroll
        for (int i = 0; i < kSize; ++i) sums[i] += weight * widen(texel.values[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kSize; ++i) out[item * kSize + i] = sums[i] * A(1.0 / 3);
  }
}

// A thread adds one feature of one point's gradient to the texels around the point.
template <class T>
__global__ void grad_planes_kernel(const Acc<T>* __restrict__ g, const Acc<T>* __restrict__ points, Acc<T>* out, TrigridArguments a,
                                   int64_t first, int64_t items) {
  using A = Acc<T>;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t row = item / a.features, point = first + row;
    if (!is_seen(a, point)) continue;
    A* image = out + point / a.points_per_image * a.stride_image + (item - row * a.features);
    const A to_add = g[item] * A(1.0 / 3);
#pragma unroll
    for (int plane = 0; plane < 3; ++plane) {
      const Cell<A> cell(a, plane, points + 3 * point);
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        const A weight = cell.corner_weight(c);
        if (weight != A(0)) atomicAdd(image + plane * a.stride_plane + cell.corner_offset(c), weight * to_add);
      }
    }
  }
}

// A warp makes the gradient of one point, its lanes take the features in turn.
template <class T>
__global__ void grad_points_kernel(const Acc<T>* __restrict__ g, const T* __restrict__ planes, const Acc<T>* __restrict__ points,
                                   Acc<T>* __restrict__ out, TrigridArguments a, int64_t first, int64_t rows) {
  using A = Acc<T>;
  for (int64_t row = first_warp_item(); row < rows; row += warp_item_step()) {
    const int64_t point = first + row;
    if (!is_seen(a, point)) continue;
    const T* image = planes + point / a.points_per_image * a.stride_image;
    const A* g_point = g + row * a.features;
    A moved[3] = {};
#pragma unroll
    for (int plane = 0; plane < 3; ++plane) {
      const Cell<A> cell(a, plane, points + 3 * point);
      A along[3] = {};  // the plane's width, height and depth
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        const A slope[3] = {cell.corner_slope(c, 0), cell.corner_slope(c, 1), cell.corner_slope(c, 2)};
        if (slope[0] == A(0) && slope[1] == A(0) && slope[2] == A(0)) continue;
        const T* texel = image + plane * a.stride_plane + cell.corner_offset(c);
        A alike = 0;
        for (int f = lane(); f < a.features; f += kWarp) alike += g_point[f] * widen(texel[f]);
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) along[axis] += slope[axis] * alike;
      }
#pragma unroll
      for (int axis = 0; axis < 3; ++axis) {
        // From texels to world units, with the third that each plane has in the mean.
        const A change = along[axis] * A(a.size[axis]) * A(a.per_unit / 6);
#pragma unroll
        for (int i = 0; i < 3; ++i) moved[i] += a.axes[plane][axis] == i ? change : A(0);
      }
    }
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      const A total = warp_sum(moved[i]);
      if (lane() == 0) out[3 * point + i] = total;
    }
  }
}

template <class S, class A>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(LayerArguments n, const A* __restrict__ rows_of_x, int64_t rows, const A* __restrict__ g_first, const A* __restrict__ g_rest, A* __restrict__ d_x,
                    A* __restrict__ hidden, A* __restrict__ d_hidden, bool packed_x, bool packed_rest) {
  A* shared = reinterpret_cast<A*>(shared_bytes);
  load_weights<S>(n, shared);
  for (int64_t row = first_item(); row < rows; row += item_step()) {
    A x[S::inputs], g[S::outputs], d[S::inputs] = {}, to[S::inputs], from[S::outputs];
    load_row<0>(rows_of_x + row * n.inputs, n.inputs, packed_x, x);
    load_row<1>(g_rest + row * (n.outputs - 1), n.outputs - 1, packed_rest, g);
    g[0] = g_first[row];
    for (int h = 0; h < n.hidden; ++h) {
      const A* unit = shared + h * kUnit<S>;
      load_packs(unit, to);
      load_packs(unit + S::inputs, from);
      const A z = dot(to, x, unit[S::inputs + S::outputs]);
      const A d_z = dot(from, g, A(0)) * sigmoid(z);
      add_scaled(d_z, to, d);
      hidden[h * rows + row] = softplus(z);
      d_hidden[h * rows + row] = d_z;
    }
    store_row<0>(d, d_x + row * n.inputs, n.inputs, packed_x);
  }
}

template <class T>
bool is_packable(const TrigridArguments& a, const void* planes) {
  bool whole = a.features % kPackSize<T> == 0 && a.stride_image % kPackSize<T> == 0 && a.stride_plane % kPackSize<T> == 0;
  for (const int32_t stride : a.stride) whole = whole && stride % kPackSize<T> == 0;
  return whole && is_pack_aligned(planes);
}

template <class A>
bool is_packed(int64_t columns, const void* a, const void* b) {
  return columns % kPackSize<A> == 0 && is_pack_aligned(a) && is_pack_aligned(b);
}

}  // namespace

bool are_small(Element element, const LayerArguments& n) {
  const int64_t bytes = element == Element::f64 ? 8 : 4;
  return fits<Small>(bytes, n.inputs, n.hidden, n.outputs) || fits<Large>(bytes, n.inputs, n.hidden, n.outputs);
}

int launch_trigrid_decode(void* stream, Element element, const void* planes, const void* points, const TrigridArguments& a,
                          const LayerArguments& n, void* density, void* rest) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    error = with_sizes<A>(n, [&](auto sizes) {
      using S = decltype(sizes);
      auto start = [&](auto kernel) {
        return run(kernel, blocks_for_rows(a.points), kRowThreads, shared_elements<S>(n.hidden) * sizeof(A), stream,
                   static_cast<const T*>(planes), static_cast<const A*>(points), a, n, static_cast<A*>(density), static_cast<A*>(rest),
                   is_packed<A>(n.outputs - 1, rest, nullptr));
      };
      return is_packable<T>(a, planes) ? start(decode_kernel<S, kPackSize<T>, T>) : start(decode_kernel<S, 1, T>);
    });
  });
  return error;
}

int launch_trigrid_sample(void* stream, Element element, const void* planes, const void* points, const TrigridArguments& a,
                          int64_t first, int64_t rows, void* x) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    constexpr int kSize = kPackSize<T>;
    const T* p = static_cast<const T*>(planes);
    const auto* xyz = static_cast<const Acc<T>*>(points);
    auto* out = static_cast<Acc<T>*>(x);
    const int64_t items = rows * a.features;
    error = is_packable<T>(a, planes)
                ? run(sample_kernel<kSize, T>, blocks_for(items / kSize), kThreads, 0, stream, p, xyz, out, a, first, items / kSize)
                : run(sample_kernel<1, T>, blocks_for(items), kThreads, 0, stream, p, xyz, out, a, first, items);
  });
  return error;
}

int launch_layers_grad(void* stream, Element element, const LayerArguments& n, const void* x, int64_t rows, const void* g_first,
                       const void* g_rest, void* d_x, void* hidden, void* d_hidden) {
  int error = cudaErrorInvalidValue;
  with_precise_element(element == Element::f64 ? element : Element::f32, [&](auto zero) {
    using A = decltype(zero);
    error = with_sizes<A>(n, [&](auto sizes) {
      using S = decltype(sizes);
      return run(backward_kernel<S, A>, blocks_for_rows(rows), kRowThreads, shared_elements<S>(n.hidden) * sizeof(A), stream, n,
                 static_cast<const A*>(x), rows, static_cast<const A*>(g_first), static_cast<const A*>(g_rest), static_cast<A*>(d_x),
                 static_cast<A*>(hidden), static_cast<A*>(d_hidden), is_packed<A>(n.inputs, x, d_x),
                 is_packed<A>(n.outputs - 1, g_rest, nullptr));
    });
  });
  return error;
}

int launch_trigrid_grad_planes(void* stream, Element element, const void* g, const void* points, const TrigridArguments& a,
                               int64_t first, int64_t rows, void* out) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    error = run(grad_planes_kernel<T>, blocks_for(rows * a.features), kThreads, 0, stream, static_cast<const A*>(g),
                static_cast<const A*>(points), static_cast<A*>(out), a, first, rows * a.features);
  });
  return error;
}

int launch_trigrid_grad_points(void* stream, Element element, const void* g, const void* planes, const void* points,
                               const TrigridArguments& a, int64_t first, int64_t rows, void* out) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    error = run(grad_points_kernel<T>, blocks_for_warps(rows), kThreads, 0, stream, static_cast<const A*>(g),
                static_cast<const T*>(planes), static_cast<const A*>(points), static_cast<A*>(out), a, first, rows);
  });
  return error;
}

}  // namespace fullhead
