# SPDX-License-Identifier: Apache-2.0
"""From where a face is seen, and which crop the canonical camera would see, by fitting a mean head to 68 landmarks.

A picture of a head is, but for a turn, scale and shift of the picture, what an upright canonical camera sees from some
azimuth and elevation. For given angles the best turn, scale and shift are a linear least-squares problem in two complex
numbers, and they *are* the crop. So only two angles are left to search: a coarse grid, then Gauss-Newton steps.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from training.data.making.crops import Crop
from training.data.making.head_points import INNER, canonical_places, mean_head

# Yaw, pitch and roll beyond which a detector guesses (limits of the published preprocessing).
MAX_ANGLES_RAD = math.radians(90), math.radians(80), math.radians(50)
MAX_RESIDUAL = 0.04  # Root mean square distance of landmarks from the fitted head, in picture widths.
MIN_SIDE = 16  # Source pixels of a crop.

_STEPS = 20
_NUDGE_RAD = 1e-4


class View(NamedTuple):
    """Angles of the camera as in training/cameras.py. Roll turns the camera clockwise."""

    azimuth_rad: float
    elevation_rad: float
    roll_rad: float


class Fit(NamedTuple):
    """What the landmarks of one face say."""

    crop: Crop
    view: View
    residual: float  # Root mean square distance of the landmarks from the head, in picture widths.


def fit_face(landmarks: Complex[np.ndarray, "68"], view: View | None = None) -> Fit:
    """The crop that shows the mean head as the canonical camera sees it, and the view; a known view is not searched."""
    inner = landmarks[INNER]
    if view is not None:
        azimuth_rad, elevation_rad = view.azimuth_rad, view.elevation_rad
    else:
        azimuth_rad, elevation_rad = _search(inner)
    centre, right, misses = _crop_at(inner, np.array([azimuth_rad]), np.array([elevation_rad]))
    fitted = Crop(complex(centre[0]), complex(right[0]))
    residual = float(np.sqrt((np.abs(misses) ** 2).mean())) / max(fitted.side, 1e-9)
    return Fit(fitted, View(azimuth_rad, elevation_rad, fitted.roll_rad), residual)


def objection(fit: Fit) -> str | None:
    """Why the landmarks of this fit cannot be those of a face seen like this, if they cannot."""
    if not fit.crop.side >= MIN_SIDE:
        return f"the head is only {fit.crop.side:.1f} pixels large"
    if not fit.residual <= MAX_RESIDUAL:
        return f"they miss the shape of a head by {fit.residual:.3f} of the picture's width on average"
    for name, angle_rad, limit_rad in zip(("yaw", "pitch", "roll"), fit.view, MAX_ANGLES_RAD, strict=True):
        if not abs(angle_rad) <= limit_rad:
            angle, limit = round(math.degrees(angle_rad)), round(math.degrees(limit_rad))
            return f"they say a {name} of {angle} degrees, and beyond {limit} landmarks are guesses"
    return None


def _search(inner: Complex[np.ndarray, " points"]) -> tuple[float, float]:
    """Azimuth and elevation of the least sum of squares."""
    azimuths, elevations = _grid()
    *_, misses = _crop_at(inner, azimuths, elevations)
    best = np.argmin((np.abs(misses) ** 2).sum(axis=-1))
    angles_rad = np.array([azimuths[best], elevations[best]])
    damping = 1e-3
    nudges = np.array([[0.0, 0.0], [_NUDGE_RAD, 0.0], [0.0, _NUDGE_RAD]])
    *_, misses = _crop_at(inner, *(angles_rad + nudges).T)
    for _ in range(_STEPS):
        residual = misses[0].view(np.float64)
        jacobian = ((misses[1:] - misses[0]) / _NUDGE_RAD).view(np.float64)
        normal = jacobian @ jacobian.T
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), -jacobian @ residual)
        # No camera stands beyond a pole.
        tried_rad = np.clip(angles_rad + step, [-math.pi, -1.5], [math.pi, 1.5])
        *_, tried = _crop_at(inner, *(tried_rad + nudges).T)
        if (np.abs(tried[0]) ** 2).sum() < (np.abs(misses[0]) ** 2).sum():
            angles_rad, misses, damping = tried_rad, tried, damping / 10
            if np.abs(step).max() < 1e-6:
                break
        else:
            damping *= 10
    return float(angles_rad[0]), float(angles_rad[1])


def _crop_at(
    inner: Complex[np.ndarray, " points"],
    azimuth_rad: Float[np.ndarray, "*views"],
    elevation_rad: Float[np.ndarray, "*views"],
) -> tuple[Complex[np.ndarray, " *views"], Complex[np.ndarray, " *views"], Complex[np.ndarray, "*views points"]]:
    """Centre and right edge of the best crop for each view, and by how much the head then misses every landmark."""
    places = canonical_places(_inner_head(), azimuth_rad, elevation_rad)
    mean_inner, mean_places = inner.mean(), places.mean(axis=-1)
    centred = places - mean_places[..., None]
    right = (centred.conj() * (inner - mean_inner)).sum(axis=-1) / (np.abs(centred) ** 2).sum(axis=-1)
    misses = right[..., None] * centred - (inner - mean_inner)
    return mean_inner - right * mean_places, right, misses


@functools.cache
def _inner_head() -> Float[np.ndarray, "points 3"]:
    return mean_head()[INNER]


@functools.cache
def _grid() -> tuple[Float[np.ndarray, " views"], Float[np.ndarray, " views"]]:
    azimuths, elevations = np.meshgrid(np.radians(np.arange(-105, 106, 15)), np.radians(np.arange(-60, 61, 15)))
    return azimuths.ravel(), elevations.ravel()
