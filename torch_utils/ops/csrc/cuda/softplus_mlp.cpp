// SPDX-License-Identifier: Apache-2.0
// Glue of softplus_mlp on the GPU. Contract: torch_utils/ops/softplus_mlp.py. Layers too wide for the kernels are left to cuBLAS.

#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <tuple>

#include "cuda/glue.h"
#include "layers.h"

namespace fullhead {
namespace {

using Five = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// Rows whose hidden layer is in memory at a time, in the backward pass.
constexpr int64_t kRowsAtOnce = 1 << 18;

// Products are in the type of the layers, whatever the caller's block does to its own.
using WithoutAutocast = c10::impl::ExcludeDispatchKeyGuard;

// Both layers, dense, and the rows that go through them as a matrix.
struct Layers {
  at::Tensor x, w1, b1, w2, b2;
  int64_t inputs, hidden, outputs;
  bool are_small;

  Layers(const at::Tensor& x_any, const at::Tensor& w1_any, const at::Tensor& b1_any, const at::Tensor& w2_any,
         const at::Tensor& b2_any)
      : x(x_any.contiguous().view({-1, w1_any.size(1)})),
        w1(w1_any.contiguous()),
        b1(b1_any.contiguous()),
        w2(w2_any.contiguous()),
        b2(b2_any.contiguous()),
        inputs(w1.size(1)),
        hidden(w1.size(0)),
        outputs(w2.size(0)),
        are_small(is_small_mlp(element_of(x, "softplus_mlp"), inputs, hidden, outputs)) {}

  MlpArguments arguments_of(const at::Tensor& rows) const {
    return {rows.size(0),          int32_t(inputs),       int32_t(hidden),      int32_t(outputs),     rows.const_data_ptr(),
            w1.const_data_ptr(), b1.const_data_ptr(), w2.const_data_ptr(), b2.const_data_ptr()};
  }
  at::Tensor before_softplus(const at::Tensor& rows) const { return at::addmm(b1, rows, w1.t()); }
};

// As in the reference: PyTorch's softplus is linear from 20 on unless told otherwise.
at::Tensor softplus_of(const at::Tensor& z) { return at::softplus(z, 1, 40); }

std::tuple<at::Tensor, at::Tensor> softplus_mlp(const at::Tensor& x, const at::Tensor& w1, const at::Tensor& b1,
                                                const at::Tensor& w2, const at::Tensor& b2) {
  check_layers(x, w1, b1, w2, b2);
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  const Place place(x);
  const Layers net(x, w1, b1, w2, b2);
  auto sizes = x.sizes().vec();
  sizes.back() = net.outputs - 1;
  at::Tensor rest = at::empty(sizes, x.options());
  sizes.pop_back();
  at::Tensor first = at::empty(sizes, x.options());
  if (net.are_small) {
    check(launch_softplus_mlp(place.stream, element_of(x, "softplus_mlp"), net.arguments_of(net.x), first.mutable_data_ptr(),
                              rest.mutable_data_ptr()),
          "softplus_mlp");
    return {first, rest};
  }
  const at::Tensor y = at::addmm(net.b2, softplus_of(net.before_softplus(net.x)), net.w2.t());
  first.view({-1}).copy_(y.select(1, 0));
  rest.view({-1, net.outputs - 1}).copy_(y.narrow(1, 1, net.outputs - 1));
  return {first, rest};
}

Five softplus_mlp_grad(const at::Tensor& g_first_any, const at::Tensor& g_rest_any, const at::Tensor& x, const at::Tensor& w1,
                       const at::Tensor& b1, const at::Tensor& w2, const at::Tensor& b2) {
  check_layers(x, w1, b1, w2, b2);
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  const Place place(x);
  const Layers net(x, w1, b1, w2, b2);
  const int64_t rows = net.x.size(0), num_rest = net.outputs - 1;
  check_gradient(g_first_any, x, rows, "softplus_mlp");
  check_gradient(g_rest_any, x, rows * num_rest, "softplus_mlp");
  const at::Tensor g_first = g_first_any.contiguous().view({rows}), g_rest = g_rest_any.contiguous().view({rows, num_rest});
  at::Tensor d_x = at::empty(x.sizes(), x.options());
  at::Tensor d_w1 = at::zeros_like(net.w1), d_b1 = at::zeros_like(net.b1), d_w2 = at::zeros_like(net.w2), d_b2 = at::zeros_like(net.b2);
  at::Tensor d_rows = d_x.view({rows, net.inputs});
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, rows - begin);
    const at::Tensor some = net.x.narrow(0, begin, count), g0 = g_first.narrow(0, begin, count), g = g_rest.narrow(0, begin, count);
    at::Tensor hidden, d_hidden, d_some = d_rows.narrow(0, begin, count);  // [hidden, count]
    if (net.are_small) {
      hidden = at::empty({net.hidden, count}, x.options());
      d_hidden = at::empty_like(hidden);
      check(launch_softplus_mlp_grad(place.stream, element_of(x, "softplus_mlp"), net.arguments_of(some), g0.const_data_ptr(),
                                     g.const_data_ptr(), d_some.mutable_data_ptr(), hidden.mutable_data_ptr(),
                                     d_hidden.mutable_data_ptr()),
            "softplus_mlp");
    } else {
      const at::Tensor z = net.before_softplus(some);
      const at::Tensor d_z = at::mm(at::cat({g0.unsqueeze(1), g}, 1), net.w2).mul_(at::sigmoid(z));
      hidden = softplus_of(z).t();
      d_hidden = d_z.t();
      d_some.copy_(at::mm(d_z, net.w1));
    }
    d_w1.addmm_(d_hidden, some);
    d_b1 += d_hidden.sum(1);
    d_w2.select(0, 0).addmv_(hidden, g0);
    d_w2.narrow(0, 1, num_rest).addmm_(g.t(), hidden.t());
    d_b2.select(0, 0) += g0.sum();
    d_b2.narrow(0, 1, num_rest) += g.sum(0);
  }
  return {d_x, d_w1, d_b1, d_w2, d_b2};
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("softplus_mlp", fullhead::softplus_mlp);
  m.impl("softplus_mlp_grad", fullhead::softplus_mlp_grad);
}
