# SPDX-License-Identifier: Apache-2.0
"""Crossed cells to triangles: marching cubes with shared vertices and normals from the density gradient.

The surface is closed and manifold for any samples, by the table of cases. A vertex lies on an edge between an inside
and an outside sample, where their densities, taken as linear between them, reach the level. Next to a sample that
pictures do not show nothing is known of the density: the vertex lies midway and the surface is a wall.
"""

from typing import NamedTuple

import numpy as np

from dnnlib.shape_files.mesh import Mesh
from training.shapes.cube_table import CORNERS, EDGE_AXES, EDGE_CORNERS, cube_table
from training.shapes.follow import Crossed

# A vertex keeps this share of an edge away from its ends, so that no two vertices fall together.
_OFF_THE_ENDS = 0.01


class _Edges(NamedTuple):
    """Edges of the grid that the surface crosses."""

    low: np.ndarray  # [n, 3], indices of the lower ends.
    axis: np.ndarray  # [n]
    share: np.ndarray  # [n], of the edge that lies before the surface.


def surface(crossed: Crossed) -> Mesh:
    """The whole surface, all its parts, outside counter-clockwise."""
    table = cube_table()
    case = _cases(crossed)
    counts = table.counts[case]
    cell = np.repeat(np.arange(len(case)), counts)
    nth = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    edge = table.edges[case[cell], nth]  # [triangles, 3], of the cube.
    low = crossed.cells[cell, None] + CORNERS[EDGE_CORNERS[edge, 0]]
    keys, triangles = np.unique(crossed.grid.keys(low) * 3 + EDGE_AXES[edge], return_inverse=True)

    low, axis = crossed.grid.indices(keys // 3), keys % 3
    edges = _Edges(low, axis, _share(crossed, low, axis))
    places = low.astype(np.float64)
    places[np.arange(len(low)), axis] += edges.share
    return Mesh(crossed.grid.positions(places), triangles.reshape(-1, 3), _normals(crossed, edges))


def _cases(crossed: Crossed) -> np.ndarray:
    """Which corners are inside, as a number of 8 bits for each cell."""
    case = np.zeros(len(crossed.cells), dtype=np.int64)
    for c, corner in enumerate(CORNERS):
        case |= (crossed.samples.read(crossed.cells + corner) > crossed.level).astype(np.int64) << c
    return case


def _share(crossed: Crossed, low: np.ndarray, axis: np.ndarray) -> np.ndarray:
    before = crossed.samples.read(low).astype(np.float64)
    after = crossed.samples.read(low + np.eye(3, dtype=np.int64)[axis]).astype(np.float64)
    known = np.isfinite(before) & np.isfinite(after)
    share = np.full(len(low), 0.5)
    share[known] = (crossed.level - before[known]) / (after[known] - before[known])
    return share.clip(_OFF_THE_ENDS, 1 - _OFF_THE_ENDS)


def _normals(crossed: Crossed, edges: _Edges) -> np.ndarray:
    """Unit vectors down the gradient.

    All four cells around a crossed edge are crossed, so that the samples beside both its ends are known already: no
    point is asked for normals. Along the edge the gradient is the difference of its ends, across it central ones, taken
    at both ends and weighted by the share.
    """
    gradient = np.empty((len(edges.low), 3))
    units = np.eye(3, dtype=np.int64)
    along = units[edges.axis]
    before, after = crossed.samples.read(edges.low), crossed.samples.read(edges.low + along)
    for k in range(3):
        at_ends = [_central(crossed, edges.low + end * along, units[k]) for end in (0, 1)]
        across = np.where(np.isfinite(at_ends[1]), at_ends[1], 0) * edges.share
        across += np.where(np.isfinite(at_ends[0]), at_ends[0], 0) * (1 - edges.share)
        gradient[:, k] = np.where(edges.axis == k, _difference(after, before), across)
    wall = ~np.isfinite(before) | ~np.isfinite(after)
    gradient[wall] = along[wall] * np.where(np.isfinite(after[wall]), 1.0, -1.0)[:, None]
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    return -gradient / np.maximum(length, np.finfo(np.float64).tiny)


def _central(crossed: Crossed, at: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Half the difference of the samples on both sides; from one side only where the other shows nothing."""
    below, here, above = (crossed.samples.read(np.maximum(at + step * unit, 0)) for step in (-1, 0, 1))
    return np.where(
        np.isfinite(below) & np.isfinite(above),
        _difference(above, below) / 2,
        np.where(np.isfinite(above), _difference(above, here), _difference(here, below)),
    )


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # Nothing less nothing: not finite, and sorted out by the caller.
        return a.astype(np.float64) - b.astype(np.float64)
