# SPDX-License-Identifier: Apache-2.0
"""The table of compare.py as a picture: what each way takes of the published way's time."""

from dnnlib.charts import BLUE
from dnnlib.drawing import FAINT, INK, MUTED, PALE, Box, Canvas, RGBPicture

_LIGHT_BLUE = (128, 178, 222)
_WIDTH, _LEFT, _RIGHT, _TOP = 900, 300, 110, 64
_BAR, _GAP = 15, 14


def speed_chart(rows: list[tuple[str, dict[str, float]]], *, title: str, floors: dict[str, float]) -> RGBPicture:
    """`rows`: a name, and for each way, the published one first, its milliseconds. `floors`: milliseconds by name."""
    heights = [_BAR * len(ways) + _GAP for _, ways in rows]
    canvas = Canvas(_WIDTH, _TOP + sum(heights) + 40)
    canvas.text((16, 12), title, 15)
    span = _WIDTH - _LEFT - _RIGHT
    for percent in (0, 25, 50, 75, 100):
        x = _LEFT + span * percent / 100
        canvas.line([(x, _TOP - 8), (x, _TOP + sum(heights))], FAINT)
        canvas.text((x, _TOP + sum(heights) + 6), f"{percent} %", 11, MUTED, "ma")
    y = _TOP
    for (name, ways), height in zip(rows, heights, strict=True):
        canvas.text((_LEFT - 12, y + _BAR * len(ways) / 2), name, 12, INK, "rm")
        whole = next(iter(ways.values()))
        for i, (way, ms) in enumerate(ways.items()):
            top, length = y + i * _BAR, span * ms / whole
            canvas.rectangle(Box(_LEFT, top, _LEFT + length, top + _BAR - 2), fill=(PALE, BLUE, _LIGHT_BLUE)[i])
            times = "" if i == 0 else f", {whole / ms:.1f} x"
            canvas.text((_LEFT + length + 6, top + _BAR / 2 - 1), f"{way}{times}", 11, MUTED, "lm")
        if name in floors:
            x = _LEFT + span * floors[name] / whole
            canvas.line([(x, y - 2), (x, y + height - _GAP)], INK, 2)
        y += height
    if floors:
        canvas.line([(_LEFT, 44), (_LEFT, 54)], INK, 2)
        canvas.text((_LEFT + 8, 49), "the floor: bare convolutions of the same shapes", 11, MUTED, "lm")
    return canvas.picture()
