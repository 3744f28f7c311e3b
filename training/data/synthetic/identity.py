# SPDX-License-Identifier: Apache-2.0
"""Who a head is: every number and choice that its shape, paint, clothes and light are made from.

An identity is a pure function of (seed, index) and holds plain Python values, so that two machines agree about it bit
by bit. Lengths are in world units: the head of the canonical picture, 0.633 units wide, is about 0.4 high. The
subject's left is +x. `build` runs from soft (0) to strong (1) features, and with `age_years` steers the odds of beards,
hair styles and grey hair; everything else is drawn on its own.
"""

import math
from dataclasses import dataclass, fields

from training.data.synthetic import palettes
from training.data.synthetic.draws import Draws
from training.data.synthetic.palettes import RGB, linear, mixed

HAIR_STYLES = ("bald", "short", "bob", "long", "curly", "afro", "bun", "ponytail")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
CLOTHES = ("crew", "turtleneck", "shirt", "hoodie", "scarf")
GLASSES = ("none", "round", "square")
EARRINGS = ("none", "stud", "hoop")


@dataclass(frozen=True)
class Identity:
    """One person. Lengths in world units, angles in radians, colours in linear RGB, shares in [0, 1]."""

    build: float
    age_years: float
    # Skull and face.
    head_width: float  # half of it, at the temples
    head_height: float  # from the middle of the skull to its top
    head_depth: float
    face_width: float
    jaw_width: float
    chin_drop: float  # how far below the middle the chin ends
    chin_width: float
    chin_forward: float
    cheek_fullness: float
    brow_ridge: float
    # Nose, eyes, ears.
    nose_length: float
    nose_width: float
    nose_forward: float
    nose_tip_lift: float
    nose_bridge: float
    eye_spacing: float  # half the distance of the eyeballs
    eye_radius: float
    eye_open: float
    eye_tilt_rad: float
    ear_size: float
    ear_flare_rad: float
    # Brows and lips.
    brow_thickness: float
    brow_lift: float
    brow_arch: float
    lip_fullness: float
    mouth_width: float
    mouth_height: float
    # Neck and shoulders.
    neck_radius: float
    shoulder_width: float
    shoulder_drop: float
    # Skin.
    skin_depth: float  # 0 the lightest, 1 the darkest
    skin_rgb: RGB
    lip_rgb: RGB
    blush: float
    freckles: float
    wrinkles: float
    mole: tuple[float, float]  # (x, y) on the face
    iris_rgb: RGB
    # Hair.
    hair_style: str
    hair_rgb: RGB
    brow_rgb: RGB
    side: float  # +1: the parting on the subject's left, the fringe falls to the right; -1: the other way round
    parting: float  # distance of the parting from the middle
    hairline: float  # height of the hairline
    hair_volume: float
    hair_length: float  # 0 short to 1 long within its style
    strands: float  # how deep the strands are drawn
    wave: float
    phase_rad: float  # where patterns begin
    clip: bool
    beard: str
    # What is worn.
    glasses: str
    frame_rgb: RGB
    earring: str
    earring_side: float  # +1 the subject's left
    trinket_rgb: RGB
    clothes: str
    fabric_rgb: RGB
    second_rgb: RGB
    stripes: bool
    label_x: float  # of the label at the back of the collar
    # Light, fixed in the world.
    key_azimuth_rad: float
    key_elevation_rad: float
    key_warmth: float

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            assert getattr(self, name) in known, f"{name} is {getattr(self, name)!r}"


_CHOICES = {"hair_style": HAIR_STYLES, "beard": BEARDS, "glasses": GLASSES, "earring": EARRINGS, "clothes": CLOTHES}


def identity_numbers(identity: Identity) -> dict[str, float]:
    """Every parameter as a named number: colours and pairs by component, choices by their place in the list."""
    numbers: dict[str, float] = {}
    for field in fields(identity):
        value = getattr(identity, field.name)
        if isinstance(value, tuple):
            names = ("r", "g", "b") if len(value) == 3 else ("x", "y")
            numbers |= {f"{field.name}_{name}": float(x) for name, x in zip(names, value, strict=True)}
        elif isinstance(value, str):
            numbers[field.name] = float(_CHOICES[field.name].index(value))
        else:
            numbers[field.name] = float(value)
    return numbers


