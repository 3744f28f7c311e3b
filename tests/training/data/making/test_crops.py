# SPDX-License-Identifier: Apache-2.0
"""Crops against closed forms: pictures of known functions, the plain resize, and the way back."""

import cmath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.data.making.crops import Crop, crop_mask, crop_picture

quick = settings(max_examples=30)
crops = st.builds(
    lambda x, y, side, turn: Crop(complex(x, y), side * cmath.exp(1j * turn)),
    st.floats(100, 150), st.floats(80, 120), st.floats(20, 140), st.floats(-3, 3),
)  # fmt: skip


def smooth(places: np.ndarray) -> np.ndarray:
    """A picture as a function of the place, slow enough for any filter."""
    x, y = places.real, places.imag
    waves = [np.sin(x / 40 + y / 60), np.cos(x / 50), np.sin(y / 45 - x / 70)]
    return np.stack([127.5 + 100 * wave for wave in waves], axis=-1)


def grid(width: int, height: int) -> np.ndarray:
    return np.arange(width) + 0.5 + 1j * (np.arange(height)[:, None] + 0.5)


def as_bytes(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture).astype(np.uint8)


@quick
@given(crops, st.integers(2, 64))
def test_the_matrix_says_where_every_pixel_comes_from_and_gives_the_crop_back(crop, resolution):
    matrix = crop.matrix(resolution)
    rows, columns = np.mgrid[:resolution, :resolution]
    xy = np.einsum("ij,jhw->ihw", matrix, np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)]))
    np.testing.assert_allclose(xy[0] + 1j * xy[1], crop.places(resolution), atol=1e-9)
    back = Crop.of_matrix(matrix, resolution)
    assert back.centre == pytest.approx(crop.centre)
    assert back.right == pytest.approx(crop.right)


@quick
@given(crops, st.sampled_from([16, 33, 64, 128]))
def test_a_crop_shows_the_source_at_its_places_whatever_turn_and_scale(crop, resolution):
    source = as_bytes(smooth(grid(256, 200)))
    expected = smooth(crop.places(resolution))
    places = crop.places(resolution)
    margin = 4 + crop.side / resolution
    inside = (
        (places.real > margin) & (places.real < 256 - margin) & (places.imag > margin) & (places.imag < 200 - margin)
    )
    actual = crop_picture(source, crop, resolution).astype(float)
    # Averaging over a coarse pixel flattens the waves, and nothing is averaged in `expected`.
    flattening = 100 * (crop.side / resolution / 40) ** 2 / 12 * 2
    assert np.abs(actual - expected)[inside].max(initial=0) < 2 + flattening


def test_a_crop_without_a_turn_is_the_plain_resize():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    whole = crop_picture(source, Crop(32 + 32j, 64 + 0j), 64)
    np.testing.assert_array_equal(whole, source)
    blocks = source.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    shrunk = crop_picture(source, Crop(32 + 32j, 64 + 0j), 8).astype(float)
    lanczos = np.asarray(Image.fromarray(source).resize((8, 8), Image.Resampling.LANCZOS)).astype(float)
    assert np.abs(shrunk - lanczos).mean() < 8  # Noise of 74 levels; an aliased crop would be off by as much.
    assert np.abs(shrunk - blocks).mean() < 8


def test_what_is_too_fine_for_a_crop_becomes_grey_and_no_pattern():
    stripes = np.zeros((512, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    for side in (300, 400, 511):
        for turn in (0, 0.3):
            cropped = crop_picture(stripes, Crop(256 + 256j, side * 0.7 * cmath.exp(1j * turn)), 64)
            assert np.abs(cropped.astype(float) - 127.5).max() < 12


def test_beyond_the_edge_there_is_no_black_and_no_mask():
    source = np.full((100, 80, 3), 200, dtype=np.uint8)
    crop = Crop(0 + 0j, 90 * cmath.exp(0.4j))
    assert (crop_picture(source, crop, 64) == 200).all()
    mask = crop_mask(np.full((100, 80), 255, dtype=np.uint8), crop, 64)
    places = crop.places(64)
    far_out = (places.real < -3) | (places.imag < -3)
    far_in = (places.real > 3) & (places.imag > 3)
    assert (mask[far_out] == 0).all()
    assert (mask[far_in] == 255).all()
    assert mask.mean() / 255 == pytest.approx(crop.share_inside(80, 100), abs=0.01)


def test_the_border_is_blurred_and_the_picture_is_not():
    rng = np.random.default_rng(1)
    source = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    cropped = crop_picture(source, Crop(64 + 32j, 64 + 0j), 64)
    np.testing.assert_array_equal(cropped[:, :32], source[:, 32:])
    assert cropped[:, 44:].std() < 0.6 * source.std()


def test_a_fourth_channel_is_cropped_as_a_mask():
    source = np.full((50, 50, 4), 255, dtype=np.uint8)
    crop = Crop(0 + 25j, 50 + 0j)
    cropped = crop_picture(source, crop, 32)
    assert cropped.shape == (32, 32, 4)
    np.testing.assert_array_equal(cropped[..., 3], crop_mask(source[..., 3], crop, 32))
    assert (cropped[..., :3] == 255).all()


def test_a_picture_put_back_by_the_inverse_matrix_lands_where_it_came_from():
    source = as_bytes(smooth(grid(256, 200)))
    crop = Crop(120 + 100j, 90 * cmath.exp(0.5j))
    there = crop_picture(source, crop, 128)
    inverse = np.linalg.inv(crop.matrix(128))  # Picture pixels from source pixels: the source is a crop of the picture.
    back = crop_picture(there, Crop.of_matrix(inverse @ np.array([[1, 0, 100], [0, 1, 80], [0, 0, 1.0]]), 40), 40)
    assert np.abs(back.astype(int) - source[80:120, 100:140]).max() <= 3


@pytest.mark.parametrize("side", [3.0, 2500.0])
def test_tiny_and_huge_crops_are_made(side):
    source = as_bytes(smooth(grid(300, 200)))
    assert crop_picture(source, Crop(150 + 100j, complex(side)), 64).shape == (64, 64, 3)
