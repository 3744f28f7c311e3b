# SPDX-License-Identifier: Apache-2.0
"""Which crop and which camera every picture of a set gets: the first stage of the PanoHead paper's alignment (3.4).

Pictures with landmarks are cropped by them. Pictures with only a head box and a rough pose are cropped by the box, with
offsets calibrated on the pictures that have both. Every crop is upright and shows the head where the canonical camera
sees it, so the label is that camera at the picture's azimuth and elevation.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from dnnlib.progress import progress
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, label_from_camera
from training.data.making import agreement
from training.data.making.annotations import Annotation
from training.data.making.calibration import (
    MIN_BOTH,
    NO_OFFSETS,
    Offsets,
    box_crop,
    calibrate,
    residuals,
    summary,
)
from training.data.making.crops import Crop
from training.data.making.face_fit import Fit, View, fit_face, objection
from training.data.problems import Problem

PoseFrom = Literal["given", "landmarks"]


class Aligned(NamedTuple):
    """What is made of one picture, and on whose word."""

    name: str
    crop: Crop
    view: View  # Of the crop, so without roll.
    crop_from: Literal["landmarks", "box"]
    pose_from: PoseFrom


class Alignment(NamedTuple):
    """What is made of a set, what is left out, the offsets of boxes if there were any, and how well all agree."""

    pictures: list[Aligned]
    problems: list[Problem]
    offsets: Offsets | None
    report: dict[str, object]


def align(
    annotations: Mapping[str, Annotation], offsets: Offsets | None = None, pose_from: PoseFrom = "given"
) -> Alignment:
    """Aligns pictures by their annotations. Without `offsets` those of boxes are calibrated.

    `pose_from` says who is believed where a pose is given and could be estimated from landmarks too.
    """
    report: dict[str, object] = {}
    fits, objections = _fit_faces(annotations)
    pairs = {
        name: agreement.PosePair(annotations[name].view, fit.view)
        for name, fit in fits.items()
        if annotations[name].view is not None
    }
    agreement.check_pose_signs(pairs)
    if pairs:
        report["given_pose_minus_landmarks_deg"] = agreement.pose_summary(pairs)
    refused = {problem.name: problem for problem in agreement.pose_problems(pairs)}
    if pose_from == "given":
        fits |= {name: fit_face(annotations[name].landmarks, pair.given) for name, pair in pairs.items()}

    boxed = [name for name, note in annotations.items() if note.box is not None and note.view is not None]
    both = [name for name in boxed if name in fits and name not in refused]
    if offsets is None and (len(both) >= MIN_BOTH or any(name not in fits for name in boxed)):
        offsets = calibrate([annotations[name].box for name in both], *_views_and_crops(both, annotations, fits))
    if both and offsets is not None:
        refused |= _compare(both, annotations, fits, offsets, report)

    pictures, problems = [], []
    for name, note in annotations.items():
        if name in refused:
            problems.append(refused[name])
        elif name in fits:
            is_given = pose_from == "given" and note.view is not None
            view = fits[name].view._replace(roll_rad=0.0)
            pictures.append(Aligned(name, fits[name].crop, view, "landmarks", "given" if is_given else "landmarks"))
        elif note.box is not None and note.view is not None:
            assert offsets is not None
            crop = box_crop(note.box, note.view, offsets)
            pictures.append(Aligned(name, crop, note.view._replace(roll_rad=0.0), "box", "given"))
        else:
            problems.append(_unusable(name, note, objections.get(name)))
    return Alignment(pictures, problems, offsets, report)


def canonical_labels(pictures: Sequence[Aligned]) -> Float32[np.ndarray, "n 25"]:
    """The labels of aligned pictures."""
    angles = torch.tensor([picture.view[:2] for picture in pictures], dtype=torch.float64).reshape(-1, 2)
    camera = camera_on_sphere(*hv_from_angles(*angles.unbind(1)))
    return label_from_camera(camera).to(torch.float32).numpy()


def _fit_faces(annotations: Mapping[str, Annotation]) -> tuple[dict[str, Fit], dict[str, str]]:
    """The mean head fitted to every face, and what speaks against the landmarks where it does not fit."""
    fits, objections = {}, {}
    names = [name for name, note in annotations.items() if note.landmarks is not None]
    for name in progress(names, "landmarks", unit="img"):
        fit = fit_face(annotations[name].landmarks)
        if (reason := objection(fit)) is not None:
            objections[name] = reason
        else:
            fits[name] = fit
    return fits, objections


def _views_and_crops(
    names: Sequence[str], annotations: Mapping[str, Annotation], fits: Mapping[str, Fit]
) -> tuple[list[View], list[Crop]]:
    return [annotations[name].view for name in names], [fits[name].crop for name in names]


def _compare(
    names: Sequence[str],
    annotations: Mapping[str, Annotation],
    fits: Mapping[str, Fit],
    offsets: Offsets,
    report: dict[str, object],
) -> dict[str, Problem]:
    """Reports how well box crops agree with landmarks. Returns the pictures where they are not of one head."""
    views, wanted = _views_and_crops(names, annotations, fits)
    yaws_rad = np.array([view.azimuth_rad for view in views])
    for key, some_offsets in (("before_calibration", NO_OFFSETS), ("after_calibration", offsets)):
        crops = [box_crop(annotations[name].box, view, some_offsets) for name, view in zip(names, views, strict=True)]
        errors = residuals(crops, wanted)
        report[key] = summary(errors, yaws_rad)
    return {problem.name: problem for problem in agreement.box_problems(names, errors)}


def _unusable(name: str, note: Annotation, reason: str | None) -> Problem:
    if reason is not None:
        return Problem(name, f"its landmarks are not used: {reason}", "correct them, or give a head box and a pose")
    if note.box is not None:
        return Problem(name, "has a head box but neither pose nor landmarks", "add its yaw and pitch to the boxes")
    return Problem(name, "has neither landmarks nor a head box", "run a detector on it, or leave it out")
