# SPDX-License-Identifier: Apache-2.0
"""The fit of the mean head: exact on itself, close on other heads, indifferent to where the picture lies."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.making.point_heads import face_quad, point_head, seen
from training.data.making.crops import Crop
from training.data.making.face_fit import View, fit_face, objection
from training.data.making.head_points import mean_head

quick = settings(max_examples=40)
views = st.builds(View, st.floats(-1.4, 1.4), st.floats(-0.9, 0.9), st.floats(-0.8, 0.8))
sides = st.floats(20, 3000)


def crop_of(view: View, side: float) -> Crop:
    return Crop(700 + 500j, side * cmath.exp(-1j * view.roll_rad))


@quick
@given(views, sides)
def test_the_mean_head_is_found_where_it_is(view, side):
    crop = crop_of(view, side)
    landmarks = seen(mean_head(), view, crop)
    fit = fit_face(landmarks)
    assert fit.view == pytest.approx(view, abs=1e-4)
    assert fit.crop.centre == pytest.approx(crop.centre, abs=1e-3 * side)
    assert fit.crop.right == pytest.approx(crop.right, rel=1e-3)
    assert fit.residual < 1e-4
    assert objection(fit) is None


@quick
@given(st.integers(0, 10**6), st.floats(-70, 70), st.floats(0.2, 5), st.floats(-0.5, 0.5))
def test_a_picture_moved_turned_and_scaled_has_its_crop_moved_turned_and_scaled(seed, yaw_deg, scale, turn):
    landmarks = point_head(np.random.default_rng(seed), yaw_deg).landmarks
    first, factor = fit_face(landmarks), scale * cmath.exp(1j * turn)
    second = fit_face(landmarks * factor + (30 - 20j))
    assert second.crop.right == pytest.approx(first.crop.right * factor, rel=1e-3)
    assert second.crop.centre == pytest.approx(first.crop.centre * factor + (30 - 20j), abs=1e-3 * second.crop.side)
    assert second.view.azimuth_rad == pytest.approx(first.view.azimuth_rad, abs=1e-3)
    assert second.view.roll_rad == pytest.approx(first.view.roll_rad - turn, abs=1e-3)


@quick
@given(st.integers(0, 10**6), st.floats(-70, 70))
def test_the_mirror_image_has_the_mirrored_crop_and_view(seed, yaw_deg):
    landmarks = point_head(np.random.default_rng(seed), yaw_deg, jitter=0.0).landmarks
    # The mirror image of landmark i has the name of its partner on the other side.
    head = mean_head()
    partner = np.linalg.norm((head * [-1, 1, 1])[:, None] - head, axis=-1).argmin(axis=1)
    first, second = fit_face(landmarks), fit_face(-landmarks[partner].conj())
    assert second.view == pytest.approx((-first.view[0], first.view[1], -first.view[2]), abs=1e-3)
    assert second.crop.centre == pytest.approx(-first.crop.centre.conjugate(), abs=1e-3 * first.crop.side)


def test_other_heads_than_the_mean_are_found_closely_and_far_better_than_by_the_quad_alone():
    rng = np.random.default_rng(0)
    shifts, quad_shifts, scales, turns = [], [], [], []
    for yaw_deg in np.linspace(-75, 75, 60):
        head = point_head(rng, yaw_deg)
        fit = fit_face(head.landmarks)
        quad_centre, half_right = face_quad(head.landmarks)
        shifts.append(abs(fit.crop.centre - head.crop.centre) / head.crop.side)
        quad_shifts.append(abs(quad_centre - 0.1j * half_right - head.crop.centre) / head.crop.side)
        scales.append(abs(math.log(fit.crop.side / head.crop.side)))
        turns.append(abs(fit.view.azimuth_rad - head.view.azimuth_rad))
    assert np.median(shifts) < 0.02
    assert np.median(scales) < 0.04
    assert np.median(np.degrees(turns)) < 3
    assert np.median(quad_shifts) > 5 * np.median(shifts)  # The eyes leave the middle as the head turns.


def test_a_known_view_is_kept_and_only_the_crop_is_fitted():
    head = point_head(np.random.default_rng(3), 40.0)
    fit = fit_face(head.landmarks, head.view)
    assert fit.view[:2] == head.view[:2]
    assert abs(fit.crop.centre - head.crop.centre) / head.crop.side < 0.03


def test_what_is_no_face_is_objected_to():
    rng = np.random.default_rng(0)
    face = point_head(rng, 10.0).landmarks
    cases = {
        "miss the shape of a head": rng.permutation(face),
        "roll of": face * 1j,
        "yaw of": point_head(rng, 115.0, jitter=0.0, shape_noise=0.0).landmarks,
    }
    for words, landmarks in cases.items():
        assert words in objection(fit_face(landmarks)), words
    point = np.full(68, 5 + 5j)
    assert objection(fit_face(point)) is not None
    line = np.arange(68) * (1 + 0j)
    assert objection(fit_face(line)) is not None
