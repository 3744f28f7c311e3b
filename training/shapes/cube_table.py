# SPDX-License-Identifier: Apache-2.0
"""How a surface cuts a cube: the table of marching cubes, derived instead of typed.

Vocabulary: *corner* c of a cube has the offsets (c & 1, c >> 1 & 1, c >> 2); a *case* is a number of 8 bits that says
which corners are inside; the surface crosses an *edge* between an inside and an outside corner, and the crossings of a
case form closed *loops*.

Two rules make the surface closed and manifold, whatever the case (Lorensen and Cline, 1987, had neither):
  - On a face with two inside corners across, these are separated. Both cubes at a face see the same four corners, so
    both draw the same lines on it.
  - No triangle has a side on a face that is not one of these lines. Else the next cube could have the same side.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CORNERS = np.array([(c & 1, c >> 1 & 1, c >> 2) for c in range(8)])

# An edge is its lower corner and its axis; the other end is at `corner + (1 << axis)`.
EDGES = [(corner, axis) for axis in range(3) for corner in range(8) if not corner >> axis & 1]
EDGE_CORNERS = np.array([(corner, corner + (1 << axis)) for corner, axis in EDGES])
EDGE_AXES = np.array([axis for _, axis in EDGES])

Edge = int
Triangle = tuple[Edge, Edge, Edge]


class CubeTable(NamedTuple):
    """For each case, the edges whose crossings its triangles join; counter-clockwise as seen from outside."""

    edges: np.ndarray  # [256, most triangles, 3]
    counts: np.ndarray  # [256]


@functools.cache
def cube_table() -> CubeTable:
    """The table of all cases."""
    cases = [[triangle for loop in _loops(case) for triangle in _triangulated(loop)] for case in range(256)]
    edges = np.zeros((256, max(map(len, cases)), 3), dtype=np.int64)
    for case, triangles in enumerate(cases):
        edges[case, : len(triangles)] = np.array(triangles).reshape(-1, 3)
    return CubeTable(edges, np.array([len(triangles) for triangles in cases]))


def _faces() -> list[list[int]]:
    """The corners of each face, counter-clockwise as seen from outside the cube."""
    faces = []
    for axis in range(3):
        u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        ring = [0, u, u + v, v]  # Counter-clockwise as seen from the upper side.
        faces += [[corner + (1 << axis) for corner in ring], ring[::-1]]
    return faces


_FACES = _faces()
_EDGE_OF = {frozenset(corners): edge for edge, corners in enumerate(EDGE_CORNERS.tolist())}
_EDGES_OF_FACES = [{_EDGE_OF[frozenset((face[i - 1], face[i]))] for i in range(4)} for face in _FACES]


def _loops(case: int) -> Iterator[list[Edge]]:
    """Closed loops of crossed edges."""
    after = {start: end for face in _FACES for start, end in _lines(case, face)}
    while after:
        first, edge = after.popitem()
        loop = [first]
        while edge != first:
            loop.append(edge)
            edge = after.pop(edge)
        yield loop


def _lines(case: int, face: list[int]) -> Iterator[tuple[Edge, Edge]]:
    """What the surface draws on a face: around each run of inside corners, one line from its end to its beginning."""
    inside = [bool(case >> corner & 1) for corner in face]
    sides = [_EDGE_OF[frozenset((face[i - 1], face[i]))] for i in range(4)]  # Side i ends at corner i.
    for begin in range(4):
        if inside[begin] and not inside[begin - 1]:
            end = next(i % 4 for i in range(begin + 1, begin + 4) if not inside[i % 4])
            yield sides[begin], sides[end]


def _triangulated(loop: list[Edge]) -> list[Triangle]:
    triangles = _cut(tuple(loop))
    assert triangles is not None, "every loop of every case has such a triangulation"
    return triangles


def _cut(loop: tuple[Edge, ...]) -> list[Triangle] | None:
    """Triangles that fill a loop without a diagonal on a face, the first that are found."""
    if len(loop) < 3:
        return []
    first, last = loop[0], loop[-1]
    for i in range(1, len(loop) - 1):
        diagonals = [(first, loop[i])] * (i > 1) + [(loop[i], last)] * (i < len(loop) - 2)
        if any(_share_a_face(*diagonal) for diagonal in diagonals):
            continue
        left, right = _cut(loop[: i + 1]), _cut(loop[i:])
        if left is not None and right is not None:
            return [(first, loop[i], last), *left, *right]
    return None


def _share_a_face(a: Edge, b: Edge) -> bool:
    return any(a in edges and b in edges for edges in _EDGES_OF_FACES)
