# SPDX-License-Identifier: Apache-2.0
"""What hides parts of a picture: noise, and a square hole."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.augment.config import TransformsConfig
from training.augment.draws import Draws, may_hold_any, per_image
from training.networks.superresolution import resize

_NOISE_STD = 0.1  # Of the deviation of the noise.


@dataclass(frozen=True, eq=False)
class Hole:
    """A square of half the size of the picture."""

    centre: Float[Tensor, "batch 2"]  # x and y, in coordinates of the picture.
    is_cut: Bool[Tensor, " batch"]


def draw_noise(
    draws: Draws, strengths: TransformsConfig, shape: torch.Size
) -> Float[Tensor, "batch channels size size"] | None:
    """Noise for images of this shape, 0 where nothing fires; None where that is known of all."""
    is_noisy = draws.fires("noise", strengths.noise)
    if not may_hold_any(is_noisy):
        return None
    std = torch.where(is_noisy, (_NOISE_STD * draws.normal("noise")[:, 0]).abs(), 0)
    return per_image(std) * draws.noise(tuple(shape[1:]))


def add_noise(
    x: Float[Tensor, "batch channels size size"], noise: Float[Tensor, "batch channels image_size image_size"] | None
) -> Float[Tensor, "batch channels size size"]:
    """Of a smaller picture, the noise that is left when the noisy image is made smaller."""
    return x if noise is None else x + resize(noise, x.shape[-1]).to(x.dtype)


def draw_hole(draws: Draws, strengths: TransformsConfig) -> Hole:
    return Hole(2 * draws.uniform("cutout") - 1, draws.fires("cutout", strengths.cutout))


def cut_out(x: Float[Tensor, "batch channels size size"], hole: Hole) -> Float[Tensor, "batch channels size size"]:
    """The square becomes 0. Pixels belong to it by their middle."""
    if not may_hold_any(hole.is_cut):
        return x
    size = x.shape[-1]
    place = (torch.arange(size, dtype=hole.centre.dtype, device=x.device) + 0.5) * (2 / size) - 1
    is_near = (place - hole.centre[:, :, None]).abs() < 0.5
    is_inside = is_near[:, 1, :, None] & is_near[:, 0, None, :] & hole.is_cut[:, None, None]
    return torch.where(is_inside[:, None], 0, x)
