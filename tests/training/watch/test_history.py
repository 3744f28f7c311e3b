# SPDX-License-Identifier: Apache-2.0
"""Curves stay short and true."""

import random

import pytest

from training.watch.history import CAPACITY, Curve, History


def test_a_curve_of_any_length_keeps_mean_extremes_and_end() -> None:
    draw = random.Random(0)
    for length in (1, CAPACITY, CAPACITY + 1, 10_007):
        values = [draw.gauss(0, 1) for _ in range(length)]
        curve = Curve()
        for i, value in enumerate(values):
            curve.add(10 * i, value)
        points = curve.points
        assert min(length, CAPACITY // 2) <= len(points) <= CAPACITY
        assert sum(p.count for p in points) == length
        assert sum(p.mean * p.count for p in points) / length == pytest.approx(sum(values) / length)
        assert (min(p.low for p in points), max(p.high for p in points)) == (min(values), max(values))
        assert points[-1].nimg == 10 * (length - 1)
        assert curve.last == values[-1]
        assert [p.nimg for p in points] == sorted({p.nimg for p in points})


def test_a_row_becomes_curves_of_its_finite_numbers() -> None:
    history = History()
    stats = {"G/loss": {"num": 2, "mean": 0.5, "std": 0.1}, "D/loss": {"num": 0, "mean": None, "std": None}}
    history.add({"nimg": 8, "elapsed_s": 2.0, "memory_gib": None, "health": {"relief": 0.1}, "stats": stats})
    assert {name: curve.last for name, curve in history.curves.items()} == {
        "elapsed_s": 2.0,
        "health/relief": 0.1,
        "G/loss": 0.5,
    }
    assert (history.nimg, history.elapsed_s) == (8, 2.0)
