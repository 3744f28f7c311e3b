# SPDX-License-Identifier: Apache-2.0
"""A texture for a mesh, out of the looks that were taken of it.

The texture is a sheet of *tiles*, one for each look, and a triangle gets the tile of the look that sees it most
clearly; where its corners are in the picture is where they are in the tile. What is painted there is not that picture
but the blend of all, which depends on the point alone: so two triangles that meet on a seam of the texture meet in one
colour. Triangles that no look sees have colours at their vertices instead. Nothing is unfolded: every picture is the
map of its own part, at its own sharpness.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from dnnlib.progress import progress
from dnnlib.shape_files.glb import Surface
from dnnlib.shape_files.mesh import Mesh
from training.shapes.looks import Look, blend, sight
from training.shapes.raster import project_points
from training.shapes.spread import spread

_JPEG_QUALITY = 95


def textured(mesh: Mesh, looks: Sequence[Look], colours: np.ndarray) -> tuple[list[Surface], bytes]:
    """Surfaces of a mesh whose vertices have `colours`, and the texture of the first as a JPEG file."""
    best, is_seen = _assign(mesh, looks)
    size, columns = len(looks[0].picture), _columns(len(looks))
    rows = -(-len(looks) // columns)
    sheet = np.zeros((rows * size, columns * size, 3), dtype=np.uint8)
    corners, uv = [], []
    for number, look in enumerate(progress(looks, "texture", unit="view")):
        row, column = divmod(number, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = _tile(mesh, looks, look)
        mine = mesh.triangles[is_seen & (best == number)]
        corners.append(mine + number * len(mesh.vertices))  # A vertex of two tiles is two vertices of the file.
        used = np.unique(mine)
        uv.append((project_points(look.camera, mesh.vertices[used]).uv + np.array([column, row])) / (columns, rows))
    used, triangles = np.unique(np.concatenate(corners), return_inverse=True)
    vertex = used % len(mesh.vertices)
    seen = Surface(mesh.vertices[vertex], mesh.normals[vertex], triangles.reshape(-1, 3), np.concatenate(uv))
    rest = mesh.part(np.flatnonzero(~is_seen))
    vertex = np.unique(mesh.triangles[~is_seen])
    unseen = Surface(rest.vertices, rest.normals, rest.triangles, colours=colours[vertex])
    return [seen, unseen], _jpeg(sheet)


def _assign(mesh: Mesh, looks: Sequence[Look]) -> tuple[np.ndarray, np.ndarray]:
    """For each triangle the best look of those that see all its corners, and whether there is one."""
    best, score = np.zeros(len(mesh.triangles), dtype=np.int64), np.zeros(len(mesh.triangles))
    for number, look in enumerate(looks):
        found, clarity, _ = sight(look, mesh.vertices, mesh.normals)
        of_vertices = np.zeros(len(mesh.vertices))
        of_vertices[found] = clarity
        mine = look.trust * of_vertices[mesh.triangles].min(axis=1)
        better = mine > score
        best[better], score[better] = number, mine[better]
    return best, score > 0


def _tile(mesh: Mesh, looks: Sequence[Look], look: Look) -> np.ndarray:
    """What the look sees, in the blended colours; around it, the colours go on."""
    size = len(look.picture)
    v, u = np.nonzero(look.drawn.triangle >= 0)
    corners = mesh.triangles[look.drawn.triangle[v, u]]
    points = _unproject(look, (u + 0.5) / size, (v + 0.5) / size, look.drawn.z[v, u])
    colours, is_known = blend(looks, points, _unit(mesh.normals[corners].mean(axis=1)))
    tile, known = np.zeros((size, size, 3)), np.zeros((size, size), dtype=bool)
    tile[v, u], known[v, u] = colours, is_known
    places = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2).astype(np.float64)
    filled = spread(places, tile.reshape(-1, 3), known.reshape(-1), spacing=1.0)
    return np.rint(filled).clip(0, 255).astype(np.uint8).reshape(size, size, 3)


def _unproject(look: Look, u: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The points at depth z that are seen at (u, v)."""
    K, R = look.camera.intrinsics.numpy(), look.camera.R_world_cam.numpy()
    y = (v - K[1, 2]) / K[1, 1]
    x = (u - K[0, 2] - K[0, 1] * y) / K[0, 0]
    return look.camera.position.numpy() + (np.stack([x, y, np.ones_like(x)], axis=-1) * z[:, None]) @ R.T


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _columns(num_tiles: int) -> int:
    """So that the sheet is about square."""
    return int(np.ceil(np.sqrt(num_tiles)))


def _jpeg(sheet: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue()
