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

// kRows x (kVectors whole vectors) of the result, kept in registers over the whole inner axis.
template <class A, int kRows, int kVectors>
inline void add_product_block(int64_t inner, const A* a, int64_t a_row, int64_t a_inner, const A* b, int64_t b_row, A* c,
                              int64_t c_row) {
  Vector<A> sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load<A>(c + r * c_row + v * kVector<A>);
  for (int64_t k = 0; k < inner; ++k) {
    Vector<A> row[kVectors];
    for (int v = 0; v < kVectors; ++v) row[v] = load<A>(b + k * b_row + v * kVector<A>);
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) sum[r][v] += a[r * a_row + k * a_inner] * row[v];
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store<A>(sum[r][v], c + r * c_row + v * kVector<A>);
}

template <class A, int kRows>
inline void add_product_rows(int64_t columns, int64_t inner, const A* a, int64_t a_row, int64_t a_inner, const A* b, int64_t b_row,
                             A* c, int64_t c_row) {
  int64_t j = 0;
  for (; j + 2 * kVector<A> <= columns; j += 2 * kVector<A>)
    add_product_block<A, kRows, 2>(inner, a, a_row, a_inner, b + j, b_row, c + j, c_row);
  if (j < columns) add_product_block<A, kRows, 1>(inner, a, a_row, a_inner, b + j, b_row, c + j, c_row);
}

// c += a b for a [rows, inner], b [inner, columns], c [rows, columns], where columns are whole vectors.
template <class A>
inline void add_product(int64_t rows, int64_t columns, int64_t inner, const A* a, int64_t a_row, int64_t a_inner, const A* b,
                        int64_t b_row, A* c, int64_t c_row) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) add_product_rows<A, 4>(columns, inner, a + r * a_row, a_row, a_inner, b, b_row, c + r * c_row, c_row);
  for (; r < rows; ++r) add_product_rows<A, 1>(columns, inner, a + r * a_row, a_row, a_inner, b, b_row, c + r * c_row, c_row);
}

// Of two rows of whole vectors.
template <class A>
inline A dot_product(const A* a, const A* b, int64_t length) {
  Vector<A> sum = load<A>(a) * load<A>(b);
  for (int64_t i = kVector<A>; i < length; i += kVector<A>) sum += load<A>(a + i) * load<A>(b + i);
  return total<A>(sum);
}

}  // namespace fullhead
