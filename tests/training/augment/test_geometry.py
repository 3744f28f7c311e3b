# SPDX-License-Identifier: Apache-2.0
"""Motions are what their names say, alone against simple references and together against a product of matrices."""

import math

import numpy as np
import pytest
import torch

from tests.training.augment.augmenting import EVERYTHING, augmented, draws_of, grid, only, pictures, smooth
from training.augment.geometry import draw_motion

SIZE = 32


def test_x_flip_mirrors_every_second_picture():
    given = pictures(64)
    flipped = draw_motion(draws_of(64), only(x_flip=1), SIZE).is_mirrored
    assert 15 < flipped.sum() < 50
    for name, y in augmented(only(x_flip=1), given).items():
        x = given[name]
        assert y.equal(torch.where(flipped[:, None, None, None], x.flip(3), x)), name


def test_quarter_turns_are_rot90():
    given = pictures(32)
    quarters = (draws_of(32).uniform("quarter_turn")[:, 0] * 4).long().tolist()
    assert set(quarters) == {0, 1, 2, 3}
    for name, y in augmented(only(quarter_turn=1), given).items():
        for before, after, k in zip(given[name], y, quarters, strict=True):
            assert after.equal(torch.rot90(before, k, (1, 2))), name


def test_pixel_shifts_are_shifts_of_the_reflected_picture():
    given = pictures(32)
    shifts = draw_motion(draws_of(32), only(pixel_shift=1), SIZE).shift_px.long().tolist()
    assert {x for x, _ in shifts} == {y for _, y in shifts} == set(range(-4, 5))
    for before, after, (x, y) in zip(
        given["image"], augmented(only(pixel_shift=1), given)["image"], shifts, strict=True
    ):
        wide = np.pad(before.numpy(), ((0, 0), (4, 4), (4, 4)), mode="symmetric")
        assert np.array_equal(after.numpy(), wide[:, 4 - y : 4 - y + SIZE, 4 - x : 4 - x + SIZE])


def test_whole_pixels_of_a_small_picture_stay_whole():
    # A shift by an even number of pixels of the image is one by pixels of the raw picture of half its size.
    given = pictures(64)
    shifts = draw_motion(draws_of(64), only(pixel_shift=1), SIZE).shift_px.long()
    even = (shifts % 2 == 0).all(dim=1).nonzero()[:, 0].tolist()
    assert len(even) > 8
    raw = augmented(only(pixel_shift=1), given)["image_raw"]
    for i in even:
        x, y = (shifts[i] // 2).tolist()
        wide = np.pad(given["image_raw"][i].numpy(), ((0, 0), (4, 4), (4, 4)), mode="symmetric")
        assert np.array_equal(raw[i].numpy(), wide[:, 4 - y : 20 - y, 4 - x : 20 - x])


def forward_matrices(batch: int) -> list[list[np.ndarray]]:
    """Per image, what the transforms do to points of the picture, in their order; from the drawn numbers."""
    draws = draws_of(batch)
    uniform, normal = (lambda name: draws.uniform(name).numpy()), (lambda name: draws.normal(name).numpy())

    def turn(angle):  # To the left, where y points down.
        return np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]])

    def shift(by):
        return np.array([[1, 0, 2 * by[0]], [0, 1, 2 * by[1]], [0, 0, 1]])

    return [
        [
            np.diag([-1, 1, 1]) if uniform("x_flip")[i, 0] < 0.5 else np.eye(3),
            turn(math.pi / 2 * int(uniform("quarter_turn")[i, 0] * 4)),
            shift(np.round((uniform("pixel_shift")[i] * 0.25 - 0.125) * SIZE) / SIZE),
            np.diag([2 ** (0.2 * normal("scale")[i, 0])] * 2 + [1]),
            turn(math.pi * (2 * uniform("rotation_before")[i, 0] - 1)),
            np.diag([s := 2 ** (0.2 * normal("stretch")[i, 0]), 1 / s, 1]),
            turn(math.pi * (2 * uniform("rotation_after")[i, 0] - 1)),
            shift(0.125 * normal("shift")[i]),
        ]
        for i in range(batch)
    ]


def test_all_together_are_the_inverse_of_the_product_in_order():
    motion = draw_motion(draws_of(20), EVERYTHING, SIZE)
    for T_in_out, matrices in zip(motion.T_in_out.numpy(), forward_matrices(20), strict=True):
        T_out_in = np.linalg.multi_dot(matrices[::-1])
        np.testing.assert_allclose(T_in_out, np.linalg.inv(T_out_in), atol=1e-12)


NAMES = ("x_flip", "quarter_turn", "pixel_shift", "scale", "rotation", "stretch", "rotation", "shift")


@pytest.mark.parametrize("name", ["scale", "rotation", "stretch", "shift"])
def test_a_moved_picture_shows_what_was_elsewhere(name):
    given = {"image": smooth(12, 64, waves=3), "image_raw": smooth(12, 32, waves=3)}
    result = augmented(only(**{name: 1}), given)
    for part, tolerance in (("image", 0.008), ("image_raw", 0.04)):
        size = given[part].shape[-1]
        x, y = grid(size)
        points = torch.stack([x, y, torch.ones_like(x)]).numpy().reshape(3, -1)
        for after, matrices in zip(result[part], forward_matrices(12), strict=True):
            own = [m for m, its_name in zip(matrices, NAMES, strict=True) if its_name == name]
            source = torch.from_numpy(np.linalg.inv(np.linalg.multi_dot([np.eye(3), *own[::-1]])) @ points)
            inside = (source[:2].abs() < 1 - 16 / size).all(dim=0).view(size, size)
            phase = torch.arange(3)[:, None] * 0.7
            expected = torch.sin(3 * (4.1 * source[0] + 2.3 * source[1]) + phase).view(3, size, size)
            assert inside.float().mean() > 0.1
            assert (after - expected).abs()[:, inside].max() < tolerance, part


@pytest.mark.parametrize("p", [0.0, 0.15, 0.7, 1.0])
def test_motions_happen_as_often_as_they_should(p):
    num = 15_000
    draws = draws_of(num, torch.tensor(p))
    one = torch.eye(3, dtype=torch.float64)

    def share(strength=1.0, **strengths):
        motion = draw_motion(draws, only(**dict.fromkeys(strengths, strength)), SIZE)
        return (motion.T_in_out != one).flatten(1).any(dim=1).double().mean().item()

    def near(rate):
        return pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / num) + 1e-9)

    assert share(x_flip=1) == near(p / 2)
    assert share(quarter_turn=1) == near(0.75 * p)
    assert share(scale=1) == near(p)
    assert share(scale=1, strength=0.5) == near(p / 2)
    assert share(rotation=1) == near(p)  # One of two turns or both.
    assert share(stretch=1) == near(p)
    assert share(shift=1) == near(p)
    # Of the pixels of 32, those from -4 to 4; the first and last are half as wide.
    assert share(pixel_shift=1) == near(p * (1 - 1 / 64))
