# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with generated heads, done to good pictures in a known amount. 0 changes nothing.

blur     a Gaussian of so many pixels of 64
noise    Gaussian, of such a deviation, where black is -1 and white 1
dropped  such a share of the identities is gone; the others are repeated, so that there are as many pictures
faces    such a share of the back views shows a mirrored face instead of the back of a head
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from metrics.headnet.headset import HeadSet
from torch_utils import rng

Pictures = UInt8[Tensor, "n 3 64 64"]


def blur(images: Pictures, sigma_px: float) -> Pictures:
    """The borders are continued."""
    if sigma_px == 0:
        return images
    reach = math.ceil(3 * sigma_px)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px).square())
    weights = weights / weights.sum()
    x = F.pad(images.float(), (reach,) * 4, mode="replicate")
    for kernel in (weights[:, None], weights[None]):
        x = F.conv2d(x, kernel.expand(3, 1, -1, -1), groups=3)
    return _bytes(x)


def noise(images: Pictures, std: float, seed: int = 0) -> Pictures:
    """Independent in every pixel and channel."""
    draws = torch.randn(images.shape, generator=rng.generator(seed, "faults/noise", 0))
    return _bytes(images.float() + 127.5 * std * draws)


def dropped(heads: HeadSet, share: float, seed: int = 0) -> Pictures:
    """Pictures of the identities that are left."""
    known = heads.identity.unique()
    kept = len(known) - round(share * len(known))
    left = known[torch.randperm(len(known), generator=rng.generator(seed, "faults/dropped", 0))[:kept]]
    rows = torch.isin(heads.identity, left).nonzero().squeeze(1)
    return heads.image[rows.repeat(-(-len(heads) // len(rows)))[: len(heads)]]


def faces(heads: HeadSet, share: float, seed: int = 0) -> Pictures:
    """The back views, some of them replaced."""
    is_back = heads.yaw_rad.cos() < 0
    backs, fronts = heads.image[is_back], heads.image[~is_back].flip(-1)
    chosen = torch.randperm(len(backs), generator=rng.generator(seed, "faults/faces", 0))[: round(share * len(backs))]
    backs[chosen] = fronts[torch.arange(len(chosen)) % len(fronts)]
    return backs


def _bytes(pixels: Tensor) -> Pictures:
    return pixels.round().clamp(0, 255).to(torch.uint8)
