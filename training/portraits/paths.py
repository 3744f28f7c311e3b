# SPDX-License-Identifier: Apache-2.0
"""The plan of a video: where the camera stands and which head is seen, frame by frame, in every cell of a grid.

    ws = styles_of_seeds(G, [0, 1, 2, 3], conditioning(G, "Head", 90))
    path = VideoPath(moving(G, "Head", 240), tracks_in_grid(Latent(ws), [[0], [1], [2], [3]]), columns=2)

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
from training.generator import Generator
from training.portraits.latents import Latent
from training.portraits.seeds import z_of_seeds
from training.portraits.splines import PeriodicSpline

log = get_logger(__name__)

MAX_CELLS = 400
PUBLISHED_CUTS = (0, 2, 3, 4, 6, 8)


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


@torch.no_grad()
def styles_of_seeds(
    G: Generator,
    seeds: Sequence[int],
    conditioning: Float[Tensor, "1 25"],
    *,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Float[Tensor, "seeds num_ws w_dim"]:
    """Styles of seeds, all for one camera."""
    device = next(G.parameters()).device
    z, c = z_of_seeds(seeds, G.z_dim).to(device), conditioning.to(device)
    return G.mapping(z, c.expand(len(z), -1), truncation_psi, truncation_cutoff)


def tracks_in_grid(latent: Latent, cells: Sequence[Sequence[int]]) -> list[Track]:
    """A track for each cell, whose keyframes are heads by index."""
    behind = latent.ws_background
    return [
        Track(PeriodicSpline(latent.ws[heads]), None if behind is None else PeriodicSpline(behind[heads]))
        for heads in map(list, cells)
    ]


def joined(latents: Sequence[Latent]) -> Latent:
    """The heads of several files. If one has a background of its own, those of the others are said as well."""
    ws = torch.cat([latent.ws for latent in latents])
    if all(latent.ws_background is None for latent in latents):
        return Latent(ws)
    behind = [latent.ws if latent.ws_background is None else latent.ws_background for latent in latents]
    return Latent(ws, ws_background=torch.cat(behind))


def mixed_tracks(ws: Float[Tensor, "2 num_ws w_dim"], cuts: Sequence[int] | None) -> list[Track]:
    """Styles of the first head up to each cut and of the second from there on; last, the first head alone."""
    num_ws = ws.shape[1]
    if cuts is None:
        cuts = [cut for cut in PUBLISHED_CUTS if cut < num_ws]
    wrong = [cut for cut in cuts if not 0 <= cut <= num_ws]
    if wrong or not cuts:
        raise ValueError(
            f"This generator has {num_ws} styles: mix from 0 to {num_ws}, not {wrong[0] if wrong else ()}."
        )
    first, second = ws
    crossed = [torch.cat([first[:cut], second[cut:]]) for cut in cuts]
    return [Track(PeriodicSpline(styles[None])) for styles in (*crossed, first)]
