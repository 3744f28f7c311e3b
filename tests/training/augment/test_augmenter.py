# SPDX-License-Identifier: Apache-2.0
"""The whole: nothing at p = 0, aligned pictures, mirrored cameras, any split, gradients of gradients, no waiting."""

import importlib

import pytest
import torch
from torch.nn import functional as F

from tests.training.augment.augmenting import (
    ALWAYS,
    EVERYTHING,
    augmented,
    augmenter,
    cameras,
    draws_of,
    only,
    pictures,
    smooth,
)
from training.augment.augmenter import Augmenter
from training.augment.config import AugmentConfig, TransformsConfig
from training.augment.geometry import draw_motion
from training.augment.probability import Probability
from training.cameras import camera_from_label, label_from_camera, mirror

NEVER = torch.tensor(0.0)
MOTIONS = only(**dict.fromkeys(["x_flip", "quarter_turn", "pixel_shift", "scale", "rotation", "stretch", "shift"], 1))
PARTS = ("augmenter", "bands", "colour", "corruption", "warp")


@pytest.fixture
def without_looking(monkeypatch):
    """Every part works as on a device where it cannot know that nothing fires."""
    for part in PARTS:
        monkeypatch.setattr(importlib.import_module(f"training.augment.{part}"), "may_hold_any", lambda flags: True)


def same_bits(a, b):
    return all(a[name].equal(b[name]) for name in a) and a.keys() == b.keys()


def test_p_0_passes_the_very_tensors():
    given, label = pictures(4), cameras(4)
    result, conditions = augmenter(EVERYTHING)(given, {"camera": label}, p=NEVER, index=torch.arange(4), purpose="test")
    assert all(result[name] is given[name] for name in given)
    assert conditions["camera"].equal(label)


@pytest.mark.usefixtures("without_looking")
def test_p_0_is_the_identity_bit_by_bit_where_the_device_is_not_asked():
    given = pictures(4)
    assert same_bits(augmented(EVERYTHING, given, NEVER), given)


@pytest.mark.parametrize("p", [0.05, 0.5])
def test_looking_saves_time_and_changes_no_bit(p, request):
    looked = augmented(EVERYTHING, pictures(6), torch.tensor(p))
    request.getfixturevalue("without_looking")
    assert same_bits(looked, augmented(EVERYTHING, pictures(6), torch.tensor(p)))


def test_mode_none_passes_what_the_critic_sees_and_nothing_else():
    given = pictures(2) | {"image_depth": torch.zeros(2, 1, 16, 16)}
    off = Augmenter(AugmentConfig(), seed=0, device="cpu")
    result, conditions = off(given, {"pose": torch.ones(2, 6)}, p=ALWAYS, index=torch.arange(2), purpose="test")
    assert result.keys() == {"image", "image_raw", "image_mask"}
    assert all(result[name] is given[name] for name in result)
    assert conditions["pose"].equal(torch.ones(2, 6))


