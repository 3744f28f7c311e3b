// SPDX-License-Identifier: Apache-2.0
// Arithmetic that compilers vectorise: exp and log1p by polynomials in float, the standard library in double.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "accumulator.h"
#include "activation.h"

namespace fullhead {

// exp(x) for x <= 0, zero below -87; NaN stays NaN. x = n ln2 + r, |r| <= ln2 / 2; the Taylor series of e^r to r^7 is
// exact to 5e-9.
FULLHEAD_DEVICE float exp_nonpositive(float x) {
  const bool vanishes = x < -87.0f;
  x = vanishes ? -87.0f : x;
  const float n = std::nearbyint(x * 1.44269504f);
  float r = std::fma(n, -0.693359375f, x);  // ln2 in two parts, the first exact in few bits
  r = std::fma(n, 2.12194440e-4f, r);
  float p = 1.0f / 5040;
  p = std::fma(p, r, 1.0f / 720);
  p = std::fma(p, r, 1.0f / 120);
  p = std::fma(p, r, 1.0f / 24);
  p = std::fma(p, r, 1.0f / 6);
  p = std::fma(p, r, 0.5f);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  p *= std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return vanishes ? 0.0f : p;
}
inline double exp_nonpositive(double x) { return std::exp(x); }

// log(1 + x) for 0 <= x <= 1: x times the polynomial of degree 8 that is closest to log(1 + x) / x, exact to 2e-8.
FULLHEAD_DEVICE float log1p_unit(float x) {
  float p = 4.97289281e-3f;
  p = std::fma(p, x, -2.83761472e-2f);
  p = std::fma(p, x, 7.62073994e-2f);
  p = std::fma(p, x, -0.134724885f);
  p = std::fma(p, x, 0.190043092f);
  p = std::fma(p, x, -0.248129129f);
  p = std::fma(p, x, 0.333146542f);
  p = std::fma(p, x, -0.499992549f);
  p = std::fma(p, x, 1.0f);
  return p * x;
}
inline double log1p_unit(double x) { return std::log1p(x); }

// sin(x) for |x| up to thousands, with the error of rounding x. x = n pi + r, |r| <= pi / 2; the odd polynomial to r^9 is
// exact to 4e-9.
FULLHEAD_DEVICE float sine(float x) {
  const float n = std::nearbyint(x * 0.318309886f);
  float r = std::fma(n, -3.140625f, x);  // pi in two parts, the first exact in few bits
  r = std::fma(n, -9.67653589793e-4f, r);
  const float q = r * r;
  float p = 2.60831598e-6f;
  p = std::fma(p, q, -1.98106647e-4f);
  p = std::fma(p, q, 8.33307855e-3f);
  p = std::fma(p, q, -1.66666597e-1f);
  const float value = std::fma(p * q, r, r);
  return std::bit_cast<float>(std::bit_cast<int32_t>(value) ^ (static_cast<int32_t>(n) << 31));
}

// log(1 + e^x), without overflow and without PyTorch's linear cut at 20 (they agree to rounding there).
template <class A>
FULLHEAD_DEVICE A softplus(A x) {
  return (x > A(0) ? x : A(0)) + log1p_unit(exp_nonpositive(-std::abs(x)));
}

template <class A>
FULLHEAD_DEVICE A sigmoid(A x) {
  const A e = exp_nonpositive(-std::abs(x));
  return (x >= A(0) ? A(1) : e) / (A(1) + e);
}

}  // namespace fullhead
