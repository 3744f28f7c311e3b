// SPDX-License-Identifier: Apache-2.0
// A weighted sum of feature vectors. With a length known to the compiler it stays in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/vector.h"

namespace fullhead {

template <int kLength, class A>
class Sums {
  static_assert(kLength % kVector<A> == 0, "whole vectors");
  static constexpr int kVectors = kLength / kVector<A>;

 public:
  explicit Sums(std::vector<A>&) {
    for (int v = 0; v < kVectors; ++v) sums_[v] = Vector<A>{};
  }
  template <class T>
  void add(A weight, const T* vector) {
    for (int v = 0; v < kVectors; ++v) sums_[v] += weight * load<A>(vector + v * kVector<A>);
  }
  template <class T>
  void store(T* out, A scale = A(1)) const {
    for (int v = 0; v < kVectors; ++v) fullhead::store<A>(sums_[v] * scale, out + v * kVector<A>);
  }
  template <class T>
  A dot(const T* vector) const {
    Vector<A> products = sums_[0] * load<A>(vector);
    for (int v = 1; v < kVectors; ++v) products += sums_[v] * load<A>(vector + v * kVector<A>);
    return total<A>(products);
  }

 private:
  Vector<A> sums_[kVectors];
};

// to += weight from, which lie apart. Whole vectors by name: left alone, the compiler takes number after number.
template <int kLength, class A>
inline void add_scaled(A weight, const A* from, A* to, int64_t length) {
  if constexpr (kLength > 0) {
    for (int64_t i = 0; i < kLength; i += kVector<A>) store<A>(load<A>(to + i) + weight * load<A>(from + i), to + i);
  } else {
    for (int64_t i = 0; i < length; ++i) to[i] += weight * from[i];
  }
}

// Any length: the sums lie in a buffer of the caller's.
template <class A>
class Sums<0, A> {
 public:
  explicit Sums(std::vector<A>& buffer) : sums_(buffer.data()), length_(buffer.size()) {
    std::fill(buffer.begin(), buffer.end(), A(0));
  }
  template <class T>
  void add(A weight, const T* __restrict vector) {
    A* __restrict sums = sums_;
    for (int64_t i = 0; i < length_; ++i) sums[i] += weight * A(vector[i]);
  }
  template <class T>
  void store(T* out, A scale = A(1)) const {
    for (int64_t i = 0; i < length_; ++i) out[i] = T(sums_[i] * scale);
  }
  template <class T>
  A dot(const T* vector) const {
    A sum = 0;
    for (int64_t i = 0; i < length_; ++i) sum += sums_[i] * A(vector[i]);
    return sum;
  }

 private:
  A* sums_;
  int64_t length_;
};

}  // namespace fullhead
