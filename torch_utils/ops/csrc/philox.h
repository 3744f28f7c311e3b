// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
#pragma once

#include <cstdint>

#include "activation.h"

namespace fullhead {

constexpr int kPhiloxRounds = 10;

// Block `block` of an item's words: what its counter (index, block, 0) becomes under a key. Words stand in 64 bits, the width of
// their products: lanes that change their width cost twice the time.
FULLHEAD_DEVICE void philox(uint64_t index, uint64_t block, uint64_t key, uint64_t words[4]) {
  constexpr uint64_t kMask = 0xFFFFFFFFu;
  uint64_t c0 = index & kMask, c1 = index >> 32, c2 = block, c3 = 0;
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
#ifdef __CUDACC__
#pragma unroll
#else
#pragma GCC unroll 10
#endif
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t first = 0xD2511F53u * c0, second = 0xCD9E8D57u * c2;
    c0 = second >> 32 ^ c1 ^ k0;
    c1 = second & kMask;
    c2 = first >> 32 ^ c3 ^ k1;
    c3 = first & kMask;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

}  // namespace fullhead
