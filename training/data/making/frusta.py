# SPDX-License-Identifier: Apache-2.0
"""Cameras of a set drawn around a reference head, from above and from the subject's left, with pictures beside them.

A wrong axis is seen here at once: the pictures around the view from above must show what a camera there would see.
Anything finite is drawn, also labels that no check would let pass. Colours go by azimuth, so that the two views can be
compared.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dnnlib.drawing import ALARM, INK, MUTED, PALE, Canvas, Color, Picture, Point, RGBPicture, fitted
from training.data.making.reference_head import draw_from_above, draw_from_left

NUM_SECTORS = 12  # Pictures around the view from above.
NUM_LEVELS = 6  # Pictures beside the view from the left.

_SIDE = 700
_HEADER = 48
_CENTRE = (_SIDE / 2, _SIDE / 2 + _HEADER)
_THUMB = 88
_REACH = 218  # Canvas pixels from the head to the outermost camera.
_MIN_TANGENT = 0.2  # Of half a field of view. A portrait lens is so long that its frustum would be a needle.
_AXIS_COLORS: dict[str, Color] = {"+x": (196, 48, 44), "+y": (44, 140, 60), "+z": (40, 84, 190)}
# Front, the subject's left, back, the subject's right, and the front again.
_HUES = np.array([(38, 96, 190), (30, 150, 110), (214, 106, 30), (140, 70, 170), (38, 96, 190)])


class Thumbnail(NamedTuple):
    """A picture of the set, where it belongs on the page."""

    picture: Picture
    label: str
    position: Point
    color: Color


class View(NamedTuple):
    """One way to look at the world: `across` and `down` are rows of the page's axes in the world."""

    title: str
    note: str
    across: Float[np.ndarray, "3"]
    down: Float[np.ndarray, "3"]
    draw_head: Callable[[Canvas, Point, float], None]


ABOVE = View(
    "Cameras from above",
    "faces belong at the bottom, backs at the top; on the right noses point to the left, on the left to the right",
    np.array([1.0, 0, 0]),
    np.array([0, 0, 1.0]),
    draw_from_above,
)
LEFT = View(
    "Cameras from the subject's left",
    "the tick on a frustum is the upper edge of its image",
    np.array([0, 0, -1.0]),
    np.array([0, -1.0, 0]),
    draw_from_left,
)


def azimuth_color(azimuth_rad: float) -> Color:
    """Blue in front, green at the subject's left, orange behind, violet at the subject's right."""
    turn = azimuth_rad / (2 * math.pi) * 4 % 4
    i = min(int(turn), 3)  # Just below zero rounds up to 4.
    red, green, blue = np.rint(_HUES[i] + (_HUES[i + 1] - _HUES[i]) * (turn - i)).astype(int).tolist()
    return red, green, blue


def sector_of(azimuth_rad: Float[np.ndarray, " n"]) -> np.ndarray:
    """Which of the pictures around the head a view belongs to. Sector 0 is in front."""
    return np.rint(azimuth_rad / (2 * math.pi) * NUM_SECTORS).astype(int) % NUM_SECTORS


def at_sector(picture: Picture, label: str, sector: int) -> Thumbnail:
    """A picture in the ring around the view from above."""
    azimuth_rad = sector * 2 * math.pi / NUM_SECTORS
    distance = _SIDE / 2 - _THUMB / 2 - 12
    x, y = _CENTRE[0] + distance * math.sin(azimuth_rad), _CENTRE[1] + distance * math.cos(azimuth_rad)
    return Thumbnail(picture, label, (x, y), azimuth_color(azimuth_rad))


def at_level(picture: Picture, label: str, level: int, azimuth_rad: float) -> Thumbnail:
    """A picture in the column beside the view from the left. Level 0 is the lowest."""
    pitch = _THUMB + 22
    y = _CENTRE[1] + (NUM_LEVELS - 1) / 2 * pitch - level * pitch
    return Thumbnail(picture, label, (_SIDE - _THUMB / 2 - 8, y), azimuth_color(azimuth_rad))


