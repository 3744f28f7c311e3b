// SPDX-License-Identifier: Apache-2.0
// trigrid_sample and its two gradients on the GPU. Neighbouring threads take neighbouring features, so every corner of a cell
// is read or written in one piece.
//
// The gradient into the planes is summed by atomics, in float at least: one kernel, no sort and no scratch. The price is that the
// last bits of the sums depend on the order in which threads arrive.

#include "cuda/element.cuh"

namespace fullhead {
namespace {

// Where a point lies in a plane: along the plane's width, height and depth the two texels beside it, with weights that are
// zero where there is no texel.
// Loops over planes are unrolled wherever it is used, since a compiler keeps arrays in registers only if it knows every index.
template <class A>
struct Cell {
  A weight[3][2];
  A inside[3][2];  // 1 where the texel exists: the derivative of the weights is -+inside
  int32_t offset[3][2];

  __device__ Cell(const TrigridArguments& a, int plane, const A* point) {
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      if (axis == 2 && a.planar)
        take_the_one_slice();
      else
        look_up(axis, point[a.axes[plane][axis]] * A(a.per_unit), a.size[axis], a.stride[axis]);
    }
  }

  // Corner c = 4 * depth + 2 * height + width.
  __device__ A corner_weight(int c) const { return weight[0][c & 1] * weight[1][c >> 1 & 1] * weight[2][c >> 2]; }
  __device__ int32_t corner_offset(int c) const { return offset[0][c & 1] + offset[1][c >> 1 & 1] + offset[2][c >> 2]; }

  // How the weight of corner c changes along an axis, per texel: the weight of texel k is 1 - t or t, so it is -1 or 1 there.
  __device__ A corner_slope(int c, int axis) const {
    const int bit[3] = {c & 1, c >> 1 & 1, c >> 2};
    A slope = bit[axis] ? inside[axis][1] : -inside[axis][0];
#pragma unroll
    for (int other = 0; other < 3; ++other)
      if (other != axis) slope *= weight[other][bit[other]];
    return slope;
  }

 private:
  __device__ void look_up(int axis, A q, int32_t size, int32_t stride) {
    A x = q * (A(size) / A(2)) + (A(size) - A(1)) / A(2);
    // Far outside, or NaN, there is no texel; the integers below must not overflow on the way to that answer.
    const A far = A(size) + A(1);
    x = x >= A(-2) ? x : A(-2);
    x = x <= far ? x : far;
    const A low = std::floor(x), t = x - low;
    const int32_t k = int32_t(low);
    const bool first = k >= 0 && k < size, second = k + 1 >= 0 && k + 1 < size;
    inside[axis][0] = first ? A(1) : A(0);
    inside[axis][1] = second ? A(1) : A(0);
    weight[axis][0] = first ? A(1) - t : A(0);
    weight[axis][1] = second ? t : A(0);
    offset[axis][0] = first ? k * stride : 0;
    offset[axis][1] = second ? (k + 1) * stride : 0;
  }

  // The depth axis of a planar grid: its one slice, whatever the coordinate.
  __device__ void take_the_one_slice() {
    weight[2][0] = A(1), weight[2][1] = A(0);
    inside[2][0] = inside[2][1] = A(0);
    offset[2][0] = offset[2][1] = 0;
  }
};

// A thread makes one pack of one point's features.
template <int kSize, class T>
__global__ void sample_kernel(const T* __restrict__ planes, const Acc<T>* __restrict__ points, T* __restrict__ out,
                              TrigridArguments a, int64_t items) {
  using A = Acc<T>;
  const int packs = a.features / kSize;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t point = item / packs;
    const T* image = planes + point / a.points_per_image * a.stride_image + (item - point * packs) * kSize;
    A sums[kSize] = {};
#pragma unroll
    for (int plane = 0; plane < 3; ++plane) {
      const Cell<A> cell(a, plane, points + 3 * point);
#pragma unroll
      for (int c = 0; c < 8; ++c) {
        const A weight = cell.corner_weight(c);
        if (weight == A(0)) continue;
        const auto texel = *reinterpret_cast<const Pack<T, kSize>*>(image + plane * a.stride_plane + cell.corner_offset(c));
#pragma unroll
        for (int i = 0; i < kSize; ++i) sums[i] += weight * widen(texel.values[i]);
      }
    }
    Pack<T, kSize> pack;
#pragma unroll
    for (int i = 0; i < kSize; ++i) pack.values[i] = narrow<T>(sums[i] * A(1.0 / 3));
    reinterpret_cast<Pack<T, kSize>*>(out)[item] = pack;
  }
}

