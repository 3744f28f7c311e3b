# SPDX-License-Identifier: Apache-2.0
"""What the materials look like, before any light: colour, gloss and fine relief at points of the surface.

A painter gets the points of its own material alone. Colours are linear RGB. `relief` is added to the unit normal and
stands for what is too fine to be carved: strands, ribs. `glow` is light that the surface gives off by itself; only the
catch-lights of the eyes, painted as on dolls so that they stay on the pupil's side from everywhere, do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from training.data.synthetic.anatomy import Anatomy
from training.data.synthetic.head import LAYERS
from training.data.synthetic.identity import Identity
from training.data.synthetic.palettes import linear, mixed
from training.data.synthetic.patterns import blotches, bump, grain, soft_step, strands
from training.data.synthetic.skin import paint_skin

PARTED = ("short", "bob", "long", "bun", "ponytail")


@dataclass
class Surface:
    """Paint at points."""

    albedo: Float[Tensor, "points 3"]
    roughness: Float[Tensor, " points"]
    specular: Float[Tensor, "points 3"]  # reflection at right angles
    wrap: Float[Tensor, "points 3"]  # how far diffuse light creeps around, by channel: skin and wax let it through
    relief: Float[Tensor, "points 3"]
    glow: Float[Tensor, " points"]

    @classmethod
    def plain(cls, num: int) -> "Surface":
        """Matt plastic, not yet coloured."""
        return cls(
            albedo=torch.zeros(num, 3),
            roughness=torch.full((num,), 0.5),
            specular=torch.full((num, 3), 0.04),
            wrap=torch.full((num, 3), 0.10),
            relief=torch.zeros(num, 3),
            glow=torch.zeros(num),
        )


def paint(who: Identity, places: Anatomy, points: Float[Tensor, "points 3"], layer: Int[Tensor, " points"]) -> Surface:
    """Every point painted as its layer asks."""
    surface = Surface.plain(len(points))
    for index, name in enumerate(LAYERS):
        chosen = (layer == index).nonzero()[:, 0]
        if len(chosen):
            part = Surface.plain(len(chosen))
            _PAINTERS[name](part, who, places, points[chosen])
            for field, values in vars(part).items():
                getattr(surface, field)[chosen] = values
    return surface


def _skin(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    s.albedo, moist = paint_skin(who, places, points)
    s.roughness = 0.50 - 0.20 * moist
    s.specular = s.specular * 0.8
    s.wrap[:] = torch.tensor([0.30, 0.16, 0.12])


def _eye(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    x, y, _ = points.unbind(-1)
    is_left = x > 0
    out_x = (x.abs() - places.eye[0]) / who.eye_radius  # towards the temple
    up = (y - places.eye[1]) / who.eye_radius + 0.06  # a level gaze, a trifle down, is a calm one
    inward = out_x + 0.05
    rho = torch.sqrt(inward * inward + up * up)
    white = torch.tensor(linear("f6efe9")) * (1 - 0.25 * bump((out_x.abs() - 0.9).square(), 0.5))[:, None]
    iris = torch.tensor(who.iris_rgb)
    # Brighter below, where light that entered from above comes out; a dark ring holds it together.
    light = (1.10 - 1.3 * up).clamp(0.5, 1.8) * (1 - 0.75 * soft_step(rho, 0.44, 0.57))
    coloured = torch.where((rho < 0.60)[:, None], iris * light[:, None], white)
    inside = soft_step(rho, 0.60, 0.56)[:, None]
    albedo = white + (coloured - white) * inside
    albedo = albedo * (1 - 0.97 * soft_step(rho, 0.31, 0.27))[:, None]
    side = 1.0 if who.key_azimuth_rad > 0 else -1.0
    gaze_x = torch.where(is_left, inward, -inward)
    main = (gaze_x - 0.17 * side).square() + (up - 0.20).square()
    small = (gaze_x + 0.20 * side).square() + (up + 0.20).square()
    s.glow = 0.95 * soft_step(main, 0.0160, 0.0085) + 0.30 * soft_step(small, 0.0060, 0.0025)
    # The upper lid's shade is deeper than what openness alone tells.
    s.albedo = albedo * (1 - 0.35 * soft_step(up, 0.15, 0.55))[:, None]
    s.roughness[:] = 0.16


def _brow(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    x, y, _ = points.unbind(-1)
    hairs = torch.sin(900.0 * (x.abs() - 0.35 * y))
    s.albedo = torch.tensor(who.brow_rgb) * (1 + 0.18 * hairs)[:, None]
    s.roughness[:] = 0.65


def _beard(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    x, y, z = points.unbind(-1)
    hairs = torch.sin(520.0 * x + 90.0 * y) * torch.sin(420.0 * z + 60.0 * y) + 0.7 * blotches(
        points, 90.0, who.phase_rad
    )
    colour = torch.tensor(who.brow_rgb)
    s.albedo = colour * (1 + 0.20 * hairs)[:, None]
    s.relief[:, 0] = 0.16 * torch.cos(520.0 * x + 90.0 * y)
    s.roughness[:] = 0.62


def _hair(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    colour, depth = torch.tensor(who.hair_rgb), who.strands
    x, y, z = points.unbind(-1)
    if who.hair_style in ("afro", "curly"):
        # Little curls: where noise is high it is light and looks up, where it is low it is dark and looks down.
        size = 0.0085 if who.hair_style == "afro" else 0.011
        coarse, fine = grain(points, size), grain(points, 0.55 * size)
        shade = 0.9 * coarse + 0.6 * fine
        s.relief = (0.55 * depth) * torch.stack([fine, 0.6 * coarse, coarse - fine], dim=-1)
        s.roughness[:] = 0.60
    else:
        flow = strands(points, who.side * who.parting, -0.045, 0.02 + 0.05 * who.wave, who.phase_rad)
        shade = flow.brightness
        s.relief = (0.55 * depth * flow.tilt)[:, None] * flow.around
        s.roughness[:] = 0.40
    # Ends are bleached a little, roots are not.
    ends = 1 + 0.25 * soft_step(y, 0.02, -0.25)
    s.albedo = colour * ((1 + 0.30 * depth * shade) * ends)[:, None]
    s.specular[:] = 0.035 + 0.10 * colour
    if who.hair_style in PARTED:
        line = bump((x - who.side * who.parting).square(), 0.0048) * soft_step(y, 0.15, 0.18)
        line = line * soft_step((z - 0.005).abs(), 0.075, 0.045)
        scalp = torch.tensor(mixed(who.skin_rgb, who.hair_rgb, 0.5))
        s.albedo = s.albedo + (scalp - s.albedo) * (0.7 * line)[:, None]


def _fabric(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    x, y, z = points.unbind(-1)
    knit = torch.sin(560.0 * x) * torch.sin(560.0 * y + 560.0 * z)
    albedo = torch.tensor(who.fabric_rgb) * (1 + 0.06 * knit)[:, None]
    second = torch.tensor(who.second_rgb)
    if who.stripes:
        bands = soft_step(torch.sin(105.0 * y + who.phase_rad), 0.35, 0.55) * soft_step(y, -0.262, -0.268)
        albedo = albedo + (second - albedo) * bands[:, None]
    # One sleeve has a band; it is what tells left from right where a scarf or hood hides everything else.
    sleeve = soft_step((x * who.side - 0.150).abs(), 0.019, 0.016)
    albedo = albedo + (second - albedo) * sleeve[:, None]
    s.albedo = _with_label(albedo, who, x, y, z)
    s.roughness[:] = 0.85
    s.specular[:] = 0.02


def _second(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    x, y, z = points.unbind(-1)
    ribs = torch.sin(72 * torch.atan2(x, z + 0.05))
    albedo = torch.tensor(who.second_rgb) * (1 + 0.05 * ribs)[:, None]
    if who.clothes == "scarf":
        check = soft_step(torch.sin(120.0 * y + 40.0 * x * who.side), 0.55, 0.75)
        albedo = albedo + (torch.tensor(who.fabric_rgb) - albedo) * check[:, None]
    s.albedo = _with_label(albedo, who, x, y, z)
    s.roughness[:] = 0.85
    s.specular[:] = 0.02


def _with_label(albedo: Tensor, who: Identity, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """The maker's label at the back of the collar, off the middle."""
    off_x, off_y = (x - who.label_x).abs(), (y + 0.262).abs()
    tag = soft_step(off_x, 0.025, 0.0235) * soft_step(off_y, 0.018, 0.0165) * (z < -0.08)
    print_ = soft_step(off_x, 0.017, 0.0155) * soft_step((off_y - 0.006).abs(), 0.0035, 0.0022)
    cloth = torch.tensor(linear("fbf6ea")).expand_as(albedo)
    ink = torch.tensor(linear("c23b3b"))
    cloth = cloth + (ink - cloth) * print_[:, None]
    return albedo + (cloth - albedo) * tag[:, None]


def _trinket(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    colour = torch.tensor(who.trinket_rgb)
    s.albedo = (0.75 * colour).expand(len(points), 3).clone()
    s.specular = (0.10 + 0.45 * colour).expand(len(points), 3).clone()
    s.roughness[:] = 0.28


def _frame(s: Surface, who: Identity, places: Anatomy, points: Tensor) -> None:
    s.albedo = torch.tensor(who.frame_rgb).expand(len(points), 3).clone()
    s.specular[:] = 0.06
    s.roughness[:] = 0.25


_PAINTERS: dict[str, Callable[[Surface, Identity, Anatomy, Tensor], None]] = {
    "skin": _skin,
    "eye": _eye,
    "brow": _brow,
    "beard": _beard,
    "hair": _hair,
    "fabric": _fabric,
    "second": _second,
    "trinket": _trinket,
    "frame": _frame,
}
