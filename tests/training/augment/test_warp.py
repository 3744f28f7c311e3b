# SPDX-License-Identifier: Apache-2.0
"""The filter is the wavelet it claims to be, and interpolation with it is exact where it can be, better where not."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.training.augment.augmenting import grid
from training.augment.warp import SYM6, extend, interpolate, low_pass, move_pixels

TAPS = low_pass("cpu", torch.float64)


def affine(*rows: float) -> torch.Tensor:
    return torch.tensor([*rows, 0.0, 0.0, 1.0], dtype=torch.float64).view(1, 3, 3)


def turned(angle_rad: float) -> torch.Tensor:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return affine(c, -s, 0.0, s, c, 0.0)


def test_the_filter_is_orthogonal_to_itself_shifted_by_pairs():
    products = [np.dot(SYM6[2 * k :], SYM6[: len(SYM6) - 2 * k]) for k in range(6)]
    np.testing.assert_allclose(products, [1, 0, 0, 0, 0, 0], atol=1e-12)


def test_the_wavelet_has_six_vanishing_moments_and_hardly_disperses():
    places = np.arange(12)
    moments = [np.sum((-1.0) ** places * places**k * SYM6) / 12**k for k in range(6)]
    np.testing.assert_allclose(moments, 0, atol=1e-9)
    frequencies = np.linspace(0.05, math.pi / 2, 30)
    phases = np.unwrap(np.angle(np.exp(-1j * frequencies[:, None] * places) @ np.array(SYM6)))
    # The other wavelets with these two properties differ by 0.6 and more.
    assert np.ptp(-phases / frequencies) < 0.3


def test_the_map_that_does_nothing_gives_the_picture_back_up_to_its_edges():
    x = torch.randn(2, 3, 20, 20, dtype=torch.float64)
    torch.testing.assert_close(interpolate(x, affine(1, 0, 0, 0, 1, 0).expand(2, 3, 3), TAPS), x, atol=1e-12, rtol=0)


def test_a_small_shift_by_pixels_is_exact_too():
    x = torch.randn(1, 2, 24, 24, dtype=torch.float64)
    T_in_out = affine(1, 0, -2 / 24, 0, 1, 2 / 24)
    torch.testing.assert_close(interpolate(x, T_in_out, TAPS), move_pixels(x, T_in_out), atol=1e-12, rtol=0)


def test_a_constant_stays_wherever_it_is_taken_from():
    x = torch.full((1, 1, 16, 16), 0.7, dtype=torch.float64)
    far = turned(0.9) * affine(9, 5, 3, 7, 8, 2)
    torch.testing.assert_close(interpolate(x, far, TAPS), x, atol=1e-9, rtol=0)


def test_interpolation_loses_less_than_bilinear_reading_does():
    size = 64
    x, y = grid(size)

    def wave(x, y):  # A period of 4.4 pixels.
        return torch.sin(math.pi * size / 4.4 * (0.8 * x + 0.6 * y))[None, None]

    angle_rad = 0.4
    T_in_out = turned(angle_rad)
    source = T_in_out[0, :2, 0, None, None] * x + T_in_out[0, :2, 1, None, None] * y
    expected, inside = wave(*source), (source.abs() < 0.8).all(dim=0)
    plain = F.grid_sample(wave(x, y), source.permute(1, 2, 0)[None], align_corners=False)
    ours = interpolate(wave(x, y), T_in_out, TAPS)

    def rms(error):
        return error[..., inside].square().mean().sqrt()

    assert rms(ours - expected) < rms(plain - expected) / 2.5


def test_a_picture_continues_by_reflection_in_its_edges_again_and_again():
    x = torch.randn(1, 2, 5, 5)
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (13, 13), (13, 13)), mode="symmetric")
    assert np.array_equal(extend(x, 13).numpy(), expected)


def test_far_points_are_seen_in_the_reflections():
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    around = np.pad(x.numpy(), ((0, 0), (0, 0), (14, 14), (14, 14)), mode="symmetric")
    for dx, dy in [(0, 0), (7, -3), (-14, 14), (11, 5)]:
        moved = move_pixels(x, affine(1, 0, dx / 3, 0, 1, dy / 3))
        assert np.array_equal(moved.numpy(), around[..., 14 + dy : 20 + dy, 14 + dx : 20 + dx])


@pytest.mark.parametrize("moved", [interpolate, move_pixels])
def test_gradients_of_both_orders_are_those_of_finite_differences(moved):
    x = torch.randn(1, 1, 9, 9, dtype=torch.float64, requires_grad=True)
    T_in_out = turned(0.5) if moved is interpolate else affine(0, -1, 0, 1, 0, 4 / 9)
    arguments = (T_in_out, TAPS) if moved is interpolate else (T_in_out,)
    assert torch.autograd.gradcheck(lambda x: moved(x, *arguments), (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: moved(x, *arguments), (x,), fast_mode=True)
