// SPDX-License-Identifier: Apache-2.0
// Two small layers with softplus between them, forwards and backwards, at tiles of rows that lie in the first-level cache. Rows and
// columns are padded with zeros, so that every loop has whole vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu/numeric.h"
#include "cpu/small_matmul.h"
#include "layers.h"

namespace fullhead {

constexpr int64_t kGroup = 8;  // Rows that go through the layers together. Tiles are padded to whole groups.

inline int64_t whole_groups(int64_t rows) { return (rows + kGroup - 1) / kGroup * kGroup; }

// Both layers' weights in the orientations that products ask for. `rest` is all outputs but the first.
template <class A>
struct Layers {
  int64_t inputs, hidden, outputs;
  int64_t inputs_padded, hidden_padded, rest_padded;
  std::vector<A> w1, w1_transposed, b1, w2, rest_transposed, b2, rest_bias;

  Layers(const at::Tensor& w1_any, const at::Tensor& b1_any, const at::Tensor& w2_any, const at::Tensor& b2_any)
      : inputs(w1_any.size(1)), hidden(w1_any.size(0)), outputs(w2_any.size(0)) {
    inputs_padded = whole_vectors<A>(inputs), hidden_padded = whole_vectors<A>(hidden), rest_padded = whole_vectors<A>(outputs - 1);
    const at::Tensor dense[] = {w1_any.contiguous(), b1_any.contiguous(), w2_any.contiguous(), b2_any.contiguous()};
    const A *p_w1 = dense[0].const_data_ptr<A>(), *p_b1 = dense[1].const_data_ptr<A>();
    const A *p_w2 = dense[2].const_data_ptr<A>(), *p_b2 = dense[3].const_data_ptr<A>();
    w1.resize(hidden * inputs_padded), w1_transposed.resize(inputs * hidden_padded), b1.resize(hidden_padded);
    w2.resize(outputs * hidden_padded), rest_transposed.resize(hidden * rest_padded), rest_bias.resize(rest_padded);
    std::copy_n(p_b1, hidden, b1.begin());
    b2.assign(p_b2, p_b2 + outputs);
    std::copy_n(p_b2 + 1, outputs - 1, rest_bias.begin());
    for (int64_t h = 0; h < hidden; ++h)
      for (int64_t i = 0; i < inputs; ++i)
        w1[h * inputs_padded + i] = w1_transposed[i * hidden_padded + h] = p_w1[h * inputs + i];
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t h = 0; h < hidden; ++h) {
        w2[o * hidden_padded + h] = p_w2[o * hidden + h];
        if (o > 0) rest_transposed[h * rest_padded + o - 1] = p_w2[o * hidden + h];
      }
  }
};

// A tile of rows on its way through the layers.
template <class A>
class ForwardTile {
 public:
  ForwardTile(const Layers<A>& net, int64_t most_rows)
      : inputs(most_rows * net.inputs_padded), first(most_rows), rest(most_rows * net.rest_padded), net_(net), hidden_(kGroup * net.hidden_padded) {}

  std::vector<A> inputs;  // to be filled; what is beyond the inputs in a row stays zero
  std::vector<A> first, rest;

  // Calls meanwhile(row, part) three times for each group of rows, with parts 0 to 2, to do something that takes no arithmetic.
  template <class Meanwhile>
  void run(int64_t count, const Meanwhile& meanwhile) {
    const int64_t hp = net_.hidden_padded, ip = net_.inputs_padded, rp = net_.rest_padded;
    A* __restrict hidden = hidden_.data();
    for (int64_t r = 0; r < count; r += kGroup) {
      meanwhile(r, 0);
      add_product<A>({kGroup, hp, net_.inputs, inputs.data() + r * ip, ip, 1, net_.w1_transposed.data(), hp}, net_.b1.data(), 0, hidden, hp);
      meanwhile(r, 1);
      for (int64_t i = 0; i < kGroup * hp; ++i) hidden[i] = softplus(hidden[i]);
      meanwhile(r, 2);
      for (int64_t i = 0; i < kGroup; ++i) first[r + i] = net_.b2[0] + dot_product(hidden + i * hp, net_.w2.data(), hp);
      add_product<A>({kGroup, rp, net_.hidden, hidden, hp, 1, net_.rest_transposed.data(), rp}, net_.rest_bias.data(), 0,
                     rest.data() + r * rp, rp);
    }
  }

