# SPDX-License-Identifier: Apache-2.0
"""Noise and holes: how much, where, and the same in image and raw picture."""

import math

import pytest
import torch

from tests.training.augment.augmenting import augmented, draws_of, grid, only, pictures
from training.networks.superresolution import resize


def test_noise_has_a_deviation_of_its_own_in_every_image():
    given = pictures(300, size=32)
    noise = augmented(only(noise=1), given)["image"] - given["image"]
    expected = 0.1 * draws_of(300).normal("noise")[:, 0].abs()
    torch.testing.assert_close(noise.flatten(1).std(dim=1).double(), expected, rtol=0.1, atol=1e-5)
    assert noise.mean().abs() < 1e-3
    assert noise.square().mean().sqrt() == pytest.approx(0.1, rel=0.12)


def test_noise_of_the_raw_picture_is_that_of_the_image_made_smaller():
    given = pictures(4, dtype=torch.float64)
    result = augmented(only(noise=1), given)
    noise, raw_noise = (result[name] - given[name] for name in ("image", "image_raw"))
    torch.testing.assert_close(raw_noise, resize(noise, 16))
    assert result["image_mask"].equal(given["image_mask"])


def test_a_hole_is_a_grey_square_of_half_the_size():
    given = {name: torch.ones_like(x) for name, x in pictures(40).items()}
    result = augmented(only(cutout=1), given)
    centres = (2 * draws_of(40).uniform("cutout") - 1).tolist()
    for part in ("image", "image_raw"):
        x, y = grid(given[part].shape[-1])
        for after, (centre_x, centre_y) in zip(result[part], centres, strict=True):
            inside = torch.maximum((x - centre_x).abs(), (y - centre_y).abs()) < 0.5
            assert after.equal((~inside).float().expand_as(after))
    assert result["image_mask"].equal(given["image_mask"])
    # A centre anywhere leaves (1 - 1/8)^2 of the square's quarter in the picture.
    assert (result["image"] == 0).float().mean() == pytest.approx(0.25 * (7 / 8) ** 2, rel=0.1)


@pytest.mark.parametrize("p", [0.2, 0.8])
def test_corruption_happens_as_often_as_it_should(p):
    num = 3000
    given = {"image": torch.ones(num, 1, 8, 8)}
    for name in ("noise", "cutout"):
        changed = (augmented(only(**{name: 1}), given, torch.tensor(p))["image"] != 1).flatten(1).any(dim=1)
        assert changed.float().mean() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / num)), name
