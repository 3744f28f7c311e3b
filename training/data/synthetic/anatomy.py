# SPDX-License-Identifier: Apache-2.0
"""Where things are on a head: the few places that sculpture, paint and landmarks must agree about.

Coordinates are the world's, the subject looks to +z. Of a pair, the one on the subject's left (+x) is given; the other
is its mirror image. A smile, 0 to 1, moves the corners of the mouth, the cheeks and the lower lids.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from training.data.synthetic.identity import Identity
from training.data.synthetic.solid import Layer, Solid, capsule, ellipsoid, round_cone, sphere
from training.data.synthetic.surface import approach

Point = tuple[float, float, float]
Frame = list[list[float]]  # R_world_shape, row by row

_STEPS = 16  # as near to a broad surface as a feature on it needs


@dataclass(frozen=True)
class Anatomy:
    """Places of one head with one expression."""

    skull: Point
    skull_radii: Point
    cheek: Point
    chin: Point
    chin_radius: float
    mouth: tuple[Point, Point, Point]  # the line between the lips: middle, half way, corner
    eye: Point
    eye_hole: Point  # the middle of the hole in the lids
    eye_opening: Point  # its radii
    brow: tuple[Point, Point, Point]  # inner end, peak, outer end
    nose_root: Point
    nose_tip: Point
    ear: Point
    R_world_ear: Frame  # columns: from the front edge to the rear edge, up, out of the head
    smile: float

    def on_skull(self, azimuth_deg: float, y: float, lift: float = 0.0) -> Point:
        """The point of the skull, grown by `lift`, in a direction and at a height. Azimuth 0 is the front."""
        radii = [radius + lift for radius in self.skull_radii]
        across = math.sqrt(max(0.0, 1 - ((y - self.skull[1]) / radii[1]) ** 2))
        azimuth_rad = math.radians(azimuth_deg)
        x = self.skull[0] + radii[0] * across * math.sin(azimuth_rad)
        return x, y, self.skull[2] + radii[2] * across * math.cos(azimuth_rad)


@lru_cache(maxsize=64)
def anatomy(who: Identity, smile: float = 0.0) -> Anatomy:
    """The places of this person's head, kept for all who ask in the course of a picture."""
    masses = Masses(who, smile)
    corner_x = who.mouth_width * (1 + 0.22 * smile)
    lift = 0.003 + 0.018 * smile
    mouth = [(x, who.mouth_height - 0.35 * lift + lift * (x / corner_x) ** 2) for x in (0.0, 0.55 * corner_x, corner_x)]
    brow_y = (who.brow_lift + 0.003, who.brow_lift + who.brow_arch, who.brow_lift - 0.004)
    brow = list(zip((0.028, 0.064, 0.096), brow_y, strict=True))
    eye = (who.eye_spacing, 0.0)
    mouth_0, mouth_1, mouth_2, brow_0, brow_1, brow_2, eye_front = masses.front([*mouth, *brow, eye])
    centre = moved(eye_front, z=0.001 - who.eye_radius)
    opening = (0.84 * who.eye_radius, 0.80 * who.eye_radius * (who.eye_open - 0.10 * smile), 0.05)

    flare, lean = who.ear_flare_rad, -0.18
    along, out = (math.sin(flare), 0.0, -math.cos(flare)), (math.cos(flare), 0.0, math.sin(flare))
    up = (0.0, 1.0, 0.0)
    back = _combined(along, math.cos(lean), up, math.sin(lean))
    top = _combined(up, math.cos(lean), along, -math.sin(lean))
    ear_root = (0.93 * who.head_width, -0.006, -0.012)
    return Anatomy(
        skull=masses.skull,
        skull_radii=masses.skull_radii,
        chin=masses.chin,
        chin_radius=masses.chin_radius,
        mouth=(mouth_0, mouth_1, mouth_2),
        eye=centre,
        eye_hole=moved(centre, x=-0.001, y=-0.003, z=0.046),
        eye_opening=opening,
        brow=(brow_0, brow_1, brow_2),
        nose_root=(0.0, 0.022, 0.148),
        nose_tip=(0.0, 0.014 - who.nose_length, who.nose_forward),
        ear=_combined(ear_root, 1.0, along, 0.45 * who.ear_size),
        R_world_ear=[[back[i], top[i], out[i]] for i in range(3)],
        cheek=masses.cheek,
        smile=smile,
    )


