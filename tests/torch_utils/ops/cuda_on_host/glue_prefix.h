// SPDX-License-Identifier: Apache-2.0
// Included before the glue: it registers its operators for tensors on the CPU. PyTorch's own headers come first, since they name
// both devices.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#define CUDA CPU
