# SPDX-License-Identifier: Apache-2.0
"""The warp slot: nothing moves, points that a warp does not know, and warps that need all rays at once."""

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY
from training.camera_paths import camera_on_sphere
from training.camera_rays import rays as camera_rays
from training.fields.base import AbstractField, FieldSamples
from training.networks.noise import AbstractNoise
from training.rendering.base import Rays, Scene, Seen
from training.rendering.draws import MidCell
from training.rendering.marching import ImportanceMarcher
from training.types import Codes
from training.warps.base import AbstractWarp, IdentityWarp, Warped


class Fog(AbstractField):
    box_size = 1.0
    num_channels = 3

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        return torch.zeros(1)

    def query(
        self, state: Tensor, points: Float[Tensor, "batch points 3"], seen: Bool[Tensor, "batch points"] | None = None
    ) -> FieldSamples:
        density = torch.full_like(points[..., 0], 20.0)
        return FieldSamples(density if seen is None else torch.where(seen, density, HIDDEN_DENSITY), points)

    def visible(self, points: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"] | None:
        return None


class LeftHalf(AbstractWarp):
    """Knows only points left of the middle. Writes down how many rays it is given at a time."""

    def __init__(self, allows_chunks: bool) -> None:
        super().__init__()
        self.allows_chunks = allows_chunks
        self.asked: list[int] = []

    def forward(self, points: Float[Tensor, "batch rays samples 3"], codes: Codes) -> Warped:
        self.asked.append(points.shape[1])
        assert codes["pose"].shape == (1, 6)
        return Warped(points, points[..., 0] < 0)


@torch.no_grad()
def see(warp: AbstractWarp, memory_budget: int) -> Seen:
    front = torch.full((1,), torch.pi / 2)
    marcher = ImportanceMarcher(
        near=2.25,
        far=3.3,
        num_coarse=8,
        num_fine=8,
        bins="exact",
        spacing="depth",
        empty=0.0,
        memory_budget=memory_budget,
    )
    rays = Rays(*camera_rays(camera_on_sphere(front, front).to(torch.float32), 16))
    return marcher.render(Scene(Fog(), torch.zeros(1), warp, {"pose": torch.zeros(1, 6)}), rays, MidCell(), 0.0)


def test_nothing_moves_in_the_identity() -> None:
    points = torch.randn(2, 5, 4, 3)
    warped = IdentityWarp()(points, {})
    assert warped.points is points
    assert warped.known is None
    assert IdentityWarp.allows_chunks


def test_what_a_warp_does_not_know_is_not_there() -> None:
    opacity = see(LeftHalf(allows_chunks=True), 1 << 30).opacity.view(16, 16)
    assert opacity[:, :7].min() > 0.99
    assert opacity[:, 9:].max() == 0


@pytest.mark.parametrize("allows_chunks", [True, False])
def test_a_warp_that_needs_all_rays_is_given_all_rays(allows_chunks: bool) -> None:
    warp = LeftHalf(allows_chunks)
    parts = see(warp, 1 << 16)
    if allows_chunks:
        assert max(warp.asked) < 256
        assert sum(warp.asked) == 2 * 256
    else:
        assert warp.asked == [256, 256]
    for a, b in zip(parts, see(LeftHalf(allows_chunks), 1 << 30), strict=True):
        assert torch.equal(a, b)
