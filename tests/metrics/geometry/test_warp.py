# SPDX-License-Identifier: Apache-2.0
"""Views of a sphere with a pattern, whose pictures, depths and masks have closed forms."""

import math

import torch

from metrics.geometry.warp import View, mean_where, warp
from training.camera_paths import camera_on_sphere
from training.camera_rays import rays
from training.cameras import hv_from_angles
from training.types import Camera

SIZE = 48
RADIUS = 0.25


def camera(azimuth_deg: float) -> Camera:
    azimuth_rad = torch.tensor([math.radians(azimuth_deg)], dtype=torch.float64)
    return camera_on_sphere(*hv_from_angles(azimuth_rad, torch.full_like(azimuth_rad, 0.1)))


def view(azimuth_deg: float, turned_rad: float = 0.0, wall: float | None = None) -> View:
    """A ball whose colours follow from the place on it; `wall` puts something in front of its left half."""
    place = camera(azimuth_deg)
    origins, directions = rays(place, SIZE)
    middle = (origins * directions).sum(-1)
    square = middle**2 - (origins.square().sum(-1) - RADIUS**2)
    mask = (square > 0).double()
    length = -middle - square.clamp(min=0).sqrt()
    points = origins + length[..., None] * directions
    azimuth = torch.atan2(points[..., 0], points[..., 2]) + turned_rad
    colour = torch.stack([torch.sin(3 * azimuth), torch.cos(3 * azimuth), 4 * points[..., 1]], dim=1)
    length, mask = (x.view(1, 1, SIZE, SIZE) for x in (length, mask))
    if wall is not None:
        length = torch.where(torch.arange(SIZE) < SIZE // 2, wall, length)
    return View(place, colour.view(1, 3, SIZE, SIZE), length, mask)


def error(source: View, target: View) -> tuple[float, float]:
    moved = warp(source, target, tolerance=0.03)
    return float(mean_where((moved.colour - source.colour).abs(), moved.is_seen)), float(
        moved.is_seen.sum() / source.mask.sum()
    )


def test_a_view_moved_into_itself_is_itself() -> None:
    found, share = error(view(0), view(0))
    assert found < 1e-5
    assert share > 0.95


def test_two_views_of_one_solid_agree_and_unmoved_they_do_not() -> None:
    source, target = view(0), view(25)
    found, share = error(source, target)
    unmoved = (source.colour - target.colour).abs().mean()
    assert found < 0.05
    assert unmoved > 0.3
    assert 0.5 < share < 0.95


def test_a_texture_that_turns_with_the_camera_is_told_from_one_that_stays() -> None:
    turning = view(25, turned_rad=-math.radians(25))
    assert error(view(0), turning)[0] > 5 * error(view(0), view(25))[0]


def test_what_stands_before_a_point_is_no_error() -> None:
    found, share = error(view(0), view(25, wall=2.0))
    assert found < 0.05
    assert share < 0.6 * error(view(0), view(25))[1]


def test_views_from_opposite_sides_see_nothing_together() -> None:
    found, share = error(view(0), view(180))
    assert share == 0
    assert math.isnan(found)
