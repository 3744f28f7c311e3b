# SPDX-License-Identifier: Apache-2.0
"""The mean head: mirrored, of human size, and placed so that the published crop is the canonical picture."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.making.point_heads import face_quad
from training.camera_paths import camera_on_sphere
from training.camera_rays import project
from training.cameras import hv_from_angles
from training.data.making.head_points import canonical_places, mean_head


def test_the_head_has_68_points_and_is_its_own_mirror_image():
    head = mean_head()
    assert head.shape == (68, 3)
    assert np.isfinite(head).all()
    mirrored = head * [-1, 1, 1]
    distance = np.linalg.norm(head[:, None] - mirrored, axis=-1)
    assert distance.min(axis=1).max() < 1e-12
    assert len(set(distance.argmin(axis=1))) == 68


def test_the_published_crop_of_a_frontal_head_is_the_canonical_picture():
    centre, half_right = face_quad(canonical_places(mean_head(), np.zeros(1), np.zeros(1))[0])
    side = 1.1 * 2 * abs(half_right)
    raised = centre - 0.1j * abs(half_right)  # All that is added to the height is added at the top.
    assert abs(side - 1) < 1e-3
    assert abs(raised) < 1e-3


@settings(max_examples=30)
@given(st.floats(-math.pi, math.pi), st.floats(-1.4, 1.4))
def test_places_are_those_of_the_projects_camera(azimuth_rad, elevation_rad):
    angles = torch.tensor([azimuth_rad, elevation_rad], dtype=torch.float64)
    uv, _ = project(camera_on_sphere(*hv_from_angles(*angles)), torch.from_numpy(mean_head()))
    places = canonical_places(mean_head(), np.array([azimuth_rad]), np.array([elevation_rad]))[0]
    np.testing.assert_allclose(np.stack([places.real, places.imag], 1) + 0.5, uv.numpy(), atol=1e-5)


def test_the_quad_turns_and_grows_with_the_face():
    face = canonical_places(mean_head(), np.zeros(1), np.zeros(1))[0]
    centre, half_right = face_quad(face)
    turn = 3.0 * np.exp(0.4j)
    turned_centre, turned_half_right = face_quad(face * turn + (5 + 7j))
    assert abs(turned_centre - (centre * turn + 5 + 7j)) < 1e-12
    assert abs(turned_half_right - half_right * turn) < 1e-12
    assert abs(half_right.imag) < 1e-12
    assert half_right.real > 0
