# SPDX-License-Identifier: Apache-2.0
"""Precision and recall by nearest neighbours (Kynkäänniemi et al., 2019).

Every feature of a set has a ball that reaches to its k-th nearest neighbour in that set; the balls together are the
set's *manifold*. Precision is the share of generated features on the manifold of the real ones, recall the share of
real ones on that of the generated. Distances are computed block by block, so that neither a table of all of them is
made nor all features are doubles at one time.
"""

import math

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from dnnlib.progress import progress

BUDGET_BYTES = 256 << 20
_ROUNDING = 1e-12


def precision_and_recall(
    real: Float[Tensor, "n dim"],
    generated: Float[Tensor, "m dim"],
    *,
    weights: Float[Tensor, " n"] | None = None,  # Of the real ones.
    k: int = 3,
    budget_bytes: int = BUDGET_BYTES,
) -> tuple[float, float]:
    """Both in [0, 1]."""
    if min(len(real), len(generated)) <= k:
        raise ValueError(
            f"Precision and recall look at {k} neighbours of each picture, so {k + 1} pictures are needed on each "
            f"side; there are {len(real)} real and {len(generated)} generated ones."
        )
    found = is_inside(generated, real, reach(real, k, budget_bytes), budget_bytes)
    covered = is_inside(real, generated, reach(generated, k, budget_bytes), budget_bytes).double()
    weights = torch.ones(len(real)) if weights is None else weights
    recall = (covered.cpu() * weights.cpu().double()).sum() / weights.double().sum()
    return found.double().mean().item(), recall.item()


def reach(features: Float[Tensor, "n dim"], k: int, budget_bytes: int = BUDGET_BYTES) -> Float64[Tensor, " n"]:
    """Squared distance of each feature to its k-th nearest other one. A twin is another one."""
    radii = []
    blocks = _blocks(features, budget_bytes)
    for start, block in progress(blocks, "neighbours", unit="block"):
        nearest = torch.full((len(block), k), torch.inf, dtype=torch.float64, device=features.device)
        for other, part in blocks:
            distances = _squared_distances(block, part)
            if start == other:
                distances.fill_diagonal_(torch.inf)
            nearest = torch.cat([nearest, distances], dim=1).topk(k, largest=False).values
        radii.append(nearest.amax(dim=1))
    return torch.cat(radii)


def is_inside(
    asked: Float[Tensor, "m dim"],
    centres: Float[Tensor, "n dim"],
    radii: Float64[Tensor, " n"],
    budget_bytes: int = BUDGET_BYTES,
) -> Bool[Tensor, " m"]:
    """Whether each one lies in any of the balls."""
    # What is on the border is inside, also after rounding: twins have balls without size.
    balls = _blocks(centres, budget_bytes)
    slack = _ROUNDING * max(float(part.double().square().sum(dim=1).max()) for _, part in balls)
    inside = []
    for _, block in progress(_blocks(asked, budget_bytes), "manifold", unit="block"):
        found = torch.zeros(len(block), dtype=torch.bool, device=asked.device)
        for start, part in balls:
            reached = radii[start : start + len(part)] + slack
            found |= (_squared_distances(block, part) <= reached).any(dim=1)
        inside.append(found)
    return torch.cat(inside)


def _blocks(features: Tensor, budget_bytes: int) -> list[tuple[int, Tensor]]:
    """So many that two blocks as doubles, their distances, and two copies of these fit."""
    dim, doubles = features.shape[1], budget_bytes // 8
    size = max(1, int((math.sqrt(dim**2 + 3 * doubles) - dim) / 3))
    return [(start, features[start : start + size]) for start in range(0, len(features), size)]


def _squared_distances(a: Tensor, b: Tensor) -> Float64[Tensor, "n m"]:
    # By a matrix product, a hundred times faster than differences; in doubles, where little cancels.
    a, b = a.double(), b.double()
    squares = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)
    return torch.addmm(squares, a, b.T, alpha=-2).clamp_(min=0)
