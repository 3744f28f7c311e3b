# SPDX-License-Identifier: Apache-2.0
"""Hair styles: a cap over the skull, masses that hang or stand off, and locks that are laid over the forehead.

Every style takes a side: the hair is parted on it and falls to the other one; buns and tails sit off the middle. A
place on the head is given as (azimuth, height, lift): degrees from the front towards the subject's left, world y, and
the distance from the skull. Azimuths below are written for a parting on the left and are mirrored for the other one.
"""

from collections.abc import Sequence

from training.data.synthetic.anatomy import Anatomy, Point, moved, turned
from training.data.synthetic.identity import Identity
from training.data.synthetic.solid import (
    Layer,
    capsule,
    ellipsoid,
    half_space,
    rotation_of_axis,
    round_cone,
    sphere,
    torus_arc,
)

GOLDEN_ANGLE_DEG = 137.508


class Barber:
    """The layer with what all styles do to it."""

    def __init__(self, hair: Layer, trinket: Layer, who: Identity, places: Anatomy) -> None:
        self.hair, self.trinket, self.who, self.places = hair, trinket, who, places

    def at(self, azimuth_deg: float, y: float, lift: float = 0.0) -> Point:
        """A place on the skull."""
        return self.places.on_skull(self.who.side * azimuth_deg, y, lift)

    def cap(self, thickness: float) -> None:
        """Hair all over the skull."""
        self.hair.add(ellipsoid(self.places.skull, [radius + thickness for radius in self.places.skull_radii]))

    def open_face(self, width: float, blend: float = 0.012, hairline: float = 0.0) -> None:
        """Clear the face. `width` is the half width of the opening."""
        top = self.who.hairline + hairline
        self.hair.cut(ellipsoid((0.0, top - 0.180, 0.190), (width, 0.180, 0.175)), blend)

    def trim(self, height: float, slope: float, blend: float = 0.012) -> None:
        """Clear everything below a plane; at the nape it runs lower by `slope` times the way back."""
        self.hair.cut(half_space((0.0, height, 0.0), (0.0, 1.0, -slope)), blend)

    def free_ears(self) -> None:
        """Clear the ears."""
        ear = moved(self.places.ear, x=0.004, y=-0.004, z=0.004)
        self.hair.cut(ellipsoid(ear, (0.05, 0.046, 0.036), mirrored=True), 0.012)

    def lock(self, places: Sequence[tuple[float, float, float]], radii: Sequence[float], blend: float = 0.018) -> None:
        """A strand through places of the skull, as thick as the radii."""
        self.strand([self.at(*place) for place in places], radii, blend)

    def strand(self, points: Sequence[Point], radii: Sequence[float], blend: float = 0.018) -> None:
        """A strand through points."""
        for a, b, radius_a, radius_b in zip(points, points[1:], radii, radii[1:], strict=False):
            self.hair.add(round_cone(a, b, radius_a, radius_b), blend)

    def fringe(self, lift: float, size: float, low: float = 0.0) -> None:
        """Locks from the parting over the forehead to the other side."""
        tops = (30.0, 20.0, 8.0)
        ends = ((-14.0, 0.104), (-36.0, 0.094), (-58.0, 0.074))
        for k, (top, (end, y)) in enumerate(zip(tops, ends, strict=True)):
            middle = 0.35 * top + 0.65 * end
            start, bend, tip = (top, 0.180, lift), (middle + 10, 0.152 - 0.006 * k, lift + 0.004), (end, y - low, lift)
            self.lock((start, bend, tip), (size, 0.95 * size, 0.36 * size))

    def texture(self, amplitude: float, frequency: float) -> None:
        """Locks that the outline shows."""
        phase = self.who.phase_rad
        self.hair.waves(amplitude, (frequency, 0.25 * frequency, frequency), (phase, 0.7 * phase, 1.9 * phase))

    def tie(self, point: Point, axis: Point, radius: float) -> None:
        """A ring around a tail or bun."""
        length = sum(c * c for c in axis) ** 0.5
        columns = rotation_of_axis([c / length for c in axis])
        # The ring's plane is the shape's xy; its axis, the shape's z, lies along the tail.
        ring = [[row[0], row[2], -row[1]] for row in columns]
        self.trinket.add(torus_arc(point, radius, 0.0085, rotation=ring))

    def clip(self, azimuth_deg: float, y: float, lift: float) -> None:
        """A slide in the hair, over the parting's side."""
        if self.who.clip:
            a, b = self.at(azimuth_deg - 9, y + 0.012, lift), self.at(azimuth_deg + 10, y - 0.014, lift)
            self.trinket.add(capsule(a, b, 0.0085))


def add_hair(hair: Layer, trinket: Layer, who: Identity, places: Anatomy) -> None:
    """Carve the style of this person."""
    _STYLES[who.hair_style](Barber(hair, trinket, who, places), who)


