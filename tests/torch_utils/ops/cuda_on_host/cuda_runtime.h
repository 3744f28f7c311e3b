// SPDX-License-Identifier: Apache-2.0
// As much of CUDA as the kernels use, on a CPU. The threads of a block are fibers, which give way to each other where they wait:
// at barriers and where a warp's lanes exchange numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(threads)

struct Index {
  unsigned x;
};
extern Index threadIdx, blockIdx, blockDim, gridDim;

using cudaStream_t = void*;
enum { cudaSuccess = 0, cudaErrorInvalidValue = 1 };

namespace on_host {

void carry_out(unsigned blocks, int threads, size_t shared_bytes, const std::function<void()>& kernel);
// What lane `lane ^ distance` of the same warp brings here.
uint64_t exchange(unsigned lanes, uint64_t mine, int distance);

}  // namespace on_host

void __syncthreads();

template <class A>
A __shfl_xor_sync(unsigned lanes, A mine, int distance) {
  uint64_t bits = 0;
  std::memcpy(&bits, &mine, sizeof(A));
  bits = on_host::exchange(lanes, bits, distance);
  std::memcpy(&mine, &bits, sizeof(A));
  return mine;
}

template <class A>
A atomicAdd(A* to, A value) {
  const A before = *to;
  *to += value;
  return before;
}
