// SPDX-License-Identifier: Apache-2.0
// Products of matrices that lie in the first-level cache, whose second factor and result have rows of whole vectors.
#pragma once

#include <cstdint>

#include "cpu/vector.h"

namespace fullhead {

// `columns` rounded up to whole vectors.
template <class A>
constexpr int64_t whole_vectors(int64_t columns) {
  return (columns + kVector<A> - 1) / kVector<A> * kVector<A>;
}

// What is multiplied: [rows, inner] by [inner, columns], elements of the first factor at any distance.
template <class A>
struct Factors {
  int64_t rows, columns, inner;
  const A* a;
  int64_t a_row, a_inner;
  const A* b;
  int64_t b_row;
};

// kRows x (kVectors whole vectors) of the result, kept in registers over the whole inner axis, on top of what `start` has there.
template <class A, int kRows, int kVectors>
inline void add_product_block(const Factors<A>& f, int64_t r0, int64_t j0, const A* start, int64_t start_row, A* c, int64_t c_row) {
  Vector<A> sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load<A>(start + (r0 + r) * start_row + j0 + v * kVector<A>);
  const A *a = f.a + r0 * f.a_row, *b = f.b + j0;
  for (int64_t k = 0; k < f.inner; ++k) {
    Vector<A> row[kVectors];
    for (int v = 0; v < kVectors; ++v) row[v] = load<A>(b + k * f.b_row + v * kVector<A>);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sum[r][v] += a[r * f.a_row + k * f.a_inner] * row[v];
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store<A>(sum[r][v], c + (r0 + r) * c_row + j0 + v * kVector<A>);
}

template <class A, int kRows>
inline void add_product_rows(const Factors<A>& f, int64_t r0, const A* start, int64_t start_row, A* c, int64_t c_row) {
  int64_t j = 0;
  if constexpr (kRows <= 4)
    for (; j + 4 * kVector<A> <= f.columns; j += 4 * kVector<A>) add_product_block<A, kRows, 4>(f, r0, j, start, start_row, c, c_row);
  for (; j + 2 * kVector<A> <= f.columns; j += 2 * kVector<A>) add_product_block<A, kRows, 2>(f, r0, j, start, start_row, c, c_row);
  for (; j < f.columns; j += kVector<A>) add_product_block<A, kRows, 1>(f, r0, j, start, start_row, c, c_row);
}

// c = start + a b, where columns are whole vectors. `start` may be c; a start_row of zero is one row for all.
template <class A>
inline void add_product(const Factors<A>& f, const A* start, int64_t start_row, A* c, int64_t c_row) {
  int64_t r = 0;
  if (f.columns < 4 * kVector<A>)  // as many sums as registers hold, of narrow rows too
    for (; r + 8 <= f.rows; r += 8) add_product_rows<A, 8>(f, r, start, start_row, c, c_row);
  for (; r + 4 <= f.rows; r += 4) add_product_rows<A, 4>(f, r, start, start_row, c, c_row);
  for (; r < f.rows; ++r) add_product_rows<A, 1>(f, r, start, start_row, c, c_row);
}

// Of two rows of whole vectors.
template <class A>
inline A dot_product(const A* a, const A* b, int64_t length) {
  Vector<A> sum = load<A>(a) * load<A>(b);
  for (int64_t i = kVector<A>; i < length; i += kVector<A>) sum += load<A>(a + i) * load<A>(b + i);
  return total<A>(sum);
}

}  // namespace fullhead
