# SPDX-License-Identifier: Apache-2.0
"""Colour transforms against products of the matrices that define them."""

import math

import pytest
import torch
from torch import Tensor

from tests.training.augment.augmenting import EVERYTHING, augmented, draws_of, only, pictures
from training.augment.colour import draw_colour, recolour

GREY = torch.full((3,), 1 / math.sqrt(3), dtype=torch.float64)
ON_GREY = torch.outer(GREY, GREY)
NAMES = ("brightness", "contrast", "luma_flip", "hue", "saturation")


def matrices(i: int) -> dict[str, tuple[Tensor, Tensor]]:
    """What the transforms do to a colour of image i, in their order: matrix and offset."""
    draws = draws_of(i + 1)
    normal, uniform = (lambda name: draws.normal(name)[i, 0]), (lambda name: draws.uniform(name)[i, 0])
    one, zero = torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    angle = math.pi * (2 * uniform("hue") - 1)
    cross = torch.linalg.cross(GREY.expand(3, 3), one).T  # Columns: the axis of grey times each unit vector.
    return {
        "brightness": (one, zero + 0.2 * normal("brightness")),
        "contrast": (2 ** (0.5 * normal("contrast")) * one, zero),
        "luma_flip": (one - 2 * ON_GREY if uniform("luma_flip") < 0.5 else one, zero),
        "hue": (torch.matrix_exp(angle * cross), zero),
        "saturation": (ON_GREY + 2 ** normal("saturation") * (one - ON_GREY), zero),
    }


def by_matrices(x: Tensor, names: tuple[str, ...]) -> Tensor:
    result = x.clone()
    for i, colours in enumerate(result):
        for name in names:
            matrix, offset = matrices(i)[name]
            colours.copy_(torch.einsum("ij,jhw->ihw", matrix, colours) + offset[:, None, None])
    return result


@pytest.mark.parametrize("names", [*((name,) for name in NAMES), NAMES])
def test_colours_change_as_by_the_product_of_matrices(names):
    given = pictures(8, dtype=torch.float64)
    result = augmented(only(**dict.fromkeys(names, 1)), given)
    for part in ("image", "image_raw"):
        torch.testing.assert_close(result[part], by_matrices(given[part], names), atol=1e-6, rtol=1e-6)
        assert not result[part].equal(given[part])
    assert result["image_mask"].equal(given["image_mask"])


def test_a_picture_of_one_channel_changes_like_grey_in_colour():
    grey = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    colour = draw_colour(draws_of(6), EVERYTHING)
    expected = recolour(grey.expand(-1, 3, -1, -1).contiguous(), colour)[:, :1]
    torch.testing.assert_close(recolour(grey, colour), expected)


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        recolour(torch.zeros(1, 2, 4, 4), draw_colour(draws_of(1), EVERYTHING))


@pytest.mark.parametrize("p", [0.15, 0.7])
def test_colours_change_as_often_as_they_should(p):
    num = 20_000
    draws = draws_of(num, torch.tensor(p))
    for name in NAMES:
        rate = p / 2 if name == "luma_flip" else p
        share = draw_colour(draws, only(**{name: 1})).is_set.double().mean()
        assert share == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / num)), name
    left = draw_colour(draws, only(**dict.fromkeys(NAMES, 1))).is_set.logical_not().double().mean()
    assert left == pytest.approx((1 - p) ** 4 * (1 - p / 2), abs=0.015)  # They fire independently.
