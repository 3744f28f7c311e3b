// SPDX-License-Identifier: Apache-2.0
// Blocks one after another, the threads of each as fibers. They run in an order that changes from turn to turn, so that a missing
// barrier shows; shared memory is NaN before a block begins, so that what nobody wrote shows too.

#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "cuda_runtime.h"

Index threadIdx, blockIdx, blockDim, gridDim;

namespace fullhead {
alignas(16) unsigned char shared_bytes[48 * 1024];
}

namespace on_host {
namespace {

constexpr unsigned kWarp = 32;
constexpr size_t kStackBytes = 64 * 1024;

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  bool is_done;
  int barriers, exchanges;  // how many it has come to
  uint64_t brought;
};

std::vector<Fiber> fibers;
ucontext_t scheduler;
const std::function<void()>* current_kernel;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s (block %u, thread %u)\n", what, blockIdx.x, threadIdx.x);
  std::abort();
}

void give_way() {
  const unsigned me = threadIdx.x;
  swapcontext(&fibers[me].context, &scheduler);
  threadIdx.x = me;
}

// Until all threads in [begin, end) have come as far. One that has ended never will, which a GPU would not forgive.
void wait_for(unsigned begin, unsigned end, int Fiber::* count) {
  const int here = ++(fibers[threadIdx.x].*count);
  for (bool waits = true; waits;) {
    waits = false;
    for (unsigned t = begin; t < end; ++t) {
      if (fibers[t].*count >= here) continue;
      if (fibers[t].is_done) fail("a thread ended while others wait for it");
      waits = true;
    }
    if (waits) give_way();
  }
}

void body() {
  (*current_kernel)();
  fibers[threadIdx.x].is_done = true;
  swapcontext(&fibers[threadIdx.x].context, &scheduler);
}

void carry_out_block(unsigned threads) {
  std::memset(fullhead::shared_bytes, 0xff, sizeof(fullhead::shared_bytes));
  for (unsigned t = 0; t < threads; ++t) {
    Fiber& fiber = fibers[t];
    fiber.is_done = false;
    fiber.barriers = fiber.exchanges = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, body, 0);
  }
  unsigned left = threads;
  for (unsigned turn = 0; left > 0; ++turn)
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned t = turn % 2 ? threads - 1 - i : i;
      if (fibers[t].is_done) continue;
      threadIdx.x = t;
      swapcontext(&scheduler, &fibers[t].context);
      if (fibers[t].is_done) --left;
    }
}

}  // namespace

void carry_out(unsigned blocks, int threads, size_t shared_bytes, const std::function<void()>& kernel) {
  if (threads > 1024 || threads % kWarp || shared_bytes > sizeof(fullhead::shared_bytes)) fail("no GPU starts such a kernel");
  if (fibers.size() < size_t(threads)) fibers = std::vector<Fiber>(threads);
  current_kernel = &kernel;
  gridDim.x = blocks, blockDim.x = unsigned(threads);
  for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) carry_out_block(unsigned(threads));
}

uint64_t exchange(unsigned lanes, uint64_t mine, int distance) {
  if (lanes != 0xffffffffu || distance <= 0 || distance >= int(kWarp)) fail("only whole warps exchange numbers here");
  const unsigned begin = threadIdx.x / kWarp * kWarp;
  fibers[threadIdx.x].brought = mine;
  wait_for(begin, begin + kWarp, &Fiber::exchanges);
  const uint64_t theirs = fibers[threadIdx.x ^ unsigned(distance)].brought;
  wait_for(begin, begin + kWarp, &Fiber::exchanges);
  return theirs;
}

}  // namespace on_host

void __syncthreads() { on_host::wait_for(0, blockDim.x, &on_host::Fiber::barriers); }

extern "C" int32_t aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  *stream = nullptr;
  return 0;
}
