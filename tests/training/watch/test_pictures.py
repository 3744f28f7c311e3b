# SPDX-License-Identifier: Apache-2.0
"""Sheets show what was rendered, and real pictures from all around."""

import math

import numpy as np
import pytest
import torch

from tests.training.small import labels as labels_at
from training.pixels import shades
from training.watch.pictures import around, near_is_bright, sheets
from training.watch.views import AZIMUTHS_DEG, Views


def test_a_sheet_has_a_row_per_latent_and_a_column_per_azimuth() -> None:
    image = torch.zeros(3, 8, 3, 64, 64)
    image[1, 2] = 1.0
    small = torch.zeros(3, 8, 1, 16, 16)
    made = sheets(Views(image, image[..., :16, :16], small + 2.7, small, 0.6))
    assert set(made) == {"image", "raw", "depth", "mask"}
    height, width = made["image"].shape[:2]
    white = (made["image"] == 255).all(-1)
    rows, columns = (np.flatnonzero(white.sum(axis) >= 64) for axis in (1, 0))
    assert height / 3 < rows.min() < rows.max() < 2 * height / 3
    assert width * 2 / 8 <= columns.min() < columns.max() < width * 3 / 8
    assert all(made[kind].shape == made["image"].shape for kind in made)


def test_near_is_bright_and_one_scale_serves_all_pictures() -> None:
    depth = torch.linspace(2.4, 3.0, 200).view(2, 1, 10, 10)
    shown = near_is_bright(depth, torch.ones_like(depth))
    assert (shown.flatten().diff() <= 0).all()
    assert shown[0].min() > shown[1].max() > 0.1
    assert shown.max() == 1


@pytest.mark.parametrize("depth", [torch.full((1, 1, 4, 4), 2.7), torch.full((1, 1, 4, 4), math.nan)])
def test_flat_and_missing_depths_are_drawn(depth: torch.Tensor) -> None:
    for mask in (torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)):
        assert shades(near_is_bright(depth, mask)).shape == (1, 4, 4, 1)


def test_what_is_out_of_range_or_no_number_is_a_colour_too() -> None:
    values = torch.tensor([[-5.0, 0.0, 0.5], [1.0, 7.0, math.nan]])[None]
    assert shades(values)[..., 0].tolist() == [[0, 0, 128], [255, 255, 0]]


def test_real_pictures_are_from_all_around_though_most_are_from_the_front() -> None:
    draw = np.random.default_rng(0)
    azimuths = np.concatenate([draw.normal(0, 0.2, 2000), draw.uniform(-np.pi, np.pi, 100)])
    items = around(labels_at(*azimuths.tolist()), np.ones(2100), 32, seed=0)
    assert len(set(items)) == 32
    assert np.all(np.diff(azimuths[items]) > 0)
    assert np.diff(azimuths[items]).max() < 2 * 2 * np.pi / 32
    assert items == around(labels_at(*azimuths.tolist()), np.ones(2100), 32, seed=0)


def test_only_pictures_that_are_trained_on_are_shown() -> None:
    weights = np.zeros(50)
    weights[[3, 7, 20]] = 1
    labels = labels_at(*np.linspace(-3, 3, 50).tolist())
    assert set(around(labels, weights, 32, seed=0)) == {3, 7, 20}
    labels[7] = math.nan
    assert set(around(labels, weights, 32, seed=0)) == {3, 20}


def test_front_and_back_are_among_the_azimuths() -> None:
    assert {0, 180, -45, 45, -90, 90, -135, 135} == set(AZIMUTHS_DEG)
