# SPDX-License-Identifier: Apache-2.0
"""The sculpture of a head: from an identity to a solid, mass by mass, as one would in clay.

Big masses first (skull, midface, jaw), then what sits on them. Every material is a layer, and the layer of a point says
how it is painted.
"""

from functools import lru_cache
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from training.data.synthetic.anatomy import Anatomy, Masses, anatomy, moved, turned
from training.data.synthetic.hair import add_hair
from training.data.synthetic.identity import Identity
from training.data.synthetic.solid import Layer, Solid, capsule, ellipsoid, half_space, round_cone, sphere
from training.data.synthetic.wear import add_clothes, add_earring, add_glasses

# The order of the layers; places in this list are what the distance operator answers with.
LAYERS = ("skin", "eye", "brow", "beard", "hair", "fabric", "second", "trinket", "frame")


class Sculpture(NamedTuple):
    """A head at three stages of the work, each the beginning of the next, as the distance operator takes them."""

    bare: Float[Tensor, "rows columns"]  # skin, eyes and brows: what facial landmarks lie on, whatever covers it
    with_hair: Float[Tensor, "rows columns"]  # and beard: what the box of a head is around
    whole: Float[Tensor, "rows columns"]  # with clothes, earring and glasses: what a picture shows


@lru_cache(maxsize=64)
def head(who: Identity, smile: float = 0.0) -> Sculpture:
    """The sculpture of this person, kept for all who ask in the course of a picture."""
    places = anatomy(who, smile)
    solid = Solid()
    layers = {name: solid.layer(name) for name in LAYERS}
    _add_face(layers["skin"], layers["eye"], layers["brow"], who, places)
    bare = len(solid.rows)
    _add_beard(layers["beard"], layers["skin"], who, places)
    add_hair(layers["hair"], layers["trinket"], who, places)
    with_hair = len(solid.rows)
    add_clothes(layers["fabric"], layers["second"], who)
    add_earring(layers["trinket"], who, places)
    add_glasses(layers["frame"], who, places)
    table = solid.table()
    return Sculpture(table[:bare], table[:with_hair], table)


def _add_face(skin: Layer, eye: Layer, brow: Layer, who: Identity, places: Anatomy) -> None:
    Masses(who, places.smile).add_to(skin)
    _add_eyes(skin, eye, who, places)
    _add_nose(skin, who, places)
    _add_mouth(skin, who, places)
    _add_brows(brow, skin, places, who.brow_thickness)
    _add_ears(skin, who, places)


def _add_eyes(skin: Layer, eye: Layer, who: Identity, places: Anatomy) -> None:
    x, y, z = places.eye
    radius = who.eye_radius
    # A soft hollow first, then the lids as a ball over the eyeball, then the hole that the eye looks through.
    skin.cut(ellipsoid((x, y + 0.004, z + radius + 0.022), (0.046, 0.030, 0.027), mirrored=True), blend=0.035)
    skin.add(sphere(places.eye, radius + 0.0045, mirrored=True), blend=0.008)
    tilt = turned(z_rad=who.eye_tilt_rad)
    skin.cut(ellipsoid(places.eye_hole, places.eye_opening, tilt, mirrored=True), blend=0.003)
    eye.add(sphere(places.eye, radius, mirrored=True))


def _add_nose(skin: Layer, who: Identity, places: Anatomy) -> None:
    tip = places.nose_tip
    root = moved(places.nose_root, z=0.010 * who.nose_bridge - 0.006)
    bridge_end = moved(tip, y=0.012, z=-0.016)
    skin.add(round_cone(root, bridge_end, 0.010, 0.015), blend=0.022)
    ball = moved(tip, y=who.nose_tip_lift, z=-0.019)
    skin.add(ellipsoid(ball, (0.9 * who.nose_width, 0.018, 0.019)), blend=0.014)
    wing = moved(tip, x=0.88 * who.nose_width, y=-0.005, z=-0.034)
    skin.add(ellipsoid(wing, (0.55 * who.nose_width, 0.0115, 0.016), mirrored=True), blend=0.010)
    nostril = moved(tip, x=0.50 * who.nose_width, y=-0.016 + 0.5 * who.nose_tip_lift, z=-0.024)
    skin.cut(ellipsoid(nostril, (0.0052, 0.0045, 0.0075), mirrored=True), blend=0.004)


