# SPDX-License-Identifier: Apache-2.0
from collections import Counter

from training.data.synthetic.draws import Draws


def test_every_decision_takes_one_number():
    def after(decide):
        d = Draws(0, "test", 0)
        decide(d)
        return d.between(0.0, 1.0)

    second = Draws(0, "test", 0)
    second.between(0.0, 1.0)
    expected = second.between(0.0, 1.0)
    for decide in (
        lambda d: d.near(3.0, 1.0),
        lambda d: d.chance(0.5),
        lambda d: d.pick((("a", 1.0), ("b", 2.0))),
        lambda d: d.one_of("abc"),
    ):
        assert after(decide) == expected


def test_picks_follow_their_weights_and_near_keeps_its_spread():
    draws = Draws(0, "test", 1, count=4000)
    counts = Counter(draws.pick((("rare", 1.0), ("never", 0.0), ("often", 3.0))) for _ in range(2000))
    assert counts["never"] == 0
    assert 0.71 < counts["often"] / 2000 < 0.79
    values = [draws.near(5.0, 2.0) for _ in range(2000)]
    assert 3 <= min(values) < 3.2
    assert 6.8 < max(values) <= 7
    assert abs(sum(values) / 2000 - 5) < 0.1
