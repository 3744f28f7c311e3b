# SPDX-License-Identifier: Apache-2.0
"""Pictures moved by affine maps: pixel by pixel where pixels meet pixels, else through a picture twice as fine.

A picture is continued beyond its edges by reflection in them, again and again. The edges, not the outermost pixels, are
the mirrors, so that pictures of one thing at two resolutions are continued alike.

The finer picture comes from the low-pass of an orthogonal wavelet, and the result from it by the same filter reversed:
a map that does nothing gives the picture back, and the aliasing of bilinear interpolation stays small. No filter of
this kind is symmetric. Sym6 delays by a fraction of a pixel, which would displace what is turned or mirrored, and a raw
picture against its image; so the grid of the finer picture is shifted by the delay.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from torch_utils.ops import fir_resample
from torch_utils.ops.native import dense_format, without_autocast
from training.augment.draws import may_hold_any, per_image
from training.augment.geometry import Motion

# Daubechies' least asymmetric wavelet with six vanishing moments ("Ten lectures on wavelets", 1992), sum sqrt(2).
SYM6 = (
    *(0.0154041093270448, 0.003490712084222133, -0.11799011114851977, -0.04831174258569778),
    *(0.49105594192797386, 0.7876411410286507, 0.3379294217281655, -0.07263752278637645),
    *(-0.02106029251237079, 0.044724901770781346, 0.0017677118642539795, -0.007800708325032384),
)
# Samples by which filtered content lies later than in the middle of the filter.
_DELAY = sum(place * tap for place, tap in enumerate(SYM6)) / sum(SYM6) - (len(SYM6) - 1) / 2

_MARGIN_PX = 8  # So many pixels of the reflections are enough for every sample ...
_MARGIN_FINE = 2 * _MARGIN_PX - len(SYM6) // 2  # ... of the finer picture and of so many more all around.
_REACH_FINE = len(SYM6) // 2 - 1  # The filter of the way back reads so many beyond the edge.


def low_pass(device: torch.device | str, dtype: torch.dtype) -> Float[Tensor, "12"]:
    """The taps, with sum one."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    return (taps / taps.sum()).to(device, dtype)


def move(
    x: Float[Tensor, "batch channels size size"], motion: Motion, taps: Float[Tensor, "12"]
) -> Float[Tensor, "batch channels size size"]:
    """Pictures moved; those that are not stay bit by bit."""
    is_free = motion.leaves_grid(x.shape[-1])
    is_on_grid = motion.is_on_grid & ~is_free
    wide = x.to(motion.T_in_out.dtype)
    moved = wide
    if may_hold_any(is_on_grid):
        moved = torch.where(per_image(is_on_grid), move_pixels(wide, motion.T_in_out), moved)
    if may_hold_any(is_free):
        moved = torch.where(per_image(is_free), interpolate(wide, motion.T_in_out, taps), moved)
    return moved.to(x.dtype)


def move_pixels(
    x: Float[Tensor, "batch channels size size"], T_in_out: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, "batch channels size size"]:
    """The nearest pixel: exact for maps that take pixels to pixels."""
    at = _seen_at(_centres(x.shape[-1], 0, 0.0, T_in_out), T_in_out)
    return _sample(x, _reflected(at), "nearest")


def interpolate(
    x: Float[Tensor, "batch channels size size"],
    T_in_out: Float[Tensor, "batch 3 3"],
    taps: Float[Tensor, "12"],
) -> Float[Tensor, "batch channels size size"]:
    """Any map. Linear in x, so gradients of every order exist."""
    size = x.shape[-1]
    fine = fir_resample(extend(x, _MARGIN_PX), taps, up=2, pad=(0, -1, 0, -1), gain=4)
    at = _seen_at(_centres(2 * size, _REACH_FINE, _DELAY, T_in_out), T_in_out)
    # A reflection of the finer picture has the delay on its other side. Near the edges its own margin serves instead,
    # so that small motions, and none at all, are exact there too. The delay and bilinear reading take two samples.
    at = torch.where(at.abs() < 1 + (_MARGIN_FINE - 2) / size, at, _reflected(at))
    # From the coordinates of the picture to those of `fine`, which is wider by its margins.
    at = (at + _DELAY / size) * (size / (size + _MARGIN_FINE))
    return fir_resample(_sample(fine, at, "bilinear"), taps.flip(0), down=2)


def extend(x: Float[Tensor, "batch channels height width"], margin: int) -> Float[Tensor, "batch channels h w"]:
    """The picture and what its edges reflect, so many pixels far."""
    for axis in (2, 3):
        x = _extend(x, margin, axis)
    return x


def _extend(x: Tensor, margin: int, axis: int) -> Tensor:
    if margin > (size := x.shape[axis]):
        # Beyond its own size the reflection is reflected.
        return _extend(_extend(x, size, axis), margin - size, axis)
    before, after = x.narrow(axis, 0, margin), x.narrow(axis, size - margin, margin)
    return torch.cat([before.flip(axis), x, after.flip(axis)], dim=axis)


def _centres(size: int, beyond: int, delay: float, like: Tensor) -> Float[Tensor, " n"]:
    """Coordinates along an axis of the pixels of a picture, and of some beyond its edges."""
    place = torch.arange(-beyond, size + beyond, dtype=like.dtype, device=like.device)
    return (place + 0.5 - delay) * (2 / size) - 1


def _seen_at(centres: Float[Tensor, " n"], T_in_out: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch n n 2"]:
    """Where the points of a square grid come from."""
    # Products and sums, for the reason given in geometry.py.
    across, down, offset = (T_in_out[:, None, None, :2, column] for column in range(3))
    return across * centres[:, None] + down * centres[:, None, None] + offset


def _reflected(at: Float[Tensor, "*points 2"]) -> Float[Tensor, "*points 2"]:
    """The points of the picture that its edges show there."""
    return 1 - ((at + 1) % 4 - 2).abs()


def _sample(x: Tensor, at: Tensor, mode: str) -> Tensor:
    with without_autocast(x):
        y = F.grid_sample(x, at, mode=mode, padding_mode="zeros", align_corners=False)
    return y.contiguous(memory_format=dense_format(x))
