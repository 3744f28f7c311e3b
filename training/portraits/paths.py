# SPDX-License-Identifier: Apache-2.0
"""The plan of a video: where the camera stands and which head is seen, frame by frame, in every cell of a grid.

    heads = heads_of_seeds(G, [0, 1, 2, 3], conditioning_label(G, 90), 0.7, None)
    path = VideoPath(moving(G, "Head", 240), tracks_in_grid(heads, [[0], [1], [2], [3]]), columns=2)

A *track* is what one cell shows: styles on a closed smooth curve through *keyframes*, or of a single head. All cells
share the camera.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dnnlib.console import get_logger
from training.portraits.heads import Head
from training.portraits.splines import PeriodicSpline

log = get_logger(__name__)

MAX_CELLS = 400
MAX_KEYFRAMES = 4096  # Of a cell: the curve takes memory by their square.
MAX_HEADS = 16384  # Their styles are all kept.


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """Styles of a cell over the frames, and of what stands behind its head, if not its own."""

    ws: PeriodicSpline
    ws_background: PeriodicSpline | None = None

    @property
    def is_still(self) -> bool:
        """Whether it shows the same head all the time."""
        return self.ws.is_still and (self.ws_background is None or self.ws_background.is_still)


@dataclasses.dataclass(frozen=True, eq=False)
class VideoPath:
    """Everything that a video shows."""

    labels: Float[Tensor, "frames 25"]
    tracks: Sequence[Track]  # Row by row.
    columns: int

    def __post_init__(self) -> None:
        assert len(self.tracks) % self.columns == 0, f"{len(self.tracks)} cells, {self.columns} columns"

    @property
    def num_frames(self) -> int:
        return len(self.labels)

    @property
    def rows(self) -> int:
        return len(self.tracks) // self.columns

    def position(self, track: Track, frame: int) -> float:
        """Where on its curve the track is: all keyframes are passed while the camera goes its way once."""
        return frame * len(track.ws.values) / self.num_frames


# ----------------------------------------------------------------------------------------------------------------------
# Who is where.


@dataclasses.dataclass(frozen=True)
class Grid:
    """Cells side by side, each with so many keyframes."""

    columns: int
    rows: int
    num_keyframes: int

    @staticmethod
    def of(size: tuple[int, int], num_keyframes: int | None, num_heads: int) -> "Grid":
        """The grid that is asked for; without a number of keyframes, the heads are dealt out evenly."""
        cells = size[0] * size[1]
        if cells > MAX_CELLS:
            raise ValueError(f"A grid of {size[0]} x {size[1]} has {cells} cells; make at most {MAX_CELLS}.")
        if num_keyframes is None:
            if num_heads % cells:
                raise ValueError(
                    f"A grid of {size[0]} x {size[1]} cannot share {num_heads} heads evenly: give {cells} of them or a "
                    "multiple, or --num-keyframes, and heads will repeat."
                )
            num_keyframes = num_heads // cells
        if num_keyframes < 1:
            raise ValueError(f"A cell has at least one keyframe, not {num_keyframes}.")
        if num_keyframes > MAX_KEYFRAMES:
            raise ValueError(f"A cell would have {num_keyframes} keyframes; make at most {MAX_KEYFRAMES}.")
        check_num_heads(cells * num_keyframes)
        return Grid(*size, num_keyframes)

    def heads(self, num_heads: int, shuffle_seed: int | None) -> list[list[int]]:
        """Indices of the heads of each cell. Neighbours on a cell's curve are neighbours in the list."""
        room = self.columns * self.rows * self.num_keyframes
        if num_heads > room:
            log.warning(f"only the first {room} of {num_heads} heads are seen: the grid has no more room")
        order = np.arange(room) % num_heads
        if shuffle_seed is not None:
            order = np.random.RandomState(shuffle_seed).permutation(order)
        return order.reshape(-1, self.num_keyframes).tolist()


def check_num_heads(number: int) -> None:
    """Whether a video can show so many."""
    if number > MAX_HEADS:
        raise ValueError(f"A video shows at most {MAX_HEADS} heads, not {number}; make several.")


def tracks_in_grid(heads: Sequence[Head], cells: Sequence[Sequence[int]]) -> list[Track]:
    """A track for each cell, whose keyframes are heads by index."""
    return [_track([heads[i] for i in cell]) for cell in cells]


def _track(heads: list[Head]) -> Track:
    ws = PeriodicSpline(torch.cat([head.ws for head in heads]))
    if all(head.ws_background is None for head in heads):
        return Track(ws)
    behind = [head.ws if head.ws_background is None else head.ws_background for head in heads]
    return Track(ws, PeriodicSpline(torch.cat(behind)))
