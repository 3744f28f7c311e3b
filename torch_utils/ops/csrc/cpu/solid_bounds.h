// SPDX-License-Identifier: Apache-2.0
// Which rows of a solid can be left out within a ball without changing a bit of the result.
//
// The table is carried out once on intervals: a shape's value at the centre of the ball, plus or minus its slope times
// the radius; joins are monotone, so the ends of intervals go through them like numbers. A lane is a ball here, so that
// 64 balls cost as much as 64 points. An operand is idle where it stays beyond its blend, a layer where another one is
// nearer all over the ball; what came before an operand that is nearer all over the ball is idle as well.
#pragma once

#include <vector>

#include "cpu/solid.h"

namespace fullhead {

using BallSet = uint64_t;  // a bit for each lane
static_assert(kNumLanes == 64);

struct Balls {
  Points centres;
  Lanes radii;
};

struct Needs {
  std::vector<BallSet> rows, layers;  // in which balls a row must be carried out, a visible layer be looked at
};

template <class F>
BallSet where(const F& f) {
  alignas(64) uint8_t flags[kNumLanes];
  for (int i = 0; i < kNumLanes; ++i) flags[i] = f(i) ? 1 : 0;
  BallSet set = 0;
  for (int i = 0; i < kNumLanes; ++i) set |= BallSet(flags[i]) << i;
  return set;
}

class Bounds {
 public:
  explicit Bounds(const Solid& solid)
      : solid_(solid), low_(solid.num_layers()), high_(solid.num_layers()), idle_(solid.rows.size()), anew_(solid.rows.size()) {}

  void find(const Balls& balls, Needs& needs) {
    for (size_t r = 0; r < solid_.rows.size(); ++r) {
      idle_[r] = anew_[r] = 0;
      carry_out(solid_.rows[r], balls, idle_[r], anew_[r]);
    }
    needs.layers = nearest_layers();
    needs.rows.resize(solid_.rows.size());
    std::vector<BallSet> live = needs.layers;  // where the value of a layer, as it is after the row, is asked for
    for (size_t r = solid_.rows.size(); r-- > 0;) {
      const Row& row = solid_.rows[r];
      BallSet& wanted = live[row.layer];
      const BallSet needed = needs.rows[r] = wanted & ~idle_[r];
      wanted &= ~anew_[r];
      if (row.kind == Kind::layer) needs.rows[r] = ~BallSet(0);  // cheap, and every later row may rely on it
      if (row.kind == Kind::value) live[row.source()] |= needed;
    }
  }

 private:
  static constexpr float kRounding = 1e-5f;  // distances of a head are exact to a tenth of this

  void carry_out(const Row& row, const Balls& balls, BallSet& idle, BallSet& anew) {
    Lanes &low = low_[row.layer], &high = high_[row.layer], from, to;
    if (row.kind == Kind::layer || row.kind == Kind::inflate) {
      step(row, balls.centres, low_.data());
      step(row, balls.centres, high_.data());
    } else if (row.kind == Kind::shell) {
      const float half = row.p[0] / 2;
      for (int i = 0; i < kNumLanes; ++i) {
        const float a = low.v[i] + half, b = high.v[i] + half;
        low.v[i] = most(most(a, -b), 0.0f) - half;
        high.v[i] = most(b, -a) - half;
      }
    } else if (row.kind == Kind::waves) {
      spread(row, balls, from, to);
      const float amplitude = std::abs(row.p[0]);
      for (int i = 0; i < kNumLanes; ++i) {
        low.v[i] += most(from.v[i], -amplitude);
        high.v[i] += least(to.v[i], amplitude);
      }
    } else {
      if (row.kind == Kind::value) {
        evaluate(row, balls.centres, low_.data(), from);
        evaluate(row, balls.centres, high_.data(), to);
      } else {
        spread(row, balls, from, to);
      }
      const float beyond = row.blend + kRounding;
      switch (row.join) {
        case Join::add:
          idle = where([&](int i) { return from.v[i] >= high.v[i] + beyond; });
          anew = where([&](int i) { return low.v[i] >= to.v[i] + beyond; });
          break;
        case Join::cut: idle = where([&](int i) { return low.v[i] + from.v[i] >= beyond; }); break;
        default: idle = where([&](int i) { return low.v[i] >= to.v[i] + beyond; });
      }
      const bool turned = row.join == Join::cut;  // the farther the operand, the nearer the rest
      join(row, low, turned ? to : from);
      join(row, high, turned ? from : to);
    }
  }

  void spread(const Row& row, const Balls& balls, Lanes& from, Lanes& to) {
    evaluate(row, balls.centres, nullptr, to);
    for (int i = 0; i < kNumLanes; ++i) {
      const float reach = row.slope * balls.radii.v[i] + kRounding;
      from.v[i] = to.v[i] - reach;
      to.v[i] += reach;
    }
  }

  std::vector<BallSet> nearest_layers() const {
    Lanes surely;
    std::fill(surely.v, surely.v + kNumLanes, INFINITY);
    for (int layer = 0; layer < solid_.num_layers(); ++layer)
      if (solid_.is_visible[layer])
        for (int i = 0; i < kNumLanes; ++i) surely.v[i] = least(surely.v[i], high_[layer].v[i]);
    std::vector<BallSet> sets(solid_.num_layers(), 0);
    for (int layer = 0; layer < solid_.num_layers(); ++layer)
      if (solid_.is_visible[layer]) sets[layer] = where([&](int i) { return !(low_[layer].v[i] > surely.v[i] + kRounding); });
    return sets;
  }

  const Solid& solid_;
  std::vector<Lanes> low_, high_;
  std::vector<BallSet> idle_, anew_;
};

}  // namespace fullhead
