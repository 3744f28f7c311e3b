# SPDX-License-Identifier: Apache-2.0
"""Small charts side by side, both axes by the logarithm: a line of slope 1 is linear, a level one constant."""

import math
from collections.abc import Sequence
from typing import NamedTuple, final

from dnnlib.charts import BLUE, Axis, Plot
from dnnlib.drawing import ALARM, FAINT, MUTED, PALE, Box, Canvas, Color, RGBPicture, joined, text_width
from dnnlib.text import format_count

COLORS: tuple[Color, ...] = (BLUE, (196, 112, 30), (40, 130, 90), (130, 70, 150))
_WIDTH, _HEIGHT = 350, 270
_COLUMNS = 3


class Line(NamedTuple):
    """A curve. `limit` is the slope up to which it may rise; None: there is no such."""

    name: str
    y: Sequence[float]
    limit: float | None = None
    holds: bool = True


class Panel(NamedTuple):
    """One small chart."""

    title: str  # With the unit of y.
    x_title: str
    x: Sequence[float]
    lines: Sequence[Line]
    x_unit: str = ""  # Behind the numbers of x, such as ^2.


@final
class _LogAxis(Axis):
    """Of logarithms to base 10."""

    def tick_text(self, value: float) -> str:
        number = 10**value
        return (format_count(number) if number >= 9_999 else f"{number:.4g}") + self.unit


def charts(panels: Sequence[Panel]) -> RGBPicture:
    """All of them, in rows of three."""
    drawn = [_chart(panel) for panel in panels]
    rows = [joined(drawn[i : i + _COLUMNS]) for i in range(0, len(drawn), _COLUMNS)]
    return joined(rows, vertical=True)


def _chart(panel: Panel) -> RGBPicture:
    canvas = Canvas(_WIDTH, _HEIGHT)
    canvas.text((16, 10), panel.title, 14)
    x = _x_axis(panel)
    y = _y_axis([value for line in panel.lines for value in line.y])
    plot = Plot(canvas, Box(58, 62, _WIDTH - 18, _HEIGHT - 46), x, y)
    for tick in y.ticks:
        canvas.line([plot.at(x.low, tick), plot.at(x.high, tick)], FAINT)
    names = 16.0
    for line, color in zip(panel.lines, COLORS, strict=False):
        _draw(plot, panel.x, line, color)
        if len(panel.lines) > 1:
            canvas.text((names, 30), line.name, 11, color)
            names += text_width(line.name, 11) + 14
    canvas.line([plot.at(x.low, y.low), plot.at(x.high, y.low)], MUTED)
    plot.draw_x()
    plot.draw_y()
    return canvas.picture()


def _draw(plot: Plot, xs: Sequence[float], line: Line, color: Color) -> None:
    points = [(math.log10(x), math.log10(y)) for x, y in zip(xs, line.y, strict=True)]
    if line.limit is not None:  # From the first point on, as steep as may be, within the box.
        (x0, y0), x1 = points[0], points[-1][0]
        if line.limit > 0:
            x1 = min(x1, x0 + (plot.y.high - y0) / line.limit)
        _dashed(plot, (x0, y0), (x1, y0 + line.limit * (x1 - x0)))
    plot.canvas.line([plot.at(*point) for point in points], color, 2)
    for point in points:
        plot.canvas.disc(plot.at(*point), 3, fill=color)
    if not line.holds:
        x, y = plot.at(*points[-1])
        plot.canvas.text((x - 6, y - 6), "steeper", 10, ALARM, "rs")


def _dashed(plot: Plot, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x0, y0), (x1, y1) = plot.at(*start), plot.at(*end)
    count = max(int(math.hypot(x1 - x0, y1 - y0) / 7), 1)
    for i in range(count):
        a, b = i / count, (i + 0.55) / count
        ends = [(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) for share in (a, b)]
        plot.canvas.line(ends, PALE, 1.5)


def _x_axis(panel: Panel) -> _LogAxis:
    places = [math.log10(x) for x in panel.x]
    margin = 0.06 * (places[-1] - places[0])
    every = -(-len(places) // 7)
    return _LogAxis(panel.x_title, places[0] - margin, places[-1] + margin, places[::every], panel.x_unit)


def _y_axis(values: Sequence[float]) -> _LogAxis:
    """At least a decade, so that what is constant looks it."""
    low, high = math.log10(min(values)), math.log10(max(values))
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    low, high = middle - 1.1 * half, middle + 1.1 * half
    factors = (1, 2, 5) if high - low < 1.5 else (1, 3) if high - low < 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [math.log10(factor) + power for power in powers for factor in factors]
    return _LogAxis("", low, high, [tick for tick in ticks if low <= tick <= high])