def _bald(b: Barber, who: Identity) -> None:
    if who.hair_volume < 0.4:  # shaven; the rest is paint
        return
    b.cap(0.009)
    b.hair.cut(half_space((0.0, 0.070, 0.0), (0.0, -1.0, 0.25)), 0.03)
    b.open_face(0.168)
    b.hair.cut(half_space((0.0, 0.0, 0.0), (0.0, 0.2, -1.0)), 0.03)
    b.trim(-0.02, 0.42)
    b.free_ears()
    b.texture(0.0015, 120.0)


def _short(b: Barber, who: Identity) -> None:
    volume = who.hair_volume
    b.cap(0.013)
    top = (-0.012 * who.side, 0.118 + 0.008 * volume, -0.012)
    b.hair.add(ellipsoid(top, (0.128, 0.098 + 0.012 * volume, 0.142)), 0.03)
    b.open_face(0.140)
    b.trim(-0.018, 0.45)
    b.free_ears()
    if who.hair_length > 0.45:  # falls over the forehead
        b.fringe(0.012, 0.034)
    else:  # combed up and back
        for azimuth, y in ((26.0, 0.148), (2.0, 0.158), (-24.0, 0.154), (-46.0, 0.138)):
            root, crest, end = (azimuth, y, 0.006), (azimuth - 10, y + 0.036, 0.024), (azimuth - 40, 0.196, 0.020)
            b.lock((root, crest, end), (0.020, 0.032 + 0.006 * volume, 0.022))
    b.texture(0.0022, 85.0)


def _bob(b: Barber, who: Identity) -> None:
    end_y = -0.105 - 0.05 * who.hair_length
    b.cap(0.022)
    b.hair.add(ellipsoid((0.0, 0.010, -0.040), (0.178 + 0.008 * who.hair_volume, 0.215, 0.186)), 0.02)
    b.hair.add(ellipsoid((0.0, end_y + 0.045, -0.040), (0.184 + 0.012 * who.hair_volume, 0.075, 0.165)), 0.05)
    b.open_face(0.122, 0.02, 0.01)
    b.hair.cut(half_space((0.0, end_y, 0.0), (0.10 * who.side, 1.0, 0.18)), 0.02)
    if who.wave < 0.4:  # a straight fringe, with a gap at the parting
        for azimuth in (-46.0, -24.0, -3.0, 17.0, 44.0):
            b.lock(((0.6 * azimuth, 0.165, 0.014), (azimuth, 0.082, 0.010)), (0.032, 0.018), 0.014)
    else:
        b.fringe(0.014, 0.034, 0.012)
        b.lock(((34.0, 0.165, 0.012), (58.0, 0.095, 0.016), (68.0, 0.02, 0.016)), (0.030, 0.026, 0.012))
    b.texture(0.0018, 80.0)
    b.clip(62.0, 0.112, 0.030)


def _long(b: Barber, who: Identity) -> None:
    side, wave = who.side, who.wave
    b.cap(0.022)
    b.hair.add(ellipsoid((0.0, 0.015, -0.042), (0.174, 0.205, 0.184)), 0.02)
    b.open_face(0.124, 0.02, 0.008)
    b.hair.cut(half_space((0.0, -0.05, 0.01), (0.0, 0.42, -1.0)), 0.03)
    # The back hangs to the shoulder blades; one lock lies before a shoulder, the other behind it.
    b.hair.add(ellipsoid((0.01 * side, -0.15, -0.118), (0.150, 0.215 + 0.04 * who.hair_length, 0.088)), 0.04)
    front = [(-0.146, 0.05, 0.020), (-0.164, -0.10, 0.030), (-0.150, -0.235, 0.062), (-0.125, -0.36, 0.085)]
    behind = [(0.146, 0.05, 0.010), (0.166, -0.10, -0.010), (0.160, -0.25, -0.040), (0.130, -0.36, -0.085)]
    b.strand([(side * x, y, z) for x, y, z in front], (0.030, 0.037, 0.033, 0.018), 0.03)
    b.strand([(side * x, y, z) for x, y, z in behind], (0.030, 0.036, 0.033, 0.022), 0.03)
    b.fringe(0.014, 0.032, 0.010)
    b.lock(((36.0, 0.165, 0.012), (60.0, 0.095, 0.016), (74.0, 0.01, 0.012)), (0.030, 0.026, 0.014))
    b.texture(0.0018, 75.0)
    b.hair.waves(0.004 + 0.005 * wave, (26.0, 52.0, 26.0), (who.phase_rad, 2 * who.phase_rad, 0.6))
    b.clip(64.0, 0.110, 0.024)


