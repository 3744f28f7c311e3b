# SPDX-License-Identifier: Apache-2.0
"""Modules that must hold the same numbers on every rank: made equal once, and checked for it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from torch_utils import distributed


class InconsistentRanksError(RuntimeError):
    """Tensors that must be the same on every rank are not. Raised on all ranks alike."""


def broadcast_module(module: nn.Module, src: int = 0) -> None:
    """Give every rank the parameters and buffers of rank `src`, in one flat transfer."""
    tensors = _named_tensors(module)
    _check_structure(tensors)
    distributed.broadcast_(list(tensors.values()), src)


@torch.no_grad()
def check_consistency(tensors: nn.Module | Mapping[str, Tensor]) -> None:
    """Raise `InconsistentRanksError` on all ranks unless all tensors have the same bits everywhere (NaN equals itself).

    One checksum per tensor is compared first. Only the first tensor that differs is sent.
    """
    if distributed.world_size() == 1:
        return
    if isinstance(tensors, nn.Module):
        tensors = _named_tensors(tensors)
    _check_structure(tensors)
    sums_by_rank = distributed.gather_json([_checksum(tensor) for tensor in tensors.values()])
    by_tensor = list(zip(tensors, *sums_by_rank, strict=True))
    differing = [(name, sums) for name, *sums in by_tensor if len(set(sums)) > 1]
    if not differing:
        return
    name, sums = differing[0]
    usual = max(sums, key=sums.count)  # What most ranks have; what rank 0 has, where that is undecided.
    agreed = [rank for rank, value in enumerate(sums) if value == usual]
    others = [rank for rank, value in enumerate(sums) if value != usual]

    mine, theirs = tensors[name], tensors[name].clone()
    distributed.broadcast_([theirs], agreed[0])
    changed = _bits(mine) != _bits(theirs)
    distance = (mine.double() - theirs.double()).abs().nan_to_num(nan=torch.inf).flatten()[changed]
    num_changed = max(distributed.gather_json(len(distance)))
    largest = max(distributed.gather_json(max(distance.tolist(), default=0.0)))
    raise InconsistentRanksError(
        f"{name!r} differs between ranks: {others} from {agreed}, in up to {num_changed} of {mine.numel()} elements, by"
        f" up to {largest:.3g}. {len(differing)} of {len(tensors)} tensors differ; broadcast_module makes them equal."
    )


def _named_tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _check_structure(tensors: Mapping[str, Tensor]) -> None:
    described = [f"{name!r} {str(t.dtype).removeprefix('torch.')} {list(t.shape)}" for name, t in tensors.items()]
    all_described = distributed.gather_json(described)
    for rank, theirs in enumerate(all_described):
        if theirs != all_described[0]:
            pairs = zip([*all_described[0], "nothing"], [*theirs, "nothing"], strict=False)
            expected, found = next((a, b) for a, b in pairs if a != b)
            raise InconsistentRanksError(
                f"The ranks hold different tensors: rank 0 has {expected} where rank {rank} has {found}."
            )


def _bits(tensor: Tensor) -> Tensor:
    integer = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().contiguous().view(-1).view(integer)


def _checksum(tensor: Tensor) -> int:
    # Each element's bits times an odd number of its own, so one changed element always shows. Wraps modulo 2^64.
    bits = _bits(tensor).to(torch.int64)
    weights = torch.arange(len(bits), device=bits.device).mul_(2).add_(1).mul_(0x1E3779B97F4A7C15)
    return (bits * weights).sum().item()
