# SPDX-License-Identifier: Apache-2.0
"""What colour points of a surface have: that of the pictures which see them, blended.

A *look* is a picture of the head with the depths at which its mesh would be seen from there. Looks are taken from
around at the height of the eyes, from above and below, and from around with a wider lens, which is trusted only where
no other sees anything, such as the shoulders. A look counts for a point by how clearly it sees it.
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
from training.portraits.sitter import Sitter, photograph
from training.shapes.raster import Drawn, draw, project_points
from training.types import Camera

_SHARPNESS = 6  # Power of the cosine between normal and viewing direction.
_LEAST_COSINE = 0.15
_FRAME = 0.08  # Towards the edge of a picture, from this share of its width on, it counts less and less.


class Ring(NamedTuple):
    """Cameras around the head."""

    elevation_deg: float
    num_views: int
    focal: float
    trust: float


RINGS = (  # 16 views: a square sheet.
    Ring(0.0, 8, HEAD_FOCAL, 1.0),
    Ring(25.0, 2, HEAD_FOCAL, 0.5),
    Ring(-20.0, 2, HEAD_FOCAL, 0.5),
    Ring(0.0, 4, 0.55 * HEAD_FOCAL, 1e-4),
)


class Look(NamedTuple):
    """One picture, and the mesh as seen from there."""

    camera: Camera  # float64, no batch axis.
    trust: float
    picture: np.ndarray  # [size, size, 3] uint8, sRGB
    opacity: np.ndarray  # [raw size, raw size, 1] in [0, 1]
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
        for (ring, _), camera, (picture, opacity) in zip(places, cameras, pictures, strict=True):
            size = len(picture)
            drawn = draw(project_points(camera, mesh.vertices), mesh.triangles, size)
            pixel = G.config.camera_radius / ring.focal / size
            looks.append(Look(camera, ring.trust, picture, opacity, drawn, _clear(drawn.z), pixel))
            bar.advance()
    return looks


def blend(looks: Sequence[Look], points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours of points [n, 3] in [0, 255], and which points any look sees."""
    total, weights = np.zeros((len(points), 3)), np.zeros(len(points))
    for look in looks:
        found, clarity, uv = sight(look, points, normals)
        weight = look.trust * clarity**_SHARPNESS
        total[found] += weight[:, None] * _bilinear(look.picture, uv)
        weights[found] += weight
    known = weights > 0
    total[known] /= weights[known, None]
    return total, known


def sight(look: Look, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which points a look sees, how clearly, and where in the picture.

    Clarity is the cosine between normal and viewing direction, times the opacity, since the backdrop shines through
    where that is less than 1, and it fades towards the edge of the picture. Hidden points, those outside of the picture
    and those beside an edge of the surface are not seen.
    """
    towards = look.camera.position.numpy() - points
    cosine = (towards * normals).sum(-1) / np.linalg.norm(towards, axis=-1)
    found = np.flatnonzero(cosine > _LEAST_COSINE)
    uv, z = project_points(look.camera, points[found])
    size = len(look.picture)
    x, y = np.floor(uv * size).astype(np.int64).clip(0, size - 1).T
    hidden_by_less = look.clear_z[y, x] + 8 * look.pixel  # A slope of 80 degrees, from a pixel to the next.
    # Two pixels at the edge are left to the smaller versions of a texture, in which neighbouring tiles mix.
    from_edge = np.minimum(uv, 1 - uv).min(axis=-1) - 2 / size
    is_seen = (z < hidden_by_less) & (from_edge > 0)
    found, uv, from_edge = found[is_seen], uv[is_seen], from_edge[is_seen]
    clarity = cosine[found] * _bilinear(look.opacity, uv)[:, 0] * (from_edge / _FRAME).clip(max=1)
    return found, clarity, uv


def _camera(G: Generator, ring: Ring, azimuth_rad: float) -> Camera:
    angles = torch.tensor([azimuth_rad, math.radians(ring.elevation_deg)], dtype=torch.float64)
    place = G.config.camera_pivot
    return camera_on_sphere(*hv_from_angles(*angles), radius=G.config.camera_radius, focal=ring.focal, target=place)


def _pictures(G: Generator, sitter: Sitter, labels: torch.Tensor) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures and their opacities."""
    for rendering in photograph(G, sitter, labels):
        images = (rendering["image"].float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        masks = rendering["image_mask"].float().clamp(0, 1)
        yield from zip(*(x.movedim(1, -1).cpu().numpy() for x in (images, masks)), strict=True)


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
