# SPDX-License-Identifier: Apache-2.0
"""Which cells of a fine grid a surface runs through, found without asking everywhere.

A coarse grid, every `stride`-th sample of the fine one, tells where the surface is: between two coarse samples of which
one is inside. Halving finds the fine edge there. From these places the surface is followed from cell to cell through
the faces that it crosses, so that the answer is that of the dense grid, sample by sample, for every connected part of
the surface that the coarse grid meets. Its spacing is small enough to meet every ball of 1/64 of the box.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from training.shapes.bricks import Bricks
from training.shapes.cube_table import CORNERS
from training.shapes.grid import Grid, Indices

Ask = Callable[[np.ndarray], np.ndarray]  # World points [n, 3] to raw densities [n].

# A cubic grid of spacing s meets every ball whose diameter is s sqrt(3).
_COARSE_SAMPLES = 64 * math.sqrt(3)


class Crossed(NamedTuple):
    """The cells that a surface runs through, and all samples at their corners."""

    grid: Grid
    level: float
    cells: Indices
    samples: Bricks

    def is_only_wall(self) -> bool:
        """Whether nothing but the end of what pictures show bounds it: no density is below the level."""
        corners = np.concatenate([self.samples.read(self.cells + corner) for corner in CORNERS])
        return not bool((np.isfinite(corners) & (corners <= self.level)).any())


def follow(ask: Ask, grid: Grid, level: float) -> Crossed:
    """The surface where densities fall below `level`."""
    samples = Bricks(grid.side, np.float32, np.nan)
    found = Bricks(grid.side, np.bool_, False)
    cells = [frontier := _mark(_seeds(ask, grid, level, samples), found, grid)]
    while len(frontier):
        corners = frontier[:, None] + CORNERS
        inside = _read(ask, grid, corners.reshape(-1, 3), samples).reshape(-1, 8) > level
        frontier = _mark(np.concatenate(list(_through_faces(frontier, inside))), found, grid)
        cells.append(frontier)
    return Crossed(grid, level, np.concatenate(cells), samples)


def coarse_stride(resolution: int) -> int:
    """Fine voxels between coarse samples."""
    return max(int(resolution / _COARSE_SAMPLES), 1)


def _seeds(ask: Ask, grid: Grid, level: float, samples: Bricks) -> Indices:
    """Cells on the surface, near every place where the coarse grid sees it."""
    R = grid.resolution
    axis = np.array([0, *range(1, R, coarse_stride(R)), R, R + 1])
    inside = np.empty((len(axis),) * 3, dtype=bool)
    for i, x in enumerate(axis):  # Slice by slice: memory is that of one.
        indices = np.stack(np.meshgrid(x, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        inside[i] = (_answer(ask, grid, indices) > level).reshape(len(axis), len(axis))
    seeds = []
    for k in range(3):
        low = np.argwhere(inside.take(range(len(axis) - 1), k) != inside.take(range(1, len(axis)), k))
        step = np.eye(3, dtype=np.int64)[k]
        seeds.append(_halve(ask, grid, level, samples, axis[low], axis[low + step], inside[tuple(low.T)]))
    return np.concatenate(seeds)


def _halve(
    ask: Ask, grid: Grid, level: float, samples: Bricks, low: Indices, high: Indices, low_inside: np.ndarray
) -> Indices:
    """The lower ends of fine edges that cross the surface between `low` and `high`."""
    while len(open_ := np.flatnonzero((high - low).sum(-1) > 1)):
        middle = (low[open_] + high[open_]) // 2
        like_low = (_read(ask, grid, middle, samples) > level) == low_inside[open_]
        low[open_[like_low]] = middle[like_low]
        high[open_[~like_low]] = middle[~like_low]
    return low


def _through_faces(cells: Indices, inside: np.ndarray) -> Iterator[Indices]:
    """The neighbours at the faces of these cells that the surface crosses. It crosses no face of the whole grid."""
    for axis in range(3):
        for side in (0, 1):
            face = inside[:, CORNERS[:, axis] == side]
            crossed = face.any(1) & ~face.all(1)
            yield cells[crossed] + (2 * side - 1) * np.eye(3, dtype=np.int64)[axis]


def _mark(cells: Indices, found: Bricks, grid: Grid) -> Indices:
    """Those that were not found before, once each."""
    cells = grid.indices(np.unique(grid.keys(cells)))
    cells = cells[~found.read(cells)]
    found.write(cells, np.array(True))
    return cells


def _read(ask: Ask, grid: Grid, indices: Indices, samples: Bricks) -> np.ndarray:
    """Densities, asked for where they are not known."""
    values = samples.read(indices)
    if (unknown := np.isnan(values)).any():
        missing = grid.indices(np.unique(grid.keys(indices[unknown])))
        samples.write(missing, _answer(ask, grid, missing))
        values[unknown] = samples.read(indices[unknown])
    return values


def _answer(ask: Ask, grid: Grid, indices: Indices) -> np.ndarray:
    """Densities of the field within the border, and nothing on it."""
    values = np.full(len(indices), -np.inf, dtype=np.float32)
    within = ~grid.is_border(indices)
    values[within] = ask(grid.positions(indices[within]))
    return values
