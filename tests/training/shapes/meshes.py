# SPDX-License-Identifier: Apache-2.0
"""What a good mesh is, and surfaces to look for, with signed distances."""

import numpy as np

from dnnlib.shape_files.mesh import Mesh


def edge_counts(mesh: Mesh) -> np.ndarray:
    """How many triangles run along each directed edge."""
    directed = np.concatenate([mesh.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    return np.unique(directed, axis=0, return_counts=True)[1]


def is_closed_manifold(mesh: Mesh) -> bool:
    """Every edge has one triangle on either side, once each way, and around each vertex the triangles are one fan."""
    directed = np.concatenate([mesh.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    there = {tuple(edge) for edge in directed.tolist()}
    if len(there) != len(directed) or any((b, a) not in there for a, b in there):
        return False
    # Of the triangles around a vertex, each leads to the next: a fan is one cycle.
    after = {(a, b): c for tri in mesh.triangles.tolist() for a, b, c in (tri, tri[1:] + tri[:1], tri[2:] + tri[:2])}
    around = np.bincount(mesh.triangles.ravel())
    begin = {}
    for a, b in after:
        begin.setdefault(a, b)
    for a, first in begin.items():
        b, steps = after[a, first], 1
        while b != first:
            b, steps = after[a, b], steps + 1
        if steps != around[a]:
            return False
    return True


def euler_number(mesh: Mesh) -> int:
    return len(mesh.vertices) - 3 * len(mesh.triangles) // 2 + len(mesh.triangles)


def ball(points: np.ndarray, centre: tuple[float, float, float] = (0, 0, 0), radius: float = 0.3) -> np.ndarray:
    """Positive inside, as densities are."""
    return radius - np.linalg.norm(points - centre, axis=-1)


def torus(points: np.ndarray, radius: float = 0.28, tube: float = 0.1) -> np.ndarray:
    x, y, z = points.T
    return tube - np.hypot(np.hypot(x, z) - radius, y)


class Counted:
    """Densities of a function, and how many were asked for."""

    def __init__(self, function) -> None:
        self.function, self.count = function, 0

    def __call__(self, points: np.ndarray) -> np.ndarray:
        self.count += len(points)
        return self.function(points).astype(np.float32)
