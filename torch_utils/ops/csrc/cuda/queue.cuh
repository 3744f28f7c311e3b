// SPDX-License-Identifier: Apache-2.0
// The one place where kernels start. tests/torch_utils/ops/cuda_on_host has another one, which carries them out on the CPU.
#pragma once

#include <cuda_runtime.h>

namespace fullhead {

// Queues a kernel; nothing where there are no blocks. Returns a cudaError_t.
template <class... Parameters, class... Arguments>
int run(void (*kernel)(Parameters...), unsigned blocks, int threads, size_t shared_bytes, void* stream, Arguments... arguments) {
  if (blocks == 0) return cudaSuccess;
  kernel<<<blocks, threads, shared_bytes, static_cast<cudaStream_t>(stream)>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace fullhead
