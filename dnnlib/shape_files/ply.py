# SPDX-License-Identifier: Apache-2.0
"""Meshes as .ply, binary: positions and normals in float32, colours in 8 bits."""

from typing import BinaryIO

import numpy as np

from dnnlib.shape_files.mesh import Mesh


def write_ply(file: BinaryIO, mesh: Mesh, comment: str = "") -> None:
    """Writes a mesh."""
    fields = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    if mesh.colours is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
    vertices = np.empty(len(mesh.vertices), dtype=fields)
    columns = [*mesh.vertices.T, *mesh.normals.T, *(() if mesh.colours is None else mesh.colours.T)]
    for (name, _), column in zip(fields, columns, strict=True):
        vertices[name] = column
    faces = np.empty(len(mesh.triangles), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.triangles
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *([f"comment {comment}"] if comment else []),
        f"element vertex {len(vertices)}",
        *(f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in fields),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    file.write(("\n".join(header) + "\n").encode("ascii"))
    file.write(vertices.tobytes())
    file.write(faces.tobytes())
