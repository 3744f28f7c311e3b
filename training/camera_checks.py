# SPDX-License-Identifier: Apache-2.0
"""Are these camera labels what this project means by one? If not: which, what is wrong, why, and how to mend it."""

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from training import camera_soundness as sound
from training.camera_mistakes import (
    Explanation,
    Matrices,
    explain_distances,
    explain_intrinsics,
    explain_poses,
    explain_up,
)
from training.camera_soundness import Mask
from training.cameras import LABEL_DIM

_CHUNK = 1 << 14  # Labels looked at together: few enough to stay in the cache.
_LISTED = 5  # Indices that a message names.


class LabelError(ValueError):
    """Labels that are not the project's. `recipe`, if one is known, is NumPy that mends `labels`, an array [n, 25]."""

    def __init__(self, message: str, indices: Sequence[int] = (), recipe: str | None = None) -> None:
        super().__init__(message)
        self.indices = list(indices)
        self.recipe = recipe


class _Check(NamedTuple):
    """Which matrices pass, and what to say of one that does not."""

    passes: Callable[[Matrices], Mask]
    failure: Callable[[Float[np.ndarray, "1 d d"]], str]


class _Stage(NamedTuple):
    """Checks of one kind of matrix, who knows why they fail, and what to say where nobody does."""

    checks: tuple[_Check, ...]
    explain: Callable[[Matrices, Matrices], Explanation | None]
    help: str


def check_labels(labels: np.ndarray | Tensor | Sequence[Any]) -> None:
    """Raise LabelError unless every label is a rigid camera-to-world pose with normalised intrinsics.

    Rotations may be off by 2e-3, focal lengths lie in 0.2 .. 50 image widths, the principal point lies in the image. A
    sound pose that shows no portrait (the head behind the camera or far away, the image upside down, the place of an
    inverted pose, all images lying on their side) comes nearly always from another convention and is refused as well.
    """
    rows = _as_rows(labels)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        label = rows[~finite][0]
        column = np.flatnonzero(~np.isfinite(label))[0]
        what = f"number {column} of it is {label[column]}"
        raise _error(~finite, what, None, "Estimate its camera again, or leave the image out.")

    poses, intrinsics = rows[:, :16].reshape(-1, 4, 4), rows[:, 16:].reshape(-1, 3, 3)
    _check(poses, _RIGID)
    if sound.lie_together(poses):
        up = ", ".join(f"{value:+.2f}" for value in sound.common_up(poses))
        what = f"with all others it has ({up}) of the world up in its image, not +y"
        raise _error(np.ones(len(poses), dtype=bool), what, explain_up(poses), _UP_HELP)
    _check(poses, _VIEW)
    if sound.look_inverted_together(poses):
        what = "with all others it stands on the z axis and looks past the head, as inverted poses do"
        raise _error(np.ones(len(poses), dtype=bool), what, explain_poses(poses, poses), _VIEW.help)
    _check(poses, _DISTANCE)
    _check(intrinsics, _INTRINSICS)


def _check(matrices: Matrices, stage: _Stage) -> None:
    chunks = [matrices[start : start + _CHUNK] for start in range(0, len(matrices), _CHUNK)]
    with np.errstate(over="ignore", invalid="ignore"):  # Huge numbers overflow to what fails the check anyway.
        passed = [np.logical_and.reduce([check.passes(chunk) for check in stage.checks]) for chunk in chunks]
        bad = ~np.concatenate([np.ones(0, dtype=bool), *passed])
        if bad.any():
            first = matrices[bad][:1]
            what = next(check.failure(first) for check in stage.checks if not check.passes(first)[0])
            raise _error(bad, what, stage.explain(matrices[bad], matrices), stage.help)


def _as_rows(labels: np.ndarray | Tensor | Sequence[Any]) -> Float[np.ndarray, "n 25"]:
    """One floating-point array. In lists, numbers may be strings, as the published dataset.json files have them."""
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu()
        labels = (labels if labels.dtype in (torch.float32, torch.float64) else labels.double()).numpy()
    if isinstance(labels, np.ndarray):
        if labels.ndim != 2 or labels.shape[1] != LABEL_DIM:
            raise LabelError(f"Camera labels are an array [n, {LABEL_DIM}], not {list(labels.shape)}. {_LENGTH_HELP}")
        if labels.dtype in (np.float32, np.float64):
            return labels
        labels = labels.tolist()  # Of strings, perhaps.
    if len(labels) == 0:
        return np.zeros((0, LABEL_DIM))
    rows = _numbers(labels)
    if rows is None or rows.shape != (len(labels), LABEL_DIM):
        bad = np.array([getattr(_numbers(row), "shape", None) != (LABEL_DIM,) for row in labels])
        what = f"it is {reprlib.repr(labels[bad.argmax()])}, not {LABEL_DIM} numbers"
        raise _error(bad, what, None, _LENGTH_HELP)
    return rows


