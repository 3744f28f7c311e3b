# SPDX-License-Identifier: Apache-2.0
"""The 68 facial landmarks and the box of a procedural head, exact where detectors guess.

The order is that of the 300-W challenge (Sagonas et al. 2013), counted from 0 and as seen in a frontal picture from
left to right, which starts on the subject's right (-x):

    0-16   jaw, from ear to ear           36-41  eye at -x: outer corner, upper lid, inner corner, lower lid
    17-21  brow at -x, outer end first    42-47  eye at +x: inner corner, upper lid, outer corner, lower lid
    22-26  brow at +x, inner end first    48-59  outer edge of the lips, from the corner at -x over the upper lip
    27-30  ridge of the nose, downwards   60-67  inner edge of the lips, the same way round
    31-35  below the nose
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from training.camera_rays import project
from training.data.synthetic.anatomy import Anatomy, anatomy
from training.data.synthetic.head import head
from training.data.synthetic.identity import Identity
from training.data.synthetic.surface import approach, approach_roughly
from training.types import Camera

Place = tuple[float, float]  # (x, y)

NUM_LANDMARKS = 68
_CHIN = 8
_STEPS = 60
_OUTSIDE = 0.5
# So many that the box is right to 0.3 % of the picture's width.
_NUM_DIRECTIONS, _OUTLINE_STEPS, _NEAR = 5000, 30, 1e-4


def landmarks(who: Identity, smile: float = 0.25) -> Float[Tensor, "68 3"]:
    """World points on the skin, eyes and brows, also where hair or glasses hide them."""
    return _landmarks(who, smile).clone()


@lru_cache(maxsize=64)
def _landmarks(who: Identity, smile: float) -> Float[Tensor, "68 3"]:
    places, table = anatomy(who, smile), head(who, smile).bare
    face = torch.tensor([(x, y, _OUTSIDE) for x, y in _face(who, places)])
    backwards = torch.tensor([0.0, 0.0, -1.0]).expand_as(face)
    # The jaw is met from the side and from below.
    turns = [math.pi * k / 16 for k in range(17)]
    inside = torch.tensor([(0.0, -0.035, 0.020 + 0.075 * math.sin(a) ** 2) for a in turns])
    inwards = torch.tensor([(math.cos(a), math.sin(a), 0.0) for a in turns])
    start = torch.cat([inside - _OUTSIDE * inwards, face])
    return approach(start, torch.cat([inwards, backwards]), table, _STEPS)


def _face(who: Identity, places: Anatomy) -> list[Place]:
    """(x, y) of the landmarks 17 to 67."""
    brow = _brow(places)
    tip, root = places.nose_tip, places.nose_root
    ridge = [(0.0, root[1] + (tip[1] - root[1]) * k / 3) for k in range(4)]
    base_y = tip[1] - 0.016
    below = [(0.75 * who.nose_width * k, base_y + 0.0015 * abs(k)) for k in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    eye = _eye(who, places)  # at +x: inner corner, upper lid, outer corner, lower lid
    mirrored_eye = [(-x, y) for x, y in (eye[3], eye[2], eye[1], eye[0], eye[5], eye[4])]
    return [*_mirrored(brow), *brow, *ridge, *below, *mirrored_eye, *eye, *_lips(who, places)]


def _brow(places: Anatomy) -> list[Place]:
    """Five places from the inner end to the outer one."""
    inner, peak, outer = (point[:2] for point in places.brow)
    return [inner, _between(inner, peak, 0.5), peak, _between(peak, outer, 0.5), outer]


def _eye(who: Identity, places: Anatomy) -> list[Place]:
    """Six places just within the hole of the lids at +x."""
    width, height, _ = places.eye_opening
    cosine, sine = math.cos(who.eye_tilt_rad), math.sin(who.eye_tilt_rad)
    outline = []
    for angle_deg in (180, 118, 62, 0, -62, -118):
        along = 0.97 * width * math.cos(math.radians(angle_deg))
        up = 0.97 * height * math.sin(math.radians(angle_deg))
        outline.append(
            (places.eye_hole[0] + along * cosine - up * sine, places.eye_hole[1] + along * sine + up * cosine)
        )
    return outline


def _lips(who: Identity, places: Anatomy) -> list[Place]:
    """Twelve places around the red of the lips, eight around the seam."""
    middle, _, corner = places.mouth
    rise = corner[1] - middle[1]

    def at(share: float, above: float) -> Place:
        x = share * corner[0]
        return x, middle[1] + rise * share * share + above * math.sqrt(1 - share * share)

    upper, lower = 0.0095 + 0.0065 * who.lip_fullness, -0.0115 - 0.0080 * who.lip_fullness
    top = [(-1.0, 0.0), (-0.6, upper), (-0.22, upper), (0.0, 0.7 * upper), (0.22, upper), (0.6, upper), (1.0, 0.0)]
    bottom = [(0.6, lower), (0.25, lower), (0.0, lower), (-0.25, lower), (-0.6, lower)]
    gap = 0.0015
    seam = [(-0.85, 0.0), (-0.35, gap), (0.0, gap), (0.35, gap), (0.85, 0.0), (0.35, -gap), (0.0, -gap), (-0.35, -gap)]
    return [at(share, above) for share, above in (*top, *bottom, *seam)]


def _mirrored(places: list[Place]) -> list[Place]:
    return [(-x, y) for x, y in reversed(places)]


def _between(a: Place, b: Place, share: float) -> Place:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def head_box(who: Identity, camera: Camera, smile: float = 0.25) -> Float[Tensor, "4"]:
    """(left, top, right, bottom) of the head with its hair, in picture widths, as (u, v) are.

    What hangs or stands below the chin counts as far down as the chin.
    """
    image, _ = project(camera, _outline(who, smile).to(camera.position.dtype))
    return torch.cat([image.amin(0), image.amax(0)])


@lru_cache(maxsize=64)
def _outline(who: Identity, smile: float) -> Float[Tensor, "points 3"]:
    """Points all around the head: the first that one meets on the way to its middle, from evenly spread directions."""
    index = torch.arange(_NUM_DIRECTIONS, dtype=torch.float64) + 0.5
    y = 1 - 2 * index / _NUM_DIRECTIONS
    azimuth_rad = index * (math.pi * (1 + math.sqrt(5)))
    across = (1 - y * y).sqrt()
    outwards = torch.stack([across * azimuth_rad.sin(), y, across * azimuth_rad.cos()], dim=-1).float()
    points = approach_roughly(_OUTSIDE * outwards, -outwards, head(who, smile).with_hair, _OUTLINE_STEPS, _NEAR)
    points[:, 1].clamp_(min=_landmarks(who, smile)[_CHIN, 1].item())
    return points
