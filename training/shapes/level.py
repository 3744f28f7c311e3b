# SPDX-License-Identifier: Apache-2.0
"""At which raw density the surface lies: where pictures of the head show it.

Pictures know no surface, they add up fog. So the head is looked at from around: of each ray the renderer tells opacity
and depth, and the field the densities along it. At a level, a ray would hit the surface if its densities reach it. The
best level is where the rays that hit are those that are more than half opaque, by intersection over union; among levels
that are as good, the one at which the first hits are at the depths that the pictures show.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.camera_paths import camera_on_sphere
from training.camera_rays import rays
from training.generator import Generator
from training.portraits.sitter import Sitter
from training.rendering.base import Rays, Scene
from training.rendering.draws import MidCell
from training.rendering.limits import box_limits
from training.shapes.densities import Densities
from training.warps.base import IdentityWarp

_NUM_VIEWS = 6
_RAYS = 32  # Along a side of each view.
_SAMPLES = 64  # Along a ray.
_CANDIDATES = 256
_AS_GOOD = 0.003  # Of IoU.


class Sight(NamedTuple):
    """Rays through a head, as pictures see them and as the field answers along them."""

    is_opaque: Bool[np.ndarray, " rays"]
    depth: Float[np.ndarray, " rays"]  # That the picture shows.
    depths: Float[np.ndarray, "rays samples"]  # Ascending.
    densities: Float[np.ndarray, "rays samples"]


class NoSurfaceError(ValueError):
    """A head of which no picture shows anything."""


def choose_level(G: Generator, sitter: Sitter, ask: Densities) -> float:
    """The raw density of the surface."""
    sights = [_look(G, sitter, ask, azimuth_rad) for azimuth_rad in np.arange(_NUM_VIEWS) * (2 * math.pi / _NUM_VIEWS)]
    return best_level(Sight(*(np.concatenate(column) for column in zip(*sights, strict=True))))


def best_level(sight: Sight) -> float:
    """The level that agrees best with the pictures."""
    if not sight.is_opaque.any():
        raise NoSurfaceError(
            "No picture of this head shows anything opaque, so it has no surface; is the model trained?"
        )
    peak = sight.densities.max(axis=1)
    seen = peak[np.isfinite(peak)]
    levels = np.unique(np.quantile(seen, (np.arange(_CANDIDATES) + 0.5) / _CANDIDATES))
    hit = peak > levels[:, None]
    overlap = (hit & sight.is_opaque).sum(1) / np.maximum((hit | sight.is_opaque).sum(1), 1)
    good = levels[overlap >= overlap.max() - _AS_GOOD]
    # Between the last level that is as good and the next that is not, all are: give the depths a choice there too.
    choice = np.unique(np.concatenate([good, np.linspace(good[0], good[-1], 32)]))
    return float(min(choice, key=lambda level: _depth_error(sight, level)))


def _depth_error(sight: Sight, level: float) -> float:
    """Median distance between the first hit of opaque rays and the depth that the picture shows."""
    above = sight.densities > level
    first = above.argmax(axis=1)
    ray = np.flatnonzero(sight.is_opaque & above.any(axis=1))
    if len(ray) == 0:
        return math.inf
    after = first[ray]
    before = np.maximum(after - 1, 0)
    d0, d1 = sight.densities[ray, before], sight.densities[ray, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(np.isfinite(d0) & (d1 > d0), (level - d0) / (d1 - d0), 1.0)
    t = sight.depths[ray, before] + share * (sight.depths[ray, after] - sight.depths[ray, before])
    return float(np.median(np.abs(t - sight.depth[ray])))


@torch.no_grad()
def _look(G: Generator, sitter: Sitter, ask: Densities, azimuth_rad: float) -> Sight:
    """One level view, in canonical space: nothing is warped."""
    h_rad = sitter.ws.new_tensor([math.pi / 2 + azimuth_rad])
    v_rad = torch.full_like(h_rad, math.pi / 2)
    camera = camera_on_sphere(h_rad, v_rad, radius=G.config.camera_radius, target=G.config.camera_pivot)
    seen = Rays(*rays(camera, _RAYS))
    scene = Scene(G.field, sitter.planes, IdentityWarp(), {"ws": sitter.ws})
    shown = G.renderer.render(scene, seen, MidCell(), 0.0)
    depths = _depths(*seen, shown.depth, G.field.box_size)[0]
    points = seen.origins[0][:, None] + depths[..., None] * seen.directions[0][:, None]
    densities = ask(points.reshape(-1, 3).double().cpu().numpy()).reshape(depths.shape)
    opaque = (shown.opacity[0] > 0.5).cpu().numpy()
    return Sight(opaque, shown.depth[0].double().cpu().numpy(), depths.double().cpu().numpy(), densities)


def _depths(origins: Tensor, directions: Tensor, shown: Tensor, box_size: float) -> Float[Tensor, "batch rays samples"]:
    """Evenly through the box, and at the depth that is shown: there is something, however thin."""
    near, far, meets = box_limits(origins, directions, box_size)
    near, far = torch.where(meets, near, 0.0), torch.where(meets, far, box_size)
    share = (torch.arange(_SAMPLES - 1, device=near.device) + 0.5) / (_SAMPLES - 1)
    even = near[..., None] + (far - near)[..., None] * share
    return torch.cat([even, shown.clamp(near, far)[..., None]], dim=-1).sort(dim=-1).values