class Masses:
    """The clay before there are features: skull, midface, jaw, chin, cheeks, muzzle, neck."""

    def __init__(self, who: Identity, smile: float) -> None:
        self.who, self.smile = who, smile
        self.skull, self.skull_radii = (0.0, 0.052, -0.028), (who.head_width, who.head_height, who.head_depth)
        self.chin_radius = 0.034
        self.chin = (0.0, self.chin_radius - who.chin_drop, who.chin_forward)
        self.cheek = (0.064 + 0.003 * smile, -0.054 + 0.006 * smile, 0.096 + 0.003 * smile)

    def add_to(self, skin: Layer) -> None:
        """Put them together."""
        who = self.who
        skin.add(ellipsoid(self.skull, self.skull_radii))
        skin.add(ellipsoid((0.0, -0.040, 0.030), (who.face_width, 0.128, 0.122)), blend=0.06)
        chin_side = moved(self.chin, x=who.chin_width)
        skin.add(round_cone((who.jaw_width, -0.088, 0.012), chin_side, 0.046, 0.031, mirrored=True), blend=0.05)
        skin.add(sphere(self.chin, self.chin_radius), blend=0.03)
        full = who.cheek_fullness + 0.35 * self.smile
        cheek_radii = (0.040 + 0.010 * full, 0.036 + 0.008 * full, 0.036 + 0.011 * full)
        skin.add(ellipsoid(self.cheek, cheek_radii, mirrored=True), blend=0.05)
        skin.add(ellipsoid((0.0, who.mouth_height, 0.098), (0.060, 0.046, 0.050)), blend=0.035)
        ridge = 0.014 + 0.004 * who.brow_ridge
        inner, outer = (0.027, who.brow_lift - 0.012, 0.138), (0.084, who.brow_lift - 0.014, 0.110)
        skin.add(capsule(moved(inner, z=-ridge), moved(outer, z=-ridge), ridge, mirrored=True), blend=0.03)
        neck = who.neck_radius
        skin.add(round_cone((0.0, -0.10, -0.036), (0.0, -0.36, -0.056), neck, 1.12 * neck), blend=0.04)

    def front(self, places: Sequence[tuple[float, float]]) -> list[Point]:
        """The points of the clay's front at (x, y)."""
        solid = Solid()
        self.add_to(solid.layer("skin"))
        return front_of(solid, places)


def front_of(solid: Solid, places: Sequence[tuple[float, float]]) -> list[Point]:
    """The points at (x, y) where one who comes from the front meets the solid."""
    start = torch.tensor([(x, y, 0.3) for x, y in places])
    points = approach(start, torch.tensor([0.0, 0.0, -1.0]).expand_as(start), solid.table(), _STEPS)
    return [(x, y, z) for (x, y), z in zip(places, points[:, 2].tolist(), strict=True)]


def turned(x_rad: float = 0.0, y_rad: float = 0.0, z_rad: float = 0.0) -> Frame:
    """R_world_shape that turns about z, then x, then y."""
    (cx, sx), (cy, sy), (cz, sz) = ((math.cos(a), math.sin(a)) for a in (x_rad, y_rad, z_rad))
    return [
        [cy * cz + sy * sx * sz, -cy * sz + sy * sx * cz, sy * cx],
        [cx * sz, cx * cz, -sx],
        [-sy * cz + cy * sx * sz, sy * sz + cy * sx * cz, cy * cx],
    ]


def frame_of(right: Point, up: Point, middle: Point, roll_rad: float = 0.0) -> Frame:
    """R_world_shape that lies in the plane of three points, x towards `right`, then rolled about the normal."""
    x = _unit([a - b for a, b in zip(right, middle, strict=True)])
    to_up = [a - b for a, b in zip(up, middle, strict=True)]
    share = -sum(a * b for a, b in zip(x, to_up, strict=True))
    y = _unit(_combined(to_up, 1.0, x, share))
    z = (x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
    cosine, sine = math.cos(roll_rad), math.sin(roll_rad)
    rolled_x, rolled_y = _combined(x, cosine, y, sine), _combined(y, cosine, x, -sine)
    return [[rolled_x[i], rolled_y[i], z[i]] for i in range(3)]


def moved(point: Sequence[float], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Point:
    """The point, shifted."""
    return point[0] + x, point[1] + y, point[2] + z


def _unit(vector: Sequence[float]) -> Point:
    length = math.hypot(*vector)
    return vector[0] / length, vector[1] / length, vector[2] / length


def _combined(a: Sequence[float], share_a: float, b: Sequence[float], share_b: float) -> Point:
    x, y, z = (share_a * p + share_b * q for p, q in zip(a, b, strict=True))
    return x, y, z
