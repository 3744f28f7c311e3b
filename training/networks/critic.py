# SPDX-License-Identifier: Apache-2.0
"""Pictures to scores: StyleGAN2's residual critic, its minibatch statistic, and the projection onto the conditions.

A *tower* is the chain of residual blocks from the picture down to 4 x 4; the *head* turns what it saw into a score.
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.networks.layers import Conv, Linear
from training.networks.mapping import MappingNetwork
from training.networks.synthesis import channels_at

_SKIP_GAIN = math.sqrt(0.5)  # Two branches of unit variance add up to unit variance.


@final
class ResidualBlock(nn.Module):
    """Two convolutions beside a 1 x 1 skip; half the size comes out."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        image_channels: int | None = None,  # Of the picture that the first block of a tower reads.
        dtype: torch.dtype | None = None,  # Of the convolutions; None: of the weights.
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.from_image = None
        if image_channels is not None:
            self.from_image = Conv(image_channels, in_channels, 1, act="lrelu", clamp=clamp)
        self.conv0 = Conv(in_channels, in_channels, 3, act="lrelu", clamp=clamp)
        self.conv1 = Conv(in_channels, out_channels, 3, act="lrelu", down=2, clamp=clamp)
        self.skip = Conv(in_channels, out_channels, 1, bias=False, down=2)

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs hh ww"]:
        x = x.to(self.dtype or self.conv0.weight.dtype)
        if self.from_image is not None:
            x = self.from_image(x)
        return self.skip(x, gain=_SKIP_GAIN) + self.conv1(self.conv0(x), gain=_SKIP_GAIN)


@final
class Tower(nn.Module):
    """Residual blocks from `resolution` down to 4 x 4."""

    def __init__(
        self,
        resolution: int,
        image_channels: int,
        *,
        channel_base: int = 32768,
        channel_max: int = 512,
        dtypes: dict[int, torch.dtype | None] | None = None,  # By resolution; that of the weights where none is given.
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        if resolution < 8 or not math.log2(resolution).is_integer():
            raise ValueError(f"A critic reads pictures of 8, 16, 32, ... pixels a side, not {resolution}.")
        self.resolutions = [2**i for i in range(int(math.log2(resolution)), 2, -1)]
        self.blocks = nn.ModuleList(
            ResidualBlock(
                channels_at(size, channel_base, channel_max),
                channels_at(size // 2, channel_base, channel_max),
                image_channels=image_channels if size == resolution else None,
                dtype=(dtypes or {}).get(size),
                clamp=clamp,
            )
            for size in self.resolutions
        )
        self.out_channels = channels_at(4, channel_base, channel_max)

    def forward(self, image: Float[Tensor, "batch channels size size"]) -> Float[Tensor, "batch outputs 4 4"]:
        x = image
        for block in self.blocks:
            x = block(x)
        return x


def minibatch_std(x: Float[Tensor, "batch channels h w"], group_size: int) -> Float[Tensor, "batch 1 h w"]:
    """How much pictures of a group differ, as one more channel: lets the critic see a lack of variety.

    A group has `group_size` pictures (all, if there are fewer): those whose index in the batch is the same modulo the
    number of groups. Karras et al. (2018), 3.
    """
    group = min(group_size, len(x))
    if len(x) % group:
        raise ValueError(f"A batch of {len(x)} pictures cannot be cut into groups of {group}: choose a multiple.")
    grouped = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (group, -1))
    spread = (grouped.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [number of groups]
    return spread.repeat(group)[:, None, None, None].expand(-1, 1, *x.shape[2:]).to(x.dtype)


@final
class Head(nn.Module):
    """Score of what a tower saw: its projection onto the embedded conditions, or one number without conditions."""

    def __init__(
        self, in_channels: int, *, c_dim: int, embed_dim: int, group_size: int, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.group_size = group_size
        self.embed_dim = embed_dim
        # Eight layers, as the original critics have them; a single linear one would do nearly as well.
        self.mapping = MappingNetwork(0, c_dim, embed_dim, num_layers=8) if c_dim else None
        self.conv = Conv(in_channels + 1, in_channels, 3, act="lrelu", clamp=clamp)
        self.fc = Linear(in_channels * 4 * 4, in_channels, act="lrelu")
        self.out = Linear(in_channels, embed_dim if c_dim else 1)

    def forward(
        self, x: Float[Tensor, "batch channels 4 4"], c: Float[Tensor, "batch c_dim"] | None
    ) -> Float[Tensor, "batch 1"]:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        x = self.conv(torch.cat([x, minibatch_std(x, self.group_size)], dim=1))
        y = self.out(self.fc(x.flatten(1)))
        if self.mapping is None:
            return y
        return (y * self.mapping(None, c)).sum(dim=1, keepdim=True) / math.sqrt(self.embed_dim)
