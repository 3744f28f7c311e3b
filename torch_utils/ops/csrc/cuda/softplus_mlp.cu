// SPDX-License-Identifier: Apache-2.0
// softplus_mlp on the GPU, for layers as small as those of a field's decoder: a thread takes one row through both layers, its
// inputs and outputs in registers, the weights in shared memory. The hidden layer never reaches memory in the forward pass;
// the backward pass computes it again and writes it down, since the gradients of the weights are products of large matrices,
// which is what cuBLAS is for. Rows are padded with zeros to the sizes that the compiler knows.

#include "cuda/element.cuh"

namespace fullhead {

extern __shared__ __align__(16) unsigned char shared_bytes[];

namespace {

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
__device__ inline void load_weights(const MlpArguments& n, A* shared) {
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

// The first output comes apart from the others, `rest`.
template <class S, class A>
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(MlpArguments n, A* __restrict__ first, A* __restrict__ rest, bool packed_x, bool packed_rest) {
  A* shared = reinterpret_cast<A*>(shared_bytes);
  load_weights<S>(n, shared);
  for (int64_t row = first_item(); row < n.rows; row += item_step()) {
    A x[S::inputs], y[S::outputs], to[S::inputs], from[S::outputs];
    load_row<0>(static_cast<const A*>(n.x) + row * n.inputs, n.inputs, packed_x, x);
    load_packs(shared + n.hidden * kUnit<S>, y);
    for (int h = 0; h < n.hidden; ++h) {
      const A* unit = shared + h * kUnit<S>;
      load_packs(unit, to);
      load_packs(unit + S::inputs, from);
      add_scaled(softplus(dot(to, x, unit[S::inputs + S::outputs])), from, y);
    }
    first[row] = y[0];
    store_row<1>(y, rest + row * (n.outputs - 1), n.outputs - 1, packed_rest);
  }
}

template <class S, class A>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(MlpArguments n, const A* __restrict__ g_first, const A* __restrict__ g_rest, A* __restrict__ d_x,
                    A* __restrict__ hidden, A* __restrict__ d_hidden, bool packed_x, bool packed_rest) {
  A* shared = reinterpret_cast<A*>(shared_bytes);
  load_weights<S>(n, shared);
  for (int64_t row = first_item(); row < n.rows; row += item_step()) {
    A x[S::inputs], g[S::outputs], d[S::inputs] = {}, to[S::inputs], from[S::outputs];
    load_row<0>(static_cast<const A*>(n.x) + row * n.inputs, n.inputs, packed_x, x);
    load_row<1>(g_rest + row * (n.outputs - 1), n.outputs - 1, packed_rest, g);
    g[0] = g_first[row];
    for (int h = 0; h < n.hidden; ++h) {
      const A* unit = shared + h * kUnit<S>;
      load_packs(unit, to);
      load_packs(unit + S::inputs, from);
      const A z = dot(to, x, unit[S::inputs + S::outputs]);
      const A d_z = dot(from, g, A(0)) * sigmoid(z);
      add_scaled(d_z, to, d);
      hidden[h * n.rows + row] = softplus(z);
      d_hidden[h * n.rows + row] = d_z;
    }
    store_row<0>(d, d_x + row * n.inputs, n.inputs, packed_x);
  }
}

template <class S>
bool fits(int64_t bytes_per_element, int64_t inputs, int64_t hidden, int64_t outputs) {
  return inputs <= S::inputs && outputs <= S::outputs &&
         shared_elements<S>(hidden) * bytes_per_element <= kMaxSharedBytes;
}

template <class A>
bool is_packed(int64_t columns, const void* a, const void* b) {
  return columns % kPackSize<A> == 0 && is_pack_aligned(a) && is_pack_aligned(b);
}

// A block reads the weights once, so blocks are few and take many rows each.
inline unsigned blocks_for_rows(int64_t rows) {
  const unsigned blocks = blocks_for(rows, kRowThreads);
  return blocks < 4096 ? blocks : 4096;
}

// Calls f with the element and the sizes that these layers take.
template <class F>
int dispatch(Element element, const MlpArguments& n, const F& f) {
  int error = cudaErrorInvalidValue;
  if (!is_small_mlp(element, n.inputs, n.hidden, n.outputs)) return error;
  with_precise_element(element, [&](auto zero) {
    const bool small = fits<Small>(sizeof(zero), n.inputs, n.hidden, n.outputs);
    error = small ? f(zero, Small()) : f(zero, Large());
  });
  return error;
}

}  // namespace

bool is_small_mlp(Element element, int64_t inputs, int64_t hidden, int64_t outputs) {
  bool small = false;
  with_precise_element(element, [&](auto zero) {
    small = fits<Small>(sizeof(zero), inputs, hidden, outputs) || fits<Large>(sizeof(zero), inputs, hidden, outputs);
  });
  return small;
}

int launch_softplus_mlp(void* stream, Element element, const MlpArguments& n, void* first, void* rest) {
  return dispatch(element, n, [&](auto zero, auto sizes) {
    using A = decltype(zero);
    using S = decltype(sizes);
    return run(forward_kernel<S, A>, blocks_for_rows(n.rows), kRowThreads, shared_elements<S>(n.hidden) * sizeof(A), stream, n,
               static_cast<A*>(first), static_cast<A*>(rest), is_packed<A>(n.inputs, n.x, nullptr),
               is_packed<A>(n.outputs - 1, rest, nullptr));
  });
}

int launch_softplus_mlp_grad(void* stream, Element element, const MlpArguments& n, const void* g_first, const void* g_rest,
                             void* d_x, void* hidden, void* d_hidden) {
  return dispatch(element, n, [&](auto zero, auto sizes) {
    using A = decltype(zero);
    using S = decltype(sizes);
    return run(backward_kernel<S, A>, blocks_for_rows(n.rows), kRowThreads, shared_elements<S>(n.hidden) * sizeof(A), stream, n,
               static_cast<const A*>(g_first), static_cast<const A*>(g_rest), static_cast<A*>(d_x), static_cast<A*>(hidden),
               static_cast<A*>(d_hidden), is_packed<A>(n.inputs, n.x, d_x), is_packed<A>(n.outputs - 1, g_rest, nullptr));
  });
}

}  // namespace fullhead
