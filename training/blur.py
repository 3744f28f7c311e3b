# SPDX-License-Identifier: Apache-2.0
"""The blur under which critics see pictures while a run is young, so that shapes come before details.

Its kernel has the weights 2^(-(j / sigma)^2) at the offsets j = -k .. k, k = floor(3 sigma), in pixels: at `sigma` the
weight has fallen to one half. Outside the picture there is zero, so that borders darken.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def blur(images: Float[Tensor, "batch channels h w"], sigma: float) -> Float[Tensor, "batch channels h w"]:
    """Separable filtering along columns and rows, as one product with a banded matrix each.

    In the beginning the kernel is as wide as a small picture. A product is then 4 to 15 times faster on a CPU than
    filtering tap by tap, its shape stays the same while sigma falls, and it can be differentiated at will.
    """
    assert sigma >= 0, f"sigma is {sigma}"
    radius = math.floor(3 * sigma)
    if radius == 0:
        return images
    height, width = images.shape[2:]
    return _filter_matrix(height, sigma, radius, images) @ images @ _filter_matrix(width, sigma, radius, images)


def _filter_matrix(size: int, sigma: float, radius: int, like: Tensor) -> Float[Tensor, "size size"]:
    """Symmetric: row i holds the kernel around i. Made where the pictures are, so that nothing is sent there."""
    total = sum(2 ** -((j / sigma) ** 2) for j in range(-radius, radius + 1))
    precise = torch.float64 if like.dtype == torch.float64 else torch.float32
    place = torch.arange(size, dtype=precise, device=like.device)
    offset = (place[:, None] - place).abs()
    return torch.where(offset <= radius, torch.exp2(-((offset / sigma) ** 2)) / total, 0.0).to(like.dtype)
