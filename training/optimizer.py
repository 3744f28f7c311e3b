# SPDX-License-Identifier: Apache-2.0
"""Adam for adversarial training, and its state as named tensors.

A regulariser that is applied in every k-th step only ("lazily") adds a step there. Learning rate and decay rates are
scaled by k / (k + 1), so that k + 1 steps do what k would: Karras et al. (2020), appendix B.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from torch_utils.checkpoint import CheckpointError
from training.adam_config import AdamConfig


def adam(config: AdamConfig, module: nn.Module, lazy_interval: int | None) -> torch.optim.Adam:
    """Over all parameters of a module; `lazy_interval` is that of its lazy regulariser, if it has one."""
    ratio = 1.0 if lazy_interval is None else lazy_interval / (lazy_interval + 1)
    return torch.optim.Adam(
        module.parameters(),
        lr=config.lr * ratio,
        betas=(config.beta1**ratio, config.beta2**ratio),
        eps=config.eps,
        fused=True,
    )


def state_tensors(optimizer: torch.optim.Adam, module: nn.Module) -> dict[str, Tensor]:
    """`PARAMETER/exp_avg` and so on; parameters that never had a gradient have none."""
    return {
        f"{name}/{key}": value
        for name, parameter in module.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_state_tensors(
    optimizer: torch.optim.Adam, module: nn.Module, tensors: Mapping[str, Tensor], source: str
) -> None:
    """The inverse. What the optimizer knew is forgotten."""
    optimizer.state.clear()
    parameters = dict(module.named_parameters())
    for name, key, value in _split(tensors):
        if name not in parameters:
            raise CheckpointError(f"{source}: has optimizer state of {name}, which the model lacks")
        parameter = parameters[name]
        if key != "step" and value.shape != parameter.shape:
            raise CheckpointError(f"{source}: {name}/{key} has shape {list(value.shape)}, not {list(parameter.shape)}")
        # Fused Adam goes through memory: its averages lie as the parameter does, and the count of steps beside it.
        own = torch.empty_like(value if key == "step" else parameter, device=parameter.device)
        optimizer.state[parameter][key] = own.copy_(value)


def _split(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, str, Tensor]]:
    for name, value in tensors.items():
        parameter, _, key = name.rpartition("/")
        yield parameter, key, value
