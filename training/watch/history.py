# SPDX-License-Identifier: Apache-2.0
"""What a run has reported so far, as curves of a bounded number of points.

A curve keeps means and extremes over equal stretches of its values. When it has too many points, neighbours are joined
and stretches are twice as long from then on: memory and page do not grow with the length of the run.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, final

from training.watch.rows import Row

CAPACITY = 240


class Point(NamedTuple):
    """Values up to image `nimg`."""

    nimg: int
    mean: float
    low: float
    high: float
    count: int


@final
class Curve:
    """Between CAPACITY / 2 and CAPACITY points, once there are so many values."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.last = math.nan
        self._stretch = 1  # Values per point.

    def recent(self, num_points: int = 8) -> float:
        """Mean over the last points."""
        points = self.points[-num_points:]
        return sum(p.mean * p.count for p in points) / sum(p.count for p in points)

    def add(self, nimg: int, value: float) -> None:
        self.last = value
        point = Point(nimg, value, value, value, 1)
        if self.points and self.points[-1].count < self._stretch:
            self.points[-1] = _joined(self.points[-1], point)
            return
        if len(self.points) == CAPACITY:
            self.points = [_joined(a, b) for a, b in zip(self.points[::2], self.points[1::2], strict=True)]
            self._stretch *= 2
        self.points.append(point)


@final
class History:
    """Curves by name."""

    def __init__(self) -> None:
        self.curves: dict[str, Curve] = {}
        self.nimg = 0
        self.elapsed_s = 0.0

    def add(self, row: Row) -> None:
        """A row of stats.jsonl."""
        self.nimg = row["nimg"]
        self.elapsed_s = row.get("elapsed_s", self.elapsed_s)
        for name, value in numbers(row):
            self.curves.setdefault(name, Curve()).add(self.nimg, value)


def numbers(row: Row) -> Iterator[tuple[str, float]]:
    """Finite numbers of a row by name: means of statistics by theirs, others by where they stand."""
    for name, value in row.items():
        if name == "stats":
            for statistic, moments in value.items():
                yield from _finite(statistic, moments["mean"])
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from _finite(f"{name}/{key}", inner)
        elif name != "nimg":
            yield from _finite(name, value)


def _finite(name: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float) and math.isfinite(value):
        yield name, float(value)


def _joined(a: Point, b: Point) -> Point:
    count = a.count + b.count
    mean = (a.mean * a.count + b.mean * b.count) / count
    return Point(b.nimg, mean, min(a.low, b.low), max(a.high, b.high), count)
