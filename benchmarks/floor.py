# SPDX-License-Identifier: Apache-2.0
"""The floor of a workload: its bare convolutions, of the same shapes, in channels-last memory, and nothing else.

convolutions = convolutions_of(lambda: G.synthesis(ws, c))
run(convolutions)  # takes as long as the convolutions of the picture alone
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Convolution(NamedTuple):
    """One call, with tensors of its own."""

    function: Callable[..., Tensor]
    x: Tensor
    weight: Tensor
    options: dict[str, object]

    @property
    def gflop(self) -> float:
        """Multiplications and additions."""
        taps = self.weight.shape[-1] * self.weight.shape[-2]
        moved = self.x if self.function is F.conv_transpose2d else self.function(self.x, self.weight, **self.options)
        outputs = self.weight.shape[1] if self.function is F.conv_transpose2d else self.weight.shape[0]
        inputs = self.weight.shape[0] if self.function is F.conv_transpose2d else self.weight.shape[1]
        return 2e-9 * len(self.x) * moved.shape[2] * moved.shape[3] * outputs * inputs * taps


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Convolution] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (F.conv2d, F.conv_transpose2d):
            options = dict(kwargs or {})
            x, weight = args[:2]
            options.pop("bias", None)
            own = [torch.randn_like(t, memory_format=torch.contiguous_format) for t in (x.detach(), weight.detach())]
            own = [t.contiguous(memory_format=torch.channels_last) for t in own]
            self.seen.append(Convolution(function, *own, options))
        return function(*args, **(kwargs or {}))


def convolutions_of(work: Callable[[], object]) -> list[Convolution]:
    """What `work` convolves."""
    with _Recorder() as recorder, torch.no_grad():
        work()
    return recorder.seen


@torch.no_grad()
def run(convolutions: list[Convolution]) -> None:
    """All of them once."""
    for function, x, weight, options in convolutions:
        function(x, weight, **options)
