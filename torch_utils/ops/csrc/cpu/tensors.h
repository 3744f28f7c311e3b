// SPDX-License-Identifier: Apache-2.0
// What every kernel's glue needs.
#pragma once

#include <torch/library.h>

#include <optional>

#include "cpu/huge_pages.h"
#include "cpu/numeric.h"
#include "cpu/parallel.h"
#include "layout.h"

namespace fullhead {

// Calls f with a value of the C++ type of `dtype`.
template <class F>
void with_float_type(at::ScalarType dtype, const char* op, const F& f) {
  switch (dtype) {
    case at::kFloat: return f(float());
    case at::kDouble: return f(double());
    case at::kBFloat16: return f(c10::BFloat16());
    case at::kHalf: return f(c10::Half());
    default: TORCH_CHECK(false, op, ": a floating-point tensor is needed, got ", dtype);
  }
}

}  // namespace fullhead
