# SPDX-License-Identifier: Apache-2.0
"""A large grid of which only the neighbourhood of a surface is filled: bricks of 8 x 8 x 8 values, made when written.

A 1024^3 grid of float32 would take 4 GiB; the bricks along the surface of a head take about 50 MiB.
"""

from typing import final

import numpy as np

from training.shapes.grid import Indices

_BITS = 3
_MASK = (1 << _BITS) - 1
_BRICK = 1 << 3 * _BITS


@final
class Bricks:
    """Values by index; `empty` where nothing was written."""

    def __init__(self, side: int, dtype: type, empty: float | bool) -> None:
        bricks = (side + _MASK) >> _BITS
        self._place = np.zeros((bricks, bricks, bricks), dtype=np.int32)  # Of each brick; 0 is the empty one.
        self._values = np.full((1, _BRICK), empty, dtype=dtype)
        self._count = 1
        self._empty = empty

    @property
    def nbytes(self) -> int:
        return self._place.nbytes + self._values.nbytes

    def read(self, indices: Indices) -> np.ndarray:
        return self._values[self._place[_brick(indices)], _within(indices)]

    def write(self, indices: Indices, values: np.ndarray) -> None:
        brick = _brick(indices)
        new = np.unique(np.stack(brick)[:, self._place[brick] == 0], axis=1)
        self._grow(new.shape[1])
        self._place[tuple(new)] = np.arange(self._count - new.shape[1], self._count)
        self._values[self._place[brick], _within(indices)] = values

    def _grow(self, amount: int) -> None:
        self._count += amount
        if self._count > len(self._values):  # By half, so that not every write copies all.
            more = max(self._count, len(self._values) * 3 // 2) - len(self._values)
            fresh = np.full((more, _BRICK), self._empty, dtype=self._values.dtype)
            self._values = np.concatenate([self._values, fresh])


def _brick(indices: Indices) -> tuple[np.ndarray, ...]:
    return tuple(np.moveaxis(indices >> _BITS, -1, 0))


def _within(indices: Indices) -> np.ndarray:
    x, y, z = np.moveaxis(indices & _MASK, -1, 0)
    return (x << 2 * _BITS) | (y << _BITS) | z
