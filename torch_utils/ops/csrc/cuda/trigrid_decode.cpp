// SPDX-License-Identifier: Apache-2.0
// Glue of trigrid_decode on the GPU. Contract: torch_utils/ops/trigrid_decode.py. Layers too wide for the kernels are left to cuBLAS.

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "contract.h"
#include "cuda/glue.h"
#include "layers.h"
#include "planes.h"

namespace fullhead {
namespace {

constexpr const char* kOp = "trigrid_decode";

// Points whose features and hidden layer are in memory at a time, where they must be.
constexpr int64_t kRowsAtOnce = 1 << 18;

// Products are in the type of the layers, whatever the caller's block does to its own.
using WithoutAutocast = c10::impl::ExcludeDispatchKeyGuard;

// Of planes whose features are innermost.
TrigridArguments arguments_of(const at::Tensor& planes, const at::Tensor& points, const bool* seen, double box_size,
                              at::IntArrayRef axes, bool planar) {
  check_plane_span(planes);
  TrigridArguments a{};
  a.points = points.size(0) * points.size(1);
  a.points_per_image = points.size(1);
  a.stride_image = planes.size(0) > 1 ? planes.stride(0) : 0, a.stride_plane = planes.stride(1);
  a.features = int32_t(planes.size(3));
  constexpr int kDims[3] = {5, 4, 2};  // width, height, depth
  for (int axis = 0; axis < 3; ++axis) {
    a.size[axis] = int32_t(planes.size(kDims[axis]));
    a.stride[axis] = a.size[axis] > 1 ? int32_t(planes.stride(kDims[axis])) : 0;
    for (int plane = 0; plane < 3; ++plane) a.axes[plane][axis] = int32_t(axes[3 * plane + axis]);
  }
  a.per_unit = 2.0 / box_size;
  a.planar = planar;
  a.seen = seen;
  return a;
}

// As in the reference: PyTorch's softplus is linear from 20 on unless told otherwise.
at::Tensor softplus_of(const at::Tensor& z) { return at::softplus(z, 1, 40); }

// The arguments, dense as kernels take them.
struct Call {
  at::Tensor planes, points, seen, w1, b1, w2, b2;
  Element element;
  TrigridArguments grid;
  LayerArguments layers;
  bool small;

  Call(const at::Tensor& planes_any, const at::Tensor& points_any, const at::Tensor& w1_any, const at::Tensor& b1_any,
       const at::Tensor& w2_any, const at::Tensor& b2_any, double box_size, at::IntArrayRef axes, bool planar,
       const std::optional<at::Tensor>& seen_any)
      : planes(features_innermost(planes_any)),
        points(points_any.contiguous()),
        seen(seen_any ? seen_any->contiguous() : at::Tensor()),
        w1(w1_any.contiguous()),
        b1(b1_any.contiguous()),
        w2(w2_any.contiguous()),
        b2(b2_any.contiguous()),
        element(element_of(planes, kOp)),
        grid(arguments_of(planes, points, seen_any ? seen.const_data_ptr<bool>() : nullptr, box_size, axes, planar)),
        layers{int32_t(w1.size(1)),   int32_t(w1.size(0)),  int32_t(w2.size(0)),  w1.const_data_ptr(),
               b1.const_data_ptr(), w2.const_data_ptr(), b2.const_data_ptr()},
        small(are_small(element, layers)) {}

