# SPDX-License-Identifier: Apache-2.0
"""Pictures as HeadNet sees them: 64 x 64, in [-1, 1]."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

SIDE = 64
RESIZE = "bicubic, antialiased, to 64 x 64; 8-bit pictures are rounded to 8 bits again"

Images = UInt8[Tensor, "n 3 side side"] | Float[Tensor, "n 3 side side"]


def prepared(images: Images) -> Float[Tensor, "n 3 64 64"]:
    """Resized. 8-bit pictures are rounded again, as if they had been stored; those in [-1, 1] keep their gradients."""
    check(images)
    if images.dtype == torch.uint8:
        return resized(images.float(), SIDE).round().clamp(0, 255) / 127.5 - 1
    return resized(images, SIDE)


def resized(images: Float[Tensor, "n channels from from"], side: int) -> Float[Tensor, "n channels side side"]:
    """Bicubic, without aliasing, and unchanged where the size is right already."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True, align_corners=False)


def check(images: Tensor) -> None:
    """Refuses what is no batch of square colour pictures, and integers that are not 8 bits."""
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"HeadNet looks at square colour pictures, [N, 3, side, side], not {list(images.shape)}: crop them first"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"HeadNet takes uint8, or floating point in [-1, 1], not {images.dtype}: convert the pictures")
