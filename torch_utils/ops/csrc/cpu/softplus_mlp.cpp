// SPDX-License-Identifier: Apache-2.0
// softplus_mlp and its gradient on the CPU. Contract: torch_utils/ops/softplus_mlp.py.
//
// A tile of rows goes through both layers while it is in the first-level cache, so the hidden layer never reaches memory; the
// backward pass computes it again. Rows and columns of tiles are padded with zeros, so every loop has whole vectors and tiles.

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <array>
#include <tuple>
#include <vector>

#include "cpu/small_matmul.h"
#include "cpu/tensors.h"
#include "layers.h"

namespace fullhead {
namespace {

constexpr int64_t kTile = 32;     // Rows that are computed together.
constexpr int64_t kGrain = 1024;
constexpr int64_t kBlock = 4096;  // Rows whose gradients of the weights are summed apart: the sums do not depend on the threads.

using Five = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// The arguments, and both layers' weights in either orientation with padded rows.
template <class A>
struct Layers {
  at::Tensor x;
  int64_t rows, inputs, hidden, outputs;
  int64_t inputs_padded, hidden_padded, rest_padded;
  std::vector<A> w1, w1_transposed, b1, w2, rest_transposed;  // `rest`: all outputs but the first.
  const A* b2;
  at::Tensor b2_kept;

  Layers(const at::Tensor& x_any, const at::Tensor& w1_any, const at::Tensor& b1_any, const at::Tensor& w2_any,
         const at::Tensor& b2_any)
      : x(x_any.contiguous()), inputs(w1_any.size(1)), hidden(w1_any.size(0)), outputs(w2_any.size(0)), b2_kept(b2_any.contiguous()) {
    rows = x.numel() / inputs;
    inputs_padded = whole_vectors<A>(inputs), hidden_padded = whole_vectors<A>(hidden), rest_padded = whole_vectors<A>(outputs - 1);
    const at::Tensor w1_dense = w1_any.contiguous(), w2_dense = w2_any.contiguous(), b1_dense = b1_any.contiguous();
    const A *p1 = w1_dense.template const_data_ptr<A>(), *p2 = w2_dense.template const_data_ptr<A>();
    b2 = b2_kept.template const_data_ptr<A>();
    b1.assign(hidden_padded, A(0));
    std::copy_n(b1_dense.template const_data_ptr<A>(), hidden, b1.begin());
    w1.assign(hidden * inputs_padded, A(0));
    w1_transposed.assign(inputs * hidden_padded, A(0));
    for (int64_t h = 0; h < hidden; ++h)
      for (int64_t i = 0; i < inputs; ++i) w1[h * inputs_padded + i] = w1_transposed[i * hidden_padded + h] = p1[h * inputs + i];
    w2.assign(outputs * hidden_padded, A(0));
    rest_transposed.assign(hidden * rest_padded, A(0));
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t h = 0; h < hidden; ++h) {
        w2[o * hidden_padded + h] = p2[o * hidden + h];
        if (o > 0) rest_transposed[h * rest_padded + o - 1] = p2[o * hidden + h];
      }
  }