def _numbers(values: Any) -> np.ndarray | None:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _error(bad: Mask, what: str, explanation: Explanation | None, help_text: str) -> LabelError:
    indices = np.flatnonzero(bad).tolist()
    lines = [f"Camera label {indices[0]} is wrong: {what}."]
    if len(indices) > 1:
        listed = ", ".join(map(str, indices[:_LISTED])) + (", ..." if len(indices) > _LISTED else "")
        lines.append(f"{len(indices)} of {len(bad)} labels are wrong: {listed}")
    if explanation:
        which = "all labels" if explanation.everywhere else "the wrong labels, not the others"
        lines.append(f"Likely cause: {explanation.cause}.")
        lines.append(f"To mend {which}, as an array [n, 25]: {explanation.recipe}")
    return LabelError("\n".join([*lines, help_text]), indices, explanation and explanation.recipe)


# ----------------------------------------------------------------------------------------------------------------------
# The checks, in the order in which their failures are worth telling.

_LENGTH_HELP = (
    "A label is the camera-to-world matrix 4 x 4, then the intrinsics 3 x 3, row by row. Body poses, codes and the "
    "like are kept apart from it."
)


def _off_axis(T: Float[np.ndarray, "1 4 4"]) -> str:
    return f"the origin is {np.degrees(sound.off_axis_rad(T)[0]):.0f} degrees off its axis"


_RIGID = _Stage(
    (
        _Check(
            sound.has_last_row, lambda T: f"the last row of its pose is {T[0, 3].round(4).tolist()}, not [0, 0, 0, 1]"
        ),
        _Check(
            sound.is_orthonormal,
            lambda T: (
                f"its rotation R is not orthonormal, R^T R is off the identity by {sound.gram_error(T)[0]:.3g} "
                f"(allowed are {sound.ORTHONORMAL_TOLERANCE})"
            ),
        ),
        _Check(sound.is_right_handed, lambda T: "its rotation is left-handed, with determinant -1"),
    ),
    explain_poses,
    "A label begins with a rigid camera-to-world matrix 4 x 4, row by row.",
)

_VIEW = _Stage(
    (
        _Check(sound.is_off_origin, lambda T: "the camera sits at the origin, in the middle of the head"),
        _Check(
            lambda T: sound.off_axis_rad(T) <= np.pi / 2,
            lambda T: f"the camera looks away from the head, {_off_axis(T)}",
        ),
        _Check(sound.is_upright, lambda T: "the camera is upside down, the world's up is down in its image"),
        _Check(
            lambda T: ~sound.looks_inverted(T),
            lambda T: f"the camera misses the head, {_off_axis(T)}, and stands on the z axis as an inverted pose does",
        ),
    ),
    explain_poses,
    "Camera axes are right, down and forward; the world has y up; the head is at the origin and looks to +z (see "
    "docs/conventions.md).",
)

_UP_HELP = (
    "The world has y up (see docs/conventions.md). `dataset_tool.py cameras --up AXIS` turns one with another axis up, "
    "`--up cameras` one that lies anyhow."
)

_DISTANCE = _Stage(
    (
        _Check(
            sound.has_sane_distance,
            lambda T: (
                f"the camera is {np.linalg.norm(T[0, :3, 3].astype(np.float64)):.3g} units away from the head, not "
                f"{sound.DISTANCE_MIN:g} .. {sound.DISTANCE_MAX:g}"
            ),
        ),
    ),
    explain_distances,
    "The head is at the origin, half a unit tall and seen from about 2.7. `dataset_tool.py cameras --recentre "
    "--rescale` moves the cameras there.",
)

_INTRINSICS = _Stage(
    (
        _Check(
            sound.has_intrinsics_form,
            lambda K: (
                f"its intrinsics {K[0].round(4).tolist()} do not have the form [[fx, skew, cx], [0, fy, cy], [0, 0, 1]]"
            ),
        ),
        _Check(
            sound.has_sane_focal,
            lambda K: (
                f"its focal lengths ({K[0, 0, 0]:g}, {K[0, 1, 1]:g}) are not within {sound.FOCAL_MIN:g} .. "
                f"{sound.FOCAL_MAX:g} image sizes"
            ),
        ),
        _Check(
            sound.has_centre_inside,
            lambda K: f"its principal point ({K[0, 0, 2]:g}, {K[0, 1, 2]:g}) is outside the image, which spans 0 to 1",
        ),
        _Check(sound.has_small_skew, lambda K: f"its skew is {K[0, 0, 1]:g}, which no lens has"),
    ),
    explain_intrinsics,
    "Intrinsics are in units of the image size: the first row divided by the width, the second by the height.",
)
