# SPDX-License-Identifier: Apache-2.0
"""Corrections of cameras, and that a picture tells which way to go."""

import math

import torch

from tests.training.inversion.solid import solid_generator
from tests.training.small import codes, labels
from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, hv_from_angles, label_from_camera, view_angles
from training.inversion.camera_fix import corrected


def label_at(azimuth_deg: float, elevation_deg: float = 0.0) -> torch.Tensor:
    azimuth, elevation = (torch.tensor([math.radians(x)], dtype=torch.float64) for x in (azimuth_deg, elevation_deg))
    return label_from_camera(camera_on_sphere(*hv_from_angles(azimuth, elevation)))


def fixed(
    label: torch.Tensor, turn: tuple[float, ...] = (0, 0, 0), shift: tuple[float, ...] = (0, 0, 0)
) -> torch.Tensor:
    return corrected(label, torch.tensor([turn], dtype=label.dtype), torch.tensor([shift], dtype=label.dtype))


def test_no_correction_changes_nothing() -> None:
    assert torch.allclose(fixed(label_at(30, 10)), label_at(30, 10), atol=1e-14)


def test_a_turn_about_the_down_axis_takes_a_level_camera_around_the_head() -> None:
    turned = fixed(label_at(30), (0, -math.radians(10), 0))
    other_way = fixed(label_at(30), (0, math.radians(10), 0))
    azimuths = sorted(view_angles(camera_from_label(x)).azimuth_rad.rad2deg().item() for x in (turned, other_way))
    assert torch.allclose(torch.tensor(azimuths), torch.tensor([20.0, 40.0]))
    assert any(torch.allclose(x, label_at(40)) for x in (turned, other_way))


def test_a_turn_about_the_right_axis_raises_the_camera_and_one_about_the_forward_axis_rolls_it() -> None:
    raised = view_angles(camera_from_label(fixed(label_at(30), (math.radians(5), 0, 0))))
    assert torch.allclose(raised.elevation_rad.abs().rad2deg(), torch.tensor(5.0, dtype=torch.float64))
    rolled = camera_from_label(fixed(label_at(30), (0, 0, 0.2)))
    assert torch.allclose(view_angles(rolled).roll_rad.abs(), torch.tensor(0.2, dtype=torch.float64))
    assert torch.allclose(rolled.position, camera_from_label(label_at(30)).position)


def test_a_shift_is_along_the_axes_of_the_camera() -> None:
    before, after = (camera_from_label(x) for x in (label_at(30, 10), fixed(label_at(30, 10), shift=(0.1, 0.2, 0.3))))
    moved = after.position - before.position
    assert torch.allclose(moved, 0.1 * before.right + 0.2 * before.down + 0.3 * before.forward)
    assert torch.allclose(after.R_world_cam, before.R_world_cam)


def test_cameras_stay_rigid_and_turn_as_far_as_the_vector_is_long() -> None:
    before, turn = camera_from_label(label_at(70, -20)).R_world_cam, (0.4, -0.3, 0.2)
    relative = camera_from_label(fixed(label_at(70, -20), turn)).R_world_cam @ before.mT
    angle = torch.arccos((relative.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2)
    assert torch.allclose(angle, torch.tensor(turn, dtype=torch.float64).norm())
    rotation = camera_from_label(fixed(label_at(70, -20), (0.4, -0.3, 0.2), (0.1, 0, 0))).R_world_cam
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64)[None], atol=1e-12)


def test_gradients_of_pictures_with_respect_to_the_camera_are_those_of_finite_differences() -> None:
    """Without importance samples, whose places are chosen without gradient."""
    G = solid_generator(num_fine=0).double()
    ws = G.mapping(codes(1).double(), labels(0.0).double()).detach()
    planes = G.planes(ws).detach()
    weights = torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def seen(correction: torch.Tensor) -> torch.Tensor:
        c = corrected(label_at(20, 5), correction[None, :3], correction[None, 3:])
        return (G.synthesis(ws, c, planes=planes)["image"] * weights).mean()

    at = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(seen(at), at)
    step = 1e-6 * torch.eye(6, dtype=torch.float64)
    with torch.no_grad():
        differences = torch.stack([(seen(d) - seen(-d)) / 2e-6 for d in step])
    assert gradient.abs().min() > 0
    assert torch.allclose(gradient, differences, rtol=1e-2, atol=1e-3 * differences.abs().max())
