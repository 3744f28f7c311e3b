# SPDX-License-Identifier: Apache-2.0
"""The end of a run whose losses are numbers no more.

One step may go wrong: what is not finite in its gradients is replaced, and the run recovers. A loss that has been no
number for two steps in a row comes from weights that are broken, and nothing good can follow. The run stops at the next
tick, and never saves.
"""

import math
from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from torch_utils import distributed

# Computed in every step. Others, such as R1, follow them.
LOSSES = ("G/adversarial", "D/fake", "D/real")


class DivergedError(RuntimeError):
    """A run cannot go on. The message says since when, and from where it can be repeated."""


@final
class Divergence:
    """Since which image each loss has not been finite. Kept on the device, where nobody waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._since = {name: torch.full((), math.inf, dtype=torch.float64, device=device) for name in LOSSES}

    @torch.no_grad()
    def observe(self, reports: Mapping[str, Tensor], batch_start: int) -> None:
        """What a part of the step that begins with image `batch_start` reports."""
        for name in LOSSES:
            if name in reports:
                since = self._since[name]
                still = torch.where(reports[name].isfinite().all(), math.inf, since.clamp(max=batch_start))
                since.copy_(still)

    def check(self, nimg: int, batch: int, saves: Sequence[int]) -> None:
        """Raises a DivergedError where a loss has not been finite for two steps. Every rank must call it."""
        own = {name: since.item() for name, since in self._since.items()}
        own = {name: int(since) for name, since in own.items() if nimg - since >= 2 * batch}
        found = [item for ranks in distributed.gather_json(own) for item in ranks.items()]
        if found:
            name, since = min(found, key=lambda item: item[1])
            raise DivergedError(f"The loss {name} has not been a finite number since image {since}. {_advice(saves)}")


def check_weights(modules: Mapping[str, nn.Module], nimg: int, saves: Sequence[int]) -> None:
    """Raises a DivergedError where weights are not finite, before they are saved."""
    for name, module in modules.items():
        norms = torch.stack(torch._foreach_norm(list(module.parameters())))
        if not norms.isfinite().all():
            raise DivergedError(f"At image {nimg}, {name} has weights that are not finite. {_advice(saves)}")


def _advice(saves: Sequence[int]) -> str:
    again = saves[0] if saves else 0
    kept = f"The save at image {again} is whole" if saves else "There is no earlier save"
    start = ", in a new run that begins with this one's weights (--resume)" if saves else ""
    return (
        f"Nothing was saved since. {kept}: the same command repeats the run exactly from image {again}. To end "
        f"differently it needs a change{start}: lower generator_adam.lr and critic_adam.lr, or a larger loss.gamma."
    )