def _curly(b: Barber, who: Identity) -> None:
    grown = who.hair_length
    lowest = -0.03 - 0.09 * grown
    b.cap(0.024)
    b.open_face(0.138, 0.02)
    b.trim(lowest + 0.02, 0.35, 0.02)
    num = 26
    for k in range(num):
        y = 0.205 + (lowest - 0.205) * ((k + 0.5) / num) ** 1.15
        azimuth = (k * GOLDEN_ANGLE_DEG + 57.3 * who.phase_rad) % 360 - 180
        is_over_face = abs(azimuth) < 62 and y < 0.135
        if not is_over_face:
            b.hair.add(
                sphere(b.at(azimuth, y, 0.018), 0.042 + 0.008 * ((k * 7) % 5) / 4 + 0.006 * who.hair_volume), 0.014
            )
    for azimuth, y in ((-44.0, 0.118), (-22.0, 0.134), (2.0, 0.146), (26.0, 0.140), (-60.0, 0.075)):
        b.lock(((azimuth, y, 0.014),) * 2, (0.030, 0.030), 0.012)
    b.free_ears() if grown < 0.3 else None
    b.hair.waves(0.0042, (105.0, 105.0, 105.0), (who.phase_rad, 2.1 * who.phase_rad, 0.7))
    b.clip(58.0, 0.135, 0.052)


def _afro(b: Barber, who: Identity) -> None:
    big = 0.045 + 0.030 * who.hair_volume
    skull = b.places.skull
    centre = moved(skull, x=-0.012 * who.side, y=0.008, z=-0.012)
    radii = [r + big for r in b.places.skull_radii]
    b.hair.add(ellipsoid(centre, (radii[0], min(radii[1], 0.292 - centre[1]), radii[2])))
    b.open_face(0.146, 0.035, 0.010)
    b.trim(-0.060, 0.25, 0.09)
    # Waves across each other: one alone looks knitted.
    phase = who.phase_rad
    for k, (amplitude, frequency) in enumerate(((0.0042, 47.0), (0.0030, 83.0), (0.0022, 149.0))):
        R = turned(0.7 + k, 1.3 * k, 0.9 - k)
        b.hair.waves(amplitude, (frequency, 0.9 * frequency, 1.1 * frequency), (phase, 2.1 * phase, k), R)
    if who.clip:
        b.trinket.add(sphere(b.at(58.0, 0.135, big + 0.006), 0.026))


def _bun(b: Barber, who: Identity) -> None:
    b.cap(0.015)
    b.open_face(0.142)
    b.trim(-0.035, 0.40)
    b.free_ears()
    b.lock(((34.0, 0.160, 0.004), (-10.0, 0.158, 0.006), (-62.0, 0.110, 0.002)), (0.016, 0.026, 0.014), 0.025)
    b.lock(((34.0, 0.160, 0.004), (60.0, 0.120, 0.006), (84.0, 0.07, 0.002)), (0.014, 0.022, 0.014), 0.025)
    side = who.side
    bun = (0.040 * side, 0.222, -0.098)
    b.hair.add(sphere(bun, 0.052 + 0.008 * who.hair_volume), 0.006)
    b.hair.add(torus_arc(moved(bun, y=0.006), 0.036, 0.022, rotation=turned(x_rad=1.0)), 0.012)
    b.texture(0.0016, 85.0)
    b.tie(moved(bun, x=-0.008 * side, y=-0.040, z=0.020), (0.2 * side, 0.85, -0.4), 0.036)
    b.strand(
        [b.at(-66.0, 0.09, 0.010), b.at(-74.0, 0.0, 0.016), b.at(-66.0, -0.075, 0.020)], (0.012, 0.010, 0.004), 0.008
    )


def _ponytail(b: Barber, who: Identity) -> None:
    side, length = who.side, who.hair_length
    b.cap(0.017)
    b.open_face(0.142)
    b.trim(-0.035, 0.40)
    b.free_ears()
    b.fringe(0.008, 0.030, 0.0)
    root = (0.022 * side, 0.130, -0.200)
    tail = [
        root,
        (0.052 * side, 0.132, -0.236),
        (0.090 * side, 0.020, -0.246),
        (0.104 * side, -0.10 - 0.05 * length, -0.215),
    ]
    tail.append((0.086 * side, -0.19 - 0.09 * length, -0.170))
    b.strand(tail, (0.022, 0.036, 0.043, 0.036, 0.008), 0.02)
    b.texture(0.0018, 80.0)
    b.tie(moved(root, x=0.010 * side, z=-0.014), (0.5 * side, 0.15, -1.0), 0.030)


_STYLES = {
    "bald": _bald,
    "short": _short,
    "bob": _bob,
    "long": _long,
    "curly": _curly,
    "afro": _afro,
    "bun": _bun,
    "ponytail": _ponytail,
}
