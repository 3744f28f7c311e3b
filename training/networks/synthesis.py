# SPDX-License-Identifier: Apache-2.0
"""Styles to a picture of any number of channels: StyleGAN2's synthesis with skip connections.

The first block starts from a learned constant of 4 x 4; each further one doubles the size by its first convolution.
Every block adds to the picture, which is upsampled from block to block. A network takes `num_ws` styles: one for each
convolution, and one for the last picture; a block's picture shares its style with the next convolution.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from torch_utils.ops.fir_resample import filter_taps, upsample
from training.networks.bands import bands, bytes_of
from training.networks.modulated import StyledConv, ToImage
from training.networks.noise import AbstractNoise

_BAND_BYTES = 16 << 20  # Of what is added to a picture of many channels, such as planes.


def channels_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Widths of StyleGAN2's blocks: halved with every doubling of the resolution, up to a limit."""
    return max(min(channel_base // resolution, channel_max), 1)


@final
class Block(nn.Module):
    """Two convolutions at one resolution (of the first block one: it starts from a constant), and their picture."""

    taps: Tensor

    def __init__(
        self,
        in_channels: int | None,  # None: starts from a constant.
        out_channels: int,
        image_channels: int,
        *,
        name: str,
        w_dim: int,
        resolution: int,
        up: int = 2,
        dtype: torch.dtype | None = None,  # Of the convolutions; None: of the weights.
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.dtype = dtype
        self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution)) if in_channels is None else None
        self.conv0 = None
        if in_channels is not None:
            self.conv0 = StyledConv(
                in_channels,
                out_channels,
                w_dim=w_dim,
                resolution=resolution,
                name=f"{name}/conv0",
                up=up,
                clamp=clamp,
            )
        self.conv1 = StyledConv(
            out_channels, out_channels, w_dim=w_dim, resolution=resolution, name=f"{name}/conv1", clamp=clamp
        )
        self.to_image = ToImage(out_channels, image_channels, w_dim=w_dim, clamp=clamp)
        self.num_convs = 1 if in_channels is None else 2
        self.register_buffer("taps", filter_taps(), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "batch inputs h w"] | None,
        image: Float[Tensor, "batch channels h w"] | None,
        ws: Float[Tensor, "batch styles w_dim"],  # One for each convolution, and one for the picture.
        noise: AbstractNoise,
    ) -> tuple[Float[Tensor, "batch outputs hh ww"], Float[Tensor, "batch channels hh ww"]]:
        if self.conv0 is None:
            x = self.const.to(self.dtype or self.const.dtype)[None].expand(len(ws), -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x.to(self.dtype or x.dtype), ws[:, 0], noise)
        x = self.conv1(x, ws[:, -2], noise)
        return x, self._add_picture(x, image, ws[:, -1])

    def _add_picture(self, x: Tensor, image: Tensor | None, w: Tensor) -> Tensor:
        if image is None:
            return self.to_image(x, w)
        if self.up == 1:
            return image + self.to_image(x, w)
        image = upsample(image, self.taps)
        parts = bands(image.shape[2], bytes_of(image), _BAND_BYTES if len(x) == 1 else bytes_of(image))
        if len(parts) == 1:
            return image.add_(self.to_image(x, w))
        for first, end in parts:
            image[:, :, first:end] += self.to_image(x[:, :, first:end], w)
        return image


@final
class SynthesisNetwork(nn.Module):
    """Blocks from 4 x 4 to the resolution of the picture."""

    def __init__(
        self,
        resolution: int,
        image_channels: int,
        *,
        name: str,  # Tells its noise from that of other networks.
        w_dim: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        dtype: torch.dtype | None = None,  # Of the convolutions; None: of the weights.
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        if resolution < 4 or not math.log2(resolution).is_integer():
            raise ValueError(f"A synthesis network makes pictures of 4, 8, 16, ... pixels a side, not {resolution}.")
        resolutions = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
        widths = [channels_at(size, channel_base, channel_max) for size in resolutions]
        self.blocks = nn.ModuleList(
            Block(
                inputs,
                outputs,
                image_channels,
                name=f"{name}/{size}",
                w_dim=w_dim,
                resolution=size,
                dtype=dtype,
                clamp=clamp,
            )
            for inputs, outputs, size in zip([None, *widths[:-1]], widths, resolutions, strict=True)
        )
        self.resolution = resolution
        self.num_ws = sum(block.num_convs for block in self.blocks) + 1

    def forward(
        self, ws: Float[Tensor, "batch num_ws w_dim"], noise: AbstractNoise
    ) -> Float[Tensor, "batch channels size size"]:
        assert ws.shape[1] == self.num_ws, f"{ws.shape[1]} styles for a network that takes {self.num_ws}"
        x = image = None
        first = 0
        for block in self.blocks:
            x, image = block(x, image, ws[:, first : first + block.num_convs + 1], noise)
            first += block.num_convs
        return image
