# SPDX-License-Identifier: Apache-2.0
"""What is worn: clothes with their collars, glasses, one earring. Glasses are the only pair that is the same on both
sides; a scarf is knotted, a cord hangs longer and a pocket sits on one side.

The bust goes down beyond every view of an elevation within 40 degrees.
"""

import math
from collections.abc import Sequence

from training.data.synthetic.anatomy import Anatomy, Frame, Point, frame_of, front_of, moved, turned
from training.data.synthetic.identity import Identity
from training.data.synthetic.solid import Layer, Solid, box, capsule, disc, ellipsoid, round_cone, sphere, torus_arc

BUST_END_Y = -1.0
COLLAR_Y = -0.236
# Rings around the neck: their plane is level, tilted so that the back is higher than the front.
COLLAR_TILT_RAD = 0.24


def ring_frame(tilt_rad: float) -> list[list[float]]:
    """R_world_shape of a ring around the neck. Its middle (shape +y) is at the back, which is `tilt_rad` up."""
    sine, cosine = math.sin(tilt_rad), math.cos(tilt_rad)
    return [[1.0, 0.0, 0.0], [0.0, sine, cosine], [0.0, -cosine, sine]]


def add_clothes(fabric: Layer, second: Layer, who: Identity) -> None:
    """Bust and collar."""
    _add_bust(fabric, who)
    ring = ring_frame(COLLAR_TILT_RAD)
    centre = (0.0, COLLAR_Y, -0.050)
    neck = who.neck_radius
    if who.clothes == "crew":
        second.add(torus_arc(moved(centre, y=-0.004), neck + 0.012, 0.0125, rotation=ring))
    elif who.clothes == "turtleneck":
        fabric.add(torus_arc(moved(centre, y=0.024), neck + 0.004, 0.020, rotation=ring), blend=0.004)
        fabric.add(torus_arc(moved(centre, y=-0.006), neck + 0.010, 0.022, rotation=ring), blend=0.006)
    elif who.clothes == "shirt":
        _add_shirt_collar(second, who, centre, ring)
    elif who.clothes == "hoodie":
        _add_hood(fabric, second, who, centre)
    else:
        _add_scarf(second, who, centre)


def _add_bust(fabric: Layer, who: Identity) -> None:
    shoulder_y = -0.334
    width, end_y = who.shoulder_width, shoulder_y - who.shoulder_drop
    neck = who.neck_radius
    fabric.add(round_cone((0.0, -0.46, -0.045), (0.0, BUST_END_Y, -0.045), 0.135, 0.15))
    fabric.add(round_cone((0.0, -0.240, -0.052), (0.0, -0.43, -0.045), 1.12 * neck + 0.006, 0.125), blend=0.04)
    fabric.add(round_cone((0.04, shoulder_y, -0.05), (width, end_y, -0.05), 0.078, 0.064, mirrored=True), blend=0.05)
    fabric.add(capsule((width, end_y, -0.05), (width, BUST_END_Y, -0.05), 0.064, mirrored=True), blend=0.03)
    slope_start, slope_end = (0.0, -0.226, -0.056), (0.10, shoulder_y, -0.052)
    fabric.add(round_cone(slope_start, slope_end, neck + 0.004, 0.06, mirrored=True), blend=0.05)
    # The neck opening: the cloth ends where the collar runs.
    above = disc((0.0, COLLAR_Y + 0.055, -0.050), 0.2, 0.05, turned(x_rad=COLLAR_TILT_RAD))
    fabric.cut(above, blend=0.01)


def _chest(who: Identity, places: Sequence[tuple[float, float]]) -> list[Point]:
    """Points of the bust's front at (x, y)."""
    solid = Solid()
    _add_bust(solid.layer("fabric"), who)
    return front_of(solid, places)


