# SPDX-License-Identifier: Apache-2.0
"""A picture of a procedural head with its mask and depth: trace, paint, light, filter, lay over the background."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from training.data.synthetic import background as backgrounds
from training.data.synthetic import lattice, tracing
from training.data.synthetic.anatomy import anatomy
from training.data.synthetic.background import Backdrop
from training.data.synthetic.head import head
from training.data.synthetic.identity import Identity
from training.data.synthetic.paint import paint
from training.data.synthetic.shading import display, encode, lights, shade
from training.types import Camera

NEUTRAL_SMILE = 0.25
KEY_WIDTH = 0.28  # tangent of the half angle of the key, a large soft box


@dataclass(frozen=True)
class Picture:
    """What a camera sees. Depth is along the viewing axis in world units, infinite where nothing is."""

    image: UInt8[np.ndarray, "height width 3"]
    mask: UInt8[np.ndarray, "height width"]
    depth: Float32[np.ndarray, "height width"]


def render(
    who: Identity,
    camera: Camera,
    resolution: int,
    *,
    smile: float = NEUTRAL_SMILE,
    background: Backdrop = backgrounds.PLAIN,
) -> Picture:
    """The picture that `camera` takes of this person. A smile runs from 0 to 1."""
    places = anatomy(who, smile)
    table = head(who, smile).whole
    hits = tracing.trace(camera, resolution, table)
    studio = lights(who)
    normals = tracing.normals(hits.points, table)
    openness = tracing.ambient_occlusion(hits.points, normals, table)
    key_share = tracing.soft_shadow(hits.points, normals, studio.key.to_lamp, table, width=KEY_WIDTH)
    surface = paint(who, places, hits.points, hits.layer)
    light = shade(surface, normals, -hits.directions, openness, key_share, studio)

    shown = torch.cat([display(light), torch.ones(len(light), 1)], dim=1)
    filtered = lattice.filter_lattice(hits.on_lattice(shown, resolution))
    coverage = filtered[..., 3:]
    linear = filtered[..., :3] + (1 - coverage) * backgrounds.draw(background, resolution)
    depth = lattice.pixel_depth(hits.on_lattice(hits.z_depth, resolution, elsewhere=torch.inf))
    return Picture(_bytes(encode(linear)), _bytes(coverage[..., 0]), depth.numpy())


def _bytes(values: torch.Tensor) -> np.ndarray:
    return (values * 255).round().to(torch.uint8).numpy()
