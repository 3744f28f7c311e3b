# SPDX-License-Identifier: Apache-2.0
"""Cameras are drawn where they stand: in front below the head's nose, at its left to the right, above on top."""

import math

import numpy as np
import pytest
import torch

from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles
from training.data.making.frusta import (
    ABOVE,
    LEFT,
    NUM_SECTORS,
    View,
    at_level,
    at_sector,
    azimuth_color,
    draw_cameras,
)
from training.data.making.reference_head import HAIR, SKIN


def drawn(view: View, azimuth_deg: float, elevation_deg: float = 0.0, n: int = 1, shift: float = 0.0) -> np.ndarray:
    angles = (torch.tensor([math.radians(a)] * n, dtype=torch.float64) for a in (azimuth_deg, elevation_deg))
    camera = camera_on_sphere(*hv_from_angles(*angles))
    T = camera.T_world_cam.numpy().copy()
    T[1:, :3, 3] += shift
    return draw_cameras(T, camera.intrinsics.numpy(), np.full(n, math.radians(azimuth_deg)), view)


def empty(view: View) -> np.ndarray:
    return draw_cameras(np.zeros((0, 4, 4)), np.zeros((0, 3, 3)), np.zeros(0), view)


def direction_of(picture: np.ndarray, azimuth_deg: float) -> tuple[float, float]:
    """Where the apex of the frustum is, seen from the middle of the page, in multiples of its distance."""
    color = np.array(azimuth_color(math.radians(azimuth_deg)))
    y, x = np.nonzero((np.abs(picture.astype(int) - color) <= 3).all(-1))
    x, y = x - 350, y - 398
    far = np.hypot(x, y) > 190
    x, y = x[far].mean(), y[far].mean()
    return round(x / 218, 1), round(y / 218, 1)


@pytest.mark.parametrize(
    ("view", "azimuth_deg", "elevation_deg", "expected"),
    [
        (ABOVE, 0, 0, (0, 1)),
        (ABOVE, 90, 0, (1, 0)),
        (ABOVE, 180, 0, (0, -1)),
        (ABOVE, -90, 0, (-1, 0)),
        (LEFT, 0, 0, (-1, 0)),
        (LEFT, 180, 0, (1, 0)),
        (LEFT, 0, 60, (-0.5, -0.9)),
        (LEFT, 180, -60, (0.5, 0.9)),
    ],
)
def test_cameras_stand_where_they_are(view: View, azimuth_deg: float, elevation_deg: float, expected: tuple) -> None:
    # The arrows of the axes have colours of their own; they are within the ring.
    assert direction_of(drawn(view, azimuth_deg, elevation_deg), azimuth_deg) == pytest.approx(expected, abs=0.11)


def test_the_nose_is_below_from_above_and_at_the_left_from_the_left() -> None:
    for view, axis in ((ABOVE, 0), (LEFT, 1)):
        picture = empty(view)
        skin, hair = (np.argwhere((picture == color).all(-1)).mean(0)[axis] for color in (SKIN, HAIR))
        assert skin > hair + 5 if view is ABOVE else skin < hair - 5


def test_pictures_stand_on_the_side_from_which_they_were_taken() -> None:
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    positions = [np.array(at_sector(picture, "", sector).position) - (350, 398) for sector in range(NUM_SECTORS)]
    for sector, (x, y) in enumerate(positions):
        assert math.atan2(x, y) % (2 * math.pi) == pytest.approx(sector * 2 * math.pi / NUM_SECTORS, abs=1e-9)
    heights = [at_level(picture, "", level, 0.0).position[1] for level in range(6)]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300, -1e-300, 0.0])
def test_cameras_of_any_numbers_are_drawn_or_said_not_to_be(number: float) -> None:
    T = np.full((3, 4, 4), number)
    T[0] = np.eye(4)
    for view in (ABOVE, LEFT):
        assert draw_cameras(T, np.full((3, 3, 3), number), np.array([0.0, 1, 2]), view).shape == empty(view).shape


def test_a_camera_far_away_does_not_shrink_the_others() -> None:
    together = drawn(ABOVE, 0, n=9)
    T_far = drawn(ABOVE, 0, n=9, shift=0.0)
    np.testing.assert_array_equal(together, T_far)
    camera = camera_on_sphere(torch.full((9,), math.pi / 2), torch.full((9,), math.pi / 2))
    T = camera.T_world_cam.numpy().astype(np.float64)
    T[8, :3, 3] *= 1000
    picture = draw_cameras(T, camera.intrinsics.numpy().astype(np.float64), np.zeros(9), ABOVE)
    assert direction_of(picture, 0)[0] == 0
    assert (np.abs(picture.astype(int) - (190, 40, 36)).sum(-1) < 60).any()  # Says that one is farther away.


def test_colours_go_round_without_a_seam() -> None:
    near, far = (np.array(azimuth_color(a)) for a in (math.pi - 1e-6, -math.pi + 1e-6))
    assert np.abs(near - far).max() <= 1
    assert azimuth_color(0.0) != azimuth_color(math.pi)
