# SPDX-License-Identifier: Apache-2.0
"""How the variants came nearer to their training set: one line each, the mean over seeds, in one chart."""

import statistics
from collections import defaultdict

from benchmarks.ablations.table import Record
from benchmarks.ablations.variants import VARIANTS
from benchmarks.scale_chart import COLORS
from dnnlib.charts import Axis, Plot
from dnnlib.drawing import FAINT, MUTED, Box, Canvas, RGBPicture
from dnnlib.svg_charts import linear_scale

_WIDTH, _HEIGHT, _NAMES = 920, 330, 224  # The names are beside the curves, which may be anywhere.
Point = tuple[float, float]


def means(record: Record) -> dict[str, list[Point]]:
    """Of each variant (thousand images, mean over seeds), where all of its seeds have a value."""
    found = {}
    for key, seeds in record["curves"].items():
        values = defaultdict(list)
        for points in seeds.values():
            for nimg, value in points:
                values[nimg].append(value)
        found[key] = [
            (nimg / 1000, statistics.fmean(each)) for nimg, each in sorted(values.items()) if len(each) == len(seeds)
        ]
    return {key: points for key, points in found.items() if points}


def chart(record: Record, metric: str) -> RGBPicture:
    """Needs a point."""
    lines = means(record)
    seeds = max(map(len, record["curves"].values()))
    points = [point for line in lines.values() for point in line]
    x, y = linear_scale(0, max(x for x, _ in points)), linear_scale(0, max(y for _, y in points))
    canvas = Canvas(_WIDTH, _HEIGHT)
    over = f"mean over {seeds} seeds" if seeds > 1 else "a single seed"
    canvas.text((16, 10), f"{metric} to the training set, {over}", 14)
    box = Box(64, 46, _WIDTH - _NAMES, _HEIGHT - 46)
    plot = Plot(canvas, box, Axis("thousand images", 0, x.high, x.ticks), Axis("", 0, y.high * 1.05, y.ticks))
    for tick in y.ticks:
        canvas.line([plot.at(0, tick), plot.at(x.high, tick)], FAINT)
    canvas.line([plot.at(0, 0), plot.at(x.high, 0)], MUTED)
    plot.draw_x()
    plot.draw_y()
    for row, (key, color) in enumerate(zip(VARIANTS, COLORS, strict=True)):
        if key not in lines:
            continue
        places = [plot.at(*point) for point in lines[key]]
        if len(places) > 1:
            canvas.line(places, color, 2)
        for place in places:
            canvas.disc(place, 2.5, fill=color)
        canvas.text((box.right + 14, box.top + 4 + 18 * row), VARIANTS[key].title, 11, color, "la")
    return canvas.picture()
