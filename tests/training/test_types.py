# SPDX-License-Identifier: Apache-2.0
"""Values that parts hand to each other are immutable, move whole, and have their shapes checked."""

import dataclasses

import pytest
import torch
from jaxtyping import TypeCheckError

from training.cameras import camera_from_label, label_from_camera, position_from_hv
from training.types import Batch, Camera


def random_camera(*batch: int) -> Camera:
    return camera_from_label(torch.randn(*batch, 25, generator=torch.Generator().manual_seed(0)))


def test_a_camera_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        random_camera().intrinsics = torch.eye(3)


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(1, 3), (1, 2), (slice(None), 2), (..., 1), None, torch.tensor([3, 0]), torch.arange(4) % 2 == 0],
    ids=str,
)
def test_indexing_picks_cameras_as_it_picks_labels(index):
    camera = random_camera(4, 3, 2)
    batch = torch.arange(24).reshape(4, 3, 2)
    expected = label_from_camera(camera).flatten(0, 2)[batch[index]]
    assert torch.equal(label_from_camera(camera[index]), expected)


@pytest.mark.parametrize("index", [0, (0, 0), ([0], 0)], ids=str)
def test_the_matrices_are_never_cut_by_an_index(index):
    with pytest.raises(IndexError):
        random_camera()[index]


def test_a_batch_is_the_stack_of_its_cameras():
    camera = random_camera(4, 3)
    again = Camera.stack([camera[i] for i in range(4)])
    assert torch.equal(label_from_camera(again), label_from_camera(camera))


def test_a_camera_moves_and_converts_whole():
    camera = random_camera(2).to(torch.float64)
    assert camera.T_world_cam.dtype == camera.intrinsics.dtype == torch.float64
    camera = camera.to(device="meta")
    assert camera.T_world_cam.device.type == camera.intrinsics.device.type == "meta"


@pytest.mark.parametrize(
    ("pose", "intrinsics"),
    [((2, 4, 4), (3, 3)), ((2, 4, 4), (3, 3, 3)), ((2, 3, 4), (2, 3, 3)), ((2, 4, 4), (2, 4, 4))],
    ids=str,
)
def test_matrices_that_make_no_camera_are_refused(pose, intrinsics):
    with pytest.raises((AssertionError, TypeError)):
        Camera(torch.zeros(pose), torch.zeros(intrinsics))


def test_the_annotated_shapes_are_checked_while_testing():
    with pytest.raises(TypeCheckError):
        position_from_hv(torch.zeros(1), torch.zeros(3), 1.0)  # Torch alone would broadcast these.


@pytest.mark.parametrize("with_mask", [True, False])
def test_a_batch_moves_whole(with_mask):
    image = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    mask = image[:, :1] if with_mask else None
    batch = Batch(image, mask, {"camera": torch.zeros(2, 25), "pose": torch.zeros(2, 6)}, torch.arange(2))
    moved = batch.to("meta", non_blocking=True)
    assert set(moved.conditions) == {"camera", "pose"}
    tensors = [moved.image, moved.index, *moved.conditions.values(), *([moved.mask] if with_mask else [])]
    assert all(tensor.is_meta for tensor in tensors)
    assert (moved.mask is None) != with_mask
    assert not batch.image.is_meta


def test_a_batch_of_parts_that_do_not_fit_is_refused():
    image = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    for mask, index in ((image, torch.arange(2)), (image[:1, :1], torch.arange(2)), (None, torch.arange(3))):
        with pytest.raises(TypeCheckError):
            Batch(image, mask, {}, index)
