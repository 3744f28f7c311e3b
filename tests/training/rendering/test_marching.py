# SPDX-License-Identifier: Apache-2.0
"""Marching through scenes whose answer is known."""

import math

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY
from training.camera_paths import camera_on_sphere
from training.camera_rays import rays as camera_rays
from training.cameras import hv_from_angles
from training.fields.base import AbstractField, FieldSamples
from training.networks.noise import AbstractNoise, NoNoise
from training.rendering.base import Rays, Scene, Seen
from training.rendering.draws import Drawn, MidCell
from training.rendering.marching import ImportanceMarcher
from training.types import Camera, Codes
from training.warps.base import AbstractWarp, IdentityWarp, Warped


class AnalyticField(AbstractField):
    """A function of points. Features are the points themselves, or a constant."""

    box_size = 1.0
    num_channels = 3

    def __init__(self, density, constant: float | None = None, visible=None) -> None:
        super().__init__()
        self.density, self.constant, self.shown = density, constant, visible

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        return torch.zeros(1)

    def query(
        self, state: Tensor, points: Float[Tensor, "batch points 3"], seen: Bool[Tensor, "batch points"] | None = None
    ) -> FieldSamples:
        features = points if self.constant is None else torch.full_like(points, self.constant)
        density = self.density(points)
        if seen is not None:
            density, features = torch.where(seen, density, HIDDEN_DENSITY), torch.where(seen[..., None], features, 0.0)
        return FieldSamples(density, features)

    def visible(self, points: Float[Tensor, "*batch 3"]) -> Bool[Tensor, "*batch"] | None:
        return None if self.shown is None else self.shown(points)


class RigidWarp(AbstractWarp):
    """The scene, moved and turned: canonical points are the observed ones, moved back."""

    allows_chunks = True

    def __init__(self, T_world_canonical: Tensor) -> None:
        super().__init__()
        self.T = T_world_canonical

    def forward(self, points: Float[Tensor, "batch rays samples 3"], codes: Codes) -> Warped:
        return Warped((points - self.T[:3, 3]) @ self.T[:3, :3])


def ball(radius: float):
    return lambda points: torch.where(points.norm(dim=-1) < radius, 1e4, -1e4)


def soft_ball(points: Tensor) -> Tensor:
    return 60 * (0.3 - points.norm(dim=-1))


def everywhere(points: Tensor) -> Tensor:
    return torch.full_like(points[..., 0], 200.0)


def marcher(**changes) -> ImportanceMarcher:
    settings = {
        "near": 2.25,
        "far": 3.3,
        "num_coarse": 24,
        "num_fine": 24,
        "bins": "exact",
        "spacing": "depth",
        "empty": 0.0,
        "memory_budget": 1 << 30,
    }
    return ImportanceMarcher(**(settings | changes))


def cameras(*azimuth_rad: float) -> Camera:
    azimuth = torch.tensor(azimuth_rad)
    return camera_on_sphere(*hv_from_angles(azimuth, torch.zeros_like(azimuth))).to(torch.float32)


def see(field: AbstractField, camera: Camera, size: int = 24, warp=None, draws=None, noise=0.0, **changes) -> Seen:
    rays = Rays(*camera_rays(camera, size))
    scene = Scene(field, field.prepare({}, NoNoise()), warp or IdentityWarp(), {})
    return marcher(**changes).render(scene, rays, draws or MidCell(), noise)


def ball_truth(camera: Camera, size: int, radius: float) -> tuple[Tensor, Tensor]:
    """Depth of the nearer crossing, and which rays hit."""
    origins, directions = camera_rays(camera, size)
    towards = -(origins * directions).sum(-1)
    miss2 = origins.square().sum(-1) - towards.square()
    return towards - (radius**2 - miss2).clamp(min=0).sqrt(), miss2 < radius**2


@pytest.mark.parametrize("bins", ["exact", "published"])
@pytest.mark.parametrize("spacing", ["depth", "disparity"])
def test_an_opaque_ball_has_its_depth_and_its_outline(bins: str, spacing: str) -> None:
    camera = cameras(0.3, 2.0)
    seen = see(AnalyticField(ball(0.25)), camera, 48, bins=bins, spacing=spacing, num_coarse=48, num_fine=48)
    depth, hits = ball_truth(camera, 48, 0.25)
    step = 1.5 * (3.3 - 2.25) / 48
    surely_hit, surely_miss = ball_truth(camera, 48, 0.245)[1], ~ball_truth(camera, 48, 0.255)[1]
    thick = ball_truth(camera, 48, 0.24)[1]  # Rays that graze the ball may pass between two samples.
    assert (seen.opacity[thick] > 0.999).all()
    assert (seen.opacity[surely_miss] == 0).all()
    assert ((seen.depth - depth)[thick].abs() < step).all()
    assert surely_hit.sum() > 200
    assert hits.sum() < hits.numel() / 2


def test_a_constant_field_gives_a_constant_picture() -> None:
    seen = see(AnalyticField(everywhere, constant=0.7), cameras(0.0, 1.0))
    assert torch.allclose(seen.features, torch.tensor(0.7), atol=1e-6)
    assert torch.allclose(seen.opacity, torch.ones(()), atol=1e-6)


