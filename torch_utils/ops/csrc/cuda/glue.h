// SPDX-License-Identifier: Apache-2.0
// What the glue of every GPU operator needs: the element type, the place to run, and errors as exceptions. No CUDA header is
// included, so that the glue compiles wherever PyTorch does.
#pragma once

#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <optional>

#include "cuda/launch.h"
#include "layout.h"

// PyTorch's stable C interface; declared here because its header hides it where PyTorch was built without CUDA.
extern "C" int32_t aoti_torch_get_current_cuda_stream(int32_t device_index, void** ret_stream);

namespace fullhead {

inline Element element_of(const at::Tensor& x, const char* op) {
  switch (x.scalar_type()) {
    case at::kFloat: return Element::f32;
    case at::kDouble: return Element::f64;
    case at::kHalf: return Element::f16;
    case at::kBFloat16: return Element::bf16;
    default: TORCH_CHECK(false, op, ": a floating-point tensor is needed, got ", x.scalar_type());
  }
}

// The device of x, made current until this is gone, and the stream that PyTorch uses there.
struct Place {
  c10::DeviceGuard guard;
  void* stream = nullptr;

  explicit Place(const at::Tensor& x) : guard(x.device()) {
    TORCH_CHECK(aoti_torch_get_current_cuda_stream(x.get_device(), &stream) == 0, "fullhead: no current CUDA stream");
  }
};

inline void check(int error, const char* op) { TORCH_CHECK(error == 0, op, ": the kernel did not start, CUDA error ", error); }

// A gradient that kernels read must be where and what the tensor is that it belongs to.
inline void check_gradient(const at::Tensor& g, const at::Tensor& like, int64_t numel, const char* op) {
  TORCH_CHECK(g.numel() == numel && g.device() == like.device() && g.scalar_type() == like.scalar_type(), op,
              ": the gradient does not fit");
}

inline Act checked_act(c10::string_view name) {
  const Act act = act_from_name({name.data(), name.size()});
  TORCH_CHECK(act != Act::unknown, "unknown activation '", name, "'");
  return act;
}

}  // namespace fullhead
