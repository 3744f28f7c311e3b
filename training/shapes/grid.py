# SPDX-License-Identifier: Apache-2.0
"""The grid that densities are asked on: which index is which point of the world.

Vocabulary: a grid of `resolution` R cuts the box of a field into R x R x R voxels; a *sample* stands in the middle of
each. Samples have the indices 1 to R along every axis. Around them lies one layer of *border*, 0 and R + 1, where
nothing is; so the wall of the box is midway between a sample and the border, and a surface that runs out of the box is
closed exactly there. A *cell* is a cube between 8 neighbouring indices; it has the index of its lowest corner, 0 to R.
"""

import dataclasses

import numpy as np

Indices = np.ndarray  # int64 [..., 3], in the order x, y, z.

MIN_RESOLUTION, MAX_RESOLUTION = 16, 1024


@dataclasses.dataclass(frozen=True)
class Grid:
    """A cube of samples around the origin."""

    resolution: int
    box_size: float  # World units.

    @property
    def voxel_size(self) -> float:
        return self.box_size / self.resolution

    @property
    def side(self) -> int:
        """Indices along an axis, with the border."""
        return self.resolution + 2

    def positions(self, indices: np.ndarray) -> np.ndarray:
        """World points of indices, which need not be whole, in float64: no index is too large to be exact."""
        return (np.asarray(indices, dtype=np.float64) - (self.resolution + 1) / 2) * self.voxel_size

    def is_border(self, indices: Indices) -> np.ndarray:
        return ((indices == 0) | (indices == self.resolution + 1)).any(-1)

    def keys(self, indices: Indices) -> np.ndarray:
        """One whole number for each index, in the order of x, then y, then z."""
        x, y, z = np.moveaxis(indices, -1, 0)
        return (x * self.side + y) * self.side + z

    def indices(self, keys: np.ndarray) -> Indices:
        """What `keys` was made of."""
        rows, z = np.divmod(keys, self.side)
        x, y = np.divmod(rows, self.side)
        return np.stack([x, y, z], axis=-1)


def check_resolution(resolution: int) -> int:
    """The same, if a shape can have it."""
    if not MIN_RESOLUTION <= resolution <= MAX_RESOLUTION:
        raise ValueError(
            f"A shape has {MIN_RESOLUTION} to {MAX_RESOLUTION} voxels along a side, not {resolution}. 512 shows all "
            "that published models know."
        )
    return resolution