def _add_shirt_collar(second: Layer, who: Identity, centre: Point, ring: Frame) -> None:
    neck = who.neck_radius
    second.add(torus_arc(moved(centre, y=0.010), neck + 0.010, 0.013, 2.45, ring))
    second.add(torus_arc(moved(centre, y=-0.006), neck + 0.017, 0.012, 2.60, ring), blend=0.008)
    # A flap on either side, flat on the chest, one corner down.
    middle, out, up = _chest(who, ((0.041, -0.268), (0.051, -0.268), (0.041, -0.258)))
    flap = frame_of(out, up, middle, roll_rad=-0.95)
    second.add(box(moved(middle, z=0.003), (0.031, 0.018, 0.007), flap, 0.006, mirrored=True), blend=0.008)
    second.add(sphere(moved(_chest(who, ((0.0, -0.300),))[0], z=0.001), 0.0065))


def _add_hood(fabric: Layer, second: Layer, who: Identity, centre: Point) -> None:
    neck = who.neck_radius
    fabric.add(torus_arc(moved(centre, y=-0.012, z=-0.020), neck + 0.040, 0.036, 2.25, ring_frame(0.32)), blend=0.03)
    fabric.add(ellipsoid((0.0, -0.290, -0.150), (0.085, 0.060, 0.045)), blend=0.03)
    for side, end_y in ((who.side, -0.400), (-who.side, -0.345)):
        top, middle, end = _chest(who, ((0.032 * side, -0.268), (0.036 * side, -0.310), (0.040 * side, end_y)))
        for a, b in ((top, middle), (middle, end)):
            second.add(capsule(moved(a, z=0.004), moved(b, z=0.004), 0.0048))


def _add_scarf(second: Layer, who: Identity, centre: Point) -> None:
    neck, side = who.neck_radius, who.side
    second.add(torus_arc(moved(centre, y=0.022), neck + 0.014, 0.026, rotation=ring_frame(0.30)))
    second.add(torus_arc(moved(centre, y=-0.010), neck + 0.022, 0.030, rotation=ring_frame(0.16)), blend=0.008)
    knot = (0.050 * side, -0.268, neck + 0.020)
    second.add(sphere(knot, 0.027), blend=0.012)
    second.add(round_cone(knot, moved(knot, x=0.020 * side, y=-0.13, z=0.014), 0.022, 0.032), blend=0.010)
    second.waves(0.0016, (0.0, 190.0, 0.0), (math.pi / 2, who.phase_rad, math.pi / 2))


def add_earring(trinket: Layer, who: Identity, places: Anatomy) -> None:
    """On one ear."""
    if who.earring == "none":
        return
    size, R = who.ear_size, places.R_world_ear
    x, y, z = (places.ear[i] + size * (-0.22 * R[i][0] - 0.78 * R[i][1] + 0.24 * R[i][2]) for i in range(3))
    if who.earring == "stud":
        trinket.add(sphere((who.earring_side * x, y, z), 0.0085))
    else:
        facing = turned(y_rad=who.earring_side * 0.5)
        trinket.add(torus_arc((who.earring_side * (x + 0.002), y - 0.020, z), 0.019, 0.0042, rotation=facing))


def add_glasses(frame: Layer, who: Identity, places: Anatomy) -> None:
    """Rims before the eyes, a bridge, temples to the ears."""
    if who.glasses == "none":
        return
    x, y, _ = places.eye
    z = 0.166
    wrap = turned(y_rad=0.14)
    rim = (x + 0.001, y - 0.003, z)
    if who.glasses == "round":
        frame.add(torus_arc(rim, 0.0455, 0.0042, rotation=wrap, mirrored=True))
    else:
        frame.add(box(rim, (0.049, 0.038, 0.0042), wrap, 0.0041, mirrored=True))
        frame.cut(box(rim, (0.0415, 0.0305, 0.02), wrap, 0.012, mirrored=True), blend=0.002)
    inner, outer = x - 0.043, x + 0.044
    frame.add(capsule((0.0, y + 0.010, z + 0.010), (inner, y + 0.006, z + 0.006), 0.0040, mirrored=True))
    ear_x, ear_y, ear_z = places.ear
    frame.add(capsule((outer, y + 0.006, z - 0.008), (ear_x + 0.006, ear_y + 0.030, ear_z), 0.0038, mirrored=True))
