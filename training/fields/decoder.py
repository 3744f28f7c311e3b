# SPDX-License-Identifier: Apache-2.0
"""Features of a point to its raw density and colour features: a hidden layer of softplus."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from torch_utils.ops.softplus_mlp import softplus_mlp
from training.fields.base import FieldSamples
from training.networks.layers import Linear

# none: as they come. lrelu: leaky ReLU. sigmoid: colours in [-1, 1], a little beyond so that both ends can be reached.
ColourAct = Literal["none", "lrelu", "sigmoid"]


@final
class Decoder(nn.Module):
    """Two layers, density first."""

    def __init__(
        self, in_channels: int, out_channels: int, *, hidden: int, colour_act: ColourAct, lr_multiplier: float
    ) -> None:
        super().__init__()
        self.colour_act: ColourAct = colour_act
        self.hidden = Linear(in_channels, hidden, lr_multiplier=lr_multiplier)
        self.out = Linear(hidden, 1 + out_channels, lr_multiplier=lr_multiplier)

    def forward(self, features: Float[Tensor, "batch points channels"]) -> FieldSamples:
        density, colours = softplus_mlp(features, *self.hidden.scaled(features.dtype), *self.out.scaled(features.dtype))
        return FieldSamples(density, _COLOUR[self.colour_act](colours))


def _bounded(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * 2.004 - 1.002


_COLOUR = {
    "none": lambda x: x,
    "lrelu": lambda x: F.leaky_relu(x, 0.2) * 2**0.5,
    "sigmoid": _bounded,
}
