# SPDX-License-Identifier: Apache-2.0
"""Layers with an equalised learning rate: weights are stored at unit variance and scaled when they are used.

Karras et al., "Progressive growing of GANs" (2018), 4.1: the optimiser then sees weights of one size in every layer. A
learning-rate multiplier m stores the weight 1/m times larger and uses it m times smaller.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from torch_utils.ops.biased_act import Activation, biased_act, default_gain
from torch_utils.ops.fir_resample import downsample_pad, filter_taps, fir_resample


def unit_rms(x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
    """Rows scaled to a mean square of one, in float32."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


@final
class Linear(nn.Module):
    """act(x W^T + b)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        act: Activation = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.act: Activation = act
        self.lr_multiplier = lr_multiplier
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        weight, bias = self.scaled(x.dtype)
        if self.act == "linear":
            return F.linear(x, weight, bias)
        y = F.linear(x, weight)
        return biased_act(y.view(-1, len(bias)), bias, self.act, reuse=True).view_as(y)

    def scaled(self, dtype: torch.dtype) -> tuple[Float[Tensor, "outputs inputs"], Float[Tensor, " outputs"]]:
        """Weight and bias as they are used."""
        return (self.weight * self.weight_gain).to(dtype), (self.bias * self.lr_multiplier).to(dtype)


@final
class Conv(nn.Module):
    """Convolution, bias, activation; with down=2 the picture is low-passed first and comes out at half the size."""

    taps: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        act: Activation = "linear",
        bias: bool = True,
        down: int = 1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        assert kernel_size % 2 == 1
        assert down in (1, 2)
        self.act: Activation = act
        self.down = down
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("taps", filter_taps(), persistent=False)

    def forward(self, x: Float[Tensor, "batch inputs h w"], gain: float = 1.0) -> Float[Tensor, "batch outputs hh ww"]:
        weight = (self.weight * self.weight_gain).to(x.dtype)
        padding = self.weight.shape[-1] // 2
        if self.down == 1:
            x = F.conv2d(x, weight, padding=padding)
        elif padding == 0:
            x = F.conv2d(fir_resample(x, self.taps, down=2, pad=downsample_pad(len(self.taps), 2)), weight)
        else:
            # The low-pass pads for the convolution as well, which then only has to step.
            before, after = (side + padding for side in downsample_pad(len(self.taps), 2)[:2])
            x = F.conv2d(fir_resample(x, self.taps, pad=(before, after, before, after)), weight, stride=2)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        clamp = None if self.clamp is None else self.clamp * gain
        return biased_act(x, bias, self.act, default_gain(self.act) * gain, clamp, reuse=True)
