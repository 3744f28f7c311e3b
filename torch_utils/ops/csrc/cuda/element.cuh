// SPDX-License-Identifier: Apache-2.0
// Element types on the device, and 16-byte packs of them: memory moves in packs, arithmetic is in float (double for double).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "accumulator.h"
#include "cuda/launch.h"
#include "cuda/run.cuh"

namespace fullhead {

template <class T>
__device__ inline Acc<T> widen(T x) {
  return static_cast<Acc<T>>(x);
}
template <class T>
__device__ inline T narrow(Acc<T> x) {
  return static_cast<T>(x);
}

template <class A>
FULLHEAD_DEVICE A sigmoid(A z) {
  return A(1) / (A(1) + std::exp(-z));
}
template <class A>
FULLHEAD_DEVICE A softplus(A z) {
  return (z > A(0) ? z : A(0)) + std::log1p(std::exp(-std::abs(z)));
}

template <class T, int kSize>
struct alignas(sizeof(T) * kSize) Pack {
  T values[kSize];
};

// As many elements as fill 16 bytes.
template <class T>
constexpr int kPackSize = 16 / sizeof(T);

inline bool is_pack_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// Calls f with a value of the device type.
template <class F>
void with_element(Element element, const F& f) {
  switch (element) {
    case Element::f32: return f(float());
    case Element::f64: return f(double());
    case Element::f16: return f(__half());
    case Element::bf16: return f(__nv_bfloat16());
  }
}

// Calls f with float or double, for operators that have no lower precision. Other elements call nothing.
template <class F>
void with_precise_element(Element element, const F& f) {
  if (element == Element::f32) f(float());
  if (element == Element::f64) f(double());
}

}  // namespace fullhead
