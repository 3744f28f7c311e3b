# SPDX-License-Identifier: Apache-2.0
"""A drawn head that shows where the front of the world is: from above, and from the subject's left.

An *outline* is a list of points in head radii, upwards on the page being positive. From above they are (towards the
subject's left, towards the back), from the side (towards the back, upwards); neither mirrors the world.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from dnnlib.drawing import Canvas, Color, Point

SKIN: Color = (244, 214, 188)
HAIR: Color = (96, 68, 52)
LINE: Color = (70, 52, 44)

_Place = Callable[[float, float], Point]

_SKULL_ABOVE = [(0.0, 1.0), (0.62, 0.74), (0.8, 0.1), (0.6, -0.62), (0.22, -0.9), (0.13, -0.98)]
_NOSE_ABOVE = [(0.09, -1.22), (0.0, -1.3)]
_HAIR_ABOVE = [(0.0, 1.0), (0.63, 0.75), (0.82, 0.1), (0.62, -0.4), (0.3, -0.52), (0.0, -0.46)]

_HEAD_SIDE = [
    (-0.86, 0.55), (-0.84, 0.22), (-0.95, 0.05), (-1.2, -0.2), (-1.14, -0.3), (-0.9, -0.34), (-0.94, -0.5),
    (-0.86, -0.58), (-0.9, -0.7), (-0.82, -0.92), (-0.6, -0.98), (-0.22, -0.86), (-0.16, -1.25), (0.55, -1.25),
    (0.6, -0.6), (0.88, -0.1), (0.9, 0.45), (0.5, 0.95), (-0.1, 1.08), (-0.62, 0.92),
]  # fmt: skip
_HAIR_SIDE = [
    (-0.88, 0.6), (-0.62, 0.94), (-0.1, 1.12), (0.52, 0.98), (0.94, 0.46), (0.92, -0.12), (0.64, -0.62), (0.4, -0.55),
    (0.36, -0.1), (0.12, 0.3), (-0.3, 0.36), (-0.62, 0.5),
]  # fmt: skip


def draw_from_above(canvas: Canvas, centre: Point, radius: float) -> None:
    """Nose down the page, the left ear to the right."""
    at = _placing(centre, radius)
    for side in (-1, 1):
        canvas.ellipse(at(side * 0.86, 0.05), (0.12 * radius, 0.2 * radius), SKIN, LINE)
    canvas.polygon(_smooth(_both_sides([*_SKULL_ABOVE, *_NOSE_ABOVE]), at), SKIN, LINE)
    canvas.polygon(_smooth(_both_sides(_HAIR_ABOVE), at), HAIR)
    for side in (-1, 1):
        canvas.disc(at(side * 0.3, -0.74), 0.06 * radius, LINE)
        canvas.text(at(side * 1.22, 0.05), "L" if side > 0 else "R", 12, LINE, "mm")


def draw_from_left(canvas: Canvas, centre: Point, radius: float) -> None:
    """Nose to the left of the page, top of the head up."""
    at = _placing(centre, radius)
    canvas.polygon(_smooth(_HEAD_SIDE, at), SKIN, LINE)
    canvas.polygon(_smooth(_HAIR_SIDE, at), HAIR)
    canvas.ellipse(at(0.14, -0.12), (0.13 * radius, 0.2 * radius), SKIN, LINE)  # The left ear.
    canvas.ellipse(at(0.13, -0.1), (0.05 * radius, 0.11 * radius), None, LINE)
    canvas.ellipse(at(-0.66, 0.06), (0.05 * radius, 0.07 * radius), LINE)
    canvas.line([at(-0.86, -0.56), at(-0.66, -0.54)], LINE)


def _placing(centre: Point, radius: float) -> _Place:
    return lambda x, y: (centre[0] + radius * x, centre[1] - radius * y)


def _both_sides(half: Sequence[Point]) -> list[Point]:
    """The outline whose left half is given, from the middle of the back to the middle of the front."""
    inner = half if half[-1][0] else half[:-1]
    return [*half, *((-x, y) for x, y in reversed(inner[1:]))]


def _smooth(outline: Sequence[Point], at: _Place, steps: int = 8) -> list[Point]:
    """A closed curve through the points (Catmull and Rom 1974)."""
    p1 = np.array(outline)
    p0, p2, p3 = (np.roll(p1, shift, axis=0) for shift in (1, -1, -2))
    t: Float[np.ndarray, "steps 1 1"] = (np.arange(steps) / steps)[:, None, None]
    curve = p1 + t * ((p2 - p0) / 2 + t * (p0 - 2.5 * p1 + 2 * p2 - p3 / 2 + t * (1.5 * (p1 - p2) + (p3 - p0) / 2)))
    return [at(x, y) for x, y in curve.transpose(1, 0, 2).reshape(-1, 2)]
