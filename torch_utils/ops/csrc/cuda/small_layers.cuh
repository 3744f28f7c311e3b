// SPDX-License-Identifier: Apache-2.0
// Two layers as small as those of a field's decoder: a thread takes one row through both, its inputs and outputs in registers, the
// weights in shared memory. Rows are padded with zeros to the sizes that the compiler knows.
#pragma once

#include "cuda/element.cuh"

namespace fullhead {

extern __shared__ __align__(16) unsigned char shared_bytes[];

constexpr int kRowThreads = 128;
constexpr int64_t kMaxSharedBytes = 48 * 1024;  // what every block may have without asking

// Sizes that kernels are compiled for: as many inputs and outputs, or fewer. Both are whole packs of float and of double.
template <int kInputs, int kOutputs>
struct Sizes {
  static constexpr int inputs = kInputs, outputs = kOutputs;
};
using Small = Sizes<16, 20>;
using Large = Sizes<32, 36>;

// Shared memory holds for every hidden unit the weights that lead to it, those that lead from it and its bias, and last the
// biases of the outputs.
template <class S>
constexpr int kUnit = S::inputs + S::outputs + 4;

template <class S>
constexpr int64_t shared_elements(int64_t hidden) {
  return hidden * kUnit<S> + S::outputs;
}

template <class S, class A>
__device__ inline void load_weights(const LayerArguments& n, A* shared) {
  const A *w1 = static_cast<const A*>(n.w1), *b1 = static_cast<const A*>(n.b1);
  const A *w2 = static_cast<const A*>(n.w2), *b2 = static_cast<const A*>(n.b2);
  const int all = n.hidden * kUnit<S>;
  for (int k = threadIdx.x; k < all + S::outputs; k += blockDim.x) {
    const int h = k / kUnit<S>, at = k % kUnit<S>, o = k < all ? at - S::inputs : k - all;
    A value = 0;
    if (k >= all)
      value = o < n.outputs ? b2[o] : A(0);
    else if (at < S::inputs)
      value = at < n.inputs ? w1[h * n.inputs + at] : A(0);
    else if (at < S::inputs + S::outputs)
      value = o < n.outputs ? w2[o * n.hidden + h] : A(0);
    else if (at == S::inputs + S::outputs)
      value = b1[h];
    shared[k] = value;
  }
  __syncthreads();
}

// Whole packs from shared memory into registers.
template <int kCount, class A>
__device__ inline void load_packs(const A* from, A (&to)[kCount]) {
  constexpr int kSize = kPackSize<A>;
  static_assert(kCount % kSize == 0);
#pragma unroll
  for (int p = 0; p < kCount / kSize; ++p) {
    const auto pack = reinterpret_cast<const Pack<A, kSize>*>(from)[p];
#pragma unroll
    for (int i = 0; i < kSize; ++i) to[p * kSize + i] = pack.values[i];
  }
}

// A row of `count` numbers, zeros behind them. `packed` rows are made of aligned packs.
template <int kFirst, int kCount, class A>
__device__ inline void load_row(const A* row, int count, bool packed, A (&to)[kCount]) {
  constexpr int kSize = kPackSize<A>, kPacks = (kCount - kFirst) / kSize;
#pragma unroll
  for (int i = kFirst; i < kCount; ++i) to[i] = A(0);
  if (packed) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p)
      if (p * kSize < count) {
        const auto pack = reinterpret_cast<const Pack<A, kSize>*>(row)[p];
#pragma unroll
        for (int i = 0; i < kSize; ++i) to[kFirst + p * kSize + i] = pack.values[i];
      }
  } else {
#pragma unroll
    for (int i = 0; i < kCount - kFirst; ++i)
      if (i < count) to[kFirst + i] = row[i];
  }
}

template <int kFirst, int kCount, class A>
__device__ inline void store_row(const A (&from)[kCount], A* row, int count, bool packed) {
  constexpr int kSize = kPackSize<A>, kPacks = (kCount - kFirst) / kSize;
  if (packed) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p)
      if (p * kSize < count) {
        Pack<A, kSize> pack;
#pragma unroll
        for (int i = 0; i < kSize; ++i) pack.values[i] = from[kFirst + p * kSize + i];
        reinterpret_cast<Pack<A, kSize>*>(row)[p] = pack;
      }
  } else {
#pragma unroll
    for (int i = 0; i < kCount - kFirst; ++i)
      if (i < count) row[i] = from[kFirst + i];
  }
}

template <int kCount, class A>
__device__ inline A dot(const A (&a)[kCount], const A (&b)[kCount], A sum) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum += a[i] * b[i];
  return sum;
}

template <int kCount, class A>
__device__ inline void add_scaled(A scale, const A (&a)[kCount], A (&sum)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) sum[i] += scale * a[i];
}

template <class S>
bool fits(int64_t bytes_per_element, int64_t inputs, int64_t hidden, int64_t outputs) {
  return inputs <= S::inputs && outputs <= S::outputs &&
         shared_elements<S>(hidden) * bytes_per_element <= kMaxSharedBytes;
}

// A block reads the weights once, so blocks are few and take many rows each.
inline unsigned blocks_for_rows(int64_t rows) {
  const unsigned blocks = blocks_for(rows, kRowThreads);
  return blocks < 4096 ? blocks : 4096;
}

// Calls f with a value of the layers' type and the sizes that they take; an error where none does.
template <class A, class F>
int with_sizes(const LayerArguments& n, const F& f) {
  if (fits<Small>(sizeof(A), n.inputs, n.hidden, n.outputs)) return f(Small());
  if (fits<Large>(sizeof(A), n.inputs, n.hidden, n.outputs)) return f(Large());
  return cudaErrorInvalidValue;
}

}  // namespace fullhead