def identity_from_seed(seed: int, index: int) -> Identity:
    """The person with this number."""
    d = Draws(seed, "person", index)
    build = d.between(0.0, 1.0)
    # 14 % children, 64 % adults, 22 % old.
    age_years = d.between(9.0, 15.0) if d.chance(0.14) else d.pick([(30.0, 0.74), (68.0, 0.26)]) + d.near(0.0, 14.0)
    values = _shape(Draws(seed, "shape", index), build, age_years)
    values |= _skin(Draws(seed, "skin", index), age_years)
    values |= _hair(Draws(seed, "hair", index), build, age_years, values["skin_depth"])
    values |= _worn(Draws(seed, "worn", index), build)
    values |= _light(Draws(seed, "light", index), values["side"])
    return Identity(build=build, age_years=age_years, **values)


def _shape(d: Draws, build: float, age_years: float) -> dict[str, float]:
    strong = build if age_years > 16 else 0.3 * build
    child = 1.0 if age_years < 16 else 0.0
    old = _ramp(age_years, 50.0, 80.0)
    return {
        "head_width": d.near(0.149, 0.009),
        "head_height": d.near(0.156, 0.007),
        "head_depth": d.near(0.172, 0.010),
        "face_width": d.near(0.122 + 0.004 * strong, 0.007),
        "jaw_width": d.near(0.068 + 0.020 * strong - 0.010 * child, 0.010),
        "chin_drop": d.near(0.170 + 0.010 * strong - 0.017 * child, 0.007),
        "chin_width": d.near(0.022 + 0.012 * strong, 0.006),
        "chin_forward": d.near(0.098, 0.008),
        "cheek_fullness": d.near(0.55 - 0.25 * strong + 0.55 * child - 0.15 * old, 0.35),
        "brow_ridge": d.near(0.2 + 0.6 * strong, 0.2),
        "nose_length": d.near(0.064 + 0.006 * strong + 0.005 * old - 0.012 * child, 0.010),
        "nose_width": d.near(0.021 + 0.003 * strong - 0.002 * child, 0.005),
        "nose_forward": d.near(0.186 + 0.005 * strong + 0.003 * old - 0.008 * child, 0.009),
        "nose_tip_lift": d.near(0.004 - 0.006 * strong + 0.006 * child, 0.007),
        "nose_bridge": d.near(0.35 + 0.3 * strong - 0.2 * child, 0.3),
        "eye_spacing": d.near(0.058, 0.004),
        "eye_radius": d.near(0.0425 - 0.003 * strong + 0.004 * child, 0.0025),
        "eye_open": d.near(0.80 - 0.14 * strong + 0.10 * child - 0.10 * old, 0.12),
        "eye_tilt_rad": d.near(0.08, 0.13),
        "ear_size": d.near(0.041 + 0.003 * old, 0.006),
        "ear_flare_rad": d.near(0.50, 0.22),
        "brow_thickness": d.near(0.0056 + 0.0040 * strong - 0.001 * child, 0.0020),
        "brow_lift": d.near(0.057 - 0.008 * strong + 0.003 * child, 0.005),
        "brow_arch": d.near(0.010 - 0.004 * strong, 0.004),
        "lip_fullness": d.near(0.60 - 0.18 * strong - 0.15 * old, 0.38),
        "mouth_width": d.near(0.047 + 0.003 * strong - 0.004 * child, 0.006),
        "mouth_height": d.near(-0.110, 0.005),
        "neck_radius": d.near(0.058 + 0.018 * strong - 0.008 * child, 0.005),
        "shoulder_width": d.near(0.195 + 0.025 * strong - 0.025 * child, 0.012),
        "shoulder_drop": d.near(0.040, 0.012),
    }


def _skin(d: Draws, age_years: float) -> dict[str, object]:
    skin_depth = d.between(0.0, 1.0)
    place = skin_depth * (len(palettes.SKIN) - 1)
    lighter = min(int(place), len(palettes.SKIN) - 2)
    skin_rgb = mixed(linear(palettes.SKIN[lighter]), linear(palettes.SKIN[lighter + 1]), place - lighter)
    lip_base = mixed(linear("c9655f"), linear("6e2f2c"), skin_depth)
    iris = [(linear(code), light + (dark - light) * skin_depth) for _, code, light, dark in palettes.IRIS]
    lip_rgb = mixed(skin_rgb, lip_base, d.between(0.50, 0.95))
    return {
        "skin_depth": skin_depth,
        "skin_rgb": skin_rgb,
        "lip_rgb": lip_rgb,
        "blush": d.between(0.35, 1.0),
        # 28 % have freckles, more of them on light skin than on dark.
        "freckles": d.between(0.4, 1.0) * float(d.chance(0.45 - 0.35 * skin_depth)),
        "wrinkles": min(1.0, _ramp(age_years, 38.0, 72.0) * d.between(0.7, 1.2)),
        "mole": (d.one_of((-1.0, 1.0)) * d.between(0.045, 0.075), d.between(-0.10, -0.055)),
        "iris_rgb": d.pick(iris),
    }


