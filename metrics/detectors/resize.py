# SPDX-License-Identifier: Apache-2.0
"""Pictures to the size that a detector wants, in one way only, for the way changes distances more than models do.

Bicubic with antialiasing, as Pillow filters, in float32, then rounded to 8 bits (Parmar et al., "On aliased resizing
and surprising subtleties in GAN evaluation", 2022). Pictures that have the size stay as they are.
"""

from jaxtyping import Float32, UInt8
from torch import Tensor, nn

RULE = "bicubic, antialiased, in float32, then 8 bits"


def resized(images: UInt8[Tensor, "n 3 height width"], size: int | None) -> UInt8[Tensor, "n 3 size size"]:
    """Squares of `size`; None leaves pictures as they are."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    return resized_floats(images.float(), size).round().clamp(0, 255).byte()


def resized_floats(images: Float32[Tensor, "n 3 height width"], size: int | None) -> Float32[Tensor, "n 3 size size"]:
    """The same without rounding, for differences that 8 bits would hide."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    return nn.functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
