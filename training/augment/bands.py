# SPDX-License-Identifier: Apache-2.0
"""Octaves of spatial frequency, amplified apart: the image-space filter.

Half-band filter L = h * reversed h, with the low-pass h of the sym2 wavelet, passes the lower half of all frequencies
and 1 - L the upper half, neither with a delay. Repeated on L(z^2), L(z^4) this splits a picture into octaves that add
up to it exactly.

Pictures are filtered along both axes in turn, so a wave is amplified by the gains of its horizontal and of its vertical
frequency together. Bands are those of the image. A raw picture of half its size lacks the uppermost, and its others are
one octave higher on its own scale; so it is split into one band less, and the two are still pictures of one thing.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from torch_utils.ops.native import dense_format, without_autocast
from training.augment.config import TransformsConfig
from training.augment.draws import Draws, may_hold_any, per_image
from training.augment.warp import extend

NUM_BANDS = 4
_GAIN_STD = 1.0  # In octaves of amplitude.
_SYM2 = ((1 + math.sqrt(3)) / 8, (3 + math.sqrt(3)) / 8, (3 - math.sqrt(3)) / 8, (1 - math.sqrt(3)) / 8)
# Share of the power that each band of a natural picture has, from the lowest: gains keep the sum.
_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def split_filters(num_bands: int) -> Float[Tensor, "bands taps"]:
    """Filters of the bands, the lowest first, the sum of which is the identity. Symmetric about their middle."""
    low = np.convolve(_SYM2, _SYM2[::-1])
    filters, passed = [], np.ones(1)
    for octave in range(num_bands - 1):
        # From the uppermost band down: what is left is split in two.
        step = 2**octave
        spread = np.zeros((len(low) - 1) * step + 1)
        spread[::step] = low
        rest = -spread
        rest[len(rest) // 2] += 1
        filters.append(np.convolve(passed, rest))
        passed = np.convolve(passed, spread)
    filters.append(passed)
    width = len(passed)
    return torch.from_numpy(np.stack([np.pad(taps, (width - len(taps)) // 2) for taps in reversed(filters)]))


def draw_gains(draws: Draws, strengths: TransformsConfig) -> Float[Tensor, "batch bands"]:
    """Amplitude gains of the bands; exactly 1 where nothing fires."""
    gains = 1
    for band in range(NUM_BANDS):
        slot = f"band_{band}"
        amplified = torch.exp2(_GAIN_STD * draws.normal(slot)[:, 0])
        power = 1 + _POWER[band] * (amplified.square() - 1)
        others, own = power.rsqrt(), amplified * power.rsqrt()
        changed = torch.stack([own if i == band else others for i in range(NUM_BANDS)], dim=1)
        gains = gains * torch.where(draws.fires(slot, strengths.bands)[:, None], changed, 1)
    return gains


def amplify(
    x: Float[Tensor, "batch channels height width"],
    gains: Float[Tensor, "batch bands"],
    filters: Float[Tensor, "octaves taps"],
) -> Float[Tensor, "batch channels height width"]:
    """The lowest bands, as many as there are filters, with gains."""
    is_set = (gains != 1).any(dim=1)
    if not may_hold_any(is_set):
        return x
    n, c, h, w = x.shape
    num_bands, width = filters.shape
    taps = (gains[:, :num_bands, None] * filters).sum(dim=1).to(x.dtype)  # No matrix product, see geometry.py.
    taps = taps.repeat_interleave(c, dim=0)[:, None, None]
    y = extend(x, width // 2).reshape(1, n * c, h + width - 1, w + width - 1)
    with without_autocast(x):
        y = F.conv2d(F.conv2d(y, taps, groups=n * c), taps.mT, groups=n * c)
    y = y.reshape(n, c, h, w).contiguous(memory_format=dense_format(x))
    return torch.where(per_image(is_set), y, x)
