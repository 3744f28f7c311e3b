# SPDX-License-Identifier: Apache-2.0
"""Meshes as .obj, text that every program reads. Colours follow the position of a vertex, as in MeshLab and Blender."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from dnnlib.shape_files.mesh import Mesh

_ROWS = 1 << 16  # Written together.


def write_obj(file: BinaryIO, mesh: Mesh, comment: str = "") -> None:
    """Writes a mesh."""
    if comment:
        file.write(f"# {comment}\n".encode("ascii"))
    if mesh.colours is None:
        _write(file, "v %.7g %.7g %.7g\n", mesh.vertices)
    else:
        _write(file, "v %.7g %.7g %.7g %.4g %.4g %.4g\n", np.hstack([mesh.vertices, mesh.colours / 255]))
    _write(file, "vn %.4f %.4f %.4f\n", mesh.normals)
    # A vertex and its normal have the same number, from 1.
    _write(file, "f %d//%d %d//%d %d//%d\n", np.repeat(mesh.triangles + 1, 2, axis=1))


def _write(file: BinaryIO, line: str, rows: np.ndarray) -> None:
    for part in _parts(rows):
        file.write((line * len(part) % tuple(part.ravel().tolist())).encode("ascii"))


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]
