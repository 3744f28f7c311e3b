# SPDX-License-Identifier: Apache-2.0
"""Procedural heads, whose landmarks, boxes and cameras are known exactly: do faces and backs come out alike?

Their faces are shorter than those of people, so that crops from eyes and mouth are tighter than the cameras that took
the pictures. What counts is that crops of all views are tighter by the same.
"""

import math

import numpy as np
import pytest
import torch

from training.camera_paths import camera_on_sphere
from training.camera_rays import project
from training.cameras import hv_from_angles
from training.data.making.alignment import align
from training.data.making.annotations import Annotation
from training.data.making.calibration import HeadBox, residuals
from training.data.making.crops import Crop
from training.data.making.face_fit import View
from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.landmarks import head_box, landmarks

WIDTH = 1000
TRUE = Crop(WIDTH * (0.5 + 0.5j), WIDTH + 0j)
NUM_HEADS, NUM_FACES, NUM_BACKS = 20, 60, 60


@pytest.fixture(scope="module")
def annotations():
    """Pictures by the canonical camera: faces with all annotations, backs with boxes and poses."""
    rng = np.random.default_rng(0)
    people = [identity_from_seed(0, i) for i in range(NUM_HEADS)]
    points = [landmarks(who).double() for who in people]
    notes = {}
    for i in range(NUM_FACES + NUM_BACKS):
        is_face = i < NUM_FACES
        azimuth_rad = rng.uniform(-1.2, 1.2) if is_face else rng.uniform(math.pi / 2, 1.5 * math.pi)
        view = View(azimuth_rad, rng.normal(0, 0.15), 0.0)
        camera = camera_on_sphere(*hv_from_angles(*torch.tensor(view[:2], dtype=torch.float64)))
        uv, _ = project(camera, points[i % NUM_HEADS])
        box = HeadBox(*(WIDTH * head_box(people[i % NUM_HEADS], camera)).tolist())
        marks = WIDTH * (uv[:, 0].numpy() + 1j * uv[:, 1].numpy())
        notes[f"{'face' if is_face else 'back'}{i}"] = Annotation(marks if is_face else None, box, view)
    return notes


def test_backs_are_cropped_as_faces_are(annotations):
    aligned = align(annotations)
    assert len(aligned.problems) <= 0.05 * len(annotations)
    errors = {}
    for kind in ("face", "back"):
        crops = [picture.crop for picture in aligned.pictures if picture.name.startswith(kind)]
        errors[kind] = residuals(crops, [TRUE] * len(crops))
    face, back = errors["face"], errors["back"]
    common_scale, common_shift = np.median(face.log_scale), np.median(face.shift.real) + 1j * np.median(face.shift.imag)
    assert abs(np.median(back.log_scale) - common_scale) < 0.04
    assert np.median(np.abs(back.log_scale - common_scale)) < 0.06
    assert np.median(np.abs(back.shift - common_shift)) < 0.035
    assert np.median(np.abs(face.log_scale - common_scale)) < 0.02
    assert np.median(np.abs(face.shift - common_shift)) < 0.02


def test_calibration_takes_most_of_the_error_out_of_boxes(annotations):
    report = align(annotations).report
    before, after = report["before_calibration"], report["after_calibration"]
    assert before["scale_error_median"] > 0.1
    assert after["scale_error_median"] < 0.06
    assert after["centre_error_median"] < 0.03
    assert after["centre_error_median"] < 0.85 * before["centre_error_median"]  # These boxes are centred already.


def test_poses_are_estimated_from_landmarks_alone(annotations):
    faces = {name: Annotation(note.landmarks) for name, note in annotations.items() if note.landmarks is not None}
    aligned = align(faces)
    turns = [
        math.degrees(abs(picture.view.azimuth_rad - annotations[picture.name].view.azimuth_rad))
        for picture in aligned.pictures
    ]
    assert len(turns) > 0.9 * NUM_FACES
    assert np.median(turns) < 10  # As good as a rough pose, on faces of other proportions.
