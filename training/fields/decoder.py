# SPDX-License-Identifier: Apache-2.0
"""The decoder of a point's features: a hidden layer of softplus, then raw density and colour features.

The layers are computed together with the sampling (torch_utils/ops/trigrid_decode.py); here is what they are made of.
"""

from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from torch_utils.ops.trigrid_decode import PlaneAxes, trigrid_decode
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

    def forward(
        self,
        planes: Float[Tensor, "batch 3 depth features h w"],
        points: Float[Tensor, "batch points 3"],
        box_size: float,
        axes: PlaneAxes,
        planar: bool,
        seen: Bool[Tensor, "batch points"] | None,
    ) -> FieldSamples:
        """What a tri-grid holds at points, decoded."""
        layers = self.layers(torch.promote_types(planes.dtype, torch.float32))
        density, colours = trigrid_decode(planes, points, *layers, box_size, axes, planar, seen)
        return FieldSamples(density, self.activated(colours))

    def layers(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights and biases of both, as they are used."""
        return *self.hidden.scaled(dtype), *self.out.scaled(dtype)

    def activated(self, colours: Float[Tensor, "batch points channels"]) -> Float[Tensor, "batch points channels"]:
        """What follows the second layer. Zero, which hidden points have, stays zero."""
        return _COLOUR[self.colour_act](colours)


def _bounded(x: Tensor) -> Tensor:
    return torch.sigmoid(x) * 2.004 - 1.002


_COLOUR = {
    "none": lambda x: x,
    "lrelu": lambda x: F.leaky_relu(x, 0.2) * 2**0.5,
    "sigmoid": _bounded,
}
