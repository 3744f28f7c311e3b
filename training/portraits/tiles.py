# SPDX-License-Identifier: Apache-2.0
"""Pictures of one size side by side, in rows, without gaps."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

MAX_PIXELS = 1 << 28  # Of a sheet: 16384 x 16384. Larger ones no viewer opens.

Picture = UInt8[np.ndarray, "height width channels"]


def tiled(pictures: Sequence[Picture], columns: int) -> UInt8[np.ndarray, "_ _ channels"]:
    """Row by row. Places that are left over are white, or clear where pictures can be."""
    height, width, channels = pictures[0].shape
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, columns * width, channels), 0 if channels == 4 else 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = picture
    return sheet


def check_sheet(columns: int, rows: int, resolution: int) -> None:
    """Whether a sheet of so many pictures can be made."""
    width, height = columns * resolution, rows * resolution
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"A sheet of {columns} x {rows} pictures would have {width} x {height} pixels: show fewer, or --separate."
        )
