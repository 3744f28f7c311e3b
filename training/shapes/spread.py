# SPDX-License-Identifier: Apache-2.0
"""Values for points that have none, from the points around them that do.

Known values are averaged in cells of the grid of a size, then of twice that size, and so on; a point takes the mean of
the smallest cell around it in which anything is known.
"""

import numpy as np


def spread(points: np.ndarray, values: np.ndarray, known: np.ndarray, spacing: float) -> np.ndarray:
    """The same values with the unknown ones filled in. `spacing` is about the distance of neighbours."""
    values = values.copy()
    if not known.any():
        return values
    low = points.min(axis=0)
    open_ = np.flatnonzero(~known)
    size = 2 * spacing
    while len(open_):
        cells = ((points - low) / size).astype(np.int64)
        extent = cells.max(axis=0) + 1
        keys = np.ravel_multi_index(tuple(cells.T), tuple(extent))
        names, cell = np.unique(keys, return_inverse=True)
        cell = cell.reshape(-1)
        count = np.bincount(cell[known], minlength=len(names))
        total = np.stack([np.bincount(cell[known], column, len(names)) for column in values[known].T], axis=-1)
        filled = count[cell[open_]] > 0
        mine = open_[filled]
        values[mine] = total[cell[mine]] / count[cell[mine], None]
        open_ = open_[~filled]
        size *= 2
    return values
