// SPDX-License-Identifier: Apache-2.0
// Fresh memory costs one page fault every 4 KiB, often more than the arithmetic that fills it. Huge pages cost 512 times fewer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fullhead {

// Asks for huge pages behind a result that is not yet written. A hint: where the system declines, nothing changes.
inline at::Tensor on_huge_pages(at::Tensor fresh) {
#ifdef __linux__
  constexpr uintptr_t kPage = uintptr_t(1) << 21;
  const uintptr_t data = reinterpret_cast<uintptr_t>(fresh.mutable_data_ptr());
  const uintptr_t begin = (data + kPage - 1) & ~(kPage - 1), end = (data + fresh.nbytes()) & ~(kPage - 1);
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
  return fresh;
}

}  // namespace fullhead
