# SPDX-License-Identifier: Apache-2.0
"""Do landmarks, pose and box of a picture speak of one head? Where several are there, they check each other.

What a whole set does wrong, such as angles of the other sign, raises; single pictures are reported and left out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from training.data.making.calibration import Residuals
from training.data.making.face_fit import View
from training.data.problems import DataError, Problem

ANGLES = ("yaw", "pitch", "roll")

_MAX_SCALE, _MAX_SHIFT = math.log(1.5), 0.35  # Of box against landmarks: logarithm, and picture widths.
_MAX_POSE_RAD = math.radians(45)  # Rough poses are off by 10 degrees, and sometimes by 20.
_CLEARLY_TURNED_RAD = math.radians(10)
_MIN_TURNED = 5  # Pictures that can tell the sign of an angle.


class PosePair(NamedTuple):
    """The pose of a picture as it was given, and as its landmarks say."""

    given: View
    fitted: View


def check_pose_signs(pairs: Mapping[str, PosePair]) -> None:
    """Raises where given angles turn the other way than landmarks say: unseen, half of the set would be mirrored."""
    names = list(pairs)
    given, fitted = _angles(pairs)
    is_turned = (np.abs(given) > _CLEARLY_TURNED_RAD) & (np.abs(fitted) > _CLEARLY_TURNED_RAD)
    is_opposite = is_turned & (given * fitted < 0)
    turned, opposite = is_turned.sum(axis=0), is_opposite.sum(axis=0)
    wrong = (turned >= _MIN_TURNED) & (opposite > 0.7 * turned)
    if wrong.any():
        axis = int(np.argmax(wrong))
        example = names[int(np.argmax(is_opposite[:, axis]))]
        raise DataError(
            f"the given {ANGLES[axis]} has the other sign than landmarks say in {opposite[axis]} of {turned[axis]} "
            f"pictures, {example} for example: pose estimators differ in their signs; change that of {ANGLES[axis]} "
            "with --pose_signs (-1,1,1 turns yaw)"
        )


def pose_problems(pairs: Mapping[str, PosePair]) -> list[Problem]:
    """Pictures whose given pose is not that of their landmarks."""
    found = []
    for name, (given, fitted) in pairs.items():
        turn_rad = max(
            abs(_wrapped(given.azimuth_rad - fitted.azimuth_rad)), abs(given.elevation_rad - fitted.elevation_rad)
        )
        if turn_rad > _MAX_POSE_RAD:
            said, seen = (f"yaw {math.degrees(v[0]):.0f}, pitch {math.degrees(v[1]):.0f}" for v in (given, fitted))
            reason = f"its given pose ({said}) is not that of its landmarks ({seen})"
            found.append(Problem(name, reason, "remove the one that is wrong"))
    return found


def pose_summary(pairs: Mapping[str, PosePair]) -> dict[str, object]:
    """Given minus fitted, in degrees."""
    given, fitted = _angles(pairs)
    differences = np.degrees(_wrapped(given - fitted))
    return {
        name: {
            "median": round(float(np.median(column)), 2),
            "absolute_p90": round(float(np.quantile(np.abs(column), 0.9)), 2),
        }
        for name, column in zip(ANGLES, differences.T, strict=True)
    }


def box_problems(names: Sequence[str], errors: Residuals) -> list[Problem]:
    """Pictures whose calibrated box crop has little to do with the crop of their landmarks."""
    found = []
    for i in np.flatnonzero((np.abs(errors.log_scale) > _MAX_SCALE) | (np.abs(errors.shift) > _MAX_SHIFT)):
        scale, shift = math.exp(errors.log_scale[i]), abs(errors.shift[i])
        reason = f"its box is not of the head of its landmarks ({scale:.2f} times as large, {shift:.2f} widths away)"
        found.append(Problem(names[i], reason, "correct the one that is wrong, or leave the picture out"))
    return found


def _angles(pairs: Mapping[str, PosePair]) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    given = np.array([pair.given for pair in pairs.values()], dtype=np.float64).reshape(-1, 3)
    fitted = np.array([pair.fitted for pair in pairs.values()], dtype=np.float64).reshape(-1, 3)
    return _wrapped(given), fitted


def _wrapped(angle_rad: float | Float[np.ndarray, "..."]) -> float | Float[np.ndarray, "..."]:
    """The same angle in [-pi, pi)."""
    return (angle_rad + math.pi) % (2 * math.pi) - math.pi
