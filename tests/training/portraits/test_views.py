# SPDX-License-Identifier: Apache-2.0
"""Views in degrees, and the cameras that they mean."""

import math

import click
import pytest
import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, small_generator
from training.camera_paths import camera_on_sphere
from training.cameras import camera_from_label, fov_from_focal, label_from_camera, view_angles
from training.portraits.views import (
    PUBLISHED_FOV_DEG,
    STRIP_PITCH_DEG,
    STRIP_YAWS_DEG,
    Degrees,
    View,
    conditioning_label,
    label_of_views,
    views_of,
)


def test_the_strip_is_panoheads() -> None:
    h = torch.tensor([math.pi / 2 + math.radians(d) for d in (0, -45, -90, -135, -180)], dtype=torch.float64)
    wanted = label_from_camera(camera_on_sphere(h, torch.full_like(h, math.pi / 2 - 0.2)))
    got = label_of_views(small_generator(), views_of(STRIP_YAWS_DEG, (STRIP_PITCH_DEG,)), PUBLISHED_FOV_DEG)
    assert torch.allclose(got.double(), wanted, atol=1e-6)


def test_cameras_are_seen_from_where_the_degrees_say() -> None:
    views = views_of((-170.0, 0.0, 30.5, 90.0), (-40.0, 0.0, 60.0))
    assert views[4] == View(-170.0, 0.0)
    angles = view_angles(camera_from_label(label_of_views(small_generator(), views, 25.0)))
    assert torch.allclose(angles.azimuth_rad.rad2deg(), torch.tensor([view.yaw_deg for view in views]), atol=1e-3)
    assert torch.allclose(angles.elevation_rad.rad2deg(), torch.tensor([view.pitch_deg for view in views]), atol=1e-3)


def test_cameras_stand_and_aim_as_those_of_the_training() -> None:
    G = small_generator(replace(CONFIG, **{"camera_radius": 3.5, "camera_pivot": (0.0, 0.1, 0.2)}))
    for label in (label_of_views(G, [View(70.0, 10.0)], PUBLISHED_FOV_DEG), conditioning_label(G, 120.0)):
        camera = camera_from_label(label)
        assert camera.position.norm() == pytest.approx(3.5)
        to_pivot = torch.tensor([0.0, 0.1, 0.2]) - camera.position[0]
        assert torch.allclose(camera.forward[0], to_pivot / to_pivot.norm(), atol=1e-6)


def test_the_published_field_of_view_means_the_published_focal_length_and_others_are_exact() -> None:
    for fov_deg, wanted in ((PUBLISHED_FOV_DEG, fov_from_focal(4.2647)), (18.0, 18.0), (12.34, 12.34)):
        label = label_of_views(small_generator(), [View(0.0, 0.0)], fov_deg)
        assert fov_from_focal(label[0, 16].item()) == pytest.approx(wanted, abs=1e-4)


def test_poles_have_cameras_and_beyond_is_refused() -> None:
    assert label_of_views(small_generator(), [View(10.0, 90.0), View(10.0, -90.0)], 18.0).isfinite().all()
    with pytest.raises(ValueError, match="91 degrees"):
        views_of((0.0,), (0.0, 91.0))


def test_degrees_are_numbers_with_commas() -> None:
    assert Degrees()("0,-45, 22.5") == (0, -45, 22.5)
    for text in ("", "1,", "left", "inf"):
        with pytest.raises(click.BadParameter, match=r"no angles|not finite"):
            Degrees()(text)
