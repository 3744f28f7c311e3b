# SPDX-License-Identifier: Apache-2.0
"""The alignment of a set of heads whose true crops are known, and sets that contradict themselves."""

import math

import numpy as np
import pytest
import torch

from tests.training.data.making.point_heads import point_head
from training.camera_checks import check_labels
from training.cameras import HEAD_RADIUS, camera_from_label, view_angles
from training.data.making.alignment import align, canonical_labels
from training.data.making.annotations import Annotation
from training.data.making.calibration import HeadBox, Offsets, residuals
from training.data.making.face_fit import View
from training.data.problems import DataError


def head_set(seed=0, num_faces=60, num_backs=40, pose_noise_deg=4.0):
    """Faces with landmarks and boxes, backs with boxes alone, poses that are rough."""
    rng = np.random.default_rng(seed)
    heads = {f"face{i}.jpg": point_head(rng, yaw) for i, yaw in enumerate(rng.uniform(-70, 70, num_faces))}
    heads |= {f"back{i}.jpg": point_head(rng, yaw) for i, yaw in enumerate(rng.uniform(90, 270, num_backs))}
    notes = {
        name: head.annotation(name.startswith("face"), tuple(rng.normal(0, pose_noise_deg, 2)))
        for name, head in heads.items()
    }
    return heads, notes


def test_all_views_of_a_set_come_out_at_one_scale_and_centre():
    heads, notes = head_set()
    aligned = align(notes)
    assert aligned.problems == []
    assert [picture.name for picture in aligned.pictures] == list(notes)
    for kind in ("face", "back"):
        some = [picture for picture in aligned.pictures if picture.name.startswith(kind)]
        errors = residuals([picture.crop for picture in some], [heads[picture.name].crop for picture in some])
        assert np.median(np.abs(errors.log_scale)) < 0.06, kind
        assert np.median(np.abs(errors.shift)) < 0.03, kind
        # All are wrong by the same little, which is what training needs.
        assert np.std(errors.log_scale) < 0.08, kind


def test_the_report_says_how_much_the_calibration_helped():
    _, notes = head_set()
    report = align(notes).report
    before, after = report["before_calibration"], report["after_calibration"]
    assert before["pictures"] == after["pictures"] == 60
    assert after["scale_error_median"] < 0.3 * before["scale_error_median"]
    assert after["centre_error_median"] < 0.6 * before["centre_error_median"]
    assert abs(report["given_pose_minus_landmarks_deg"]["yaw"]["median"]) < 2


def test_offsets_that_are_given_are_used_and_need_no_pictures_with_both():
    _, notes = head_set(num_faces=0)
    with pytest.raises(DataError, match="--offsets"):
        align(notes)
    aligned = align(notes, Offsets(1.4, 0.0, -0.05, 0.02))
    assert len(aligned.pictures) == 40
    assert aligned.pictures[0].crop.side == pytest.approx(1.4 * next(iter(notes.values())).box.size)


def test_landmarks_alone_are_enough():
    heads, notes = head_set(num_backs=0)
    aligned = align({name: Annotation(note.landmarks) for name, note in notes.items()})
    assert aligned.offsets is None
    turns = [abs(picture.view.azimuth_rad - heads[picture.name].view.azimuth_rad) for picture in aligned.pictures]
    assert np.median(np.degrees(turns)) < 3
    assert {picture.pose_from for picture in aligned.pictures} == {"landmarks"}


def test_a_given_pose_is_the_label_unless_landmarks_are_believed():
    _, notes = head_set(num_backs=0)
    for pose_from, expected in (("given", True), ("landmarks", False)):
        for picture in align(notes, pose_from=pose_from).pictures:
            assert (picture.view[:2] == notes[picture.name].view[:2]) is expected
            assert picture.pose_from == pose_from


def test_labels_are_canonical_cameras_at_the_angles_and_upright():
    _, notes = head_set()
    pictures = align(notes).pictures
    labels = canonical_labels(pictures)
    check_labels(labels)
    camera = camera_from_label(torch.from_numpy(labels))
    angles = view_angles(camera)
    expected = np.array([picture.view[:2] for picture in pictures])
    turns = (angles.azimuth_rad.numpy() - expected[:, 0] + math.pi) % (2 * math.pi) - math.pi
    assert np.abs(turns).max() < 1e-5
    assert np.abs(angles.elevation_rad.numpy() - expected[:, 1]).max() < 1e-5
    assert angles.roll_rad.abs().max() < 1e-5
    assert (camera.position.norm(dim=-1) - HEAD_RADIUS).abs().max() < 1e-5


@pytest.mark.parametrize("axis", ["yaw", "roll"])
def test_an_angle_of_the_wrong_sign_is_found_and_the_option_told(axis):
    _, notes = head_set()
    if axis == "roll":  # Rolls of the set are small.
        notes = {
            name: note._replace(landmarks=None if note.landmarks is None else note.landmarks * np.exp(-0.3j))
            for name, note in notes.items()
        }
        flipped = {name: note._replace(view=note.view._replace(roll_rad=-0.3)) for name, note in notes.items()}
    else:
        flipped = {
            name: note._replace(view=note.view._replace(azimuth_rad=-note.view.azimuth_rad))
            for name, note in notes.items()
        }
    with pytest.raises(DataError, match=rf"{axis}.*--pose_signs"):
        align(flipped)


def test_single_contradictions_are_left_out_with_their_reason():
    _, notes = head_set(pose_noise_deg=0.0)
    box = notes["face0.jpg"].box
    moved = HeadBox(box.x0 + box.size, box.y0, box.x1 + box.size, box.y1)
    notes["face0.jpg"] = notes["face0.jpg"]._replace(box=moved)
    notes["face1.jpg"] = notes["face1.jpg"]._replace(view=View(math.pi, 0.0, 0.0))
    notes["face2.jpg"] = Annotation(notes["face2.jpg"].landmarks * 1j)
    notes["face3.jpg"] = notes["face3.jpg"]._replace(landmarks=notes["face3.jpg"].landmarks[::-1].copy())
    notes["face4.jpg"] = Annotation(box=box)
    notes["face5.jpg"] = Annotation()
    aligned = align(notes)
    reasons = {problem.name: problem.reason for problem in aligned.problems}
    assert set(reasons) == {f"face{i}.jpg" for i in (0, 1, 2, 4, 5)}
    for i, words in {0: "its box", 1: "given pose", 2: "roll", 4: "neither pose", 5: "neither landmarks"}.items():
        assert words in reasons[f"face{i}.jpg"]
    assert all(problem.remedy for problem in aligned.problems)
    # Landmarks that are none are no loss where there is a box.
    assert {picture.name: picture.crop_from for picture in aligned.pictures}["face3.jpg"] == "box"
