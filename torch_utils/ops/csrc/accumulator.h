// SPDX-License-Identifier: Apache-2.0
// What sums of an element type are kept in, on the CPU and on the GPU: double for double, float for everything else.
#pragma once

namespace fullhead {

template <class T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};
template <class T>
using Acc = typename Accumulator<T>::type;

}  // namespace fullhead
