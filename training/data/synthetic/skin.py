# SPDX-License-Identifier: Apache-2.0
"""Skin: from one tone to a face with blush, lips, lashes, freckles, lines of age, the shadow of shaven hair."""

import torch
from jaxtyping import Float
from torch import Tensor

from training.data.synthetic.anatomy import Anatomy
from training.data.synthetic.identity import Identity
from training.data.synthetic.palettes import linear, mixed
from training.data.synthetic.patterns import Values, blotches, bump, dots, near_segment, soft_step


def paint_skin(
    who: Identity, places: Anatomy, points: Float[Tensor, "points 3"]
) -> tuple[Float[Tensor, "points 3"], Values]:
    """Albedo, and how moist the surface is: lips shine."""
    base = torch.tensor(who.skin_rgb)
    albedo = base * (1 + 0.025 * blotches(points, 45.0, who.phase_rad))[:, None]
    x, y, z = points.unbind(-1)
    flushed = base * torch.tensor([1.04, 0.60, 0.56])
    albedo = _over(albedo, flushed, (0.42 * who.blush) * _flush(who, places, x, y, z))
    shade = scalp_shade(who, points) + _stubble(who, places, x, y, z)
    # On dark skin, grey stubble at full strength would look like foam.
    strength = 0.35 if who.brow_rgb[1] > who.skin_rgb[1] else 1.0
    albedo = _over(albedo, torch.tensor(mixed(who.brow_rgb, who.skin_rgb, 0.25)), strength * shade.clamp(max=1))

    face = (z > 0.03).nonzero()[:, 0]
    x, y, z = x[face], y[face], z[face]
    drawn = albedo[face]
    if who.freckles > 0:
        region = bump(y.add(0.035).square() + (0.45 * x).square(), 0.06)
        spots = dots(x, y, 0.0105, 0.0032) * region
        drawn = _over(drawn, base * torch.tensor([0.62, 0.44, 0.36]), 0.75 * who.freckles * spots)
    spot = bump((x - who.mole[0]).square() + (y - who.mole[1]).square(), 0.0055)
    drawn = _over(drawn, base * 0.22, 0.9 * spot)
    if who.wrinkles > 0:
        drawn = _over(drawn, base * torch.tensor([0.50, 0.36, 0.32]), 0.62 * who.wrinkles * _lines(places, x, y))
    drawn = _over(drawn, torch.tensor(linear("24140f")), _lashes(who, places, x, y, z))
    lips, seam = _lips(who, places, x, y)
    drawn = _over(drawn, torch.tensor(who.lip_rgb), lips)
    drawn = _over(drawn, torch.tensor(mixed(who.lip_rgb, linear("2a0f10"), 0.8)), 0.85 * seam)
    moist = torch.zeros(len(points))
    moist[face] = lips
    albedo[face] = drawn
    return albedo, moist


def scalp_shade(who: Identity, points: Float[Tensor, "points 3"]) -> Values:
    """How much of the scalp shows shaven hair."""
    x, y, z = points.unbind(-1)
    if who.hair_style != "bald" or who.hair_volume >= 0.4:
        return torch.zeros_like(x)
    # Thinner on top, so that a shaven head is not a swimming cap; a strip on one side is shaved to the skin.
    line = y - 0.115 + 0.55 * (0.06 - z).clamp(min=-0.08)
    grown = soft_step(line, -0.03, 0.02) * soft_step(y - 0.45 * z, -0.055, -0.03)
    strip = bump((y - 0.085 + 0.25 * z).square(), 0.011) * soft_step(x * who.side, 0.05, 0.07) * (z < 0.03)
    return (0.36 - 0.10 * soft_step(y, 0.12, 0.2)) * grown * (1 - 0.9 * strip) * soft_step(z, 0.105, 0.06)


def _stubble(who: Identity, places: Anatomy, x: Tensor, y: Tensor, z: Tensor) -> Values:
    if who.beard != "stubble":
        return torch.zeros_like(x)
    jaw = soft_step(y + 0.55 * z, -0.005, -0.045) * soft_step(y, -0.205, -0.185) * soft_step(z, -0.01, 0.03)
    mouth = bump((x / 1.6).square() + (y - places.mouth[0][1]).square(), 0.030)
    moustache = bump((x / 1.5).square() + ((y - places.mouth[0][1] - 0.021) * 2).square(), 0.030)
    return 0.30 * (jaw * (1 - mouth) + moustache * (z > 0.09)).clamp(0, 1)


