// SPDX-License-Identifier: Apache-2.0
// The FIR kernel: each thread makes one pack of one output (channels of a pixel, or a single value), reading the inputs it needs
// through the caches, and hands the sums to `Finish` before the store.
#pragma once

#include "cuda/element.cuh"

namespace fullhead {

// The taps that meet a sample of the zero-stuffed axis: taps first, first + up, ... belong to inputs input, input + 1, ...
struct Meeting {
  int tap, input;
};
__device__ inline Meeting meet(const FirAxis& axis, int out) {
  const int start = out * axis.down - axis.pad;
  const int skip = ((-start) % axis.up + axis.up) % axis.up;
  return {skip, (start + skip) / axis.up};
}

// Convolution flips its taps.
template <class A>
__device__ inline A tap_of(const FirAxis& axis, int k) {
  return axis.taps ? static_cast<const A*>(axis.taps)[axis.num_taps - 1 - k] : A(1);
}

// Finish: (sums, outer, out_y, out_x, first channel).
template <int kSize, class T, class Finish>
__global__ void fir_kernel(const T* __restrict__ x, T* __restrict__ y, FirArguments a, int64_t packs, Finish finish) {
  using A = Acc<T>;
  const int64_t packs_per_pixel = a.inner / kSize;
  for (int64_t p = first_item(); p < packs; p += item_step()) {
    const int64_t pixel = p / packs_per_pixel;
    const int64_t channel = (p - pixel * packs_per_pixel) * kSize;
    const int out_x = int(pixel % a.x.out);
    const int64_t row = pixel / a.x.out;
    const int out_y = int(row % a.y.out);
    const int64_t outer = row / a.y.out;
    const Meeting my = meet(a.y, out_y), mx = meet(a.x, out_x);
    A sums[kSize] = {};
    for (int ky = my.tap, in_y = my.input; ky < a.y.num_taps; ky += a.y.up, ++in_y) {
      if (in_y < 0 || in_y >= a.y.in) continue;
      const A weight_y = tap_of<A>(a.y, ky) * A(a.gain);
      const T* in_row = x + (outer * a.y.in + in_y) * a.x.in * a.inner + channel;
      for (int kx = mx.tap, in_x = mx.input; kx < a.x.num_taps; kx += a.x.up, ++in_x) {
        if (in_x < 0 || in_x >= a.x.in) continue;
        const A weight = weight_y * tap_of<A>(a.x, kx);
        const auto in = *reinterpret_cast<const Pack<T, kSize>*>(in_row + int64_t(in_x) * a.inner);
#pragma unroll
        for (int i = 0; i < kSize; ++i) sums[i] += weight * widen(in.values[i]);
      }
    }
    finish(sums, outer, out_y, out_x, channel);
    Pack<T, kSize> out;
#pragma unroll
    for (int i = 0; i < kSize; ++i) out.values[i] = narrow<T>(sums[i]);
    reinterpret_cast<Pack<T, kSize>*>(y)[p] = out;
  }
}

template <class T, class Finish>
int launch_fir_kernel(void* stream, const void* x, void* y, const FirArguments& a, const Finish& finish) {
  const int64_t numel = a.outer * a.y.out * a.x.out * a.inner;
  if (numel == 0) return 0;
  constexpr int kSize = kPackSize<T>;
  const T* px = static_cast<const T*>(x);
  T* py = static_cast<T*>(y);
  if (a.inner % kSize == 0 && is_pack_aligned(x) && is_pack_aligned(y))
    return run(fir_kernel<kSize, T, Finish>, blocks_for(numel / kSize), kThreads, 0, stream, px, py, a, numel / kSize, finish);
  return run(fir_kernel<1, T, Finish>, blocks_for(numel), kThreads, 0, stream, px, py, a, numel, finish);
}

}  // namespace fullhead
