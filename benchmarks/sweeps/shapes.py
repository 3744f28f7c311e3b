# SPDX-License-Identifier: Apache-2.0
"""The surface of one head against the voxels of its box. It is followed, so its cost goes with its area."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.sweep import LINEAR, Sweep, Work, timed
from benchmarks.sweeps import pictures
from benchmarks.workloads.shapes import WithBall
from training.shapes.densities import Densities
from training.shapes.export import head_mesh
from training.shapes.grid import Grid


@contextmanager
def voxels(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    G = pictures.whole()
    field = WithBall(G.field)

    @torch.no_grad()
    def surface(number: int, side: int) -> None:
        ws, _ = pictures.head(G, number)
        head_mesh(Densities(field, G.planes(ws)), Grid(side, G.field.box_size), 0.0)

    yield {side: timed("shape", lambda number, side=side: surface(number, side)) for side in sides}


SWEEPS = {
    "shape": Sweep(
        "voxels of a shape", "voxels", (64, 128, 256, 512, 1024), (32, 64), voxels, {"shape": LINEAR}, 3, rounds=2
    )
}
