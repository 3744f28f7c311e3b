# SPDX-License-Identifier: Apache-2.0
"""Offsets of boxes: found exactly where they are exact, robust to single errors, and good for the back of heads."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.making.point_heads import point_head
from training.data.making.calibration import (
    MIN_BOTH,
    NO_OFFSETS,
    HeadBox,
    Offsets,
    box_crop,
    calibrate,
    residuals,
    summary,
)
from training.data.making.face_fit import View, fit_face
from training.data.problems import DataError

quick = settings(max_examples=30)
offsets_of_boxes = st.builds(
    Offsets, st.floats(0.5, 2), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.3, 0.3)
)


def random_boxes(rng, num, max_yaw_rad=1.2):
    views = [View(*row) for row in rng.uniform(-1, 1, (num, 3)) * [max_yaw_rad, 0.3, 0.3]]
    corners = rng.uniform(0, 500, (num, 2))
    sizes = rng.uniform(50, 300, (num, 2))
    return [HeadBox(*start, *(start + size)) for start, size in zip(corners, sizes, strict=True)], views


@quick
@given(offsets_of_boxes, st.integers(0, 10**6))
def test_offsets_that_boxes_have_are_found(offsets, seed):
    boxes, views = random_boxes(np.random.default_rng(seed), 12)
    crops = [box_crop(box, view, offsets) for box, view in zip(boxes, views, strict=True)]
    assert calibrate(boxes, views, crops) == pytest.approx(offsets, abs=1e-6)


@quick
@given(offsets_of_boxes, st.integers(0, 10**6))
def test_a_quarter_of_wrong_boxes_moves_nothing(offsets, seed):
    rng = np.random.default_rng(seed)
    boxes, views = random_boxes(rng, 40)
    crops = [box_crop(box, view, offsets) for box, view in zip(boxes, views, strict=True)]
    for i in range(10):
        box = boxes[i]
        boxes[i] = HeadBox(box.x0 + 300, box.y0 - 200, box.x0 + 900, box.y0 + 300)
    found = calibrate(boxes, views, crops)
    assert found.scale == pytest.approx(offsets.scale, rel=1e-3)
    assert found[1:] == pytest.approx(offsets[1:], abs=0.02)


def test_heads_that_are_all_seen_from_the_front_say_nothing_about_depth():
    boxes, views = random_boxes(np.random.default_rng(0), 20, max_yaw_rad=0.05)
    crops = [box_crop(box, view, Offsets(1.2, 0.1, -0.1, 0.3)) for box, view in zip(boxes, views, strict=True)]
    assert calibrate(boxes, views, crops).dz == 0


def test_too_few_pictures_with_both_are_refused_with_what_to_do():
    boxes, views = random_boxes(np.random.default_rng(0), MIN_BOTH - 1)
    crops = [box_crop(box, view, NO_OFFSETS) for box, view in zip(boxes, views, strict=True)]
    with pytest.raises(DataError, match="--offsets"):
        calibrate(boxes, views, crops)


def test_a_rolled_head_is_turned_upright_about_its_own_centre():
    box = HeadBox(100.0, 100.0, 200.0, 200.0)
    offsets = Offsets(1.5, 0.0, -0.2)
    upright, rolled = (box_crop(box, View(0.0, 0.0, roll), offsets) for roll in (0.0, 0.5))
    assert upright.centre == 150 + 130j
    assert rolled.right == pytest.approx(upright.right * cmath.exp(-0.5j))
    # The crown of a subject that leans counter-clockwise lies to the left of its middle.
    assert rolled.centre.real < 150
    assert rolled.roll_rad == pytest.approx(0.5)


def test_a_depth_offset_shifts_opposite_profiles_to_opposite_sides():
    box = HeadBox(0.0, 0.0, 100.0, 100.0)
    left, right, back = (
        box_crop(box, View(math.radians(yaw), 0.0, 0.0), Offsets(1.0, dz=0.1)).centre for yaw in (90, -90, 180)
    )
    # From the subject's left (+x) the face looks to the picture's left.
    assert left == pytest.approx(40 + 50j)
    assert right == pytest.approx(60 + 50j)
    assert back == pytest.approx(50 + 50j)


def test_residuals_are_zero_for_equal_crops_and_measured_in_picture_widths():
    boxes, views = random_boxes(np.random.default_rng(0), 5)
    crops = [box_crop(box, view, NO_OFFSETS) for box, view in zip(boxes, views, strict=True)]
    same = residuals(crops, crops)
    assert (same.log_scale == 0).all()
    assert (same.shift == 0).all()
    moved = [crop._replace(centre=crop.centre + 0.1 * crop.right) for crop in crops]
    assert residuals(moved, crops).shift == pytest.approx(np.full(5, 0.1))
    by_yaw = summary(same, np.radians([0, 29, 31, 179, -181]))["by_yaw_deg"]
    assert {name: row["pictures"] for name, row in by_yaw.items()} == {"0 to 30": 2, "30 to 60": 1, "150 to 180": 2}


def test_offsets_learned_on_faces_bring_the_backs_of_heads_to_one_scale_and_centre():
    rng = np.random.default_rng(1)
    faces = [point_head(rng, yaw) for yaw in rng.uniform(-70, 70, 150)]
    backs = [point_head(rng, yaw) for yaw in rng.uniform(90, 270, 150)]
    fits = [fit_face(face.landmarks).crop for face in faces]
    offsets = calibrate([face.box for face in faces], [face.view for face in faces], fits)

    def errors(some_offsets):
        crops = [box_crop(back.box, back.view, some_offsets) for back in backs]
        return summary(residuals(crops, [back.crop for back in backs]), np.zeros(len(backs)))

    before, after = errors(NO_OFFSETS), errors(offsets)
    assert before["scale_error_median"] > 0.2
    assert after["scale_error_median"] < 0.06
    assert before["centre_error_median"] > 0.04
    assert after["centre_error_median"] < 0.02