 private:
  const Layers<A>& net_;
  std::vector<A> hidden_;
};

// The gradients of weights and biases of some rows.
template <class A>
struct LayerSums {
  std::vector<A> w1, b1, w2, b2;
  explicit LayerSums(const Layers<A>& net)
      : w1(net.hidden * net.inputs_padded), b1(net.hidden_padded), w2(net.outputs * net.hidden_padded), b2(net.outputs) {}

  void clear() {
    for (auto* sums : {&w1, &b1, &w2, &b2}) std::fill(sums->begin(), sums->end(), A(0));
  }
  void add(const LayerSums& other) {
    const std::vector<A>* theirs[] = {&other.w1, &other.b1, &other.w2, &other.b2};
    std::vector<A>* ours[] = {&w1, &b1, &w2, &b2};
    for (int k = 0; k < 4; ++k)
      for (size_t i = 0; i < ours[k]->size(); ++i) (*ours[k])[i] += (*theirs[k])[i];
  }
};

// A tile of rows on its way back. The hidden layer is computed again.
template <class A>
class BackwardTile {
 public:
  BackwardTile(const Layers<A>& net, int64_t most_rows)
      : inputs(most_rows * net.inputs_padded),
        gradient(most_rows * net.outputs),
        d_inputs(most_rows * net.inputs_padded),
        net_(net),
        a_(most_rows * net.hidden_padded),
        d_(most_rows * net.hidden_padded) {}

  std::vector<A> inputs, gradient;  // to be filled
  std::vector<A> d_inputs;

  // `sums` may be null.
  template <class Meanwhile>
  void run(int64_t count, bool wants_inputs, LayerSums<A>* sums, const Meanwhile& meanwhile) {
    const int64_t rows = whole_groups(count), hp = net_.hidden_padded, ip = net_.inputs_padded, outputs = net_.outputs;
    std::fill(gradient.begin() + count * outputs, gradient.begin() + rows * outputs, A(0));
    std::fill(d_.begin(), d_.begin() + rows * hp, A(0));
    std::fill(d_inputs.begin(), d_inputs.begin() + rows * ip, A(0));
    for (int64_t r = 0; r < rows; r += kGroup) {
      A *__restrict a = a_.data() + r * hp, *__restrict d = d_.data() + r * hp;
      meanwhile(r, 0);
      add_product<A>({kGroup, hp, net_.inputs, inputs.data() + r * ip, ip, 1, net_.w1_transposed.data(), hp}, net_.b1.data(), 0, a, hp);
      meanwhile(r, 1);
      add_product<A>({kGroup, hp, outputs, gradient.data() + r * outputs, outputs, 1, net_.w2.data(), hp}, d, hp, d, hp);
      meanwhile(r, 2);
      for (int64_t i = 0; i < kGroup * hp; ++i) {
        d[i] *= sigmoid(a[i]);
        a[i] = softplus(a[i]);
      }
      if (wants_inputs)
        add_product<A>({kGroup, ip, net_.hidden, d, hp, 1, net_.w1.data(), ip}, d_inputs.data() + r * ip, ip, d_inputs.data() + r * ip, ip);
    }
    if (sums) add_layers(rows, *sums);
  }

 private:
  void add_layers(int64_t rows, LayerSums<A>& sums) const {
    const int64_t hp = net_.hidden_padded, ip = net_.inputs_padded, outputs = net_.outputs;
    const A *a = a_.data(), *d = d_.data(), *g = gradient.data();
    // Transposed: the columns of the first factor are its rows.
    add_product<A>({outputs, hp, rows, g, 1, outputs, a, hp}, sums.w2.data(), hp, sums.w2.data(), hp);
    add_product<A>({net_.hidden, ip, rows, d, 1, hp, inputs.data(), ip}, sums.w1.data(), ip, sums.w1.data(), ip);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t h = 0; h < hp; ++h) sums.b1[h] += d[r * hp + h];
      for (int64_t o = 0; o < outputs; ++o) sums.b2[o] += g[r * outputs + o];
    }
  }

  const Layers<A>& net_;
  std::vector<A> a_, d_;  // after softplus, and the gradient before it
};

}  // namespace fullhead
