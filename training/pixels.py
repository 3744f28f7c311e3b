# SPDX-License-Identifier: Apache-2.0
"""Pictures of networks, NCHW floats, to 8-bit pixels, channels last."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def colours(pictures: Float[Tensor, "*batch channels height width"]) -> UInt8[np.ndarray, "*batch height width _"]:
    """[-1, 1] to 8 bits, channels last. What is not a number is black."""
    return shades((pictures + 1) / 2)


def shades(pictures: Float[Tensor, "*batch channels height width"]) -> UInt8[np.ndarray, "*batch height width _"]:
    """[0, 1] to 8 bits, channels last. What is not a number is black."""
    scaled = (pictures.nan_to_num(0, 1, 0).clamp(0, 1) * 255).round().to(torch.uint8)
    return scaled.movedim(-3, -1).cpu().numpy()
