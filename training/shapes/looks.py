# SPDX-License-Identifier: Apache-2.0
"""What colour points of a surface have: that of the pictures which see them, blended.

A *look* is a picture of the head with the depths at which its mesh would be seen from there. Looks are taken from
around at the height of the eyes, from above and below, and from around with a wider lens, which is trusted only where
no other sees anything, such as the shoulders. A look counts for a point by how squarely it sees it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from dnnlib.progress import progress
from dnnlib.shape_files.mesh import Mesh
from training.camera_paths import camera_on_sphere
from training.cameras import HEAD_FOCAL, hv_from_angles, label_from_camera
from training.generator import Generator
from training.portraits.sitter import TOGETHER, Sitter, photograph
from training.shapes.raster import Drawn, Projected, draw, project_points
from training.types import Camera

_SHARPNESS = 6  # Power of the cosine between normal and viewing direction.
_LEAST_COSINE = 0.15


class Ring(NamedTuple):
    """Cameras around the head."""

    elevation_deg: float
    num_views: int
    focal: float
    trust: float


RINGS = (
    Ring(0.0, 8, HEAD_FOCAL, 1.0),
    Ring(25.0, 4, HEAD_FOCAL, 0.5),
    Ring(-20.0, 4, HEAD_FOCAL, 0.5),
    Ring(0.0, 4, 0.55 * HEAD_FOCAL, 1e-4),
)


class Look(NamedTuple):
    """One picture, and the mesh as seen from there."""

    camera: Camera  # float64, no batch axis.
    trust: float
    picture: np.ndarray  # [size, size, 3] uint8, sRGB
    seen: Projected
    drawn: Drawn
    clear_z: np.ndarray  # [size, size]: the nearest depth around a pixel, -inf where nothing is beside it.
    pixel: float  # World units across, at the middle of the head.


def take_looks(G: Generator, sitter: Sitter, mesh: Mesh) -> list[Look]:
    """Pictures from all rings."""
    places = [(ring, 2 * math.pi * i / ring.num_views) for ring in RINGS for i in range(ring.num_views)]
    cameras = [_camera(G, ring, azimuth_rad) for ring, azimuth_rad in places]
    labels = torch.stack([label_from_camera(camera) for camera in cameras])
    looks = []
    with progress(len(places), "colours", unit="view") as bar:
        pictures = _pictures(G, sitter, labels)
        for (ring, _), camera, picture in zip(places, cameras, pictures, strict=True):
            size = len(picture)
            seen = project_points(camera, mesh.vertices)
            drawn = draw(seen, mesh.triangles, size)
            pixel = G.config.camera_radius / ring.focal / size
            looks.append(Look(camera, ring.trust, picture, seen, drawn, _clear(drawn.z), pixel))
            bar.advance()
    return looks


def blend(looks: Sequence[Look], points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours of points [n, 3] in [0, 255], and which points any look sees."""
    total, weights = np.zeros((len(points), 3)), np.zeros(len(points))
    for look in looks:
        weight = look.trust * sight(look, points, normals, project_points(look.camera, points)) ** _SHARPNESS
        found = np.flatnonzero(weight)
        uv = project_points(look.camera, points[found]).uv
        total[found] += weight[found, None] * _bilinear(look.picture, uv)
        weights[found] += weight[found]
    known = weights > 0
    total[known] /= weights[known, None]
    return total, known


def sight(look: Look, points: np.ndarray, normals: np.ndarray, seen: Projected) -> np.ndarray:
    """How squarely a look sees points: a cosine, and 0 for those hidden, outside of the picture or near an edge."""
    towards = look.camera.position.numpy() - points
    cosine = (towards * normals).sum(-1) / np.linalg.norm(towards, axis=-1)
    size = len(look.picture)
    pixel = np.rint(seen.uv * size - 0.5).astype(np.int64)
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    x, y = np.where(inside[:, None], pixel, 0).T
    hidden_by_less = look.clear_z[y, x] + 8 * look.pixel  # A slope of 80 degrees, from a pixel to the next.
    return np.where(inside & (cosine > _LEAST_COSINE) & (seen.z < hidden_by_less), cosine, 0.0)


def _camera(G: Generator, ring: Ring, azimuth_rad: float) -> Camera:
    angles = torch.tensor([azimuth_rad, math.radians(ring.elevation_deg)], dtype=torch.float64)
    place = G.config.camera_pivot
    return camera_on_sphere(*hv_from_angles(*angles), radius=G.config.camera_radius, focal=ring.focal, target=place)


def _pictures(G: Generator, sitter: Sitter, labels: torch.Tensor) -> Iterator[np.ndarray]:
    for rendering in photograph(G, sitter, labels, together=TOGETHER):
        images = (rendering["image"].float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        yield from images.movedim(1, -1).cpu().numpy()


def _clear(z: np.ndarray) -> np.ndarray:
    """The nearest depth of a pixel and its 8 neighbours; -inf next to nothing, where the picture shows backdrop."""
    padded = np.pad(z, 1, mode="edge")
    size = len(z)
    around = np.stack([padded[i : i + size, j : j + size] for i in range(3) for j in range(3)])
    return np.where(np.isfinite(around).all(axis=0), around.min(axis=0), -np.inf)


def _bilinear(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    size = len(picture)
    x, y = (uv * size - 0.5).clip(0, size - 1).T
    x0, y0 = x.astype(np.int64), y.astype(np.int64)
    x1, y1 = np.minimum(x0 + 1, size - 1), np.minimum(y0 + 1, size - 1)
    dx, dy = (x - x0)[:, None], (y - y0)[:, None]
    above = picture[y0, x0] * (1 - dx) + picture[y0, x1] * dx
    below = picture[y1, x0] * (1 - dx) + picture[y1, x1] * dx
    return above * (1 - dy) + below * dy