def test_a_mask_that_is_a_function_of_the_picture_stays_so():
    given = pictures(16, size=32, raw_size=32)
    given["image_raw"] = given["image"]
    given["image_mask"] = given["image"].mean(dim=1, keepdim=True) * 0.5 + 0.5
    result = augmented(MOTIONS, given)
    assert result["image_raw"].equal(result["image"])
    expected = result["image"].mean(dim=1, keepdim=True) * 0.5 + 0.5
    torch.testing.assert_close(result["image_mask"], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("size", [64, 48])
def test_image_raw_and_mask_stay_aligned_at_two_resolutions(size):
    image = smooth(24, size, waves=1.5).float()
    raw = F.avg_pool2d(image, 2)
    given = {"image": image, "image_raw": raw, "image_mask": raw[:, :1] * 0.5 + 0.5}
    result = augmented(MOTIONS, given)
    smaller = F.avg_pool2d(result["image"], 2)
    misplaced = (smaller - smaller.roll(1, 3))[..., 1:].abs().mean()  # By one pixel of the raw picture.
    assert (smaller - result["image_raw"]).abs().mean() < 0.04 * misplaced
    assert (smaller[:, :1] * 0.5 + 0.5 - result["image_mask"]).abs().mean() < 0.02 * misplaced
    assert (smaller - result["image_raw"]).abs().max() < misplaced


def test_half_a_pixel_of_the_raw_picture_is_not_lost():
    # An odd shift of the image is no shift by whole pixels of the raw picture, which is then interpolated.
    image = smooth(24, 64, waves=1.5).float()
    given = {"image": image, "image_raw": F.avg_pool2d(image, 2)}
    result = augmented(only(pixel_shift=1), given)
    is_odd = (draw_motion(draws_of(24), only(pixel_shift=1), 64).shift_px % 2 != 0).any(dim=1)
    smaller = F.avg_pool2d(result["image"], 2)
    error = (smaller - result["image_raw"])[is_odd, :, 6:-6, 6:-6].abs().max()
    assert is_odd.sum() > 10
    assert error < 0.1 * (smaller - smaller.roll(1, 3))[..., 6:-6, 6:-6].abs().mean()


def test_a_mirrored_picture_has_a_mirrored_camera_and_no_other_transform_touches_it():
    label = cameras(40)
    _, conditions = augmenter(EVERYTHING)(
        pictures(40), {"camera": label}, p=ALWAYS, index=torch.arange(40), purpose="test"
    )
    flipped = draw_motion(draws_of(40), EVERYTHING, 32).is_mirrored
    mirrored = label_from_camera(mirror(camera_from_label(label)))
    assert 5 < flipped.sum() < 35
    assert conditions["camera"].equal(torch.where(flipped[:, None], mirrored, label))


def test_a_camera_that_is_off_centre_is_mirrored_like_others():
    label = cameras(30)
    label[:, 17:19] = torch.tensor([0.1, 0.37])  # Skew and principal point.
    _, conditions = augmenter(only(x_flip=1))(
        pictures(30), {"camera": label}, p=ALWAYS, index=torch.arange(30), purpose="test"
    )
    mirrored = label_from_camera(mirror(camera_from_label(label)))
    is_either = torch.stack([(conditions["camera"] == other).all(dim=1) for other in (label, mirrored)])
    assert is_either.any(dim=0).all()
    assert is_either.any(dim=1).all()


def test_a_condition_nobody_can_mirror_is_refused_and_passes_without_mirroring():
    arguments = {"p": ALWAYS, "index": torch.arange(2), "purpose": "test"}
    pose = {"pose": torch.ones(2, 6)}
    with pytest.raises(ValueError, match=r"'pose'.*x_flip=0"):
        augmenter(EVERYTHING)(pictures(2), pose, **arguments)
    _, conditions = augmenter(only(scale=1))(pictures(2), pose, **arguments)
    assert conditions["pose"] is pose["pose"]


@pytest.mark.parametrize("split", [1, 2, 4])
def test_the_split_of_a_batch_changes_no_bit(split):
    given = pictures(8)
    whole = augmented(EVERYTHING, given, torch.tensor(0.6))
    parts = [
        augmented(EVERYTHING, {k: x[i : i + split] for k, x in given.items()}, torch.tensor(0.6), start=i)
        for i in range(0, 8, split)
    ]
    assert same_bits(whole, {name: torch.cat([part[name] for part in parts]) for name in whole})


def test_purposes_seeds_and_images_have_numbers_of_their_own():
    given = {"image": torch.rand(1, 3, 16, 16)}

    def result(seed, purpose, index):
        made = Augmenter(AugmentConfig(mode="fixed"), seed=seed, device="cpu")
        return made(given, {}, p=ALWAYS, index=torch.tensor([index]), purpose=purpose)[0]["image"]

    first = result(0, "real", 5)
    assert first.equal(result(0, "real", 5))
    others = [result(1, "real", 5), result(0, "fake", 5), result(0, "real", 6), result(0, "real", 5 + 2**32)]
    assert not any(first.equal(other) for other in others)


def test_switching_one_transform_off_leaves_the_numbers_of_the_others():
    given = pictures(6)
    colour, more = only(brightness=1), only(brightness=1, pixel_shift=1)
    undone = augmented(colour, augmented(only(pixel_shift=1), given))
    assert undone["image"].equal(augmented(more, given)["image"])


@pytest.mark.parametrize("transforms", [EVERYTHING, TransformsConfig()])
def test_the_gradient_of_a_gradient_penalty_is_that_of_finite_differences(transforms):
    given = pictures(3, size=16, raw_size=8, dtype=torch.float64)
    made = torch.Generator().manual_seed(2)
    weights = {name: torch.randn(x.shape, generator=made, dtype=torch.float64) for name, x in given.items()}
    towards = {name: torch.randn(x.shape, generator=made, dtype=torch.float64) for name, x in given.items()}

    def penalty(step):
        moved = {name: (x + step * towards[name]).requires_grad_() for name, x in given.items()}
        result = augmented(transforms, moved, torch.tensor(0.8))
        score = sum((weights[name] * x.sin()).sum() for name, x in result.items())
        gradients = torch.autograd.grad(score, list(moved.values()), create_graph=True)
        return sum(g.square().sum() for g in gradients), moved

    value, moved = penalty(0.0)
    gradients = torch.autograd.grad(value, list(moved.values()))
    slope = sum((g * t).sum() for g, t in zip(gradients, towards.values(), strict=True))
    step = 1e-6
    measured = (penalty(step)[0] - penalty(-step)[0]) / (2 * step)
    torch.testing.assert_close(slope, measured, rtol=1e-6, atol=1e-6)
    assert slope.abs() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_pictures_keep_their_type_and_layout(dtype):
    given = {name: x.to(dtype).contiguous(memory_format=torch.channels_last) for name, x in pictures(4).items()}
    result = augmented(EVERYTHING, given)
    for name, x in result.items():
        assert x.dtype == dtype
        assert x.shape == given[name].shape
    assert result["image"].is_contiguous(memory_format=torch.channels_last)
    plain = augmented(EVERYTHING, {name: x.contiguous() for name, x in given.items()})
    assert plain["image"].is_contiguous()
    tolerance = {"atol": 0.1, "rtol": 0.05} if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
    for name, x in result.items():
        torch.testing.assert_close(x, plain[name], **tolerance)


def test_nothing_is_read_from_the_device():
    # A tensor without data cannot be read: whoever asks for a value gets an error.
    device = "meta"
    config = AugmentConfig(mode="adaptive", transforms=EVERYTHING)
    followed = Probability(config, device)
    given = {name: x.to(device) for name, x in pictures(4).items()}
    index = torch.arange(4, device=device)
    result, conditions = Augmenter(config, seed=0, device=device)(
        given, {"camera": cameras(4).to(device)}, p=followed.p, index=index, purpose="test"
    )
    followed.observe(result["image"].mean(dim=(1, 2, 3)))
    followed.adjust_()
    assert {name: x.shape for name, x in result.items()} == {name: x.shape for name, x in given.items()}
    assert conditions["camera"].shape == (4, 25)


def test_pictures_smaller_than_the_filters_are_no_problem():
    result = augmented(EVERYTHING, pictures(3, size=8, raw_size=4))
    assert all(x.isfinite().all() for x in result.values())
