# SPDX-License-Identifier: Apache-2.0
"""What a rough volume costs: differences of its raw density between points that lie close together.

    l1                 smoothness: mean |d(p) - d(p')|, p' a normal step of `step_std` away (EG3D, Chan et al., 2022)
    monotonic-detach   smoothness over a normal step of one cell, and monotonicity: seen from the front (+z), density
                       must not fall one cell further in: mean max(d(front) - d(behind), 0). What is behind gives way
    monotonic-fixed    the same, and the front gives way too
    total-variation    mean length of the vector of differences to the three neighbours one cell away along the axes:
                       the isotropic total variation of Rudin, Osher and Fatemi (1992), at random points of the volume

A *cell* is 1/256 of the side of the box. Differences are not divided by it, so that a weight means much the same for l1
(whose published step is 0.004 of a box of 1) and for total-variation. Points are uniform in the box; pairs one cell
apart lie in it with both ends. A normal step may lead out of it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from torch_utils import rng
from training.losses.kinds import DensityKind

Query = Callable[[Tensor], Tensor]  # Points [batch, points, 3] to their raw densities [batch, points].

CELLS = 256


def density_penalties(
    kind: DensityKind,
    query: Query,
    box_size: float,
    *,
    seed: int,
    purpose: str,
    indices: Int64[Tensor, " batch"],
    num_points: int = 1000,
    step_std: float = 0.004,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Float[Tensor, " batch"]]:
    """Per image and by name: "smoothness", "monotonicity", "total_variation", those that `kind` consists of.

    Points are drawn by (seed, purpose, image index): the batch of an image does not matter. `step_std` is for l1.
    """
    cell = box_size / CELLS
    uniforms = rng.uniform(seed, f"{purpose}/points", indices, (num_points, 3)).to(dtype)
    if kind == "total-variation":
        return {"total_variation": total_variation(query, corners(uniforms, box_size, cell), cell)}
    steps = rng.normal(seed, f"{purpose}/steps", indices, (num_points, 3)).to(dtype)
    points = corners(uniforms, box_size)
    if kind == "l1":
        return {"smoothness": smoothness(query, points, step_std * steps)}
    behind = corners(uniforms, box_size, cell)
    return {
        "smoothness": smoothness(query, points, cell * steps),
        "monotonicity": monotonicity(query, behind, cell, detach_front=kind == "monotonic-detach"),
    }


def corners(
    uniforms: Float[Tensor, "batch points 3"], box_size: float, cell: float = 0.0
) -> Float[Tensor, "batch points 3"]:
    """Uniform numbers in [0, 1) to points of the box from which one may go a cell in each direction and stay in it."""
    return uniforms * (box_size - cell) - box_size / 2


def smoothness(
    query: Query, points: Float[Tensor, "batch points 3"], steps: Float[Tensor, "batch points 3"]
) -> Float[Tensor, " batch"]:
    """Mean change of density over the steps."""
    here, there = _densities(query, points, points + steps)
    return (here - there).abs().mean(dim=1)


def monotonicity(
    query: Query, behind: Float[Tensor, "batch points 3"], cell: float, *, detach_front: bool
) -> Float[Tensor, " batch"]:
    """Mean fall of density from the points one cell in front, to the points behind."""
    forward = torch.eye(3, dtype=behind.dtype, device=behind.device)[2]
    front, back = _densities(query, behind + cell * forward, behind)
    return ((front.detach() if detach_front else front) - back).relu().mean(dim=1)


def total_variation(query: Query, corners: Float[Tensor, "batch points 3"], cell: float) -> Float[Tensor, " batch"]:
    """Mean length of the forward difference over one cell. Its gradient is 0 where the density is constant."""
    neighbours = [corners + cell * axis for axis in torch.eye(3, dtype=corners.dtype, device=corners.device)]
    here, *there = _densities(query, corners, *neighbours)
    return torch.linalg.vector_norm(torch.stack(there) - here, dim=0).mean(dim=1)


def _densities(query: Query, *points: Float[Tensor, "batch points 3"]) -> tuple[Float[Tensor, "batch points"], ...]:
    """Of several sets of points, by one query."""
    return query(torch.cat(points, dim=1)).chunk(len(points), dim=1)
