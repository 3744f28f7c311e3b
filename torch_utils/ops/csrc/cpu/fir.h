// SPDX-License-Identifier: Apache-2.0
// Separable FIR resampling of one image plane or one channels-last image, row by row, with a last step of the caller's.
//
// Memory is seen as [outer, height, width, inner]: inner is the channels of a channels-last image, or 1 with outer = N * C.
// Every output row is made in two steps. Down the columns: the input rows it needs are weighted into one row buffer, whose
// ends are zero so that nothing later looks at bounds. Along the row: the outputs of one phase (those that meet the zero-
// stuffed grid alike) share their weights, so each phase is one loop. Both loops run over contiguous memory.
#pragma once

#include <cstring>
#include <numeric>
#include <vector>

#include "cpu/numeric.h"
#include "cpu/parallel.h"

namespace fullhead {

struct FirShape {
  int64_t outer, in_h, in_w, out_h, out_w, inner;
  int64_t up, down, pad_left, pad_top;
};

// How the outputs along one axis read the inputs: output `out` weights inputs first[out] .. first[out] + count - 1.
template <class A>
struct Phase {
  int64_t first;  // index of the first input, may lie outside
  std::vector<A> weights;
};

// taps_flipped[k] is what sample (out * down + k - pad) of the zero-stuffed axis is multiplied with.
template <class A>
Phase<A> phase_of(int64_t out, const std::vector<A>& taps_flipped, int64_t up, int64_t down, int64_t pad) {
  const int64_t start = out * down - pad;
  const int64_t skip = ((-start) % up + up) % up;  // distance to the next sample that is not a stuffed zero
  Phase<A> phase{(start + skip) / up, {}};
  for (int64_t k = skip; k < static_cast<int64_t>(taps_flipped.size()); k += up) phase.weights.push_back(taps_flipped[k]);
  return phase;
}

// out[i * out_step] = sum_t weights[t] * in[i * in_step + t * tap_step]. The usual counts are unrolled.
template <int kCount, class A>
inline void weighted_sum(A* __restrict out, const A* __restrict in, const A* weights, int64_t count, int64_t tap_step,
                         int64_t length, int64_t out_step, int64_t in_step) {
  const int64_t n = kCount ? kCount : count;
  if (out_step == 1 && in_step == 1) {
    for (int64_t i = 0; i < length; ++i) {
      A sum = 0;
      for (int64_t t = 0; t < n; ++t) sum += weights[t] * in[i + t * tap_step];
      out[i] = sum;
    }
  } else {
    for (int64_t i = 0; i < length; ++i) {
      A sum = 0;
      for (int64_t t = 0; t < n; ++t) sum += weights[t] * in[i * in_step + t * tap_step];
      out[i * out_step] = sum;
    }
  }
}

template <class A>
inline void weighted_sum(A* out, const A* in, const std::vector<A>& w, int64_t tap_step, int64_t length, int64_t out_step,
                         int64_t in_step) {
  switch (w.size()) {
    case 1: return weighted_sum<1>(out, in, w.data(), 1, tap_step, length, out_step, in_step);
    case 2: return weighted_sum<2>(out, in, w.data(), 2, tap_step, length, out_step, in_step);
    case 4: return weighted_sum<4>(out, in, w.data(), 4, tap_step, length, out_step, in_step);
    default: return weighted_sum<0>(out, in, w.data(), w.size(), tap_step, length, out_step, in_step);
  }
}

// row[i] = sum_t weights[t] * rows[t][i] over `length` contiguous elements.
template <int kCount, class T, class A>
inline void sum_rows(A* __restrict row, const T* const* rows, const A* weights, int64_t count, int64_t length) {
  const int64_t n = kCount ? kCount : count;
  for (int64_t i = 0; i < length; ++i) {
    A sum = 0;
    for (int64_t t = 0; t < n; ++t) sum += weights[t] * A(rows[t][i]);
    row[i] = sum;
  }
}

// Calls finish(values, outer, y, x, count) for every finished stretch of outputs: `count` floats at row y, from column x on;
// `inner` values of one pixel (inner > 1), or a whole row (inner == 1).
template <class T, class A, class Finish>
void fir_rows(const T* input, const FirShape& s, const std::vector<A>& taps_y, const std::vector<A>& taps_x,
              const Finish& finish) {
  // Output x is of phase x % num_phases; from one output of a phase to its next, the inputs move by in_step.
  const int64_t num_phases = s.up / std::gcd(s.up, s.down);
  const int64_t in_step = s.down / std::gcd(s.up, s.down);
  std::vector<Phase<A>> phases;
  for (int64_t p = 0; p < num_phases; ++p) phases.push_back(phase_of(p, taps_x, s.up, s.down, s.pad_left));
  auto first_input = [&](int64_t x) { return phases[x % num_phases].first + x / num_phases * in_step; };

  // The margins that the row buffer needs so that no output reads beyond it.
  int64_t before = 0, after = 0;
  for (int64_t x = 0; x < s.out_w; ++x) {
    before = std::max(before, -first_input(x));
    after = std::max(after, first_input(x) + static_cast<int64_t>(phases[x % num_phases].weights.size()) - s.in_w);
  }
  const int64_t row_length = s.in_w * s.inner;

  parallel_for(0, s.outer * s.out_h, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> padded((before + s.in_w + after) * s.inner, A(0));
    std::vector<A> values(s.inner == 1 ? s.out_w : s.inner);
    std::vector<const T*> rows;
    std::vector<A> weights;
    A* row = padded.data() + before * s.inner;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t outer = r / s.out_h, y = r % s.out_h;
      const Phase<A> column = phase_of(y, taps_y, s.up, s.down, s.pad_top);
      rows.clear();
      weights.clear();
      for (size_t t = 0; t < column.weights.size(); ++t) {
        const int64_t in_y = column.first + static_cast<int64_t>(t);
        if (in_y < 0 || in_y >= s.in_h) continue;
        rows.push_back(input + (outer * s.in_h + in_y) * row_length);
        weights.push_back(column.weights[t]);
      }
      switch (rows.size()) {
        case 1: sum_rows<1>(row, rows.data(), weights.data(), 1, row_length); break;
        case 2: sum_rows<2>(row, rows.data(), weights.data(), 2, row_length); break;
        case 4: sum_rows<4>(row, rows.data(), weights.data(), 4, row_length); break;
        default: sum_rows<0>(row, rows.data(), weights.data(), rows.size(), row_length);
      }
      if (s.inner == 1) {
        for (int64_t p = 0; p < std::min(num_phases, s.out_w); ++p)
          weighted_sum(values.data() + p, row + phases[p].first, phases[p].weights, 1, (s.out_w - p + num_phases - 1) / num_phases,
                       num_phases, in_step);
        finish(values.data(), outer, y, 0, s.out_w);
      } else {
        for (int64_t x = 0; x < s.out_w; ++x) {
          weighted_sum(values.data(), row + first_input(x) * s.inner, phases[x % num_phases].weights, s.inner, s.inner, 1, 1);
          finish(values.data(), outer, y, x, s.inner);
        }
      }
    }
  });
}

}  // namespace fullhead
