# SPDX-License-Identifier: Apache-2.0
"""The shape of one head: coarse to fine with planes that are kept, against every point of the box with planes anew.

Where a network is not trained its densities have no surface that is like a head's. So the field is asked for every
point, and a ball of the size of a head is added to what it says.
"""

from typing import final

import numpy as np
import torch
from torch import Tensor

from benchmarks.workload import FAST, PLAIN, Part, Workload, plainly, whole
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.fields.base import AbstractField, FieldSamples
from training.generator import Generator
from training.networks.noise import AbstractNoise
from training.portraits.seeds import z_of_seeds
from training.shapes.densities import Densities
from training.shapes.export import head_mesh
from training.shapes.grid import Grid
from training.types import Codes

PLAIN_BLOCK = 1_000_000  # Points of which the published way asks at once.


@final
class WithBall(AbstractField):
    """A field whose densities are hidden in those of a ball."""

    def __init__(self, field: AbstractField) -> None:
        super().__init__()
        self.field = field
        self.box_size, self.num_channels, self.state_shape = field.box_size, field.num_channels, field.state_shape

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        return self.field.prepare(codes, noise)

    def query(self, state: Tensor, points: Tensor, seen: Tensor | None = None) -> FieldSamples:
        density, features = self.field.query(state, points, seen)
        ball = 1000 * (0.27 * self.box_size - points.norm(dim=-1))
        return FieldSamples(ball + 1e-3 * density.tanh(), features)

    def visible(self, points: Tensor) -> Tensor | None:
        return self.field.visible(points)


@torch.no_grad()
def shape(G: Generator, resolution: int) -> Workload:
    """`resolution` voxels along a side. Of the blocks of the published way, which all cost the same, one is timed."""
    place = next(G.parameters()).device
    front = torch.tensor([torch.pi / 2])
    c = label_from_camera(camera_on_sphere(front, front)).float().to(place)
    grid = Grid(resolution, G.field.box_size)
    field = WithBall(G.field)

    def planes(number: int) -> Tensor:
        return G.planes(G.mapping(z_of_seeds([number], G.z_dim).to(place), c))

    @torch.no_grad()
    def surface(number: int) -> None:
        head_mesh(Densities(field, planes(number)), grid, 0.0)

    @torch.no_grad()
    def block(number: int) -> None:
        size = min(PLAIN_BLOCK, resolution**3)
        key = np.arange(size) + number * size % (resolution**3 - size + 1)
        points = grid.positions(1 + np.stack(np.unravel_index(key, (resolution,) * 3), axis=-1))
        field.query(planes(number), torch.from_numpy(points)[None].float().to(place))

    num_blocks = max(1.0, resolution**3 / PLAIN_BLOCK)
    ways = {FAST: whole(surface), PLAIN: {"a million points": Part(plainly(block), num_blocks)}}
    return Workload(f"shape {resolution}^3", "shape", ways, rounds=3)