  // What the hidden layer gets for a tile of padded inputs.
  void before_softplus(const A* tile, A* z) const {
    for (int64_t r = 0; r < kTile; ++r) std::copy(b1.begin(), b1.end(), z + r * hidden_padded);
    add_product<A>(kTile, hidden_padded, inputs, tile, inputs_padded, 1, w1_transposed.data(), hidden_padded, z, hidden_padded);
  }
};

// Rows `begin` .. `end` of a matrix as a tile; what is missing is zero.
template <class A>
void load_tile(const A* matrix, int64_t columns, int64_t begin, int64_t end, A* tile, int64_t padded) {
  for (int64_t r = 0; r < kTile; ++r) {
    A* row = tile + r * padded;
    const int64_t known = begin + r < end ? columns : 0;
    std::copy_n(matrix + (begin + r) * columns, known, row);
    std::fill(row + known, row + padded, A(0));
  }
}

template <class A>
void forward_range(const Layers<A>& net, A* first, A* rest, int64_t begin, int64_t end) {
  std::vector<A> x(kTile * net.inputs_padded), a(kTile * net.hidden_padded), y(kTile * net.rest_padded);
  const A* source = net.x.template const_data_ptr<A>();
  for (int64_t start = begin; start < end; start += kTile) {
    const int64_t count = std::min(kTile, end - start);
    load_tile(source, net.inputs, start, end, x.data(), net.inputs_padded);
    net.before_softplus(x.data(), a.data());
    A* __restrict hidden = a.data();
    for (int64_t i = 0; i < kTile * net.hidden_padded; ++i) hidden[i] = softplus(hidden[i]);
    for (int64_t r = 0; r < count; ++r)
      first[start + r] = net.b2[0] + dot_product(hidden + r * net.hidden_padded, net.w2.data(), net.hidden_padded);
    if (net.outputs == 1) continue;
    for (int64_t r = 0; r < kTile; ++r) std::copy_n(net.b2 + 1, net.outputs - 1, y.data() + r * net.rest_padded);
    add_product<A>(kTile, net.rest_padded, net.hidden, hidden, net.hidden_padded, 1, net.rest_transposed.data(), net.rest_padded,
                   y.data(), net.rest_padded);
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(y.data() + r * net.rest_padded, net.outputs - 1, rest + (start + r) * (net.outputs - 1));
  }
}

template <class F>
void with_precise_type(const at::Tensor& x, const F& f) {
  if (x.scalar_type() == at::kFloat) return f(float());
  return f(double());
}

std::tuple<at::Tensor, at::Tensor> softplus_mlp(const at::Tensor& x, const at::Tensor& w1, const at::Tensor& b1,
                                                const at::Tensor& w2, const at::Tensor& b2) {
  check_layers(x, w1, b1, w2, b2);
  auto sizes = x.sizes().vec();
  sizes.back() = w2.size(0) - 1;
  at::Tensor rest = on_huge_pages(at::empty(sizes, x.options()));
  sizes.pop_back();
  at::Tensor first = at::empty(sizes, x.options());
  with_precise_type(x, [&](auto zero) {
    using A = decltype(zero);
    const Layers<A> net(x, w1, b1, w2, b2);
    parallel_for(0, net.rows, kGrain, [&](int64_t begin, int64_t end) {
      forward_range(net, first.template mutable_data_ptr<A>(), rest.template mutable_data_ptr<A>(), begin, end);
    });
  });
  return {first, rest};
}

// Where a block of rows sums the gradients of weights and biases.
template <class A>
struct BlockSums {
  std::vector<A> w1, b1, w2, b2;
  explicit BlockSums(const Layers<A>& net)
      : w1(net.hidden * net.inputs_padded), b1(net.hidden_padded), w2(net.outputs * net.hidden_padded), b2(net.outputs) {}
};

template <class A>
void backward_block(const Layers<A>& net, const A* g_first, const A* g_rest, A* d_x, BlockSums<A>& sums, int64_t begin,
                    int64_t end) {
  const int64_t hp = net.hidden_padded, ip = net.inputs_padded, outputs = net.outputs;
  std::vector<A> x(kTile * ip), z(kTile * hp), a(kTile * hp), g(kTile * outputs), d_z(kTile * hp), d_rows(kTile * ip);
  const A* source = net.x.template const_data_ptr<A>();
  for (int64_t start = begin; start < end; start += kTile) {
    const int64_t count = std::min(kTile, end - start);
    load_tile(source, net.inputs, start, end, x.data(), ip);
    for (int64_t r = 0; r < kTile; ++r) {  // The gradients of missing rows are zero, so these add nothing.
      g[r * outputs] = r < count ? g_first[start + r] : A(0);
      for (int64_t o = 1; o < outputs; ++o) g[r * outputs + o] = r < count ? g_rest[(start + r) * (outputs - 1) + o - 1] : A(0);
    }
    net.before_softplus(x.data(), z.data());
    std::fill(d_z.begin(), d_z.end(), A(0));
    add_product<A>(kTile, hp, outputs, g.data(), outputs, 1, net.w2.data(), hp, d_z.data(), hp);
    A *__restrict z_ = z.data(), *__restrict a_ = a.data(), *__restrict d_ = d_z.data();
    for (int64_t i = 0; i < kTile * hp; ++i) {
      a_[i] = softplus(z_[i]);
      d_[i] *= sigmoid(z_[i]);
    }
    std::fill(d_rows.begin(), d_rows.end(), A(0));
    add_product<A>(kTile, ip, net.hidden, d_z.data(), hp, 1, net.w1.data(), ip, d_rows.data(), ip);
    for (int64_t r = 0; r < count; ++r) std::copy_n(d_rows.data() + r * ip, net.inputs, d_x + (start + r) * net.inputs);
    // Transposed: the columns of the first factor are its rows.
    add_product<A>(outputs, hp, kTile, g.data(), 1, outputs, a.data(), hp, sums.w2.data(), hp);
    add_product<A>(net.hidden, ip, kTile, d_z.data(), 1, hp, x.data(), ip, sums.w1.data(), ip);
    for (int64_t r = 0; r < kTile; ++r) {
      for (int64_t h = 0; h < hp; ++h) sums.b1[h] += d_[r * hp + h];
      for (int64_t o = 0; o < outputs; ++o) sums.b2[o] += g[r * outputs + o];
    }
  }
}

Five softplus_mlp_grad(const at::Tensor& g_first_any, const at::Tensor& g_rest_any, const at::Tensor& x, const at::Tensor& w1,
                       const at::Tensor& b1, const at::Tensor& w2, const at::Tensor& b2) {
  check_layers(x, w1, b1, w2, b2);
  const at::Tensor g_first = g_first_any.contiguous(), g_rest = g_rest_any.contiguous();
  at::Tensor d_x = on_huge_pages(at::empty(x.sizes(), x.options()));
  at::Tensor d_w1 = at::zeros(w1.sizes(), x.options()), d_b1 = at::zeros(b1.sizes(), x.options());
  at::Tensor d_w2 = at::zeros(w2.sizes(), x.options()), d_b2 = at::zeros(b2.sizes(), x.options());
  with_precise_type(x, [&](auto zero) {
    using A = decltype(zero);
    const Layers<A> net(x, w1, b1, w2, b2);
    const int64_t num_blocks = (net.rows + kBlock - 1) / kBlock;
    std::vector<BlockSums<A>> sums(num_blocks, BlockSums<A>(net));
    parallel_for(0, num_blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        backward_block(net, g_first.template const_data_ptr<A>(), g_rest.template const_data_ptr<A>(), d_x.template mutable_data_ptr<A>(),
                       sums[block], block * kBlock, std::min(net.rows, (block + 1) * kBlock));
    });
    A *p_w1 = d_w1.template mutable_data_ptr<A>(), *p_b1 = d_b1.template mutable_data_ptr<A>();
    A *p_w2 = d_w2.template mutable_data_ptr<A>(), *p_b2 = d_b2.template mutable_data_ptr<A>();
    for (const BlockSums<A>& block : sums) {
      for (int64_t h = 0; h < net.hidden; ++h) {
        p_b1[h] += block.b1[h];
        for (int64_t i = 0; i < net.inputs; ++i) p_w1[h * net.inputs + i] += block.w1[h * net.inputs_padded + i];
      }
      for (int64_t o = 0; o < net.outputs; ++o) {
        p_b2[o] += block.b2[o];
        for (int64_t h = 0; h < net.hidden; ++h) p_w2[o * net.hidden + h] += block.w2[o * net.hidden_padded + h];
      }
    }
  });
  return {d_x, d_w1, d_b1, d_w2, d_b2};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("softplus_mlp", fullhead::softplus_mlp);
  m.impl("softplus_mlp_grad", fullhead::softplus_mlp_grad);
}
