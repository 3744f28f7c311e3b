# SPDX-License-Identifier: Apache-2.0
"""Where to look a second time along rays: depths drawn from the weights of a first pass, and the merge of both passes.

Vocabulary: S depths t_1 < ... < t_S bound S - 1 intervals, one weight each. The weights are smoothed (neighbour
maximum, then neighbour mean, plus 0.01) and taken as a piecewise constant density, whose inverse CDF maps u in [0, 1)
to a depth. `pairing` says which stretch of the ray a weight stands for:
  exact    its own interval.
  shifted  the stretch from the midpoint of the interval before to its own; the first weight, the last weight and the
           last stretch are left out. Half a step too near, but the published models were trained with it.
Nothing here has a gradient.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native

Pairing = Literal["exact", "shifted"]

_FLOOR = 0.01  # every interval keeps a chance, so that a wrong first pass can be corrected
_MIN_WEIGHT = 1e-5
_MIN_BIN = 1e-5  # a bin of less probability is not divided by


def mid_cell(count: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """u_i = (i + 0.5) / count: the deterministic draw, for pictures that are the same every time."""
    return (torch.arange(count, device=device, dtype=dtype) + 0.5) / count


def importance_depths(
    depths: Tensor,  # [..., S], ascending
    weights: Tensor,  # [..., S - 1]
    u: Tensor,  # [K] or [..., K], in [0, 1)
    pairing: Pairing = "exact",
) -> Tensor:  # [..., K], in the order of u: ascending u give ascending depths
    """Inverse-CDF samples of the smoothed weights."""
    _check_depths("importance_depths", depths)
    if depths.ndim < 1 or weights.shape != (*depths.shape[:-1], depths.shape[-1] - 1):
        raise ValueError(
            f"importance_depths: depths must be [..., S] and weights [..., S - 1], got {list(depths.shape)} and "
            f"{list(weights.shape)}."
        )
    if u.ndim != 1 and u.shape[:-1] != depths.shape[:-1]:
        per_ray = ", ".join([*(str(size) for size in depths.shape[:-1]), "K"])
        raise ValueError(f"importance_depths: u must be [K] or [{per_ray}], got {list(u.shape)}.")
    if pairing not in get_args(Pairing):
        raise ValueError(
            f"importance_depths: unknown pairing '{pairing}'; choose one of {', '.join(get_args(Pairing))}."
        )
    least = 2 if pairing == "exact" else 4
    if depths.shape[-1] < least:
        raise ValueError(
            f"importance_depths: pairing '{pairing}' needs at least {least} samples a ray, got {depths.shape[-1]}."
        )
    depths, weights, u = depths.detach(), weights.detach().to(depths.dtype), u.detach().to(depths.dtype)
    u = u.expand(*depths.shape[:-1], u.shape[-1])
    if not native.serves("importance_depths", depths):
        return reference(depths, weights, u, pairing)
    return torch.ops.fullhead.importance_depths(depths, weights, u, pairing == "shifted")


def reference(depths: Tensor, weights: Tensor, u: Tensor, pairing: Pairing) -> Tensor:
    """The definition, in plain PyTorch."""
    padded = F.pad(weights, (1, 1), value=-torch.inf)
    largest = torch.maximum(padded[..., :-1], padded[..., 1:])
    density = (largest[..., :-1] + largest[..., 1:]) / 2 + _FLOOR
    knots = depths
    if pairing == "shifted":
        density = density[..., 1:-1]
        knots = ((depths[..., :-1] + depths[..., 1:]) / 2)[..., :-1]
    density = density + _MIN_WEIGHT
    cdf = F.pad((density / density.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    above = torch.searchsorted(cdf, u.contiguous(), right=True)
    low, high = (above - 1).clamp(min=0), above.clamp(max=cdf.shape[-1] - 1)
    cdf_low, knot_low = cdf.gather(-1, low), knots.gather(-1, low)
    width = cdf.gather(-1, high) - cdf_low
    width = torch.where(width < _MIN_BIN, torch.ones_like(width), width)
    return knot_low + (u - cdf_low) / width * (knots.gather(-1, high) - knot_low)


def merge_depths(
    first: Tensor,  # [..., S], ascending
    second: Tensor,  # [..., K], ascending
) -> tuple[
    Tensor, Tensor
]:  # depths [..., S + K] ascending, order [..., S + K]: int64 indices into cat([first, second])
    """Merges two sorted lists; of equal depths the first list's comes first."""
    _check_depths("merge_depths", first)
    if first.shape[:-1] != second.shape[:-1]:
        raise ValueError(f"merge_depths: rays differ, got {list(first.shape)} and {list(second.shape)}.")
    first, second = first.detach(), second.detach().to(first.dtype)
    if not native.serves("importance_depths", first):
        return reference_merge(first, second)
    return torch.ops.fullhead.merge_depths(first, second)


def reference_merge(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The definition: a stable sort."""
    return torch.sort(torch.cat([first, second], dim=-1), dim=-1, stable=True)


def _check_depths(op: str, depths: Tensor) -> None:
    if depths.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"{op}: depths must be float32 or float64, got {depths.dtype}; fewer bits cannot tell samples apart."
        )


# --- Registered operators -------------------------------------------------------------------------------------------

torch.library.define("fullhead::importance_depths", "(Tensor depths, Tensor weights, Tensor u, bool shifted) -> Tensor")
torch.library.define("fullhead::merge_depths", "(Tensor first, Tensor second) -> (Tensor, Tensor)")


@torch.library.register_fake("fullhead::importance_depths")
def _(depths, weights, u, shifted):
    return torch.empty_like(u, memory_format=torch.contiguous_format)


@torch.library.register_fake("fullhead::merge_depths")
def _(first, second):
    shape = (*first.shape[:-1], first.shape[-1] + second.shape[-1])
    return first.new_empty(shape), first.new_empty(shape, dtype=torch.int64)
