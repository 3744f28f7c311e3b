# SPDX-License-Identifier: Apache-2.0
"""The truth against itself, and against itself with known mistakes."""

import math

import pytest
import torch

from metrics.geometry.truth import camera_errors, errors, mask_iou, recovered_share
from training.camera_rays import rays
from training.cameras import camera_from_label, look_at, translate
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.types import Camera, Rendering


@pytest.fixture(scope="module")
def truth() -> tuple[Camera, torch.Tensor, torch.Tensor]:
    make = MakeHead(SyntheticSettings(resolution=64))
    items = [make(i) for i in range(3)]
    camera = camera_from_label(torch.stack([torch.from_numpy(item.truth["camera"]) for item in items]))
    depth = torch.stack([torch.from_numpy(item.truth["depth"]) for item in items])[:, None]
    mask = torch.stack([torch.from_numpy(item.mask) for item in items])[:, None] / 255
    return camera, mask, depth


def rendering(camera: Camera, mask: torch.Tensor, depth: torch.Tensor) -> Rendering:
    """What a generator without a mistake would give."""
    _, directions = rays(camera, mask.shape[-1])
    cosine = (directions * camera.forward[:, None]).sum(-1).view_as(depth)
    return Rendering(image_mask=mask, image_depth=torch.where(depth.isfinite(), depth, 3.0) / cosine)


def test_the_truth_has_no_errors(truth: tuple[Camera, torch.Tensor, torch.Tensor]) -> None:
    found = errors(rendering(*truth), *truth)
    assert found.mask_iou.tolist() == [1.0] * 3
    for values in (found.depth, found.relief):
        assert values.max() < 1e-5
    assert found.normal_deg.max() < 0.1


def test_a_shape_that_stands_elsewhere_is_right_in_relief_and_normals(
    truth: tuple[Camera, torch.Tensor, torch.Tensor],
) -> None:
    camera, mask, depth = truth
    found = errors(rendering(camera, mask, depth + 0.05), *truth)
    assert found.depth.tolist() == pytest.approx([0.05] * 3, abs=1e-4)
    assert found.relief.max() < 1e-4
    assert found.normal_deg.max() < 2


def test_a_card_has_the_mask_but_neither_relief_nor_normals(truth: tuple[Camera, torch.Tensor, torch.Tensor]) -> None:
    camera, mask, depth = truth
    card = torch.where(depth.isfinite(), 2.6, torch.inf)
    found = errors(rendering(camera, mask, card), *truth)
    assert found.mask_iou.min() == 1
    assert found.relief.min() > 0.02
    assert found.normal_deg.min() > 15


def test_an_empty_reconstruction_has_no_depth(truth: tuple[Camera, torch.Tensor, torch.Tensor]) -> None:
    camera, mask, depth = truth
    found = errors(rendering(camera, torch.zeros_like(mask), depth), *truth)
    assert found.mask_iou.tolist() == [0.0] * 3
    assert found.depth.isnan().all()


def test_masks_overlap_by_what_they_share() -> None:
    a, b = torch.zeros(2, 2, 1, 4, 4)
    a[0, 0, :2], b[0, 0, 1:3] = 1.0, 1.0
    assert mask_iou(a, b).tolist() == pytest.approx([1 / 3, 1.0])


def test_cameras_differ_by_place_and_direction(truth: tuple[Camera, torch.Tensor, torch.Tensor]) -> None:
    camera = truth[0]
    moved = translate(camera, torch.tensor([0.0, 0.03, 0.04]).expand(3, -1))
    found = camera_errors(moved, camera)
    assert found.position.tolist() == pytest.approx([0.05] * 3, abs=1e-5)
    assert found.direction_deg.max() < 1e-3
    looks = Camera(look_at(camera.position, torch.tensor([0.0, 0.1, 0.0]).expand(3, -1)), camera.intrinsics)
    angle = camera_errors(looks, camera).direction_deg
    assert ((angle > 1) & (angle < math.degrees(0.1 / 2.5))).all()


def test_a_drift_is_recovered_wholly_in_part_or_not() -> None:
    drift = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.05
    assert recovered_share(drift, drift) == 1
    assert recovered_share(0.5 * drift, drift) == pytest.approx(0.75)
    assert recovered_share(0 * drift, drift) == 0
    assert recovered_share(-drift, drift) == pytest.approx(-3)
