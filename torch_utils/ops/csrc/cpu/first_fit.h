// SPDX-License-Identifier: Apache-2.0
// Where in a long stretch of memory a piece may lie: at the lowest place that is wide enough.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <unordered_map>

namespace fullhead {

// Knows offsets alone, and no memory. What is in use stays together at the low end, so that the stretch is touched no
// further than it must be; the next picture, which asks for the same sizes in the same order, finds the same places.
class FirstFit {
 public:
  static constexpr int64_t kNone = -1;

  explicit FirstFit(int64_t size) : gaps_{{0, size}} {}

  // Where it begins; kNone where no gap is wide enough.
  int64_t take(int64_t size) {
    for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
      const auto [begin, width] = *gap;
      if (width < size) continue;
      gaps_.erase(gap);
      if (width > size) gaps_.emplace(begin + size, width - size);
      taken_.emplace(begin, size);
      return begin;
    }
    return kNone;
  }

  // What was taken at `begin` becomes a gap, one with the gaps beside it.
  void give_back(int64_t begin) {
    const auto piece = taken_.find(begin);
    int64_t size = piece->second;
    taken_.erase(piece);
    auto behind = gaps_.lower_bound(begin);
    if (behind != gaps_.end() && behind->first == begin + size) {
      size += behind->second;
      behind = gaps_.erase(behind);
    }
    if (behind != gaps_.begin()) {
      const auto before = std::prev(behind);
      if (before->first + before->second == begin) {
        before->second += size;
        return;
      }
    }
    gaps_.emplace(begin, size);
  }

  const std::map<int64_t, int64_t>& gaps() const { return gaps_; }  // where each begins, and its width

 private:
  std::map<int64_t, int64_t> gaps_;
  std::unordered_map<int64_t, int64_t> taken_;
};

}  // namespace fullhead
