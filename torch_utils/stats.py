# SPDX-License-Identifier: Apache-2.0
"""Named statistics of a run, kept as moments: cheap to add to, exact to merge.

`report` adds on the device and waits for nothing. `collect` adds up the ranks, once, and is where the waiting is. Ranks
may report different names: a rank that has not reported a name counts for nothing in it.

Values that are not finite are counted apart, so one of them shows without spoiling the mean of the others.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from torch_utils import distributed


@dataclass(frozen=True)
class Moments:
    """What is known of a statistic: finite values and their mean and spread; NaN where there were none."""

    num: int
    mean: float
    std: float
    num_nonfinite: int = 0


class Collector:
    """Moments by name since the last `collect`."""

    sums: dict[str, Float[Tensor, "4"]]  # Of 1, x, x^2 over finite values; then how many others.

    def __init__(self, device: torch.device | str):
        self.device = torch.device(device)
        # Sums of squares lose the spread in float32 when it is small beside the mean; MPS has nothing wider.
        self.dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self.sums = {}

    @torch.no_grad()
    def report(self, name: str, values: Tensor | float) -> None:
        """Add values of any shape. Nothing is copied from the device, so reporting in every step is cheap."""
        if not isinstance(values, Tensor):
            values = torch.full((), values, device=self.device, dtype=self.dtype)
        wide = values.detach().to(self.dtype)
        finite = wide.isfinite()
        kept = wide.where(finite, 0)
        num = finite.sum(dtype=self.dtype)
        sums = torch.stack([num, kept.sum(), kept.square().sum(), wide.numel() - num]).to(self.device)
        self.sums[name] = self.sums[name] + sums if name in self.sums else sums

    def collect(self) -> dict[str, Moments]:
        """Moments over all ranks, by name in alphabetical order, and start anew. Every rank must call it."""
        totals = self._totals()
        self.sums = {}
        return {name: _moments(*sums) for name, sums in totals.items()}

    def state_dict(self) -> list[dict[str, list[float]]]:
        """The sums of every rank, for a checkpoint. Every rank must call it."""
        rows = torch.stack(list(self.sums.values())).tolist() if self.sums else []
        return distributed.gather_json(dict(zip(self.sums, rows, strict=True)))

    def load_state_dict(self, state: list[dict[str, list[float]]]) -> None:
        """Go on from a checkpoint, exactly where the number of ranks is the same; else the main rank takes all."""
        if len(state) == distributed.world_size():
            own = state[distributed.rank()]
        else:
            own = _added(state) if distributed.is_main() else {}
        self.sums = {name: torch.tensor(sums, dtype=self.dtype, device=self.device) for name, sums in own.items()}

    def _totals(self) -> dict[str, list[float]]:
        names = sorted(set().union(*distributed.gather_json(sorted(self.sums))))
        if not names:
            return {}
        zero = torch.zeros(4, dtype=self.dtype, device=self.device)
        totals = torch.stack([self.sums.get(name, zero) for name in names])
        distributed.sum_([totals])
        return dict(zip(names, totals.tolist(), strict=True))


def _added(state: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    totals: dict[str, list[float]] = {}
    for sums in state:
        for name, own in sums.items():
            totals[name] = [a + b for a, b in zip(totals.get(name, [0.0] * 4), own, strict=True)]
    return totals


def _moments(num: float, total: float, squares: float, num_nonfinite: float) -> Moments:
    if num == 0:
        return Moments(0, math.nan, math.nan, int(num_nonfinite))
    mean = total / num
    # Rounding may leave less than nothing of the variance of equal values.
    return Moments(int(num), mean, math.sqrt(max(squares / num - mean * mean, 0)), int(num_nonfinite))
