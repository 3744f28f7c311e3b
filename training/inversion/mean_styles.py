# SPDX-License-Identifier: Apache-2.0
"""The middle of all styles, where a search begins, and how far styles lie from it."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from training.generator import Generator
from training.portraits.views import conditioning_label

_COUNT, _SEED = 10_000, 123  # As published.
_TOGETHER = 1000


class MeanStyles(NamedTuple):
    """Of styles mapped under the front camera."""

    w: Float[Tensor, " w_dim"]
    std: Float[Tensor, ""]  # Root of the mean squared distance from it.
    z: Float[Tensor, " z_dim"]  # The code that comes closest. (The mean of codes is no code: they have a length.)


def front_label(G: Generator) -> Float[Tensor, "1 25"]:
    """The camera that styles are mapped for."""
    return conditioning_label(G, 90.0).to(next(G.parameters()).device)


@torch.no_grad()
def mean_styles(G: Generator) -> MeanStyles:
    """From many codes."""
    label = front_label(G)
    z = torch.from_numpy(np.random.RandomState(_SEED).randn(_COUNT, G.z_dim)).float().to(label.device)
    w = torch.cat([G.mapping(part, label.expand(len(part), -1))[:, 0] for part in z.split(_TOGETHER)])
    squares = (w - w.mean(0)).square().sum(1)
    return MeanStyles(w.mean(0), squares.mean().sqrt(), z[squares.argmin()])
