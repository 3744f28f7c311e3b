# SPDX-License-Identifier: Apache-2.0
"""Colours: brightness, contrast, flipped greys, hue, saturation, as one affine map per image.

A colour is its grey, the mean of the channels, and its chroma, the rest. All five transforms keep the two apart: grey
is scaled and moved, chroma scaled and turned about the axis of grey. So their product needs four numbers and no matrix.
The same map meets the image and the raw picture. A picture of one channel is all grey.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.augment.config import TransformsConfig
from training.augment.draws import Draws, may_hold_any, per_image

_BRIGHTNESS_STD = 0.2
_CONTRAST_STD = 0.5  # In octaves, like the next.
_SATURATION_STD = 1.0


@dataclass(frozen=True, eq=False)
class ColourMap:
    """grey -> gain * grey + offset; chroma -> along * chroma + across * (axis of grey x chroma)."""

    gain: Float[Tensor, " batch"]
    offset: Float[Tensor, " batch"]
    along: Float[Tensor, " batch"]
    across: Float[Tensor, " batch"]
    is_set: Bool[Tensor, " batch"]


def draw_colour(draws: Draws, strengths: TransformsConfig) -> ColourMap:
    is_brightened = draws.fires("brightness", strengths.brightness)
    offset = torch.where(is_brightened, _BRIGHTNESS_STD * draws.normal("brightness")[:, 0], 0)
    is_contrasted = draws.fires("contrast", strengths.contrast)
    contrast = torch.where(is_contrasted, torch.exp2(_CONTRAST_STD * draws.normal("contrast")[:, 0]), 1)
    is_flipped = draws.fires("luma_flip", strengths.luma_flip) & (draws.uniform("luma_flip")[:, 0] < 0.5)
    sign = torch.ones_like(contrast).where(~is_flipped, -1)
    is_turned = draws.fires("hue", strengths.hue)
    hue_rad = torch.where(is_turned, math.pi * (2 * draws.uniform("hue")[:, 0] - 1), 0)
    is_saturated = draws.fires("saturation", strengths.saturation)
    saturation = torch.where(is_saturated, torch.exp2(_SATURATION_STD * draws.normal("saturation")[:, 0]), 1)
    return ColourMap(
        gain=sign * contrast,
        offset=sign * contrast * offset,
        along=contrast * saturation * hue_rad.cos(),
        across=contrast * saturation * hue_rad.sin(),
        is_set=is_brightened | is_contrasted | is_flipped | is_turned | is_saturated,
    )


def recolour(
    x: Float[Tensor, "batch channels height width"], colour: ColourMap
) -> Float[Tensor, "batch channels height width"]:
    """The map applied. Pictures of other images are left bit by bit."""
    if x.shape[1] not in (1, 3):
        raise ValueError(f"Colours of pictures with 1 or 3 channels can be changed, not with {x.shape[1]}.")
    if not may_hold_any(colour.is_set):
        return x
    gain, offset, along, across = (
        per_image(number.to(x.dtype)) for number in (colour.gain, colour.offset, colour.along, colour.across)
    )
    # The cross product of (1, 1, 1) with a colour is the difference of its two rotations, and grey has none.
    crossed = (x.roll(1, dims=1) - x.roll(-1, dims=1)) * (1 / math.sqrt(3))
    y = along * x + across * crossed + ((gain - along) * x.mean(dim=1, keepdim=True) + offset)
    return torch.where(per_image(colour.is_set), y, x)
