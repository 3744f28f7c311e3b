// SPDX-License-Identifier: Apache-2.0
// The layout that every kernel writes.
#pragma once

#include <ATen/core/Tensor.h>

namespace fullhead {

// Channels-last for an input that is, otherwise contiguous. torch_utils/ops/native.py: dense_format agrees.
inline at::MemoryFormat dense_format(const at::Tensor& x) {
  const bool channels_last = x.dim() == 4 && x.stride(1) == 1 && !x.is_contiguous();
  return channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace fullhead
