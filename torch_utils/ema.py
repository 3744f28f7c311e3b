# SPDX-License-Identifier: Apache-2.0
"""Exponential moving average of a module's parameters, with a half-life counted in images."""

import torch
from torch import nn


def ema_beta(batch: int, ema_nimg: float, cur_nimg: int, rampup: float | None = 0.05) -> float:
    """What is kept of the average when `batch` images were trained on: one half after `ema_nimg` images.

    Early in a run the half-life is at most `rampup` of the images seen, so the average forgets the random start.
    A run that starts from trained weights has no such start: rampup None.
    """
    half_life_nimg = ema_nimg if rampup is None else min(ema_nimg, rampup * cur_nimg)
    return 0.5 ** (batch / max(half_life_nimg, 1e-8))


@torch.no_grad()
def update_ema_(ema: nn.Module, model: nn.Module, beta: float) -> None:
    """Move the average: beta of itself and 1 - beta of the model, for floating-point parameters; the rest is copied.

    The average keeps its own precision: a float32 average of a bfloat16 model adds what bfloat16 would round away.
    """
    pairs = _paired(dict(ema.named_parameters()), dict(model.named_parameters()), "parameter")
    averaged = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
    copied = [(mean, value) for mean, value in pairs if not mean.is_floating_point()]
    copied += _paired(dict(ema.named_buffers()), dict(model.named_buffers()), "buffer")
    if averaged:
        means, values = zip(*averaged, strict=True)
        values = [value.to(mean) for mean, value in averaged]
        torch._foreach_lerp_(means, values, 1 - beta)
    if copied:
        means, values = zip(*copied, strict=True)
        torch._foreach_copy_(means, values)


def _paired(
    means: dict[str, torch.Tensor], values: dict[str, torch.Tensor], kind: str
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    for name in [*means, *values]:
        if name not in means or name not in values:
            raise ValueError(f"{kind} {name!r} is in only one of model and average: {_REMEDY}")
        if (expected := list(values[name].shape)) != (found := list(means[name].shape)):
            raise ValueError(f"{kind} {name!r} has shape {expected} in the model, {found} in the average: {_REMEDY}")
    return [(means[name], values[name]) for name in means]


_REMEDY = "make the average a copy of the model (copy.deepcopy)."