  at::Tensor sampled(void* stream, int64_t first, int64_t rows) const {
    at::Tensor x = at::empty({rows, layers.inputs}, points.options());
    check(launch_trigrid_sample(stream, element, planes.const_data_ptr(), points.const_data_ptr(), grid, first, rows, x.mutable_data_ptr()),
          kOp);
    return x;
  }
};

std::tuple<at::Tensor, at::Tensor> trigrid_decode(const at::Tensor& planes, const at::Tensor& points, const at::Tensor& w1,
                                                  const at::Tensor& b1, const at::Tensor& w2, const at::Tensor& b2, double box_size,
                                                  at::IntArrayRef axes, bool planar, const std::optional<at::Tensor>& seen) {
  check_trigrid(planes, points, axes, planar, seen);
  check_layers(planes, points, w1, b1, w2, b2);
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  const Place place(planes);
  const Call call(planes, points, w1, b1, w2, b2, box_size, axes, planar, seen);
  const int64_t rest = w2.size(0) - 1;
  at::Tensor density = at::empty({points.size(0), points.size(1)}, points.options());
  at::Tensor features = at::empty({points.size(0), points.size(1), rest}, points.options());
  if (call.small) {
    check(launch_trigrid_decode(place.stream, call.element, call.planes.const_data_ptr(), call.points.const_data_ptr(), call.grid,
                                call.layers, density.mutable_data_ptr(), features.mutable_data_ptr()),
          kOp);
    return {density, features};
  }
  at::Tensor first_rows = density.view({call.grid.points}), rest_rows = features.view({call.grid.points, rest});
  for (int64_t begin = 0; begin < call.grid.points; begin += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, call.grid.points - begin);
    const at::Tensor x = call.sampled(place.stream, begin, rows);
    const at::Tensor y = at::addmm(call.b2, softplus_of(at::addmm(call.b1, x, call.w1.t())), call.w2.t());
    first_rows.narrow(0, begin, rows).copy_(y.select(1, 0));
    rest_rows.narrow(0, begin, rows).copy_(y.narrow(1, 1, rest));
  }
  if (seen) {
    const at::Tensor unseen = call.seen.logical_not();
    density.masked_fill_(unseen, kHiddenDensity);
    features.masked_fill_(unseen.unsqueeze(2), 0);
  }
  return {density, features};
}

std::vector<at::Tensor> trigrid_decode_grad(const at::Tensor& g_density, const at::Tensor& g_features, const at::Tensor& planes,
                                            const at::Tensor& points, const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                                            const at::Tensor& b2, double box_size, at::IntArrayRef axes, bool planar,
                                            const std::optional<at::Tensor>& seen, bool to_planes, bool to_points, bool to_layers) {
  check_trigrid(planes, points, axes, planar, seen);
  check_layers(planes, points, w1, b1, w2, b2);
  const WithoutAutocast guard(c10::autocast_dispatch_keyset);
  const Place place(planes);
  const Call call(planes, points, w1, b1, w2, b2, box_size, axes, planar, seen);
  const int64_t all = call.grid.points, rest = w2.size(0) - 1;
  check_gradient(g_density, points, all, kOp);
  check_gradient(g_features, points, all * rest, kOp);
  const at::Tensor g_all = g_density.contiguous().view({all}), g_rest_all = g_features.contiguous().view({all, rest});
  at::Tensor d_planes, d_points;
  TrigridArguments d_grid{};
  if (to_planes) {
    at::globalContext().alertNotDeterministic("The gradient of trigrid_decode into the planes, on a GPU,");
    // Low-precision planes collect their gradient in float32.
    d_planes = at::empty_strided(planes.sizes(), gradient_strides(planes), planes.options().dtype(points.scalar_type())).zero_();
    d_grid = arguments_of(d_planes, call.points, call.grid.seen, box_size, axes, planar);
  }
  if (to_points) d_points = at::zeros(points.sizes(), points.options());
  at::Tensor d_w1 = at::zeros_like(call.w1), d_b1 = at::zeros_like(call.b1);
  at::Tensor d_w2 = at::zeros_like(call.w2), d_b2 = at::zeros_like(call.b2);
  for (int64_t begin = 0; begin < all; begin += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, all - begin);
    const at::Tensor x = call.sampled(place.stream, begin, rows);
    at::Tensor g0 = g_all.narrow(0, begin, rows), g = g_rest_all.narrow(0, begin, rows);
    if (seen) {  // What is hidden has no features, and now no gradient either: it adds nothing below.
      const at::Tensor unseen = call.seen.view({all}).narrow(0, begin, rows).logical_not();
      g0 = g0.masked_fill(unseen, 0), g = g.masked_fill(unseen.unsqueeze(1), 0);
    }
    at::Tensor hidden, d_hidden, d_x;  // the first two are [hidden, rows]
    if (call.small) {
      hidden = at::empty({call.layers.hidden, rows}, x.options());
      d_hidden = at::empty_like(hidden), d_x = at::empty_like(x);
      check(launch_layers_grad(place.stream, call.element, call.layers, x.const_data_ptr(), rows, g0.const_data_ptr(),
                               g.const_data_ptr(), d_x.mutable_data_ptr(), hidden.mutable_data_ptr(), d_hidden.mutable_data_ptr()),
            kOp);
    } else {
      const at::Tensor z = at::addmm(call.b1, x, call.w1.t());
      const at::Tensor d_z = at::mm(at::cat({g0.unsqueeze(1), g}, 1), call.w2).mul_(at::sigmoid(z));
      hidden = softplus_of(z).t(), d_hidden = d_z.t(), d_x = at::mm(d_z, call.w1);
    }
    if (to_planes)
      check(launch_trigrid_grad_planes(place.stream, call.element, d_x.const_data_ptr(), call.points.const_data_ptr(), d_grid, begin,
                                       rows, d_planes.mutable_data_ptr()),
            kOp);
    if (to_points)
      check(launch_trigrid_grad_points(place.stream, call.element, d_x.const_data_ptr(), call.planes.const_data_ptr(),
                                       call.points.const_data_ptr(), call.grid, begin, rows, d_points.mutable_data_ptr()),
            kOp);
    if (!to_layers) continue;
    d_w1.addmm_(d_hidden, x);
    d_b1 += d_hidden.sum(1);
    d_w2.select(0, 0).addmv_(hidden, g0);
    d_w2.narrow(0, 1, rest).addmm_(g.t(), hidden.t());
    d_b2.select(0, 0) += g0.sum();
    d_b2.narrow(0, 1, rest) += g.sum(0);
  }
  std::vector<at::Tensor> gradients;
  if (to_planes) gradients.push_back(d_planes.to(planes.scalar_type()));
  if (to_points) gradients.push_back(d_points);
  if (to_layers) gradients.insert(gradients.end(), {d_w1, d_b1, d_w2, d_b2});
  return gradients;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("trigrid_decode", fullhead::trigrid_decode);
  m.impl("trigrid_decode_grad", fullhead::trigrid_decode_grad);
}
