# SPDX-License-Identifier: Apache-2.0
"""What the two stages of an inversion have in common, so that one loop runs, watches, saves and resumes both."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Made(NamedTuple):
    """What a step leaves on the device. Nothing of it is waited for."""

    loss: Tensor
    views: Sequence[int]
    images: Tensor  # Of these views.


class Stage(ABC):
    """Steps that change the parameters of `module` by `optimizer`."""

    name: str
    num_steps: int
    module: nn.Module
    optimizer: torch.optim.Adam

    @abstractmethod
    def step(self, step: int) -> Made:
        """Makes it. Random numbers follow from the seed and the number of the step."""

    @abstractmethod
    def after_plateau(self, step: int) -> int:
        """Which step is next where nothing is gained any more."""
