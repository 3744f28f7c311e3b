# SPDX-License-Identifier: Apache-2.0
"""What is behind a head: a sheet of studio paper with light on it, in the plane of the picture.

It has its own key, so it tells nothing about the person: `backdrop(seed, index)`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from training.camera_rays import pixel_centres
from training.data.synthetic import palettes
from training.data.synthetic.draws import Draws
from training.data.synthetic.palettes import RGB, linear
from training.data.synthetic.patterns import soft_step

KINDS = ("paper", "spot", "arch", "bokeh", "stripes")


@dataclass(frozen=True)
class Backdrop:
    """Positions and sizes in picture widths, colours in linear RGB."""

    kind: str
    upper_rgb: RGB
    lower_rgb: RGB
    centre: tuple[float, float]  # of the light on it
    spread: float
    angle_rad: float
    discs: tuple[tuple[float, float, float], ...]  # (u, v, radius), out of focus

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind


PLAIN = Backdrop("paper", linear("d9d6d1"), linear("d9d6d1"), (0.5, 0.5), 1.0, 0.0, ())


def backdrop(seed: int, index: int) -> Backdrop:
    """The sheet with this number."""
    d = Draws(seed, "backdrop", index)
    upper, lower = (linear(code) for code in d.one_of(palettes.BACKDROPS))
    kind = d.pick((("paper", 0.30), ("spot", 0.25), ("arch", 0.15), ("bokeh", 0.18), ("stripes", 0.12)))
    centre, spread, angle_rad = (
        (d.between(0.25, 0.75), d.between(0.2, 0.6)),
        d.between(0.45, 0.8),
        d.between(0.0, math.pi),
    )
    discs = tuple((d.between(0.0, 1.0), d.between(0.0, 1.0), d.between(0.04, 0.13)) for _ in range(7))
    return Backdrop(kind, upper, lower, centre, spread, angle_rad, discs)


def draw(sheet: Backdrop, resolution: int) -> Float[Tensor, "height width 3"]:
    """Linear RGB."""
    u, v = pixel_centres(resolution, dtype=torch.float32).unbind(-1)
    edge = 1.5 / resolution  # edges are as soft as a pixel and a half
    upper, lower = torch.tensor(sheet.upper_rgb), torch.tensor(sheet.lower_rgb)
    off_u, off_v = u - sheet.centre[0], v - sheet.centre[1]
    away = torch.sqrt(off_u * off_u + off_v * off_v)
    share = soft_step(v, -0.1, 1.2)
    if sheet.kind == "spot":
        share = soft_step(away, 0.05, sheet.spread + 0.25)
    elif sheet.kind == "arch":
        inside = torch.where(v < 0.5, torch.sqrt((u - 0.5).square() + (v - 0.5).square()), (u - 0.5).abs())
        share = 0.25 * share + 0.75 * soft_step(inside, 0.42 - edge, 0.42 + edge)
    elif sheet.kind == "stripes":
        along = u * math.cos(sheet.angle_rad) + v * math.sin(sheet.angle_rad)
        wave = torch.sin(along * (2 * math.pi * 4))
        share = 0.55 * share + 0.30 * soft_step(wave, -12 * edge, 12 * edge)
    colour = upper + (lower - upper) * share[:, None]
    if sheet.kind == "bokeh":
        for disc_u, disc_v, radius in sheet.discs:
            rim = torch.sqrt((u - disc_u).square() + (v - disc_v).square()) - radius
            colour = colour * (1 + 0.22 * soft_step(rim, edge + 0.004, -edge - 0.004))[:, None]
    vignette = 1 - 0.22 * soft_step(away, 0.25, 0.95)
    return (colour * vignette[:, None]).clamp(max=1).unflatten(0, (resolution, resolution))
