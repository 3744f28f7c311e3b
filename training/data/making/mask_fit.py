# SPDX-License-Identifier: Apache-2.0
"""Does a mask belong to its picture? Where the edge of the mask lies, the picture should have edges too.

The *fit* of a mask is how strong the picture's edges are along the mask's, within a pixel or two, at a side of 64
pixels. Its *z* says how that compares with the same outline laid elsewhere over the picture, in standard deviations. A
low fit alone proves nothing: dark hair before a dark wall has no edge. Only an alternative that fits much better does:
another mask, the mask mirrored, upside down, or moved.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from training.data.making.resample import center_crop, resample_image, resample_mask

SIDE = 64
_NEAR, _FAR = 1.5, (5.0, 16.0)  # Pixels: what counts as in place, and as elsewhere.
_MIN_SHARE = 0.6  # Of the outline that stays in the picture when it is laid elsewhere.

# Of 2,100 right masks over plain, cluttered, dim and noisy pictures none is taken for wrong by these; of wrong ones a
# third (clutter) to nine tenths (plain) are found.
_TIMES_BETTER = 1.5
_MIN_Z = 4.5

Outline = Float[np.ndarray, "64 64"]


class Fit(NamedTuple):
    """How well an outline fits."""

    strength: float
    z: float

    def is_beaten_by(self, other: "Fit") -> bool:
        """Whether the other one is clearly the right one."""
        return other.strength >= _TIMES_BETTER * self.strength and other.z >= max(_MIN_Z, 2 * self.z)


class Edges(NamedTuple):
    """The edges of a picture, ready for comparison."""

    strength: Outline
    spectrum: np.ndarray


def small_mask(mask: UInt8[np.ndarray, "height width"]) -> Float[np.ndarray, "64 64"]:
    """The central square at the size of comparison, 0 to 1."""
    height, width = mask.shape
    return resample_mask(mask, center_crop(width, height), SIDE).astype(np.float32) / 255


def edges(pixels: UInt8[np.ndarray, "height width channels"]) -> Edges:
    """The edges of the central square."""
    height, width = pixels.shape[:2]
    small = resample_image(pixels[:, :, :3], center_crop(width, height), SIDE).astype(np.float32)
    strength = np.sqrt(sum(_steepness(small[:, :, channel]) ** 2 for channel in range(3)))
    return Edges(strength, _spectrum(strength))


def fit(mask: Float[np.ndarray, "64 64"], picture: Edges) -> Fit:
    """How well the mask fits where it is."""
    return _fits(mask, picture)[0]


def best_moved(mask: Float[np.ndarray, "64 64"], picture: Edges) -> tuple[Fit, tuple[int, int]]:
    """How well it fits at the best other place, and how far to the right and down that is, in pixels of 64."""
    _, fits, elsewhere = _fits(mask, picture)
    down, right = np.unravel_index(np.argmax(np.where(elsewhere, fits, -np.inf)), fits.shape)
    mean, deviation = fits[elsewhere].mean(), fits[elsewhere].std() + 1e-9
    best = float(fits[down, right])
    return Fit(best, float((best - mean) / deviation)), (int(_OFFSETS[right]), int(_OFFSETS[down]))


def _fits(mask: Float[np.ndarray, "64 64"], picture: Edges) -> tuple[Fit, np.ndarray, Bool[np.ndarray, "128 128"]]:
    """The fit, the fits at all places, and which of these are elsewhere."""
    outline = _steepness(mask)
    outline[:2] = outline[-2:] = outline[:, :2] = outline[:, -2:] = 0  # Where the picture ends, not the head.
    conjugate = np.conj(_spectrum(outline))
    sums = np.fft.irfft2(conjugate * picture.spectrum)
    shares = np.fft.irfft2(conjugate * _INSIDE) / max(float(outline.sum()), 1e-9)
    fits = sums / np.maximum(shares, 1e-3) / max(float(outline.sum()), 1e-9)
    elsewhere = _IS_FAR & (shares > _MIN_SHARE)
    if not elsewhere.any():
        return Fit(0.0, 0.0), np.zeros_like(fits), _IS_FAR  # No outline, or none that stays inside.
    strength = float(fits[_IS_NEAR].max())
    z = (strength - fits[elsewhere].mean()) / (fits[elsewhere].std() + 1e-9)
    return Fit(strength, float(z)), fits, elsewhere


def _steepness(plane: Float[np.ndarray, "64 64"]) -> Outline:
    """Length of the gradient, a little blurred."""
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    soft = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    down, right = np.zeros_like(soft), np.zeros_like(soft)
    down[1:-1] = soft[2:] - soft[:-2]
    right[:, 1:-1] = soft[:, 2:] - soft[:, :-2]
    return np.hypot(down, right)


def _spectrum(plane: Outline) -> np.ndarray:
    """With as much again of nothing, so that an outline moved out does not come in on the other side."""
    return np.fft.rfft2(plane, (2 * SIDE, 2 * SIDE))


_OFFSETS = np.fft.fftfreq(2 * SIDE) * 2 * SIDE
_DISTANCES = np.hypot(_OFFSETS[:, None], _OFFSETS)
_IS_NEAR, _IS_FAR = _DISTANCES <= _NEAR, (_DISTANCES >= _FAR[0]) & (_DISTANCES <= _FAR[1])  # noqa: SIM300
_INSIDE = _spectrum(np.ones((SIDE, SIDE), np.float32))
