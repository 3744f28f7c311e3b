# SPDX-License-Identifier: Apache-2.0
"""The critic: pictures of one view to a score, by a tower over the channels it is shown.

`image` is the picture, `raw` the one before super-resolution, `mask` the foreground; the two small ones are brought to
the size of the image. All three are PanoHead's tri-discriminator (An et al., 2023, 3.2), the first two EG3D's.
"""

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.model_config import CriticConfig
from training.networks.critic import Head, Tower
from training.networks.superresolution import resize
from training.tensor_checks import floats

CHANNEL = {"image": "image", "raw": "image_raw", "mask": "image_mask"}


@final
class Discriminator(nn.Module):
    """Score of pictures under conditions."""

    def __init__(
        self,
        config: CriticConfig,
        *,
        c_dim: int,
        resolution: int,
        image_channels: int,
        tower: Tower,
        mask_tower: Tower | None,
        head: Head,
    ) -> None:
        super().__init__()
        self.config = config
        self.c_dim = c_dim
        self.img_resolution = resolution
        self.img_channels = image_channels
        self.tower = tower
        self.mask_tower = mask_tower
        self.head = head

    def forward(
        self,
        pictures: Mapping[str, Tensor],
        c: Tensor | None,  # [N, c_dim]
    ) -> Float[Tensor, "batch 1"]:
        pictures, c = self._checked(pictures, c)
        shown = [
            self._shown(name, pictures[CHANNEL[name]], self.img_resolution)
            for name in self.config.inputs
            if not (name == "mask" and self.mask_tower is not None)
        ]
        x = self.tower(torch.cat(shown, dim=1).contiguous(memory_format=torch.channels_last))
        if self.mask_tower is not None:
            mask = self._shown("mask", pictures["image_mask"], self.config.mask_tower_resolution)
            x = x + self.mask_tower(mask)
        return self.head(x, c)

    @property
    def layers(self) -> list[nn.Module]:
        """Layers that read pictures, from the first on, in the order in which they may be frozen."""
        return [
            layer
            for block in self.tower.blocks
            for layer in (block.from_image, block.conv0, block.conv1, block.skip)
            if layer is not None
        ]

    def _checked(self, pictures: Any, c: Any) -> tuple[dict[str, Tensor], Tensor | None]:
        """What this critic reads, in the type of its weights. What callers get wrong is told in a sentence."""
        keys = [CHANNEL[name] for name in self.config.inputs]
        if not isinstance(pictures, Mapping):
            raise ValueError(f"A critic reads pictures by name ({', '.join(keys)}), not a {type(pictures).__name__}.")
        missing = [key for key in keys if key not in pictures]
        if missing:
            given = ", ".join(map(str, pictures)) or "there are none"
            raise ValueError(f"This critic reads {', '.join(missing)}, which the pictures lack: {given}.")
        read: dict[str, Tensor] = {}
        batch = None
        for key in keys:
            size = self.img_resolution if key == "image" else None
            channels, what = (1, "mask / 255") if key == "image_mask" else (self.img_channels, "image / 127.5 - 1")
            read[key] = floats(self, pictures[key], key, (batch, channels, size, size), f"{what}, for each picture")
            batch = len(read[key])
        group = min(self.head.group_size, batch)
        if batch % group:
            raise ValueError(f"A batch of {batch} pictures cannot be cut into groups of {group}: choose a multiple.")
        if not self.c_dim:
            return read, None
        return read, floats(self, c, "c", (batch, self.c_dim), f"the conditions of the {batch} pictures")

    @staticmethod
    def _shown(name: str, picture: Tensor, size: int) -> Tensor:
        picture = resize(picture, size)
        return picture * 2 - 1 if name == "mask" else picture
