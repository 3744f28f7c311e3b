// SPDX-License-Identifier: Apache-2.0
// A weighted sum of feature vectors. With a length known to the compiler it stays in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fullhead {

template <int kLength, class A>
class Sums {
 public:
  explicit Sums(std::vector<A>&) {
    for (int i = 0; i < kLength; ++i) sums_[i] = A(0);
  }
  template <class T>
  void add(A weight, const T* __restrict vector) {
    for (int i = 0; i < kLength; ++i) sums_[i] += weight * A(vector[i]);
  }
  template <class T>
  void store(T* out, A scale = A(1)) const {
    for (int i = 0; i < kLength; ++i) out[i] = T(sums_[i] * scale);
  }
  template <class T>
  A dot(const T* vector) const {
    static_assert((kLength & (kLength - 1)) == 0, "halved until one is left");
    A products[kLength];
    for (int i = 0; i < kLength; ++i) products[i] = sums_[i] * A(vector[i]);
    for (int half = kLength / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) products[i] += products[i + half];
    return products[0];
  }

 private:
  A sums_[kLength];
};

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
