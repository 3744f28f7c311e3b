# SPDX-License-Identifier: Apache-2.0
"""The critic: pictures of one view to a score, by a tower over the channels it is shown.

`image` is the picture, `raw` the one before super-resolution, `mask` the foreground; the two small ones are brought to
the size of the image. All three are PanoHead's tri-discriminator (An et al., 2023, 3.2), the first two EG3D's.
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.model_config import CriticConfig
from training.networks.critic import Head, Tower
from training.networks.superresolution import resize

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
        self, pictures: Mapping[str, Tensor], c: Float[Tensor, "batch c_dim"] | None
    ) -> Float[Tensor, "batch 1"]:
        missing = [key for key in map(CHANNEL.get, self.config.inputs) if key not in pictures]
        if missing:
            raise ValueError(f"This critic reads {', '.join(missing)}, which the pictures lack: {', '.join(pictures)}.")
        if pictures["image"].shape[-1] != self.img_resolution:
            raise ValueError(
                f"This critic reads pictures of {self.img_resolution} x {self.img_resolution}, not "
                f"{list(pictures['image'].shape)}."
            )
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

    @staticmethod
    def _shown(name: str, picture: Tensor, size: int) -> Tensor:
        picture = resize(picture, size)
        return picture * 2 - 1 if name == "mask" else picture
