// SPDX-License-Identifier: Apache-2.0
// Where a point lies in the planes of a tri-grid.
#pragma once

#include "cuda/element.cuh"

namespace fullhead {

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

inline __device__ bool is_seen(const TrigridArguments& a, int64_t point) { return !a.seen || a.seen[point]; }

}  // namespace fullhead
