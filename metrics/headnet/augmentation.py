# SPDX-License-Identifier: Apache-2.0
"""What is done to training pictures, so that side and identity are also read from pictures that are not clean.

Mirrored, shifted, scaled, turned; other light and colours; a little blurred; noisy. Each is left out for some pictures,
so that clean ones are known as well. A mirrored head counts as the same identity: which side the parting is on is no
matter of who it is.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

_BLUR_KERNEL = (0.06, 0.24, 0.40, 0.24, 0.06)  # Deviation of about one pixel.


class Augmented(NamedTuple):
    """Pictures in [-1, 1] and masks in [0, 1] that were changed alike, and which of them are mirrored."""

    image: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "n 1 h w"]
    is_mirrored: Bool[Tensor, " n"]


def augmented(image: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"], draws: torch.Generator) -> Augmented:
    """Changed at random, each picture for itself."""
    n = len(image)
    is_mirrored = torch.rand(n, generator=draws) < 0.5
    both = _placed(torch.cat([image, mask], dim=1), is_mirrored, draws)
    image, mask = both[:, :3], both[:, 3:]
    image = _coloured(image, draws)
    blurred = _blurred(image)
    image = torch.lerp(image, blurred, _sometimes(n, 0.5, draws) ** 2)
    noise = torch.randn(image.shape, generator=draws)
    image = image + 0.15 * _sometimes(n, 0.5, draws) ** 2 * noise
    return Augmented(image.clamp(-1, 1), mask, is_mirrored)


def _placed(x: Tensor, is_mirrored: Tensor, draws: torch.Generator) -> Tensor:
    """Mirrored; and three of four turned by a few degrees, scaled by up to a fifth, shifted by up to a tenth."""
    n = len(x)
    moved = (torch.rand(n, generator=draws) < 0.75).float()
    turn_rad = math.radians(6) * torch.randn(n, generator=draws) * moved
    scale = (2 * torch.rand(n, generator=draws) - 1).mul(math.log(1.2) * moved).exp()
    shift = 0.2 * (2 * torch.rand(n, 2, generator=draws) - 1) * moved[:, None]
    flip = 1 - 2 * is_mirrored.float()
    cosine, sine = scale * turn_rad.cos(), scale * turn_rad.sin()
    rows = torch.stack([cosine * flip, -sine, shift[:, 0], sine * flip, cosine, shift[:, 1]], dim=1)
    grid = F.affine_grid(rows.view(n, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _coloured(image: Tensor, draws: torch.Generator) -> Tensor:
    """Contrast, saturation, brightness and tint."""
    n = len(image)
    contrast, saturation = (_around(n, 1, spread, draws).exp() for spread in (0.2, 0.3))
    brightness, tint = (_around(n, channels, 0.1, draws) for channels in (1, 3))
    grey = image.mean(dim=1, keepdim=True)
    return contrast * (grey + saturation * (image - grey)) + brightness + tint


def _blurred(image: Tensor) -> Tensor:
    kernel = torch.tensor(_BLUR_KERNEL)
    weight = kernel.outer(kernel).expand(3, 1, -1, -1)
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), weight, groups=3)


def _sometimes(n: int, probability: float, draws: torch.Generator) -> Float[Tensor, "n 1 1 1"]:
    """Even in [0, 1), or 0."""
    strength, chosen = torch.rand(2, n, 1, 1, 1, generator=draws)
    return strength * (chosen < probability)


def _around(n: int, channels: int, spread: float, draws: torch.Generator) -> Float[Tensor, "n channels 1 1"]:
    return spread * (2 * torch.rand(n, channels, 1, 1, generator=draws) - 1)
