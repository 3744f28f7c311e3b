// SPDX-License-Identifier: Apache-2.0
// Glue of trigrid_sample on the GPU. Contract: torch_utils/ops/trigrid_sample.py.

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include "cuda/glue.h"
#include "planes.h"

namespace fullhead {
namespace {

// Of planes whose features are innermost.
TrigridArguments arguments_of(const at::Tensor& planes, const at::Tensor& points, double box_size, at::IntArrayRef axes,
                              bool planar) {
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
  return a;
}

at::Tensor trigrid_sample(const at::Tensor& planes_any, const at::Tensor& points_any, double box_size, at::IntArrayRef axes,
                          bool planar) {
  check_trigrid(planes_any, points_any, axes, planar);
  const Place place(planes_any);
  const at::Tensor planes = features_innermost(planes_any), points = points_any.contiguous();
  at::Tensor out = at::empty({points.size(0), points.size(1), planes.size(3)}, planes.options());
  check(launch_trigrid_sample(place.stream, element_of(planes, "trigrid_sample"), planes.const_data_ptr(), points.const_data_ptr(),
                              out.mutable_data_ptr(), arguments_of(planes, points, box_size, axes, planar)),
        "trigrid_sample");
  return out;
}

at::Tensor grad_planes(const at::Tensor& g_any, const at::Tensor& planes, const at::Tensor& points_any, double box_size,
                       at::IntArrayRef axes, bool planar) {
  check_trigrid(planes, points_any, axes, planar);
  check_gradient(g_any, planes, points_any.size(0) * points_any.size(1) * planes.size(3), "trigrid_sample");
  at::globalContext().alertNotDeterministic("The gradient of trigrid_sample into the planes, on a GPU,");
  const Place place(planes);
  const at::Tensor g = g_any.contiguous(), points = points_any.contiguous();
  // Low-precision planes collect their gradient in float32.
  const auto sum_type = planes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor out = at::empty_strided(planes.sizes(), gradient_strides(planes), planes.options().dtype(sum_type)).zero_();
  check(launch_trigrid_grad_planes(place.stream, element_of(planes, "trigrid_sample"), g.const_data_ptr(), points.const_data_ptr(),
                                   out.mutable_data_ptr(), arguments_of(out, points, box_size, axes, planar)),
        "trigrid_sample");
  return out.to(planes.scalar_type());
}

at::Tensor grad_points(const at::Tensor& g_any, const at::Tensor& planes_any, const at::Tensor& points_any, double box_size,
                       at::IntArrayRef axes, bool planar) {
  check_trigrid(planes_any, points_any, axes, planar);
  check_gradient(g_any, planes_any, points_any.size(0) * points_any.size(1) * planes_any.size(3), "trigrid_sample");
  const Place place(planes_any);
  const at::Tensor planes = features_innermost(planes_any), points = points_any.contiguous(), g = g_any.contiguous();
  at::Tensor out = at::empty(points.sizes(), points.options());
  check(launch_trigrid_grad_points(place.stream, element_of(planes, "trigrid_sample"), g.const_data_ptr(), planes.const_data_ptr(),
                                   points.const_data_ptr(), out.mutable_data_ptr(),
                                   arguments_of(planes, points, box_size, axes, planar)),
        "trigrid_sample");
  return out;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CUDA, m) {
  m.impl("trigrid_sample", fullhead::trigrid_sample);
  m.impl("trigrid_sample_grad_planes", fullhead::grad_planes);
  m.impl("trigrid_sample_grad_points", fullhead::grad_points);
}
