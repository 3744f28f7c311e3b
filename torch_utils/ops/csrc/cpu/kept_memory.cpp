// SPDX-License-Identifier: Apache-2.0
// PyTorch's pieces of memory on the CPU, kept when they are freed. Contract: torch_utils/heap.py.

#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include <mutex>

#include "cpu/first_fit.h"

#ifdef __linux__
#include <pthread.h>
#include <sys/mman.h>
#endif

namespace fullhead {
namespace {

#ifdef __linux__

constexpr int64_t kLeast = int64_t(1) << 16;  // The C library keeps smaller pieces itself.
constexpr int64_t kPage = int64_t(1) << 12;
constexpr int64_t kHugePage = int64_t(1) << 21;

int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// A stretch of addresses as long as the machine's memory, behind which the system puts memory where it is touched.
class KeptMemory final : public c10::Allocator {
 public:
  // The one of this process, never destroyed: pieces outlive the static objects. Null until `install`.
  inline static KeptMemory* instance = nullptr;

  static bool install(int64_t size) {
    if (instance != nullptr) return true;
    const int64_t whole = rounded_up(size, kHugePage);
    void* reserved = mmap(nullptr, size_t(whole + kHugePage), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return false;  // This process may not have so many addresses.
    char* base = reinterpret_cast<char*>(rounded_up(reinterpret_cast<int64_t>(reserved), kHugePage));
    madvise(base, size_t(whole), MADV_HUGEPAGE);  // A hint: small pages serve too.
    instance = new KeptMemory(base, whole);
    // A child finds the list of gaps whole, and its lock open.
    pthread_atfork([] { instance->mutex_.lock(); }, [] { instance->mutex_.unlock(); }, [] { instance->mutex_.unlock(); });
    c10::SetCPUAllocator(instance);
    return true;
  }

  c10::DataPtr allocate(size_t num_bytes) override {
    char* data = int64_t(num_bytes) < kLeast ? nullptr : take(int64_t(num_bytes));
    if (data == nullptr) return c10::GetDefaultCPUAllocator()->allocate(num_bytes);
    c10::profiledCPUMemoryReporter().New(data, num_bytes);
    return {data, data, &free_any, c10::Device(c10::DeviceType::CPU)};
  }

  // Also for what PyTorch's own allocator gave, before this one was there or because a piece is small.
  c10::DeleterFnPtr raw_deleter() const override { return &free_any; }

  void copy_data(void* to, const void* from, size_t count) const override { default_copy_data(to, from, count); }

  // The system has what lies behind the gaps back.
  void trim() {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const auto& [begin, width] : places_.gaps()) {
      const int64_t first = rounded_up(begin, kPage), last = (begin + width) / kPage * kPage;
      if (last > first) madvise(base_ + first, size_t(last - first), MADV_DONTNEED);
    }
  }

 private:
  KeptMemory(char* base, int64_t size) : base_(base), size_(size), places_(size) {}

  char* take(int64_t num_bytes) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const int64_t begin = places_.take(rounded_up(num_bytes, kPage));
    return begin == FirstFit::kNone ? nullptr : base_ + begin;
  }

  static void free_any(void* data) {
    const int64_t begin = static_cast<char*>(data) - instance->base_;
    if (begin < 0 || begin >= instance->size_) return c10::GetDefaultCPUAllocator()->raw_deallocate(data);
    c10::profiledCPUMemoryReporter().Delete(data);
    const std::lock_guard<std::mutex> guard(instance->mutex_);
    instance->places_.give_back(begin);
  }

  char* const base_;
  const int64_t size_;
  std::mutex mutex_;
  FirstFit places_;
};

bool keep(int64_t num_bytes) { return KeptMemory::install(num_bytes); }

void trim() {
  if (KeptMemory::instance != nullptr) KeptMemory::instance->trim();
}

#else

bool keep(int64_t) { return false; }

void trim() {}

#endif

}  // namespace
}  // namespace fullhead

// Beside the operators, which all take tensors.
TORCH_LIBRARY(fullhead_memory, m) {
  m.def("keep(int num_bytes) -> bool", fullhead::keep);
  m.def("trim() -> ()", fullhead::trim);
}
