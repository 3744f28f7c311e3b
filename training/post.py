# SPDX-License-Identifier: Apache-2.0
"""The slot between what rays see and the pictures: `AbstractPost`, and the one of PanoHead and EG3D."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.networks.modulated import ToImage
from training.networks.noise import AbstractNoise, NoNoise
from training.networks.superresolution import SuperResolution, resize
from training.networks.synthesis import SynthesisNetwork
from training.types import Codes


class AbstractPost(nn.Module, ABC):
    """Feature image and opacity to the raw picture and the picture."""

    @abstractmethod
    def backdrop(
        self, codes: Codes, noise: AbstractNoise
    ) -> Float[Tensor, "#batch features back_size back_size"] | None:
        """What stands behind the head: all work that does not depend on the camera. None where nothing does."""

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "batch features h w"],
        opacity: Float[Tensor, "batch 1 h w"],
        backdrop: Float[Tensor, "#batch features back_size back_size"] | None,
        codes: Codes,
        noise: AbstractNoise,
    ) -> tuple[Float[Tensor, "batch channels size size"], Float[Tensor, "batch channels h w"]]:
        """(picture, raw picture)."""


@final
class ImagePost(AbstractPost):
    """A background behind the features where there is one, colours of them, super-resolution.

    `codes` has the styles "ws", and may have "ws_bcg", those of another picture's background.
    """

    def __init__(
        self,
        background: SynthesisNetwork | None,
        to_raw: ToImage | None,  # None: the first features are the colours.
        superresolution: SuperResolution,
        *,
        image_channels: int,
        noise: bool,
        raw_after_first_block: bool,
    ) -> None:
        super().__init__()
        self.background = background
        self.to_raw = to_raw
        self.superresolution = superresolution
        self.image_channels = image_channels
        self.noise = noise
        self.raw_after_first_block = raw_after_first_block

    def backdrop(
        self, codes: Codes, noise: AbstractNoise
    ) -> Float[Tensor, "#batch features back_size back_size"] | None:
        if self.background is None:
            return None
        return self.background(fit_styles(codes.get("ws_bcg", codes["ws"]), self.background.num_ws), noise)

    def forward(
        self,
        features: Float[Tensor, "batch features h w"],
        opacity: Float[Tensor, "batch 1 h w"],
        backdrop: Float[Tensor, "#batch features back_size back_size"] | None,
        codes: Codes,
        noise: AbstractNoise,
    ) -> tuple[Float[Tensor, "batch channels size size"], Float[Tensor, "batch channels h w"]]:
        if backdrop is not None:
            behind = resize(backdrop, features.shape[-1], self.superresolution.antialias)
            features = torch.addcmul(features, 1 - opacity, behind)
        w = codes["ws"][:, -1]
        raw = features[:, : self.image_channels] if self.to_raw is None else self.to_raw(features, w)
        image, first = self.superresolution(raw, features, w, noise if self.noise else NoNoise())
        if self.raw_after_first_block and first.shape == raw.shape:
            raw = first
        return image, raw


def fit_styles(ws: Float[Tensor, "batch given w_dim"], num_ws: int) -> Float[Tensor, "batch num_ws w_dim"]:
    """The first `num_ws` styles; the last one repeats where there are too few."""
    if ws.shape[1] >= num_ws:
        return ws[:, :num_ws]
    return torch.cat([ws, ws[:, -1:].expand(-1, num_ws - ws.shape[1], -1)], dim=1)