def _add_mouth(skin: Layer, who: Identity, places: Anatomy) -> None:
    middle, half, corner = places.mouth
    full = who.lip_fullness
    peak = moved(middle, x=0.009, y=0.0062 + 0.003 * full, z=-0.0030)
    upper_end = moved(corner, x=-0.004, y=0.002, z=-0.003)
    skin.add(round_cone(peak, upper_end, 0.0070 + 0.0030 * full, 0.0035, mirrored=True), blend=0.007)
    lower = moved(middle, y=-0.0085 - 0.003 * full, z=-0.0045)
    skin.add(ellipsoid(lower, (0.62 * corner[0], 0.0070 + 0.004 * full, 0.0095 + 0.003 * full)), blend=0.009)
    for (a, out_a), (b, out_b) in (((middle, 0.006), (half, 0.0045)), ((half, 0.0045), (corner, 0.001))):
        skin.cut(capsule(moved(a, z=out_a), moved(b, z=out_b), 0.0032, mirrored=True), blend=0.005)


def _add_brows(brow: Layer, skin: Layer, places: Anatomy, thickness: float) -> None:
    inner, peak, outer = places.brow
    thick = 1.15 * thickness
    brow.add(round_cone(inner, peak, 0.80 * thick, thick, mirrored=True))
    brow.add(round_cone(peak, outer, thick, 0.45 * thick, mirrored=True), blend=0.004)
    brow.keep(skin.inflated(0.0042), blend=0.004)


def _add_beard(beard: Layer, skin: Layer, who: Identity, places: Anatomy) -> None:
    if who.beard in ("none", "stubble"):
        return
    middle, half, corner = places.mouth
    chin_y = places.chin[1]
    if who.beard == "full":
        # From the ears along the cheeks to the chin.
        beard.add(ellipsoid((0.0, -0.112, 0.040), (0.165, 0.105, 0.150)))
        beard.keep(half_space((0.0, -0.010, 0.0), (0.0, 1.0, 0.62)), blend=0.03)
        beard.keep(half_space((0.0, 0.0, 0.002), (0.0, 0.35, -1.0)), blend=0.02)
    if who.beard == "goatee":
        beard.add(ellipsoid((0.0, chin_y - 0.004, 0.120), (0.040, 0.044, 0.070)))
    if who.beard in ("full", "goatee"):
        beard.keep(skin.inflated(0.010), blend=0.012)
        beard.add(ellipsoid(moved(places.chin, y=-0.012, z=0.002), (0.042, 0.036, 0.038)), blend=0.025)
    # Alone, a moustache that hangs looks sad.
    droop = 0.004 if who.beard == "moustache" else -0.008
    bend = moved(half, x=0.003, y=0.0125, z=0.003)
    beard.add(round_cone(moved(middle, x=0.007, y=0.0180, z=0.003), bend, 0.0085, 0.0085, mirrored=True), 0.006)
    beard.add(round_cone(bend, moved(corner, x=0.008, y=droop, z=0.001), 0.0085, 0.0035, mirrored=True), 0.006)
    lips = (1.02 * corner[0], 0.0120 + 0.003 * who.lip_fullness, 0.03)
    beard.cut(ellipsoid(moved(middle, y=-0.0055, z=0.012), lips), blend=0.006)
    beard.waves(0.0011, (230.0, 150.0, 230.0))


def _add_ears(skin: Layer, who: Identity, places: Anatomy) -> None:
    size, R = who.ear_size, places.R_world_ear

    def at(along: float, up: float, out: float) -> tuple[float, float, float]:
        x, y, z = (places.ear[i] + size * (along * R[i][0] + up * R[i][1] + out * R[i][2]) for i in range(3))
        return x, y, z

    skin.add(ellipsoid(at(-0.05, 0.05, 0.0), (0.60 * size, 0.95 * size, 0.26 * size), R, mirrored=True), blend=0.012)
    skin.add(sphere(at(-0.22, -0.70, 0.04), 0.25 * size, mirrored=True), blend=0.010)
    skin.cut(ellipsoid(at(-0.02, 0.08, 0.28), (0.42 * size, 0.66 * size, 0.20 * size), R, mirrored=True), blend=0.008)
    skin.add(ellipsoid(at(0.08, 0.05, 0.06), (0.16 * size, 0.42 * size, 0.16 * size), R, mirrored=True), blend=0.010)
    skin.cut(sphere(at(-0.18, -0.08, 0.16), 0.15 * size, mirrored=True), blend=0.006)
