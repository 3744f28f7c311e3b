# SPDX-License-Identifier: Apache-2.0
"""A small picture with features to a large one: two synthesis blocks whose layers all share the last style."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.bands import bands, bytes_of
from training.networks.noise import AbstractNoise, NoNoise
from training.networks.synthesis import Block

# Of a picture's feature map of the last block. Less would be more work: rows are computed twice.
_BAND_BYTES = 32 << 20
_REACH = 2  # So many rows before and behind a band its filters see: the transposed convolution, low-pass, convolution.


def resize(
    image: Float[Tensor, "batch channels h w"], size: int, antialias: bool = True
) -> Float[Tensor, "batch channels size size"]:
    """Bilinear, pixel centres aligned; with antialias the filter widens when the picture shrinks. In float32."""
    if image.shape[2:] == (size, size):
        return image
    return F.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=antialias)


@final
class SuperResolution(nn.Module):
    """The raw picture and its feature maps, brought to `in_resolution`, then through two blocks."""

    def __init__(
        self,
        in_resolution: int,
        out_resolution: int,
        *,
        in_channels: int,
        widths: tuple[int, int],
        image_channels: int,
        w_dim: int,
        antialias: bool = True,
        dtype: torch.dtype | None = None,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        factor = out_resolution // in_resolution
        if in_resolution * factor != out_resolution or factor not in (2, 4):
            raise ValueError(
                f"Super-resolution enlarges 2 or 4 times, but {in_resolution} -> {out_resolution} was asked. Choose an "
                f"input of {out_resolution // 2} or {out_resolution // 4} pixels."
            )
        self.in_resolution = in_resolution
        self.widths = widths
        self.antialias = antialias
        shared = {"w_dim": w_dim, "dtype": dtype, "clamp": clamp}
        self.block0 = Block(
            in_channels,
            widths[0],
            image_channels,
            name="superresolution/0",
            resolution=out_resolution // 2,
            up=factor // 2,
            **shared,
        )
        self.block1 = Block(
            widths[0], widths[1], image_channels, name="superresolution/1", resolution=out_resolution, **shared
        )

    def forward(
        self,
        raw: Float[Tensor, "batch channels h w"],
        features: Float[Tensor, "batch features h w"],
        w: Float[Tensor, "batch w_dim"],
        noise: AbstractNoise,
    ) -> tuple[Float[Tensor, "batch channels size size"], Float[Tensor, "batch channels hh ww"]]:
        """The picture, and the one after the first block."""
        ws = w[:, None].expand(-1, 3, -1)
        x, image = (resize(part, self.in_resolution, self.antialias) for part in (features, raw))
        x, first = self.block0(x, image, ws, noise)
        return self._enlarge(x, first, ws, noise), first

    def _enlarge(self, x: Tensor, image: Tensor, ws: Tensor, noise: AbstractNoise) -> Tensor:
        """By the second block."""
        # Per picture: of a batch, bands as small would mostly be rows around them.
        height, widen = x.shape[2], 4 * self.widths[1] / self.widths[0] / len(x)
        parts = [(0, height)]
        if isinstance(noise, NoNoise):
            parts = bands(height, int(bytes_of(x) * widen), _BAND_BYTES)
        if len(parts) == 1:
            return self.block1(x, image, ws, noise)[1]
        pictures = []
        for first, end in parts:
            low, high = max(first - _REACH, 0), min(end + _REACH, height)
            picture = self.block1(x[:, :, low:high], image[:, :, low:high], ws, noise)[1]
            pictures.append(picture[:, :, 2 * (first - low) : 2 * (end - low)])
        return torch.cat(pictures, dim=2)