def _hair(d: Draws, build: float, age_years: float, skin_depth: float) -> dict[str, object]:
    grown = age_years > 16
    # Weights for soft and for strong features, interpolated by build; curls and afros gain with skin depth.
    weights = {
        "bald": (0.05, 1.6 if grown else 0.1),
        "short": (1.0, 3.2),
        "bob": (2.4, 0.15),
        "long": (2.4, 0.3),
        "curly": (0.7 + skin_depth, 0.7 + 0.5 * skin_depth),
        "afro": (0.4 + 1.2 * skin_depth, 0.4 + 1.0 * skin_depth),
        "bun": (1.6, 0.3),
        "ponytail": (1.6, 0.2),
    }
    style = d.pick([(name, soft + (strong - soft) * build) for name, (soft, strong) in weights.items()])
    natural = d.pick([(linear(code), light + (dark - light) * skin_depth) for _, code, light, dark in palettes.HAIR])
    grey = linear(d.one_of(palettes.GREY_HAIR))
    greyness = max(0.0, min(1.0, (age_years - d.between(45.0, 62.0)) / 12))
    natural = mixed(natural, grey, greyness)
    # 9 % dye their hair; brows and beards keep their own colour.
    dye, is_dyed = linear(d.one_of(palettes.DYES)), d.chance(0.09)
    bearded = grown and build > 0.45
    beard_weights = (("none", 4.0), ("stubble", 2.0), ("moustache", 0.8), ("goatee", 0.9), ("full", 2.2))
    beard = d.pick(beard_weights)
    return {
        "hair_style": style,
        "hair_rgb": dye if is_dyed else natural,
        "brow_rgb": mixed(natural, linear("2a1c14"), 0.35 * (1 - 0.7 * greyness)),
        "side": d.one_of((-1.0, 1.0)),
        "parting": d.between(0.018, 0.065),
        "hairline": d.near(0.118, 0.010),
        "hair_volume": d.between(0.0, 1.0),
        "hair_length": d.between(0.0, 1.0),
        "strands": d.between(0.55, 1.0),
        "wave": d.between(0.0, 1.0),
        "phase_rad": d.between(0.0, 2 * math.pi),
        "clip": d.chance(0.55),
        "beard": beard if bearded else "none",
    }


def _worn(d: Draws, build: float) -> dict[str, object]:
    fabric, second = d.one_of(palettes.CLOTHES)
    weights = (("crew", 2.0), ("turtleneck", 1.3), ("shirt", 1.6), ("hoodie", 1.5), ("scarf", 1.2))
    return {
        "glasses": d.pick((("none", 0.74), ("round", 0.15), ("square", 0.11))),
        "frame_rgb": linear(d.one_of(palettes.FRAMES)),
        "earring": d.pick((("none", 0.25 + 0.4 * build), ("stud", 0.4), ("hoop", 0.45))),
        "earring_side": d.one_of((-1.0, 1.0)),
        "trinket_rgb": linear(d.one_of(palettes.TRINKETS)),
        "clothes": d.pick(weights),
        "fabric_rgb": linear(fabric),
        "second_rgb": linear(second),
        "stripes": d.chance(0.35),
        "label_x": d.one_of((-1.0, 1.0)) * d.between(0.028, 0.045),
    }


def _light(d: Draws, side: float) -> dict[str, float]:
    # The key stands on the side of the parting in three of four: light falls under the fringe, not on it.
    key_side = side if d.chance(0.75) else -side
    return {
        "key_azimuth_rad": key_side * d.between(0.60, 1.00),
        "key_elevation_rad": d.between(0.55, 0.85),
        "key_warmth": d.between(0.3, 1.0),
    }


def _ramp(value: float, start: float, end: float) -> float:
    """0 before the start, 1 after the end."""
    return max(0.0, min(1.0, (value - start) / (end - start)))
