// SPDX-License-Identifier: Apache-2.0
// Included before the glue: it registers its operators for tensors on the CPU. PyTorch's headers that name both devices come
// first.
#pragma once

#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#define CUDA CPU
