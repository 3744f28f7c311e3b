# SPDX-License-Identifier: Apache-2.0
"""Convolutions whose input channels are scaled by a style: Karras et al., "Analyzing and improving StyleGAN" (2020).

With weights W and styles s of a picture, the weight is W' = W s. Demodulation divides by its norm per output channel,
d_o = 1 / sqrt(sum_ik (W_oik s_i)^2 + 1e-8), so that every output channel has unit variance for inputs that do.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from torch_utils.ops.biased_act import biased_act
from torch_utils.ops.fir_act import fir_act
from torch_utils.ops.fir_resample import filter_taps
from training.networks.layers import Linear
from training.networks.noise import AbstractNoise


def modulated_conv(
    x: Float[Tensor, "batch inputs h w"],
    weight: Float[Tensor, "outputs inputs k k"],
    styles: Float[Tensor, "batch inputs"],
    up: int = 1,
) -> Float[Tensor, "batch outputs hh ww"]:
    """Demodulated convolution. With up=2 it is transposed, [H, W] -> [2 H + 1, 2 W + 1], to be low-passed later."""
    if x.dtype == torch.float16:
        weight, styles = _within_half_range(weight, styles)
    scale = (styles.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()  # [batch, outputs]
    if len(x) == 1 and not _only_styles_are_sought(weight, styles):
        # One picture: its styles go into the weights, which spares two passes over the pictures.
        return _conv(x, (weight * (scale.T * styles)[:, :, None, None]).to(x.dtype), up)
    y = _conv(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), up)
    return y * scale.to(x.dtype)[:, :, None, None]


def _only_styles_are_sought(weight: Tensor, styles: Tensor) -> bool:
    # Then the costly gradient of the convolution into its weights is not needed, if they are the same for all styles.
    return torch.is_grad_enabled() and styles.requires_grad and not weight.requires_grad


def _conv(x: Tensor, weight: Tensor, up: int) -> Tensor:
    if up == 1:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
    return F.conv_transpose2d(x, weight.transpose(0, 1), stride=up)


def _within_half_range(weight: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    # Demodulation undoes any scale, so these are chosen such that no product overflows float16. Zeros stay zeros.
    fan_in = math.prod(weight.shape[1:])
    weight = weight / (math.sqrt(fan_in) * weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-30))
    return weight, styles / styles.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)


@final
class StyledConv(nn.Module):
    """Demodulated 3 x 3 convolution, noise, bias, leaky ReLU. With up=2 the picture comes out twice as large."""

    noise_const: Tensor
    taps: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,  # Of the output.
        name: str,  # What the layer calls itself when it asks for noise.
        up: int = 1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        assert up in (1, 2)
        self.name = name
        self.up = up
        self.clamp = clamp
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("taps", filter_taps(), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch inputs h w"], w: Float[Tensor, "batch w_dim"], noise: AbstractNoise
    ) -> Float[Tensor, "batch outputs hh ww"]:
        x = modulated_conv(x, self.weight, self.affine(w), self.up)
        drawn = noise(self.name, self.noise_const)
        grain = None if drawn is None else (drawn * self.noise_strength).to(x.dtype)
        bias = self.bias.to(x.dtype)
        if self.up == 1:
            x = x if grain is None else x.add_(grain)  # Nobody needs what a convolution has put out.
            return biased_act(x, bias, "lrelu", clamp=self.clamp, reuse=True)
        # Inserting zeros took three quarters of the brightness, the gain gives it back.
        return fir_act(x, self.taps, grain, bias, "lrelu", pad=(1, 1, 1, 1), fir_gain=4.0, clamp=self.clamp)


@final
class ToImage(nn.Module):
    """1 x 1 convolution with styles but without demodulation: feature maps to a picture, in float32."""

    def __init__(self, in_channels: int, out_channels: int, *, w_dim: int, clamp: float | None = None) -> None:
        super().__init__()
        self.clamp = clamp
        self.style_gain = 1 / math.sqrt(in_channels)
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self, x: Float[Tensor, "batch inputs h w"], w: Float[Tensor, "batch w_dim"]
    ) -> Float[Tensor, "batch outputs h w"]:
        styles, bias = self.affine(w) * self.style_gain, self.bias.to(x.dtype)
        if len(x) == 1 and not _only_styles_are_sought(self.weight, styles):
            y = F.conv2d(x, (self.weight * styles[0, :, None, None]).to(x.dtype), bias)
        else:
            y = F.conv2d(x * styles.to(x.dtype)[:, :, None, None], self.weight.to(x.dtype), bias)
        y = y.to(torch.promote_types(x.dtype, torch.float32))
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
