# SPDX-License-Identifier: Apache-2.0
"""Curves are where their numbers are, whatever the numbers."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnnlib.svg_charts import HEIGHT, WIDTH, CurvePoint, line_chart, linear_scale, short, value_scale


def curve(*means: float) -> list[CurvePoint]:
    return [CurvePoint(x, mean, mean, mean) for x, mean in enumerate(means)]


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def test_a_straight_line_is_straight_and_larger_is_higher() -> None:
    svg = ElementTree.fromstring(line_chart([curve(0, 1, 2, 3)], name="t"))
    line = places(next(p for p in svg.iter("path") if p.get("class") == "line-0").get("d"))
    assert len(line) == 4
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(line)]
    assert all(
        dx == pytest.approx(steps[0][0], abs=0.11) and dy == pytest.approx(steps[0][1], abs=0.11) for dx, dy in steps
    )
    assert steps[0][0] > 50
    assert steps[0][1] < -20


def test_a_limit_is_shown_where_it_is_near_and_a_band_where_values_vary() -> None:
    near, far = (line_chart([curve(0, 1, 2)], name="t", limits=[limit]) for limit in (1.5, 100))
    assert 'class="limit"' in near
    assert 'class="limit"' not in far
    assert "band-0" not in near
    assert "band-1" in line_chart([curve(0, 1), [CurvePoint(0, 1, 0, 2), CurvePoint(1, 1, 1, 1)]], name="t")


def test_one_spike_does_not_flatten_the_rest_and_many_sizes_go_by_the_logarithm() -> None:
    points = [CurvePoint(i, 1 + i / 100, 1, 2 if i != 50 else 1e6) for i in range(100)]
    assert value_scale(points, may_be_log=False).high < 10
    scale = value_scale(curve(1e-3, 1, 1e3), may_be_log=True)
    assert scale.is_log
    assert scale.share(1.0) == pytest.approx(0.5)
    assert not value_scale(curve(0, 1, 1e3), may_be_log=True).is_log


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20), st.booleans())
def test_every_curve_can_be_drawn_within_its_frame(means: list[float], may_be_log: bool) -> None:
    svg = ElementTree.fromstring(line_chart([curve(*means)], name='<"&', may_be_log=may_be_log))
    for path in svg.iter("path"):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(path.get("d")))


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
@example(0.0, 0.3)  # A third of it is a tenth less a rounding error.
@example(0.0, 15.0)
def test_scales_have_few_ticks_within_their_range(low: float, size: float) -> None:
    scale = linear_scale(low, low + size)
    margin = 1e-6 * max(abs(scale.low), abs(scale.high), scale.high - scale.low)
    assert 3 <= len(scale.ticks) <= 8
    assert all(scale.low - margin <= tick <= scale.high + margin for tick in scale.ticks)


def test_numbers_are_short() -> None:
    assert [short(x) for x in (0, 0.25, -3, 1234567, 2e-7, -0.000015)] == ["0", "0.25", "-3", "1.23M", "2e-7", "-2e-5"]
    assert math.isfinite(float(short(0.00123)))
