# SPDX-License-Identifier: Apache-2.0
"""The connected parts of a mesh, and the one that is the head."""

import numpy as np

from dnnlib.shape_files.mesh import Mesh


def part_of_vertices(num_vertices: int, triangles: np.ndarray) -> np.ndarray:
    """For each vertex the lowest vertex of its part.

    Rounds of two steps: of two names that meet in a triangle, the higher one is given up for the lower one; then every
    name is replaced by the name of its namesake until nothing changes.
    """
    name = np.arange(num_vertices)
    pairs = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    while True:
        a, b = name[pairs].T
        differ = a != b
        if not differ.any():
            return name
        pairs, a, b = pairs[differ], a[differ], b[differ]
        np.minimum.at(name, np.maximum(a, b), np.minimum(a, b))
        while (name[name] != name).any():
            name = name[name]


def largest_part(mesh: Mesh) -> tuple[Mesh, int]:
    """The part that encloses the largest volume, and how many parts there are. That of a hollow is negative."""
    names, part = np.unique(part_of_vertices(len(mesh.vertices), mesh.triangles), return_inverse=True)
    part = part.reshape(-1)[mesh.triangles[:, 0]]
    a, b, c = np.moveaxis(mesh.corners(), 1, 0)
    volumes = np.bincount(part, weights=np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=len(names))
    return mesh.part(np.flatnonzero(part == volumes.argmax())), len(names)
