# SPDX-License-Identifier: Apache-2.0
"""Charts show the numbers that they are given: where they are, and how many."""

import numpy as np
import pytest

from dnnlib.charts import BLUE, Axis, bar_chart, heat_map

PERCENT = Axis("share", 0, 100, range(0, 101, 25), "%")


def blue_columns(picture: np.ndarray) -> np.ndarray:
    """For every column of pixels, how many are of a bar."""
    return (picture == BLUE).all(-1).sum(0)


def test_bars_are_as_high_as_their_counts_and_stand_in_their_bins() -> None:
    picture = bar_chart(np.array([0, 4, 0, 2]), np.linspace(0, 100, 5), PERCENT, title="t", width=476, height=286)
    heights = blue_columns(picture)
    left, width = 56, 476 - 20 - 56
    bins = [heights[left + width * i // 4 + 10 : left + width * (i + 1) // 4 - 10] for i in range(4)]
    assert [np.ptp(b) for b in bins] == [0, 0, 0, 0]
    empty, full, none, half = (int(b[0]) for b in bins)
    assert empty == none == 0
    assert full == pytest.approx(2 * half, abs=2)


def test_one_in_a_million_is_seen() -> None:
    picture = bar_chart(np.array([1_000_000, 1]), np.array([0.0, 50, 100]), PERCENT, title="t")
    columns = np.flatnonzero(blue_columns(picture))
    assert columns.max() > 56 + (420 - 20 - 56) * 0.9


@pytest.mark.parametrize("counts", [np.zeros(4, dtype=int), np.array([0, 0, 0, 1])])
def test_charts_of_nothing_or_of_one_are_drawn(counts: np.ndarray) -> None:
    assert bar_chart(counts, np.linspace(0, 100, 5), PERCENT, title="t").shape == (200, 420, 3)
    table = heat_map(counts[None], np.linspace(0, 100, 5), np.array([0.0, 1]), PERCENT, PERCENT, title="t")
    assert table.shape[1] == 1080


def test_cells_of_a_table_are_darker_the_more_they_hold_and_stand_where_they_belong() -> None:
    counts = np.zeros((3, 4), dtype=int)
    counts[0, 0], counts[2, 3], counts[1, 1] = 1, 1_000, 30
    y = Axis("height", 0, 3, (0, 3))
    picture = heat_map(counts, np.linspace(0, 100, 5), np.arange(4.0), PERCENT, y, title="t", width=630, cell_height=30)
    left, top, width = 60, 124, 630 - 84 - 46 - 60

    def shade(row: int, column: int) -> int:
        """Of a corner of the cell, away from its number."""
        return int(picture[top + 30 * (2 - row) + 4, left + width * column // 4 + 8].sum())

    assert shade(2, 3) < shade(1, 1) < shade(0, 0) < shade(0, 1)


def test_ticks_have_signs_where_an_axis_has_two_sides() -> None:
    assert Axis("azimuth", -180, 180, (), "°").tick_text(45) == "+45°"
    assert Axis("azimuth", -180, 180, (), "°").tick_text(0) == "0°"
    assert PERCENT.tick_text(25) == "25%"
