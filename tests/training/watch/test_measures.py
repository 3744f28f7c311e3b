# SPDX-License-Identifier: Apache-2.0
"""What pictures say: of real heads that they are fine, of constructed ones what is wrong with them."""

import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tests.training.watch.heads import head_views
from training.watch.measures import diversity, measure, mirrored_face, relief
from training.watch.views import BACK, FRONT, Views


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_heads_are_solid_different_and_have_one_face() -> None:
    found = measure(head_views())
    assert 0.5 < found["diversity"] < 0.95
    assert 0.08 < found["relief"] < 0.15
    assert 0.3 < found["opacity"] < 0.5
    assert found["contrast"] > 0.3
    assert found["mirrored_face"] < 0.4


def test_heads_with_their_front_on_the_back_are_found() -> None:
    views = head_views()
    for pictures in (views.raw, views.mask):
        pictures[:, BACK] = pictures[:, FRONT].flip(-1)
    assert measure(views)["mirrored_face"] == pytest.approx(1)


def test_diversity_is_the_share_of_the_variance_between_latents() -> None:
    one = noise(1, 3, 8, 8)
    assert diversity(one.expand(5, -1, -1, -1)) == pytest.approx(0, abs=1e-6)
    assert diversity(noise(64, 3, 8, 8)) == pytest.approx(1, abs=0.05)
    assert diversity(torch.cat([noise(1, 3, 64, 64), noise(1, 3, 64, 64, seed=1)])) == pytest.approx(0.5, abs=0.02)
    assert diversity(0.01 * noise(5, 3, 8, 8)) is None


def test_relief_is_in_picture_widths_and_only_of_the_foreground() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    depth = torch.where(mask > 0, 2.7 + 0.1 * noise(1, 1, 32, 32).sign(), 1e6)
    assert relief(depth, mask, extent=0.5) == pytest.approx(0.2, rel=0.02)
    assert relief(torch.full_like(depth, 2.7), mask, extent=0.5) < 1e-5
    assert relief(depth, torch.zeros_like(mask), extent=0.5) is None


def test_unrelated_backs_are_not_mirrored_faces_and_plain_ones_say_nothing() -> None:
    mask = torch.ones(4, 1, 32, 32)
    front, back = noise(4, 3, 32, 32), noise(4, 3, 32, 32, seed=1)
    assert mirrored_face(front, back, mask, mask) == pytest.approx(0, abs=0.05)
    assert mirrored_face(front, front.flip(-1), mask, mask) == pytest.approx(1)
    assert mirrored_face(front, front, mask, mask) < 0.1  # Not mirrored.
    assert mirrored_face(0.01 * front, 0.01 * front.flip(-1), mask, mask) is None
    assert mirrored_face(front, front.flip(-1), mask, 0 * mask) is None


def test_pictures_that_are_no_numbers_give_no_numbers() -> None:
    def broken(*shape: int) -> Float[Tensor, "..."]:
        return torch.full(shape, math.nan)

    views = Views(broken(2, 8, 3, 8, 8), broken(2, 8, 3, 4, 4), broken(2, 8, 1, 4, 4), broken(2, 8, 1, 4, 4), 0.6)
    assert measure(views) == {}
