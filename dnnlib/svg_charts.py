# SPDX-License-Identifier: Apache-2.0
"""Curves as SVG text for a page. Colours come from the page's style sheet, so they follow its light and its dark.

A curve is a list of points (x, mean, low, high) in ascending x: a line through the means, and a pale band from lowest
to highest. Classes in the SVG: `grid`, `tick`, `limit`, and `line-0`, `band-0` and so on for the curves.
"""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

from dnnlib.text import format_count

WIDTH, HEIGHT = 420, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 26
_NOTHING = 1e-100  # Smaller numbers are drawn as zero.
_LOG_FROM = 30.0  # A curve that spans such a factor is drawn by its logarithm.


class CurvePoint(NamedTuple):
    """A stretch of values that ends at x."""

    x: float
    mean: float
    low: float
    high: float


Points = Sequence[CurvePoint]


class Scale(NamedTuple):
    """A side of the chart: its range, its ticks, and whether it goes by the logarithm."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Where a value is between low (0) and high (1); what is outside is at the border."""
        if self.is_log:
            value, low, high = (math.log(max(x, 1e-300)) for x in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(max((value - low) / (high - low), 0.0), 1.0)


def line_chart(curves: Sequence[Points], *, name: str, limits: Sequence[float] = (), may_be_log: bool = False) -> str:
    """One SVG element. `limits` are dashed lines where they are near the curves. `name` is for who cannot see."""
    points = [point for curve in curves for point in curve]
    assert points, "a chart needs a point"
    x = linear_scale(min(0.0, *(p.x for p in points)), max(p.x for p in points))
    y = value_scale(points, may_be_log)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(name, quote=True)}">']
    for tick in y.ticks:
        row = _number(_down(y, tick))
        parts.append(f'<path class="grid" d="M{_LEFT} {row}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{row}" dy="4" text-anchor="end">{short(tick)}</text>')
    for tick in x.ticks:
        column = _number(_across(x, tick))
        parts.append(
            f'<text class="tick" x="{column}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="middle">{short(tick)}</text>'
        )
    for limit in limits:
        if y.low < limit < y.high:
            parts.append(f'<path class="limit" d="M{_LEFT} {_number(_down(y, limit))}H{WIDTH - _RIGHT}"/>')
    for i, curve in enumerate(curves):
        parts += _drawn(curve, x, y, i)
    return "".join([*parts, "</svg>"])


def _drawn(curve: Points, x: Scale, y: Scale, index: int) -> list[str]:
    columns = [_number(_across(x, p.x)) for p in curve]
    line, low, high = (
        [f"{column} {_number(_down(y, value))}" for column, value in zip(columns, values, strict=True)]
        for values in ([p.mean for p in curve], [p.low for p in curve], [p.high for p in curve])
    )
    if len(curve) == 1:
        column, row = line[0].split()
        return [f'<circle class="dot-{index}" cx="{column}" cy="{row}" r="2.5"/>']
    band = [f'<path class="band-{index}" d="M{"L".join([*high, *low[::-1]])}Z"/>'] if low != high else []
    return [*band, f'<path class="line-{index}" d="M{"L".join(line)}"/>']


def value_scale(points: Points, may_be_log: bool) -> Scale:
    """For all the means and most of the extremes: a single spike does not flatten the rest."""
    means = [p.mean for p in points]
    low, high = min(means), max(means)
    if may_be_log and low > 0 and high / low > _LOG_FROM:
        return log_scale(low, high)
    lows, highs = sorted(p.low for p in points), sorted(p.high for p in points)
    edge = (len(points) - 1) // 50
    return linear_scale(min(low, lows[edge]), max(high, highs[len(points) - 1 - edge]))


def linear_scale(low: float, high: float) -> Scale:
    """From the one to the other, or around a single value, with three to eight round ticks."""
    size = max(abs(low), abs(high))
    if size < _NOTHING:
        low, high = 0.0, 1.0
    elif high - low <= 1e-9 * size:
        low, high = low - size / 2, high + size / 2
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next((factor for factor in (5, 2) if (high - low) / (factor * step) >= 3), 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(float(f"{i * step:.10g}") for i in range(first, last + 1))
    return Scale(low, high, ticks)


def log_scale(low: float, high: float) -> Scale:
    """Whole powers of ten as ticks."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = -(-(last - first) // 5)
    ticks = tuple(10.0**i for i in range(first, last + 1, every) if low <= 10.0**i <= high)
    return Scale(low / 1.2, high * 1.2, ticks, is_log=True)


def short(value: float) -> str:
    """A number in few letters."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return ("-" if value < 0 else "") + format_count(abs(value))
    return f"{value:.3g}".replace("e-0", "e-") if abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def _across(scale: Scale, value: float) -> float:
    return _LEFT + scale.share(value) * (WIDTH - _LEFT - _RIGHT)


def _down(scale: Scale, value: float) -> float:
    return HEIGHT - _BOTTOM - scale.share(value) * (HEIGHT - _TOP - _BOTTOM)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
