# SPDX-License-Identifier: Apache-2.0
"""Colours where none are known, from those around: the means of ever larger squares, the smallest that knows one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def filled(
    colour: Float[Tensor, "n channels size size"], known: Float[Tensor, "n 1 size size"]
) -> Float[Tensor, "n channels size size"]:
    """The colours as far as they are `known`, 0 to 1, and for the rest their neighbours'. Sizes are powers of two."""
    if colour.shape[-1] == 1:
        return colour
    weight = F.avg_pool2d(known, 2)
    mean = torch.where(weight > 0, F.avg_pool2d(colour * known, 2) / weight, 0.0)
    # Two pixels of four make a square known: so colours do not come from farther away than they must.
    around = F.interpolate(filled(mean, (2 * weight).clamp(max=1)), scale_factor=2, mode="bilinear")
    return torch.lerp(around, colour, known)