// A thread adds one feature of one point's gradient to the texels around the point.
template <class T>
__global__ void grad_planes_kernel(const T* __restrict__ g, const Acc<T>* __restrict__ points, Acc<T>* out, TrigridArguments a,
                                   int64_t items) {
  using A = Acc<T>;
  for (int64_t item = first_item(); item < items; item += item_step()) {
    const int64_t point = item / a.features;
    A* image = out + point / a.points_per_image * a.stride_image + (item - point * a.features);
    const A to_add = widen(g[item]) * A(1.0 / 3);
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
__global__ void grad_points_kernel(const T* __restrict__ g, const T* __restrict__ planes, const Acc<T>* __restrict__ points,
                                   Acc<T>* __restrict__ out, TrigridArguments a) {
  using A = Acc<T>;
  for (int64_t point = first_warp_item(); point < a.points; point += warp_item_step()) {
    const T* image = planes + point / a.points_per_image * a.stride_image;
    const T* g_point = g + point * a.features;
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
        for (int f = lane(); f < a.features; f += kWarp) alike += widen(g_point[f]) * widen(texel[f]);
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

template <class T>
bool is_packable(const TrigridArguments& a, const void* planes, const void* out) {
  bool whole = a.features % kPackSize<T> == 0 && a.stride_image % kPackSize<T> == 0 && a.stride_plane % kPackSize<T> == 0;
  for (const int32_t stride : a.stride) whole = whole && stride % kPackSize<T> == 0;
  return whole && is_pack_aligned(planes) && is_pack_aligned(out);
}

}  // namespace

int launch_trigrid_sample(void* stream, Element element, const void* planes, const void* points, void* out,
                          const TrigridArguments& a) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    constexpr int kSize = kPackSize<T>;
    const T* p = static_cast<const T*>(planes);
    const auto* xyz = static_cast<const Acc<T>*>(points);
    const int64_t features = a.points * a.features;
    error = is_packable<T>(a, planes, out)
                ? run(sample_kernel<kSize, T>, blocks_for(features / kSize), kThreads, 0, stream, p, xyz, static_cast<T*>(out), a,
                      features / kSize)
                : run(sample_kernel<1, T>, blocks_for(features), kThreads, 0, stream, p, xyz, static_cast<T*>(out), a, features);
  });
  return error;
}

int launch_trigrid_grad_planes(void* stream, Element element, const void* g, const void* points, void* out,
                               const TrigridArguments& a) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    const int64_t features = a.points * a.features;
    error = run(grad_planes_kernel<T>, blocks_for(features), kThreads, 0, stream, static_cast<const T*>(g),
                static_cast<const Acc<T>*>(points), static_cast<Acc<T>*>(out), a, features);
  });
  return error;
}

int launch_trigrid_grad_points(void* stream, Element element, const void* g, const void* planes, const void* points, void* out,
                               const TrigridArguments& a) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    error = run(grad_points_kernel<T>, blocks_for_warps(a.points), kThreads, 0, stream, static_cast<const T*>(g),
                static_cast<const T*>(planes), static_cast<const Acc<T>*>(points), static_cast<Acc<T>*>(out), a);
  });
  return error;
}

}  // namespace fullhead
