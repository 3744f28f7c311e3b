# SPDX-License-Identifier: Apache-2.0
"""Two passes along every ray: evenly spread samples, then as many again where the first pass saw something.

`bins` says which strata and which importance density are meant:
  exact      S strata of (far - near) / S fill the range; every weight stands for its own interval.
  published  strata of (far - near) / (S - 1), the last one beyond `far`; weights stand half a step too near.
             The published models were trained with it.
"""

import operator
from functools import reduce
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from torch_utils.ops.composite import composite, composite_passes
from torch_utils.ops.importance_depths import importance_depths
from training.fields.base import FieldSamples
from training.rendering.base import AbstractRenderer, Rays, Scene, Seen
from training.rendering.draws import AbstractDraws
from training.rendering.limits import box_limits
from training.warps.base import IdentityWarp

Bins = Literal["exact", "published"]
Spacing = Literal["depth", "disparity"]


@final
class ImportanceMarcher(AbstractRenderer):
    """Stratified and importance samples, composited together."""

    def __init__(
        self,
        *,
        near: float | None,  # None: where a ray enters and leaves the box of the field.
        far: float | None,
        num_coarse: int,
        num_fine: int,
        bins: Bins,
        spacing: Spacing,
        empty: float,
        memory_budget: int,  # Bytes that the samples of one chunk of rays may take, about, while no gradient is kept.
    ) -> None:
        if (near is None) != (far is None):
            raise ValueError("Give both near and far, or neither: then both follow from the box of the field.")
        if near is not None and not 0 <= near < far:
            raise ValueError(f"Rays start at near and end at far, but near = {near} and far = {far}.")
        if near == 0 and spacing == "disparity":
            raise ValueError("Samples evenly spread in disparity need near > 0.")
        self.near = near
        self.far = far
        self.num_coarse = num_coarse
        self.num_fine = num_fine
        self.bins: Bins = bins
        self.spacing: Spacing = spacing
        self.empty = empty
        self.memory_budget = memory_budget

    def render(self, scene: Scene, rays: Rays, draws: AbstractDraws, density_noise: float = 0.0) -> Seen:
        if self.near is None and not isinstance(scene.warp, IdentityWarp):
            raise ValueError(
                "The box of a field says where rays begin and end only if nothing moves: give near and far "
                f"for a {type(scene.warp).__name__}."
            )
        num_rays = rays.origins.shape[1]
        chunk = num_rays
        if scene.warp.allows_chunks and not torch.is_grad_enabled():
            chunk = min(self._rays_in_budget(scene, len(rays.origins)), num_rays)
        parts = []
        for start in range(0, num_rays, chunk):
            stop = min(start + chunk, num_rays)
            part = Rays(*(x[:, start:stop] for x in rays))
            parts.append(self._render(scene, part, draws, density_noise, start))
        return parts[0] if len(parts) == 1 else Seen(*(torch.cat(x, dim=1) for x in zip(*parts, strict=True)))

    def _rays_in_budget(self, scene: Scene, batch: int) -> int:
        # A sample is held as point, as features of the planes and of the decoder, and of its hidden layer meanwhile.
        bytes_per_sample = 4 * (3 + 4 * scene.field.num_channels)
        return max(self.memory_budget // (batch * (self.num_coarse + self.num_fine) * bytes_per_sample), 1)

    def _render(self, scene: Scene, rays: Rays, draws: AbstractDraws, density_noise: float, start: int) -> Seen:
        stop = start + rays.origins.shape[1]
        near, far, meets = self._limits(scene, rays)

        def look(depths: Tensor, what: str) -> FieldSamples:
            samples = _look(scene, rays, depths, meets)
            if density_noise == 0:
                return samples
            noise = draws.normal(f"density/{what}", start, stop, depths.shape[-1], depths)
            return FieldSamples(samples.density + density_noise * noise, samples.features)

        depths = self._strata(near, far, draws.strata(start, stop, self.num_coarse, rays.origins))
        samples = look(depths, "coarse")
        if self.num_fine:
            with torch.no_grad():
                _, _, weights = composite(samples.features.detach()[..., :1], samples.density.detach(), depths)
                u = draws.importance(start, stop, self.num_fine, depths)
                pairing = "shifted" if self.bins == "published" else "exact"
                fine_depths = importance_depths(depths, weights, u, pairing)
            fine = look(fine_depths, "fine")
            features, depth, weights = composite_passes(
                samples.features, samples.density, depths, fine.features, fine.density, fine_depths
            )
        else:
            features, depth, weights = composite(samples.features, samples.density, depths)
        opacity = weights.sum(-1)
        if self.empty != 0:
            features = features + self.empty * (1 - opacity[..., None])
        return Seen(features, depth, opacity)

    def _limits(self, scene: Scene, rays: Rays) -> tuple[Tensor, Tensor, Tensor | None]:
        if self.near is not None:
            near, far = (torch.full_like(rays.origins[..., 0], limit) for limit in (self.near, self.far))
            return near, far, None
        near, far, meets = box_limits(rays.origins, rays.directions, scene.field.box_size)
        # A ray that misses gets some range; what is there is hidden.
        return torch.where(meets, near, 0.0), torch.where(meets, far, scene.field.box_size), meets

    def _strata(self, near: Tensor, far: Tensor, u: Tensor) -> Float[Tensor, "batch rays samples"]:
        count = self.num_coarse
        cells = count if self.bins == "exact" else count - 1
        step = torch.arange(count, dtype=near.dtype, device=near.device)
        share = ((step + u) / cells).expand(*near.shape, count)
        near, far = near[..., None], far[..., None]
        if self.spacing == "disparity":
            return 1 / (1 / near * (1 - share) + 1 / far * share)
        return near + (far - near) * share


def _look(
    scene: Scene, rays: Rays, depths: Float[Tensor, "batch rays samples"], meets: Bool[Tensor, "batch rays"] | None
) -> FieldSamples:
    """What the field says at these depths of the rays, of which some may miss its box."""
    points = rays.origins[:, :, None] + depths[..., None] * rays.directions[:, :, None]
    warped = scene.warp(points, scene.codes)
    seen = _all(warped.known, scene.field.visible(warped.points), None if meets is None else meets[..., None])
    if seen is not None:
        seen = seen.expand_as(depths).flatten(1, 2)
    density, features = scene.field.query(scene.state, warped.points.flatten(1, 2), seen)
    return FieldSamples(density.view_as(depths), features.unflatten(1, depths.shape[1:]))


def _all(*masks: Tensor | None) -> Tensor | None:
    """What all masks show; None is everything."""
    given = [mask for mask in masks if mask is not None]
    return reduce(operator.and_, given) if given else None