def draw_cameras(
    T_world_cam: Float[np.ndarray, "n 4 4"],
    intrinsics: Float[np.ndarray, "n 3 3"],
    azimuth_rad: Float[np.ndarray, " n"],
    view: View,
    thumbnails: Sequence[Thumbnail] = (),
) -> RGBPicture:
    """One view of the cameras, with pictures beside them."""
    canvas = Canvas(_SIDE, _SIDE + _HEADER + 20)
    canvas.text((16, 10), view.title, 14)
    canvas.text((16, 30), view.note, 12, MUTED)

    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.linalg.norm(T_world_cam[:, :3, 3], axis=1)
    drawable = np.isfinite(T_world_cam).all(axis=(1, 2)) & np.isfinite(distance)
    reach = _reach(distance[drawable])
    inside = drawable & (distance <= 1.001 * reach)
    scale = _REACH / reach

    def at(points_world: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 2"]:
        page = np.stack([points_world @ view.across, points_world @ view.down], axis=-1)
        return np.array(_CENTRE) + page * scale

    typical = float(np.median(distance[inside])) if inside.any() else reach
    _draw_ring(canvas, typical * scale, typical)
    view.draw_head(canvas, _CENTRE, 46.0)
    _draw_axes(canvas, view)
    # What is nearer to the reader covers what is behind it.
    towards_reader = -np.cross(view.across, view.down)
    for i in sorted(np.flatnonzero(inside), key=lambda i: T_world_cam[i, :3, 3] @ towards_reader):
        corners = _frustum(T_world_cam[i], intrinsics[i], 0.19 * reach)
        _draw_frustum(canvas, at(corners), azimuth_color(azimuth_rad[i]))
    for thumbnail in thumbnails:
        _draw_thumbnail(canvas, thumbnail)
    for i, (count, why) in enumerate((((drawable & ~inside).sum(), "too far away"), ((~drawable).sum(), "no numbers"))):
        if count:
            canvas.text((16 + 160 * i, _SIDE + _HEADER + 16), f"not shown, {why}: {count}", 12, ALARM, "ls")
    return canvas.picture()


def _reach(distance: Float[np.ndarray, " n"]) -> float:
    """How far the drawing goes: to the last camera, unless a few are far out."""
    if not len(distance) or distance.max() <= 0:
        return 1.0
    return float(distance[distance <= 3 * np.median(distance)].max(initial=0)) or 1.0


def _frustum(
    T_world_cam: Float[np.ndarray, "4 4"], K: Float[np.ndarray, "3 3"], depth: float
) -> Float[np.ndarray, "6 3"]:
    """World points: the camera, the corners of its image (clockwise from the upper left), a point above the image."""
    with np.errstate(all="ignore"):
        tangents = 0.5 / np.array([K[0, 0], K[1, 1]])
    tan_x, tan_y = np.where(np.isfinite(tangents), np.clip(np.abs(tangents), _MIN_TANGENT, 1.5), _MIN_TANGENT)
    x, y = tan_x * depth, tan_y * depth
    points_cam = np.array(
        [[0, 0, 0], [-x, -y, depth], [x, -y, depth], [x, y, depth], [-x, y, depth], [0, -1.9 * y, depth]]
    )
    return points_cam @ T_world_cam[:3, :3].T + T_world_cam[:3, 3]


def _draw_frustum(canvas: Canvas, points: Float[np.ndarray, "6 2"], color: Color) -> None:
    apex, *corners, above = map(tuple, points.tolist())
    canvas.polygon(corners, fill=color, alpha=0.18)
    canvas.line([*corners, corners[0]], color, 0.8, alpha=0.8)
    for corner in corners:
        canvas.line([apex, corner], color, 0.8, alpha=0.8)
    canvas.polygon([corners[0], above, corners[1]], fill=color, alpha=0.5)
    canvas.disc(apex, 2, fill=color)


def _draw_ring(canvas: Canvas, radius: float, distance: float) -> None:
    """The median distance, as a circle of dashes."""
    for degrees in range(0, 360, 4):
        angles = np.radians([degrees, degrees + 2])
        canvas.line([(_CENTRE[0] + radius * math.cos(a), _CENTRE[1] + radius * math.sin(a)) for a in angles], PALE)
    x, y = (_CENTRE[0] + radius * math.sin(1.04), _CENTRE[1] - radius * math.cos(1.04))
    canvas.text((x - 6, y + 4), f"{distance:.3g}", 11, MUTED, "rt")


def _draw_axes(canvas: Canvas, view: View) -> None:
    for i, (name, color) in enumerate(_AXIS_COLORS.items()):
        direction = np.array([view.across[i], view.down[i]])
        if not direction.any():
            continue
        start, tip = (np.array(_CENTRE) + direction * length for length in (66, 118))
        aside = np.array([-direction[1], direction[0]])
        canvas.line([tuple(start), tuple(tip)], color, 2)
        canvas.polygon([tuple(tip + 9 * direction), tuple(tip + 5 * aside), tuple(tip - 5 * aside)], fill=color)
        canvas.text(tuple(tip + 22 * direction), name, 14, color, "mm")


def _draw_thumbnail(canvas: Canvas, thumbnail: Thumbnail) -> None:
    small = fitted(thumbnail.picture, _THUMB)
    height, width = small.shape[:2]
    x, y = thumbnail.position
    left, top = round(x - width / 2), round(y - height / 2)
    canvas.paste(small, left, top)
    right, bottom = left + width, top + height
    frame: Sequence[Point] = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    canvas.line(frame, thumbnail.color, 2)
    canvas.text((x, bottom + 2), thumbnail.label, 11, INK, "ma")
