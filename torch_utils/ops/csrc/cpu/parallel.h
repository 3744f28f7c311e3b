// SPDX-License-Identifier: Apache-2.0
// Threads. PyTorch's own pool, through its stable entry: no OpenMP flag, so never a second pool beside PyTorch's.
#pragma once

#include <torch/csrc/stable/c/shim.h>

#include <cstdint>
#include <stdexcept>

namespace fullhead {

// Calls f(begin, end) on pieces of [begin, end) of at least `grain` items each.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  if (begin >= end) return;
  auto call = [](int64_t b, int64_t e, void* context) { (*static_cast<const F*>(context))(b, e); };
  if (torch_parallel_for(begin, end, grain, call, const_cast<void*>(static_cast<const void*>(&f))) != 0)
    throw std::runtime_error("fullhead: a worker thread failed");
}

}  // namespace fullhead
