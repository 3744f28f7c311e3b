# SPDX-License-Identifier: Apache-2.0
"""Where a picture is moved to: one affine map per image, drawn and composed. It is applied in warp.py.

`T_in_out` [3, 3] takes a point of the result, in homogeneous coordinates of the picture, to the point it is seen at in
the original. The transforms are applied in the order of `TransformsConfig`, so the last one is undone first.

Mirroring is a motion of the camera and mirrors the label. The others leave it as it is: a turn in the image plane
would be a roll, a scale a focal length and a shift a principal point, but of cameras that no data set has and the
generator is never asked for. Real and generated pictures meet them alike, under the labels they have.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.augment.config import TransformsConfig
from training.augment.draws import Draws

_SCALE_STD = 0.2  # In octaves.
_SHIFT_STD = 0.125  # Of the size.
_PIXEL_SHIFT_MAX = 0.125  # Of the size.


@dataclass(frozen=True, eq=False)
class Motion:
    """What happens to the geometry of every picture of a batch."""

    T_in_out: Float[Tensor, "batch 3 3"]
    shift_px: Float[Tensor, "batch 2"]  # The part that is by whole pixels, x and y.
    size: int  # Of the pictures whose pixels those are.
    is_free: Bool[Tensor, " batch"]  # Moved off the grid of pixels.
    is_on_grid: Bool[Tensor, " batch"]  # Mirrored, turned by quarters, shifted by pixels.
    is_mirrored: Bool[Tensor, " batch"]

    def leaves_grid(self, size: int) -> Bool[Tensor, " batch"]:
        """Whether a picture of this size, which may have larger pixels, needs to be interpolated."""
        return self.is_free | ((self.shift_px * size) % self.size != 0).any(dim=1)


def draw_motion(draws: Draws, strengths: TransformsConfig, size: int) -> Motion:
    """`size` is that of the image, in pixels."""
    is_mirrored = draws.fires("x_flip", strengths.x_flip) & (draws.uniform("x_flip")[:, 0] < 0.5)
    is_turned = draws.fires("quarter_turn", strengths.quarter_turn)
    num_quarters = torch.where(is_turned, (draws.uniform("quarter_turn")[:, 0] * 4).floor(), 0)
    is_shifted = draws.fires("pixel_shift", strengths.pixel_shift)
    offset = _PIXEL_SHIFT_MAX * (2 * draws.uniform("pixel_shift") - 1)
    shift_px = torch.where(is_shifted[:, None], (offset * size).round(), 0)

    is_scaled = draws.fires("scale", strengths.scale)
    octaves = torch.where(is_scaled, _SCALE_STD * draws.normal("scale")[:, 0], 0)
    is_turned_before = draws.fires_apart("rotation_before", strengths.rotation)
    before_rad = torch.where(is_turned_before, _any_angle(draws, "rotation_before"), 0)
    is_stretched = draws.fires("stretch", strengths.stretch)
    stretch = torch.where(is_stretched, _SCALE_STD * draws.normal("stretch")[:, 0], 0)
    is_turned_after = draws.fires_apart("rotation_after", strengths.rotation)
    after_rad = torch.where(is_turned_after, _any_angle(draws, "rotation_after"), 0)
    is_moved = draws.fires("shift", strengths.shift)
    shift = torch.where(is_moved[:, None], _SHIFT_STD * draws.normal("shift"), 0)

    one = torch.ones_like(octaves)
    T_in_out = _scaling(one.where(~is_mirrored, -1), one)
    # Exact sine and cosine of a quarter: a whole number of 0, 1, -1.
    odd = num_quarters % 2
    T_in_out = _product(T_in_out, _turning((1 - odd) * (1 - num_quarters), odd * (2 - num_quarters)))
    T_in_out = _product(T_in_out, _moving(-2 / size * shift_px))
    T_in_out = _product(T_in_out, _scaling(torch.exp2(-octaves), torch.exp2(-octaves)))
    T_in_out = _product(T_in_out, _turning(before_rad.cos(), before_rad.sin()))
    T_in_out = _product(T_in_out, _scaling(torch.exp2(-stretch), torch.exp2(stretch)))
    T_in_out = _product(T_in_out, _turning(after_rad.cos(), after_rad.sin()))
    T_in_out = _product(T_in_out, _moving(-2 * shift))
    return Motion(
        T_in_out,
        shift_px,
        size,
        is_free=is_scaled | is_turned_before | is_stretched | is_turned_after | is_moved,
        is_on_grid=is_mirrored | is_turned | is_shifted,
        is_mirrored=is_mirrored,
    )


def _any_angle(draws: Draws, slot: str) -> Float[Tensor, " batch"]:
    return math.pi * (2 * draws.uniform(slot)[:, 0] - 1)


def _scaling(x: Float[Tensor, " batch"], y: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def _turning(cos: Float[Tensor, " batch"], sin: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """The inverse of a turn to the left, as torch.rot90 turns."""
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).unflatten(1, (3, 3))


def _moving(by: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 3 3"]:
    zero, one = torch.zeros_like(by[:, 0]), torch.ones_like(by[:, 0])
    return torch.stack([one, zero, by[:, 0], zero, one, by[:, 1], zero, zero, one], dim=1).unflatten(1, (3, 3))


def _product(A: Float[Tensor, "batch 3 3"], B: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 3 3"]:
    """The matrix product; written out because a GPU may round the factors of the usual one to ten bits (TF32)."""
    return (A[:, :, :, None] * B[:, None, :, :]).sum(dim=2)
