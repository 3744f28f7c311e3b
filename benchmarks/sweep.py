# SPDX-License-Identifier: Apache-2.0
"""What something costs against its size, and whether it grows no faster than it may.

side, size    a picture of side 64 has the size 64^2: the number of rays, texels, voxels that work should go with
curve         milliseconds at every size; a sweep may have several, such as a film and the head within it
slope         of log time against log size, over the last three sizes or from the first to the last, whichever is
              steeper: 1 is linear, 0 is constant
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from dnnlib.progress import progress

LINEAR, CONSTANT = 1.0, 0.0
TOLERANCE = 0.1  # Of a slope: 7 % for each doubling.
_LAST = 3  # Sizes that a slope is taken of.

# Called with the number of the round; gives milliseconds by curve.
Work = Callable[[int], dict[str, float]]


@dataclass(frozen=True)
class Sweep:
    """Sides from small to large, and what is done at each of them."""

    title: str
    unit: str  # What a size counts.
    sides: tuple[int, ...]
    quick: tuple[int, ...]  # Sides for a first look.
    make: Callable[[tuple[int, ...]], AbstractContextManager[dict[int, Work]]]
    limits: dict[str, float]  # The largest slope of every curve.
    power: int = 1  # size = side ** power
    rounds: int = 3


class Curve(NamedTuple):
    """Medians and how far rounds were apart."""

    milliseconds: list[float]
    spread: list[float]  # Slowest round by fastest.


def timed(curve: str, work: Callable[[int], object]) -> Work:
    """A single curve: what the clock says."""

    def run(number: int) -> dict[str, float]:
        start_s = time.perf_counter()
        work(number)
        return {curve: (time.perf_counter() - start_s) * 1e3}

    return run


def measure(sweep: Sweep, sides: tuple[int, ...], rounds: int) -> dict[str, Curve]:
    """All sizes in turn, so that drift of the machine hits all alike. The smallest is run once before, untimed."""
    times: dict[str, dict[int, list[float]]] = {curve: {side: [] for side in sides} for curve in sweep.limits}
    with sweep.make(sides) as works, progress(rounds * len(sides), sweep.title, unit="run") as bar:
        if rounds > 1:
            works[sides[0]](0)
        for number in range(rounds):
            for side in sides:
                for curve, milliseconds in works[side](number).items():
                    times[curve][side].append(milliseconds)
                bar.advance()
    return {
        curve: Curve(
            [statistics.median(taken) for taken in by_side.values()],
            [max(taken) / min(taken) for taken in by_side.values()],
        )
        for curve, by_side in times.items()
    }


def slope(sizes: Sequence[float], milliseconds: Sequence[float]) -> float:
    """Least squares through the last three sizes; or the line through the ends, lest a step between others be lost."""
    x, y = [math.log(size) for size in sizes], [math.log(ms) for ms in milliseconds]
    return max(_least_squares(x[-_LAST:], y[-_LAST:]), (y[-1] - y[0]) / (x[-1] - x[0]))


def _least_squares(x: Sequence[float], y: Sequence[float]) -> float:
    x_mean, y_mean = statistics.fmean(x), statistics.fmean(y)
    products = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return products / sum((a - x_mean) ** 2 for a in x)


def judged(sweep: Sweep, sides: tuple[int, ...], curves: dict[str, Curve]) -> dict[str, object]:
    """The record of a sweep."""
    sizes = [side**sweep.power for side in sides]
    return {
        "title": sweep.title,
        "unit": sweep.unit,
        "sides": list(sides),
        "power": sweep.power,
        "curves": {
            name: {
                "milliseconds": [round(ms, 3) for ms in curve.milliseconds],
                "spread": [round(spread, 3) for spread in curve.spread],
                "slope": round(steepness := slope(sizes, curve.milliseconds), 3),
                "limit": sweep.limits[name],
                "holds": steepness <= sweep.limits[name] + TOLERANCE,
            }
            for name, curve in curves.items()
        },
    }
