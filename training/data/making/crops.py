# SPDX-License-Identifier: Apache-2.0
"""A square cut out of a picture, turned and resized: which, and how to do it without jagged or black edges.

Places in a picture are complex numbers x + iy, in pixels from the top left corner of the top left pixel, so that pixel
(row i, column j) has its centre at (j + 0.5) + (i + 0.5)i. A *crop* is where a square picture lies in its *source*;
with (u, v) from 0 to 1 over the picture, as in training/camera_rays.py, the source place is

    centre + right * ((u - 0.5) + (v - 0.5)i)

A factor `right` turns and scales but neither mirrors nor shears, so a crop that was made can be undone.
"""

import cmath
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageFilter

_MARGIN = 4  # Pixels around a crop that the filters reach into.
_BLUR = 0.02  # Of the picture's side: standard deviation of the blur beyond the source's edge,
_FADE = 0.06  # and the width over which it sets in.


class Crop(NamedTuple):
    """Where a square picture lies in its source."""

    centre: complex
    right: complex  # The picture's upper edge, from left to right.

    @property
    def side(self) -> float:
        """Source pixels along an edge."""
        return abs(self.right)

    @property
    def roll_rad(self) -> float:
        """How far the source's camera is turned clockwise against the picture's."""
        return -cmath.phase(self.right)

    def matrix(self, resolution: int) -> Float[np.ndarray, "3 3"]:
        """`T_source_crop`: source pixels (x, y, 1) from pixels of the picture. Its inverse puts the picture back."""
        step = self.right / resolution
        corner = self.centre - self.right * (0.5 + 0.5j)
        return np.array([[step.real, -step.imag, corner.real], [step.imag, step.real, corner.imag], [0.0, 0.0, 1.0]])

    @staticmethod
    def of_matrix(T_source_crop: Float[np.ndarray, "3 3"], resolution: int) -> "Crop":
        """The crop whose matrix this is."""
        (a, _, x), (b, _, y), _ = T_source_crop.tolist()
        right = complex(a, b) * resolution
        return Crop(complex(x, y) + right * (0.5 + 0.5j), right)

    def places(self, resolution: int) -> Shaped[np.ndarray, "resolution resolution"]:
        """Source places of the pixel centres."""
        steps = (np.arange(resolution) + 0.5) / resolution - 0.5
        return self.centre + self.right * (steps + 1j * steps[:, None])

    def share_inside(self, width: int, height: int) -> float:
        """How much of the picture shows the source and not what lies beyond its edges."""
        return float((_beyond(self.places(64), width, height) == 0).mean())


def crop_picture(
    pixels: UInt8[np.ndarray, "height width channels"], crop: Crop, resolution: int
) -> UInt8[np.ndarray, "resolution resolution channels"]:
    """The picture of a crop. Beyond the edge the source is reflected, and soon blurred so that nobody learns from it.

    A fourth channel is a mask: empty beyond the edge, and never blurred.
    """
    picture = np.stack([_sample(pixels[..., c], crop, resolution, reflected=c < 3) for c in range(pixels.shape[2])], 2)
    beyond = _beyond(crop.places(resolution), pixels.shape[1], pixels.shape[0])
    if not beyond.any():
        return picture
    weight = np.clip(beyond / (_FADE * crop.side), 0, 1)[..., None]
    blurred = np.asarray(Image.fromarray(picture[..., :3]).filter(ImageFilter.GaussianBlur(_BLUR * resolution)))
    mixed = picture[..., :3] + weight * (blurred.astype(np.float32) - picture[..., :3])
    return np.concatenate([np.rint(mixed).astype(np.uint8), picture[..., 3:]], axis=2)


def crop_mask(
    mask: UInt8[np.ndarray, "height width"], crop: Crop, resolution: int
) -> UInt8[np.ndarray, "resolution resolution"]:
    """The mask of a crop. Beyond the edge there is background."""
    return _sample(mask, crop, resolution, reflected=False)


def _sample(
    plane: UInt8[np.ndarray, "height width"], crop: Crop, resolution: int, reflected: bool
) -> UInt8[np.ndarray, "resolution resolution"]:
    """One channel. It is read at least as densely as the source has pixels, then shrunk."""
    density = crop.side / resolution
    shrink = max(
        1, int(density / 2)
    )  # Averaging so many pixels first leaves two per pixel of the result to the filter.
    samples = max(1, int(np.ceil(density / shrink)))
    # Filters that sharpen leave ripples beside an edge, which in a mask are head where there is none.
    interpolation = Image.Resampling.BICUBIC if reflected else Image.Resampling.BILINEAR
    shrinking = Image.Resampling.LANCZOS if reflected else Image.Resampling.BILINEAR

    corners = crop.centre + crop.right * np.array([-0.5 - 0.5j, 0.5 - 0.5j, -0.5 + 0.5j, 0.5 + 0.5j])
    margin = _MARGIN * shrink
    x0, y0 = (int(np.floor(axis.min())) - margin for axis in (corners.real, corners.imag))
    columns = -(-int(np.ceil(corners.real.max()) + margin - x0) // shrink) * shrink
    rows = -(-int(np.ceil(corners.imag.max()) + margin - y0) // shrink) * shrink
    ys, is_row = _reflect(np.arange(y0, y0 + rows), plane.shape[0])
    xs, is_column = _reflect(np.arange(x0, x0 + columns), plane.shape[1])
    region = plane[ys[:, None], xs]
    if not reflected:
        region = region * (is_row[:, None] & is_column)

    # In float32: Pillow's affine transform cuts fractions off where it works in bytes.
    image = Image.fromarray(region.astype(np.float32)).reduce(shrink)
    inside = Crop((crop.centre - complex(x0, y0)) / shrink, crop.right / shrink)
    size = samples * resolution
    coefficients = inside.matrix(size)[:2].flatten().tolist()
    image = image.transform((size, size), Image.Transform.AFFINE, coefficients, interpolation)
    if samples > 1:
        image = image.resize((resolution, resolution), shrinking)
    return np.rint(np.clip(np.asarray(image), 0, 255)).astype(np.uint8)


def _reflect(indices: Shaped[np.ndarray, " n"], size: int) -> tuple[Shaped[np.ndarray, " n"], Shaped[np.ndarray, " n"]]:
    """Indices into an axis of `size` pixels that goes to and fro beyond its ends, and whether they lie within it."""
    there = indices % (2 * size)
    return np.minimum(there, 2 * size - 1 - there), (indices >= 0) & (indices < size)


def _beyond(places: Shaped[np.ndarray, "*grid"], width: int, height: int) -> Float[np.ndarray, "*grid"]:
    """Source pixels from places to the source, 0 inside."""
    x, y = places.real, places.imag
    return np.hypot(np.maximum(np.maximum(-x, x - width), 0), np.maximum(np.maximum(-y, y - height), 0))
