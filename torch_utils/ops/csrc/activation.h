// SPDX-License-Identifier: Apache-2.0
// The activations, for CPU and GPU alike: names, and each as three functions: value(z), slope(kept) = value', curve(z) = value''.
// `kept` is the output for the piecewise linear kinds (its sign is the sign of z) and z for the others.
// The order of the kinds is that of torch_utils/ops/biased_act.py.
#pragma once

#include <cmath>
#include <string_view>
#include <type_traits>

// Inlined always, since a call left standing keeps a loop from being vectorised.
#ifdef __CUDACC__
#define FULLHEAD_DEVICE __device__ __forceinline__
#else
#define FULLHEAD_DEVICE inline __attribute__((always_inline))
#endif

namespace fullhead {

enum class Act { linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish, unknown };

inline Act act_from_name(std::string_view name) {
  constexpr std::string_view names[] = {"linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish"};
  for (int i = 0; i < 9; ++i)
    if (names[i] == name) return static_cast<Act>(i);
  return Act::unknown;
}

// Calls f with the kind as a std::integral_constant. An unknown kind calls nothing: check it first.
template <class F>
void with_act(Act act, const F& f) {
  switch (act) {
    case Act::linear: return f(std::integral_constant<Act, Act::linear>());
    case Act::relu: return f(std::integral_constant<Act, Act::relu>());
    case Act::lrelu: return f(std::integral_constant<Act, Act::lrelu>());
    case Act::tanh: return f(std::integral_constant<Act, Act::tanh>());
    case Act::sigmoid: return f(std::integral_constant<Act, Act::sigmoid>());
    case Act::elu: return f(std::integral_constant<Act, Act::elu>());
    case Act::selu: return f(std::integral_constant<Act, Act::selu>());
    case Act::softplus: return f(std::integral_constant<Act, Act::softplus>());
    case Act::swish: return f(std::integral_constant<Act, Act::swish>());
    case Act::unknown: return;
  }
}

// Linear on either side of zero: the slope can be told from the output. These kinds come first.
inline bool is_piecewise(Act act) { return act <= Act::lrelu; }
template <Act act>
constexpr bool kIsPiecewise = act <= Act::lrelu;

constexpr double kLreluSlope = 0.2;
constexpr double kSeluScale = 1.0507009873554805;
constexpr double kSeluAlpha = 1.6732632423543772;

// Each side brings its own way to compute these: cpu/numeric.h and cuda/element.cuh.
template <class A>
FULLHEAD_DEVICE A sigmoid(A z);
template <class A>
FULLHEAD_DEVICE A softplus(A z);

template <Act act, class A>
FULLHEAD_DEVICE A act_value(A z) {
  if constexpr (act == Act::linear) return z;
  if constexpr (act == Act::relu) return z < A(0) ? A(0) : z;  // NaN stays NaN
  if constexpr (act == Act::lrelu) return z > A(0) ? z : A(kLreluSlope) * z;
  if constexpr (act == Act::tanh) return std::tanh(z);
  if constexpr (act == Act::sigmoid) return sigmoid(z);
  if constexpr (act == Act::elu) return z > A(0) ? z : std::expm1(z);
  if constexpr (act == Act::selu) return A(kSeluScale) * (z > A(0) ? z : A(kSeluAlpha) * std::expm1(z));
  if constexpr (act == Act::softplus) return softplus(z);
  if constexpr (act == Act::swish) return z * sigmoid(z);
}

template <Act act, class A>
FULLHEAD_DEVICE A act_slope(A kept) {
  if constexpr (act == Act::linear) return A(1);
  if constexpr (act == Act::relu) return kept <= A(0) ? A(0) : A(1);
  if constexpr (act == Act::lrelu) return kept > A(0) ? A(1) : A(kLreluSlope);
  if constexpr (act == Act::tanh) return A(1) - std::tanh(kept) * std::tanh(kept);
  if constexpr (act == Act::sigmoid) return sigmoid(kept) * sigmoid(-kept);
  if constexpr (act == Act::elu) return kept > A(0) ? A(1) : std::exp(kept);
  if constexpr (act == Act::selu) return A(kSeluScale) * (kept > A(0) ? A(1) : A(kSeluAlpha) * std::exp(kept));
  if constexpr (act == Act::softplus) return sigmoid(kept);
  if constexpr (act == Act::swish) return sigmoid(kept) * (A(1) + kept * sigmoid(-kept));
}

template <Act act, class A>
FULLHEAD_DEVICE A act_curve(A z) {
  if constexpr (kIsPiecewise<act>) return A(0);
  if constexpr (act == Act::tanh) return A(-2) * std::tanh(z) * (A(1) - std::tanh(z) * std::tanh(z));
  if constexpr (act == Act::sigmoid) return sigmoid(z) * sigmoid(-z) * (A(1) - A(2) * sigmoid(z));
  if constexpr (act == Act::elu) return z < A(0) ? std::exp(z) : A(0);
  if constexpr (act == Act::selu) return z < A(0) ? A(kSeluScale * kSeluAlpha) * std::exp(z) : A(0);
  if constexpr (act == Act::softplus) return sigmoid(z) * sigmoid(-z);
  if constexpr (act == Act::swish) return sigmoid(z) * sigmoid(-z) * (A(2) + z * (sigmoid(-z) - sigmoid(z)));
}

// The clamp of the outputs, which lets NaN through as PyTorch's does.
template <class A>
FULLHEAD_DEVICE A limited(A y, A clamp) {
  y = y > clamp ? clamp : y;
  return y < -clamp ? -clamp : y;
}

// Where the clamp holds, slope and curve are zero. |kept| tells for the piecewise kinds, the value itself for the others.
// An infinite clamp holds nothing, not even infinity or NaN: their gradients must not vanish silently.
template <Act act, class A>
FULLHEAD_DEVICE bool is_free(A kept, A gain, A clamp) {
  if (clamp == A(INFINITY)) return true;
  if constexpr (kIsPiecewise<act>) return std::abs(kept) < clamp;
  return std::abs(act_value<act>(kept) * gain) < clamp;
}

}  // namespace fullhead
