// SPDX-License-Identifier: Apache-2.0
// How the threads of a kernel share its work: every kernel strides over its items, so any number of blocks is right.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/queue.cuh"

namespace fullhead {

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

inline unsigned blocks_for(int64_t items, int threads = kThreads) {
  const int64_t blocks = (items + threads - 1) / threads;
  return static_cast<unsigned>(blocks < (1 << 20) ? blocks : (1 << 20));  // kernels stride over the rest
}

// Blocks for work of one warp an item.
inline unsigned blocks_for_warps(int64_t items) { return blocks_for(items, kThreads / kWarp); }

__device__ inline int64_t first_item() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t item_step() { return int64_t(gridDim.x) * blockDim.x; }

// The same where a warp takes an item: equal in all its lanes.
__device__ inline int64_t first_warp_item() { return first_item() / kWarp; }
__device__ inline int64_t warp_item_step() { return item_step() / kWarp; }
__device__ inline int lane() { return int(threadIdx.x % kWarp); }

// The sum over a warp's lanes, in every lane. All of them must get here.
template <class A>
__device__ inline A warp_sum(A x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

}  // namespace fullhead
