# SPDX-License-Identifier: Apache-2.0
"""Crops from head boxes that agree with crops from landmarks, as in section 3.4 of the PanoHead paper.

A head detector sees every side of a head, but its box is neither centred on the canonical head nor of a size that is
known in advance: it follows hair and the detector's taste. Pictures that have landmarks as well tell the constant
*offsets* from boxes to crops; the same offsets are then used where there is only a box.

Offsets are in units of the box's height and in the upright picture: x to the right, y down, and `dz` along the
direction the subject looks in. With dz a box's centre can lie before or behind the head's and still give one head
centre from all around: it is a shift sideways in profile, and to the other side in the other profile.
"""

import cmath
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Shaped

from training.data.making.crops import Crop
from training.data.making.face_fit import View
from training.data.problems import DataError

MIN_BOTH = 8  # Fewer pictures with both cannot outvote one that is wrong.
_MIN_YAW_SPREAD = math.sin(math.radians(15))  # Below it dz is not seen.
_STEPS = 30


class HeadBox(NamedTuple):
    """A head's bounding box, in source pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def centre(self) -> complex:
        return complex(self.x0 + self.x1, self.y0 + self.y1) / 2

    @property
    def size(self) -> float:
        """Its height: heads are deeper than wide, so that their width changes as they turn."""
        return self.y1 - self.y0


class Offsets(NamedTuple):
    """From a box to its crop: scale is the crop's side over the box's size."""

    scale: float
    dx: float = 0.0
    dy: float = 0.0
    dz: float = 0.0


NO_OFFSETS = Offsets(scale=1.0)


class Residuals(NamedTuple):
    """How far crops are from what they should be, one number per picture."""

    log_scale: Float[np.ndarray, " n"]  # Natural logarithm of the sides' ratio: 0.1 is 10 % too large.
    shift: Complex[np.ndarray, " n"]  # Of the centre, in picture widths.


def box_crop(box: HeadBox, view: View, offsets: Offsets) -> Crop:
    """The crop of a box, turned upright."""
    turn = cmath.exp(-1j * view.roll_rad)
    shift = complex(offsets.dx, offsets.dy) + offsets.dz * _gaze(view)
    return Crop(box.centre + box.size * turn * shift, box.size * offsets.scale * turn)


def calibrate(boxes: Sequence[HeadBox], views: Sequence[View], crops: Sequence[Crop]) -> Offsets:
    """The offsets from boxes to crops. Single pictures that are wrong do not move them."""
    if len(boxes) < MIN_BOTH:
        raise DataError(
            f"{len(boxes)} pictures have both landmarks and a head box, and the offsets of boxes are learned from at "
            f"least {MIN_BOTH}: add boxes to pictures with landmarks, or give known offsets with --offsets"
        )
    sizes = np.array([box.size for box in boxes])
    turns = np.exp(-1j * np.array([view.roll_rad for view in views]))
    shifts = np.array([crop.centre - box.centre for crop, box in zip(crops, boxes, strict=True)]) / sizes / turns
    gazes = np.array([_gaze(view) for view in views])
    if gazes.real.std() < _MIN_YAW_SPREAD:
        gazes = np.zeros_like(gazes)
    scale = math.exp(np.median(np.log([crop.side for crop in crops] / sizes)))
    return Offsets(scale, *_fit_shift(shifts, gazes))


def residuals(crops: Sequence[Crop], wanted: Sequence[Crop]) -> Residuals:
    """Of crops against those that are right."""
    sides = np.array([crop.side for crop in wanted])
    log_scale = np.log(np.array([crop.side for crop in crops]) / sides)
    rights = np.array([crop.right for crop in wanted])
    shift = np.array([crop.centre - want.centre for crop, want in zip(crops, wanted, strict=True)]) / rights
    return Residuals(log_scale, shift)


def summary(errors: Residuals, yaws_rad: Float[np.ndarray, " n"]) -> dict[str, object]:
    """The residuals in words that fit a report: of all, and by how far the head is turned."""
    turned_deg = np.degrees(np.abs((yaws_rad + math.pi) % (2 * math.pi) - math.pi))
    bins = np.minimum(turned_deg // 30, 5)
    by_yaw = {f"{30 * b:.0f} to {30 * b + 30:.0f}": _spread(errors, bins == b) for b in np.unique(bins)}
    return _spread(errors) | {"by_yaw_deg": by_yaw}


def _spread(errors: Residuals, which: Shaped[np.ndarray, " n"] | slice = slice(None)) -> dict[str, float | int]:
    scale, shift = np.abs(errors.log_scale[which]), np.abs(errors.shift[which])
    return {
        "pictures": int(scale.size),
        "scale_error_median": round(float(np.median(scale)), 4),
        "scale_error_p90": round(float(np.quantile(scale, 0.9)), 4),
        "centre_error_median": round(float(np.median(shift)), 4),
        "centre_error_p90": round(float(np.quantile(shift, 0.9)), 4),
    }


def _gaze(view: View) -> complex:
    """The direction the subject looks in (world +z), as an upright camera sees it: right + down i."""
    return complex(-math.sin(view.azimuth_rad), math.cos(view.azimuth_rad) * math.sin(view.elevation_rad))


def _fit_shift(shifts: Complex[np.ndarray, " n"], gazes: Complex[np.ndarray, " n"]) -> tuple[float, float, float]:
    """The (dx, dy, dz) of the least sum of absolute distances, by least squares with weights that follow."""
    ones, zeros = np.ones(len(shifts)), np.zeros(len(shifts))
    rows_x = np.stack([ones, zeros, gazes.real], axis=1)
    rows_y = np.stack([zeros, ones, gazes.imag], axis=1)
    weights = ones
    for _ in range(_STEPS):
        root = np.sqrt(weights)[:, None]
        rows = np.concatenate([root * rows_x, root * rows_y])
        values = np.concatenate([root[:, 0] * shifts.real, root[:, 0] * shifts.imag])
        solution = np.linalg.lstsq(rows, values, rcond=1e-9)[0]
        misses = np.hypot(rows_x @ solution - shifts.real, rows_y @ solution - shifts.imag)
        weights = 1 / np.maximum(misses, 1e-4)
    dx, dy, dz = solution.tolist()
    return dx, dy, dz
