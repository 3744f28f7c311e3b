# SPDX-License-Identifier: Apache-2.0
"""Which triangle of a mesh each pixel of a picture sees: a z-buffer in NumPy.

Image coordinates are (u, v) as in camera_rays.py. A pixel sees a triangle if its centre lies in it. Triangles behind
the camera are not expected: the whole box of a field is in front.
"""

from typing import NamedTuple

import numpy as np
import torch

from training.camera_rays import project
from training.types import Camera

_TOGETHER = 1 << 21  # Pairs of pixel and triangle that are looked at together.


class Projected(NamedTuple):
    """Where a camera sees the vertices of a mesh."""

    uv: np.ndarray  # [V, 2]
    z: np.ndarray  # [V], along the viewing axis.


class Drawn(NamedTuple):
    """What pixels see."""

    z: np.ndarray  # [size, size], infinite where nothing is.
    triangle: np.ndarray  # [size, size], -1 where nothing is.


def project_points(camera: Camera, points: np.ndarray) -> Projected:
    uv, z = project(camera, torch.from_numpy(points))
    return Projected(uv.numpy(), z.numpy())


def draw(seen: Projected, triangles: np.ndarray, size: int) -> Drawn:
    """The nearest triangle of every pixel."""
    corners = (seen.uv * size - 0.5)[triangles]  # Pixel centres are whole numbers.
    inverse_z = 1 / seen.z[triangles]  # Linear in the picture, as z is not.
    low = np.ceil(corners.min(axis=1)).clip(0, size).astype(np.int64)
    high = np.floor(corners.max(axis=1)).clip(-1, size - 1).astype(np.int64)
    extent = (high - low + 1).max(axis=1)
    extent[((high - low) < 0).any(axis=1)] = 0  # Between pixel centres, or outside of the picture.
    z, owner = np.full(size * size, np.inf), np.full(size * size, -1, dtype=np.int64)
    reach = 1
    while (extent > reach // 2).any():
        # Triangles of about one extent at a time: each is tried on a square of that many pixels.
        mine = np.flatnonzero((extent > reach // 2) & (extent <= reach))
        for part in np.array_split(mine, len(mine) * reach**2 // _TOGETHER + 1):
            _try(part, low[part], reach, corners[part], inverse_z[part], size, z, owner)
        reach *= 2
    return Drawn(z.reshape(size, size), owner.reshape(size, size))


def _try(
    ids: np.ndarray,
    low: np.ndarray,
    reach: int,
    corners: np.ndarray,
    inverse_z: np.ndarray,
    size: int,
    z: np.ndarray,
    owner: np.ndarray,
) -> None:
    """Draws triangles on the squares of `reach` x `reach` pixels that begin at `low`."""
    steps = np.stack(np.meshgrid(np.arange(reach), np.arange(reach)), axis=-1).reshape(-1, 2)
    pixels = low[:, None] + steps  # [n, reach^2, 2]
    a, b, c = (corners[:, None, i] for i in range(3))
    area = _cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight_b, weight_c = _cross(pixels - a, c - a) / area, _cross(b - a, pixels - a) / area
        weight_a = 1 - weight_b - weight_c
        covers = (weight_a >= 0) & (weight_b >= 0) & (weight_c >= 0) & (pixels < size).all(-1)
        depth = 1 / (weight_a * inverse_z[:, :1] + weight_b * inverse_z[:, 1:2] + weight_c * inverse_z[:, 2:])
    depth, place = depth[covers], (pixels[..., 1] * size + pixels[..., 0])[covers]
    triangle = np.broadcast_to(ids[:, None], covers.shape)[covers]
    np.minimum.at(z, place, depth)
    nearest = depth == z[place]
    owner[place[nearest]] = triangle[nearest]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