def test_rays_that_meet_nothing_see_the_empty_value() -> None:
    for empty in (0.0, -1.0, 1.0):
        seen = see(AnalyticField(ball(-1.0), constant=0.3), cameras(0.0), empty=empty)
        assert torch.equal(seen.features, torch.full_like(seen.features, empty))


def test_what_is_not_visible_is_not_seen() -> None:
    field = AnalyticField(ball(0.25), visible=lambda points: points[..., 0] < 0)
    seen = see(field, cameras(0.0), 24)
    left, right = seen.opacity.view(24, 24)[:, :11], seen.opacity.view(24, 24)[:, 13:]
    assert left.max() > 0.99
    assert right.max() == 0


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_what_is_hidden_is_seen_by_nobody(share: float) -> None:
    def visible(points: Tensor) -> Tensor:
        return points[..., 0].abs() < share / 2

    told = see(AnalyticField(soft_ball, visible=visible), cameras(0.4))
    empty = see(AnalyticField(lambda points: torch.where(visible(points), soft_ball(points), -1000.0)), cameras(0.4))
    assert torch.equal(told.opacity, empty.opacity)
    assert torch.allclose(told.features, empty.features, atol=1e-6)
    assert (told.opacity.max() > 0.5) == (share > 0)


@pytest.mark.parametrize("draws", [MidCell(), Drawn(0, "test", torch.tensor([4, 9]))])
def test_chunks_change_nothing(draws) -> None:
    field, camera = AnalyticField(soft_ball), cameras(0.2, 3.0)
    with torch.no_grad():
        whole, parts = (
            see(field, camera, draws=draws, noise=0.0 if isinstance(draws, MidCell) else 0.1, memory_budget=budget)
            for budget in (1 << 30, 1 << 17)
        )
    for a, b in zip(whole, parts, strict=True):
        assert torch.equal(a, b)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    field, camera = AnalyticField(soft_ball), cameras(0.2, 3.0)
    both = see(field, camera, draws=Drawn(0, "test", torch.tensor([4, 9])), noise=0.1)
    second = see(field, camera[1:], draws=Drawn(0, "test", torch.tensor([9])), noise=0.1)
    for a, b in zip(both, second, strict=True):
        assert torch.allclose(a[1:], b, atol=1e-6)


def test_a_rigid_warp_is_a_moved_camera() -> None:
    turn, shift = 0.4, torch.tensor([0.05, -0.02, 0.03])
    T = torch.eye(4)
    T[0, 0] = T[2, 2] = math.cos(turn)
    T[0, 2], T[2, 0] = math.sin(turn), -math.sin(turn)
    T[:3, 3] = shift
    camera = cameras(0.7)
    moved = Camera(torch.linalg.inv(T) @ camera.T_world_cam, camera.intrinsics)
    field = AnalyticField(lambda points: 60 * (0.25 - (points * torch.tensor([1.0, 1.5, 0.8])).norm(dim=-1)), 0.5)
    warped, seen = see(field, camera, warp=RigidWarp(T)), see(field, moved)
    for a, b in zip(warped, seen, strict=True):
        assert torch.allclose(a, b, atol=2e-4)
    assert seen.opacity.std() > 0.25


def test_limits_from_the_box_see_what_wide_limits_see() -> None:
    field, camera = AnalyticField(soft_ball), cameras(0.5, 2.5)
    auto = see(field, camera, near=None, far=None, num_coarse=128, num_fine=0)
    wide = see(field, camera, near=1.7, far=3.7, num_coarse=256, num_fine=0)
    assert torch.allclose(auto.opacity, wide.opacity, atol=0.02)
    seen = wide.opacity > 0.5
    assert torch.allclose(auto.depth[seen], wide.depth[seen], atol=0.01)


def test_rays_past_the_box_see_nothing_with_limits_from_it() -> None:
    far_right = cameras(0.0)
    far_right.T_world_cam[..., 0, 3] += 5.0
    seen = see(AnalyticField(everywhere), far_right, near=None, far=None)
    assert seen.opacity.max() == 0
    assert torch.isfinite(seen.depth).all()


def test_random_samples_see_the_same_on_average() -> None:
    field, camera = AnalyticField(soft_ball), cameras(0.2)
    fixed = see(field, camera, num_coarse=96, num_fine=0).opacity
    drawn = torch.stack([see(field, camera, draws=Drawn(0, "x", torch.tensor([i]))).opacity for i in range(16)])
    assert (drawn.mean(0) - fixed).abs().mean() < 0.01
    assert drawn.std(0).max() > 1e-3


def test_density_noise_needs_random_draws() -> None:
    with pytest.raises(ValueError, match="density_noise"):
        see(AnalyticField(soft_ball), cameras(0.2), noise=0.5)


@pytest.mark.parametrize(("near", "far"), [(3.0, 2.0), (2.0, 2.0), (-1.0, 2.0), (2.0, None), (None, 2.0)])
def test_limits_that_are_none_are_refused(near: float | None, far: float | None) -> None:
    with pytest.raises(ValueError, match="near"):
        marcher(near=near, far=far)
