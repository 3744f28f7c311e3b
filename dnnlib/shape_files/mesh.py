# SPDX-License-Identifier: Apache-2.0
"""A triangle mesh in memory, and the measures that tell whether it is one."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles that share vertices. Seen from outside, the corners of a triangle are counter-clockwise."""

    vertices: np.ndarray  # [V, 3] float64
    triangles: np.ndarray  # [T, 3] int64, into the vertices
    normals: np.ndarray  # [V, 3], unit
    colours: np.ndarray | None = None  # [V, 3] uint8, sRGB

    def corners(self) -> np.ndarray:
        """[T, 3, 3]: corners of each triangle."""
        return self.vertices[self.triangles]

    def volume(self) -> float:
        """Enclosed by a closed mesh; negative if it is inside out."""
        a, b, c = np.moveaxis(self.corners(), 1, 0)
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)

    def part(self, triangles: np.ndarray) -> "Mesh":
        """Some of its triangles, with the vertices that they have."""
        used, renamed = np.unique(self.triangles[triangles], return_inverse=True)
        colours = None if self.colours is None else self.colours[used]
        return Mesh(self.vertices[used], renamed.reshape(-1, 3), self.normals[used], colours)
