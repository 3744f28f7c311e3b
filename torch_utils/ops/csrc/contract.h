// SPDX-License-Identifier: Apache-2.0
// Numbers that are part of what operators mean. The Python references have the same.
#pragma once

namespace fullhead {

// torch_utils/ops/composite.py
constexpr double kDensityShift = 1.0;
constexpr double kMinTransmittance = 1e-10;

// torch_utils/ops/importance_depths.py
constexpr double kFloor = 0.01;
constexpr double kMinWeight = 1e-5;
constexpr double kMinBin = 1e-5;

// torch_utils/ops/trigrid_decode.py
constexpr double kHiddenDensity = -1000.0;

}  // namespace fullhead
