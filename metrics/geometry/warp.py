# SPDX-License-Identifier: Apache-2.0
"""One view moved into another by its depth: where the two see the same point of a head, they should show one colour.

`source` is the view whose pixels are moved, `target` the one they are looked up in. A point is *seen by both* if it is
on the head in both pictures and the target's own depth there agrees: else something else is in front of it.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from training.camera_rays import project, rays
from training.types import Camera


class View(NamedTuple):
    """Pictures of one camera each, all of one size. Depths are lengths of rays; colours have any range."""

    camera: Camera
    colour: Float[Tensor, "n channels size size"]
    depth: Float[Tensor, "n 1 size size"]
    mask: Float[Tensor, "n 1 size size"]


class Warped(NamedTuple):
    """The target's colours at the source's pixels, and where both see the same point."""

    colour: Float[Tensor, "n channels size size"]
    is_seen: Bool[Tensor, "n 1 size size"]


def warp(source: View, target: View, tolerance: float) -> Warped:
    """Looks up the points of the source in the target. Depths that differ by more than `tolerance` are other points."""
    n, _, size, _ = source.depth.shape
    origins, directions = rays(source.camera, size)
    points = origins + directions * source.depth.flatten(1)[..., None]
    uv, z = project(target.camera, points)
    inside = ((uv > 0) & (uv < 1)).all(dim=-1) & (z > 0)
    grid = (2 * uv - 1).view(n, size, size, 2)

    def look_up(pictures: Tensor) -> Tensor:
        return nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)

    length = (points - target.camera.position[:, None]).norm(dim=-1).view(n, 1, size, size)
    agrees = (look_up(target.depth) - length).abs() < tolerance
    is_head = (source.mask > 0.5) & (look_up(target.mask) > 0.5)
    return Warped(look_up(target.colour), is_head & agrees & inside.view(n, 1, size, size))


def mean_where(values: Float[Tensor, "n channels h w"], where: Bool[Tensor, "n 1 h w"]) -> Float[Tensor, " n"]:
    """Mean over the channels and the places; NaN where there is no place."""
    where = where.expand_as(values)
    return torch.where(where, values, 0).flatten(1).sum(dim=1) / where.flatten(1).sum(dim=1)