def _flush(who: Identity, places: Anatomy, x: Tensor, y: Tensor, z: Tensor) -> Values:
    """Cheeks, tip of the nose, ears, chin."""
    ax = x.abs()
    cheek = bump((ax - places.cheek[0] - 0.008).square() + (1.2 * (y - places.cheek[1] + 0.004)).square(), 0.052)
    nose = bump(x.square() + (y - places.nose_tip[1]).square() + (z - places.nose_tip[2]).square(), 0.040)
    ear = soft_step(ax, who.head_width - 0.004, who.head_width + 0.012) * (y > -0.06)
    chin = bump(x.square() + (y - places.chin[1]).square(), 0.035)
    return (cheek * (z > 0.04) + 0.75 * nose + 0.85 * ear + 0.3 * chin * (z > 0.08)).clamp(max=1)


def _lips(who: Identity, places: Anatomy, x: Tensor, y: Tensor) -> tuple[Values, Values]:
    """The red of the lips, and the seam between them."""
    middle, _, corner = places.mouth
    ax = x.abs()
    along = (ax / (corner[0] * 0.99)).clamp(max=1.1)
    above = y - (middle[1] + (corner[1] - middle[1]) * along * along)
    taper = (1 - along * along).clamp(min=0)
    bow = 1 - 0.30 * bump(ax.square(), 0.010)
    upper = (0.0095 + 0.0065 * who.lip_fullness) * taper.sqrt() * bow
    lower = (0.0115 + 0.0080 * who.lip_fullness) * taper.sqrt()
    inside = torch.where(above > 0, upper - above, lower + above)
    lips = soft_step(inside, -0.0010, 0.0016) * soft_step(along, 1.04, 0.97)
    seam = bump(above.square(), 0.0030) * soft_step(along, 1.06, 0.94)
    return lips, seam


def _lashes(who: Identity, places: Anatomy, x: Tensor, y: Tensor, z: Tensor) -> Values:
    """The dark edge of the upper lid, longer towards the temple."""
    tilt = who.eye_tilt_rad
    out, up = x.abs() - places.eye[0] + 0.001, y - places.eye[1] + 0.003
    out, up = out + tilt * up, up - tilt * out
    width, height, _ = places.eye_opening
    ratio = torch.sqrt((out / width).square() + (up / height).square())
    slope = torch.sqrt((out / (width * width)).square() + (up / (height * height)).square())
    away = ratio * (ratio - 1) / slope.clamp(min=1.0)  # from the edge of the hole, to first order
    thickness = (0.0046 - 0.0018 * who.build) * (1 + 0.5 * soft_step(out, 0.0, width))
    line = soft_step(away - thickness, 0.0008, -0.0008) * soft_step(up, -0.002, 0.004)
    shadow = 0.15 * soft_step(away, 0.014, 0.004) * soft_step(up, 0.0, 0.01)
    lower = 0.30 * soft_step(away, 0.0030, 0.0008)
    return torch.maximum(0.92 * line, torch.maximum(shadow, lower)) * (z > 0.08)


def _lines(places: Anatomy, x: Tensor, y: Tensor) -> Values:
    """Forehead, crow's feet, the folds beside the nose, bags under the eyes."""
    ax = x.abs()
    forehead = sum(bump((y - height + 1.6 * x * x).square(), 0.0022) for height in (0.080, 0.093, 0.106))
    forehead = forehead * soft_step(ax, 0.075, 0.045)
    corner_x, corner_y = places.eye[0] + places.eye_opening[0] + 0.006, places.eye[1]
    feet = sum(
        bump(near_segment(ax, y, (corner_x, corner_y + 0.3 * rise), (corner_x + 0.020, corner_y + rise)), 0.0018)
        for rise in (0.012, 0.001, -0.010)
    )
    wing_y, mouth = places.nose_tip[1], places.mouth[2]
    fold = bump(near_segment(ax, y, (0.030, wing_y), (mouth[0] + 0.010, mouth[1] + 0.004)), 0.0032)
    off_x, off_y = (ax - places.eye[0]) / 1.25, y - places.eye[1] + 0.006
    ring = torch.sqrt(off_x * off_x + off_y * off_y)
    bag = bump((ring - 0.030).square(), 0.0022) * soft_step(off_y, -0.010, -0.022)
    return (0.8 * forehead + 0.8 * feet + fold + 0.8 * bag).clamp(max=1)


def _over(below: Float[Tensor, "points 3"], colour: Tensor, share: Values) -> Float[Tensor, "points 3"]:
    return below + (colour - below) * share[:, None]
