# SPDX-License-Identifier: Apache-2.0
"""Patterns over points: soft noise, strands of hair, dots, lines.

All are built from sines of moderate angles and from integers, so that a last bit that differs between two machines
stays a last bit. `soft_step` and the masks made with it run from 0 to 1.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Values = Float[Tensor, " points"]


def soft_step(values: Values, start: float, end: float) -> Values:
    """0 before the start, 1 after the end, smooth between; a start above the end turns it round."""
    share = ((values - start) * (1 / (end - start))).clamp(0, 1)
    return share * share * (3 - 2 * share)


def bump(squares: Values, width: float) -> Values:
    """A hill of height 1 over squared distances, gone beyond the width."""
    rest = (1 - squares * (1 / (width * width))).clamp(min=0)
    return rest * rest


def blotches(points: Float[Tensor, "points 3"], frequency: float, phase_rad: float) -> Values:
    """Soft noise in about [-1, 1]: three waves that run across each other."""
    x, y, z = (points * frequency).unbind(-1)
    first = torch.sin(x + 0.7 * y + phase_rad) * torch.sin(z - 0.4 * x + 1.7 * phase_rad)
    second = torch.sin(1.7 * y - 1.1 * z + 2.3 * phase_rad) * torch.sin(1.9 * x + 0.6 * z)
    third = torch.sin(2.9 * z + 1.3 * y) * torch.sin(3.1 * x - 2.2 * y + phase_rad)
    return 0.5 * first + 0.35 * second + 0.25 * third


class Strands(NamedTuple):
    """Hair that falls from a crown: brightness in about [-1, 1], and how it tilts the surface around the crown."""

    brightness: Values
    tilt: Values  # slope of the relief, along `around`
    around: Float[Tensor, "points 3"]  # unit, level, across the strands


def strands(
    points: Float[Tensor, "points 3"], crown_x: float, crown_z: float, wave: float, phase_rad: float
) -> Strands:
    """The pattern depends on the direction from the crown, seen from above. Whole numbers of waves close the circle."""
    x, y, z = (points - points.new_tensor([crown_x, 0.0, crown_z])).unbind(-1)
    distance = torch.sqrt(x * x + z * z).clamp(min=1e-3)
    angle = torch.atan2(x, z) + wave * torch.sin(24.0 * y + phase_rad)
    broad, middle, fine = (n * angle + phase_rad * k for k, n in enumerate((19, 47, 101)))
    brightness = 0.45 * torch.sin(broad) + 0.35 * torch.sin(middle) + 0.25 * torch.sin(fine)
    tilt = 0.30 * torch.cos(broad) + 0.35 * torch.cos(middle) + 0.22 * torch.cos(fine)
    # Strands that come together at the crown would shimmer there.
    calm = soft_step(distance, 0.02, 0.09)
    around = torch.stack([z / distance, torch.zeros_like(z), -x / distance], dim=-1)
    return Strands(brightness * calm, tilt * calm, around)


def grain(points: Float[Tensor, "points 3"], cell: float) -> Values:
    """Rough noise in [-1, 1] without a direction: random values at the corners of small cubes, blended between."""
    scaled = points * (1 / cell)
    corner = torch.floor(scaled)
    shares = scaled - corner
    shares = shares * shares * (3 - 2 * shares)
    column, row, slab = corner.to(torch.int64).unbind(-1)
    values = []
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                word = _hash(column + dx + 0x2545 * (slab + dz), row + dy)
                values.append((word & 0xFFFF).to(torch.float32))
    for axis in range(3):
        share = shares[:, axis]
        values = [a + (b - a) * share for a, b in zip(values[::2], values[1::2], strict=True)]
    return values[0] * (2 / 0xFFFF) - 1


def dots(x: Values, y: Values, cell: float, radius: float) -> Values:
    """At most one round dot in every square of a grid, each at its own place and of its own size."""
    column, row = torch.floor(x / cell), torch.floor(y / cell)
    word = _hash(column.to(torch.int64), row.to(torch.int64))
    shares = [((word >> shift) & 0xFF).to(torch.float32) / 255 for shift in (0, 8, 16, 24)]
    size = radius * (0.55 + 0.45 * shares[2]) * (shares[3] > 0.35)
    room = cell - 2 * radius
    off_x, off_y = x - column * cell - radius - room * shares[0], y - row * cell - radius - room * shares[1]
    return soft_step(torch.sqrt(off_x * off_x + off_y * off_y) - size, 0.0, -0.4 * radius)


def _hash(column: Tensor, row: Tensor) -> Tensor:
    word = (column * 0x1F123BB5 + row * 0x27D4EB2F) & 0xFFFFFFFF
    for multiplier in (0x2C1B3C6D, 0x297A2D39):
        word = ((word ^ (word >> 15)) * multiplier) & 0xFFFFFFFF
    return word ^ (word >> 15)


def near_segment(x: Values, y: Values, a: tuple[float, float], b: tuple[float, float]) -> Values:
    """Squared distance to a segment in the plane."""
    run_x, run_y = b[0] - a[0], b[1] - a[1]
    along = (((x - a[0]) * run_x + (y - a[1]) * run_y) * (1 / (run_x * run_x + run_y * run_y))).clamp(0, 1)
    off_x, off_y = x - a[0] - along * run_x, y - a[1] - along * run_y
    return off_x * off_x + off_y * off_y
