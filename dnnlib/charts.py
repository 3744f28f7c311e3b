# SPDX-License-Identifier: Apache-2.0
"""Charts as pictures: bars, and a table of counts as a heat map with its sums beside it.

An *axis* is a range of numbers with named places on it. *Edges* are the borders of bins, one more than there are bins.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dnnlib.drawing import FAINT, INK, MUTED, PALE, Box, Canvas, Color, Point, RGBPicture, text_width
from dnnlib.text import format_count

BLUE: Color = (46, 108, 164)
_LIGHTEST: Color = (226, 236, 245)
_DARKEST: Color = (10, 48, 96)


class Axis(NamedTuple):
    """What one side of a chart measures."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    unit: str = ""

    def tick_text(self, value: float) -> str:
        """A tick's number, signed if the axis has two signs."""
        sign = "+" if self.low < 0 < value else ""
        return f"{sign}{value:g}{self.unit}"


class Plot:
    """A box of a canvas that is addressed in the numbers of its axes. y grows upwards."""

    def __init__(self, canvas: Canvas, box: Box, x: Axis, y: Axis) -> None:
        self.canvas, self.box, self.x, self.y = canvas, box, x, y

    def at(self, x: float, y: float) -> Point:
        """Where a point of the data is on the canvas."""
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return self.box.left + across * self.box.width, self.box.bottom - up * self.box.height

    def area(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """The box between two points of the data."""
        (left, bottom), (right, top) = self.at(x0, y0), self.at(x1, y1)
        return Box(left, top, right, bottom)

    def draw_x(self) -> None:
        """Ticks, their numbers and the title below the box."""
        for value in self.x.ticks:
            x, y = self.at(value, self.y.low)
            self.canvas.line([(x, y), (x, y + 4)], MUTED)
            self.canvas.text((x, y + 6), self.x.tick_text(value), 11, MUTED, "ma")
        self.canvas.text((self.box.centre[0], self.box.bottom + 22), self.x.title, 12, INK, "ma")

    def draw_y(self) -> None:
        """Ticks and their numbers to the left of the box, the title above its corner."""
        for value in self.y.ticks:
            x, y = self.at(self.x.low, value)
            self.canvas.line([(x - 4, y), (x, y)], MUTED)
            self.canvas.text((x - 7, y), self.y.tick_text(value), 11, MUTED, "rm")
        self.canvas.text((self.box.left - 7, self.box.top - 16), self.y.title, 12, INK, "rs")


def bar_chart(
    counts: Int[np.ndarray, " bins"],
    edges: Float[np.ndarray, " bins+1"],
    x: Axis,
    *,
    title: str,
    width: int = 420,
    height: int = 200,
    color: Color = BLUE,
) -> RGBPicture:
    """A histogram. The number of the highest bar stands at the axis."""
    canvas = Canvas(width, height)
    canvas.text((16, 10), title, 14)
    top = int(max(counts.max(initial=0), 1))
    box = Box(56, 42, width - 20, height - 44)
    plot = Plot(canvas, box, x, Axis("", 0, top, ()))
    for count in {top // 2, top} - {0}:
        left, y = plot.at(x.low, count)
        canvas.line([(left, y), (box.right, y)], FAINT)
        canvas.text((left - 7, y), format_count(count), 11, MUTED, "rm")
    for i, count in enumerate(counts):
        if count:
            _bar(canvas, plot.area(edges[i], 0, edges[i + 1], count), color)
    canvas.line([(box.left, box.bottom), (box.right, box.bottom)], MUTED)
    plot.draw_x()
    return canvas.picture()


def heat_map(
    counts: Int[np.ndarray, "rows columns"],
    x_edges: Float[np.ndarray, " columns+1"],
    y_edges: Float[np.ndarray, " rows+1"],
    x: Axis,
    y: Axis,
    *,
    title: str,
    width: int = 1080,
    cell_height: int = 22,
) -> RGBPicture:
    """Counts by two numbers. Row 0 has the smallest y and stands below. The sums stand above and to the right.

    Colours go by the logarithm, so that a rare bin is seen beside a common one; the numbers say how many.
    """
    rows = len(counts)
    margin = 84
    box = Box(60, 40 + margin, width - margin - 46, 40 + margin + rows * cell_height)
    canvas = Canvas(width, round(box.bottom) + 46)
    canvas.text((16, 10), title, 14)
    plot = Plot(canvas, box, x, y)
    canvas.rectangle(box, fill=(244, 244, 243))

    strength = np.log1p(counts) / max(np.log1p(counts).max(initial=0), 1e-9)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            cell = plot.area(x_edges[j], y_edges[i], x_edges[j + 1], y_edges[i + 1])
            canvas.rectangle(cell, fill=_mixed(_LIGHTEST, _DARKEST, strength[i, j]))
            text = format_count(count)
            if text_width(text, 10) < cell.width - 2:
                canvas.text(cell.centre, text, 10, INK if strength[i, j] < 0.5 else (255, 255, 255), "mm")
    _draw_sums(canvas, plot, counts, x_edges, y_edges, margin)
    canvas.rectangle(box, outline=PALE)
    for value in x.ticks:
        canvas.line([plot.at(value, y.low), plot.at(value, y.high)], PALE, 0.7)
    plot.draw_x()
    plot.draw_y()
    return canvas.picture()


def _draw_sums(
    canvas: Canvas,
    plot: Plot,
    counts: Int[np.ndarray, "rows columns"],
    x_edges: Float[np.ndarray, " columns+1"],
    y_edges: Float[np.ndarray, " rows+1"],
    margin: float,
) -> None:
    """Histograms of the columns above the table and of the rows to its right."""
    box = plot.box
    length = margin - 24
    columns, rows = counts.sum(axis=0), counts.sum(axis=1)
    for j, count in enumerate(columns):
        if count:
            cell = plot.area(x_edges[j], plot.y.high, x_edges[j + 1], plot.y.high)
            bar = Box(cell.left, box.top - 4 - length * count / columns.max(), cell.right, box.top - 4)
            _bar(canvas, bar, BLUE)
            if text_width(format_count(count), 10) < cell.width - 2:
                canvas.text((bar.centre[0], bar.top - 3), format_count(count), 10, MUTED, "ms")
    for i, count in enumerate(rows):
        if count:
            cell = plot.area(plot.x.high, y_edges[i], plot.x.high, y_edges[i + 1])
            bar = Box(box.right + 4, cell.top, box.right + 4 + length * count / rows.max(), cell.bottom)
            _bar(canvas, bar, BLUE)
            canvas.text((bar.right + 5, bar.centre[1]), format_count(count), 10, MUTED, "lm")


def _bar(canvas: Canvas, box: Box, color: Color) -> None:
    """With a gap to its neighbours, and high enough that one in a million is seen."""
    top, right = min(box.top, box.bottom - 2.5), max(box.right, box.left + 2.5)
    canvas.rectangle(Box(box.left + 0.7, top, right - 0.7, box.bottom), fill=color)


def _mixed(a: Color, b: Color, share: float) -> Color:
    red, green, blue = (round(x + (y - x) * float(share)) for x, y in zip(a, b, strict=True))
    return red, green, blue
