// SPDX-License-Identifier: Apache-2.0
// Vectors as wide as the widest registers; processors with narrower ones use several. Named types, where a compiler that is
// left alone with arrays would keep sums in memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace fullhead {

constexpr int64_t kVectorBytes = 64;

template <class A>
struct VectorOf {
  typedef A type __attribute__((vector_size(kVectorBytes)));
};
template <class A>
using Vector = typename VectorOf<A>::type;
template <class A>
constexpr int64_t kVector = kVectorBytes / static_cast<int64_t>(sizeof(A));

// From elements of any type.
template <class A, class T>
inline Vector<A> load(const T* from) {
  Vector<A> v;
  if constexpr (std::is_same_v<A, T>) {
    std::memcpy(&v, from, sizeof(v));
  } else {
    for (int64_t i = 0; i < kVector<A>; ++i) v[i] = A(from[i]);
  }
  return v;
}

template <class A, class T>
inline void store(const Vector<A>& v, T* to) {
  if constexpr (std::is_same_v<A, T>) {
    std::memcpy(to, &v, sizeof(v));
  } else {
    for (int64_t i = 0; i < kVector<A>; ++i) to[i] = T(v[i]);
  }
}

// The sum of all elements, half to half until four are left.
template <class A>
inline A total(const Vector<A>& v) {
  typedef A Half __attribute__((vector_size(kVectorBytes / 2)));
  Half low, high;
  std::memcpy(&low, &v, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof(low), sizeof(high));
  low += high;
  if constexpr (sizeof(low) > 4 * sizeof(A)) {
    typedef A Quarter __attribute__((vector_size(kVectorBytes / 4)));
    Quarter first, second;
    std::memcpy(&first, &low, sizeof(first));
    std::memcpy(&second, reinterpret_cast<const char*>(&low) + sizeof(first), sizeof(second));
    first += second;
    return (first[0] + first[2]) + (first[1] + first[3]);
  } else {
    return (low[0] + low[2]) + (low[1] + low[3]);
  }
}

}  // namespace fullhead
