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
        self,
        pictures: Mapping[str, Tensor],
        c: Tensor | None,  # [N, c_dim]
    ) -> Float[Tensor, "batch 1"]:
        self._check(pictures, c)
        shown = [
            self._shown(name, pictures[CHANNEL[name]], self.img_resolution)
            for name in self.config.inputs
            if not (name == "mask" and self.mask_tower is not None)
        ]
        x = self.tower(torch.cat(shown, dim=1).contiguous(memory_format=torch.channels_last))
        if self.mask_tower is not None:
            mask = self._shown("mask", pictures["image_mask"], self.config.mask_tower_resolution)
            x = x + self.mask_tower(mask)
        return self.head(x, None if c is None else c.to(self.head.out.weight.dtype))

    def _check(self, pictures: Mapping[str, Tensor], c: Tensor | None) -> None:
        """What callers get wrong, told in a sentence."""
        keys = [CHANNEL[name] for name in self.config.inputs]
        missing = [key for key in keys if key not in pictures]
        if missing:
            raise ValueError(f"This critic reads {', '.join(missing)}, which the pictures lack: {', '.join(pictures)}.")
        batch, size = len(pictures[keys[0]]), self.img_resolution
        for key in keys:
            channels = 1 if key == "image_mask" else self.img_channels
            wanted = [batch, channels, size, size] if key == "image" else [batch, channels, "any", "any"]
            shape, dtype = list(pictures[key].shape), pictures[key].dtype
            if len(shape) != 4 or any(want not in ("any", have) for want, have in zip(wanted, shape, strict=True)):
                raise ValueError(f"This critic reads {key} of [{', '.join(map(str, wanted))}], not {shape}.")
            if not dtype.is_floating_point:
                raise ValueError(f"{key} must be floating point, not {dtype}: images / 127.5 - 1, masks / 255.")
        if self.c_dim and (c is None or c.shape != (batch, self.c_dim)):
            given = "None" if c is None else list(c.shape)
            raise ValueError(f"c must be [{batch}, {self.c_dim}], the conditions of the {batch} pictures, not {given}.")

    @staticmethod
    def _shown(name: str, picture: Tensor, size: int) -> Tensor:
        picture = resize(picture, size)
        return picture * 2 - 1 if name == "mask" else picture
