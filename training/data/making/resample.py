# SPDX-License-Identifier: Apache-2.0
"""A square of a picture becomes a square picture of another size; so does its mask, and its camera follows.

A *window* is an upright square in the pixels of a source: left and top edge, and side. It may reach beyond the source,
where pictures are black and masks empty. Pictures are shrunk and enlarged with a Lanczos filter as wide as it has to
be; masks by the share of head in each new pixel when they shrink and linearly when they grow, so that no value leaves
the range and no ripple appears. All of this works on the values as stored: gamma is not undone, as in every common
tool.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from training.cameras import camera_from_label, label_from_camera
from training.types import Camera


class Window(NamedTuple):
    """A square in a source, in pixels from its top left corner."""

    left: int
    top: int
    side: int


def whole(width: int, height: int) -> Window:
    """All of a square source."""
    if width != height:
        raise ValueError(
            f"is {width} x {height}, not square; choose what becomes of its edges: center-crop cuts, center-crop-wide "
            "adds black"
        )
    return Window(0, 0, width)


def center_crop(width: int, height: int) -> Window:
    """The largest square in the middle."""
    side = min(width, height)
    return Window((width - side) // 2, (height - side) // 2, side)


def center_crop_wide(width: int, height: int) -> Window:
    """The square of full width: a tall source is cut, a wide one gets black above and below."""
    return Window(0, (height - width) // 2, width)


def resample_image(
    pixels: UInt8[np.ndarray, "height width channels"], window: Window, resolution: int
) -> UInt8[np.ndarray, "resolution resolution channels"]:
    """The picture in the window. Transparency is resized like a mask, apart from the colours."""
    colours = _fitted(pixels[:, :, :3], window)
    if window.side != resolution:
        colours = np.asarray(Image.fromarray(colours).resize((resolution, resolution), Image.Resampling.LANCZOS))
    if pixels.shape[2] == 3:
        return colours
    return np.dstack([colours, resample_mask(pixels[:, :, 3], window, resolution)])


def resample_mask(
    mask: UInt8[np.ndarray, "height width"], window: Window, resolution: int
) -> UInt8[np.ndarray, "resolution resolution"]:
    """The mask in the window."""
    fitted = _fitted(mask, window)
    if resolution == window.side:
        return fitted
    if resolution > window.side:
        return np.asarray(Image.fromarray(fitted).resize((resolution, resolution), Image.Resampling.BILINEAR))
    return np.rint(_shares(_shares(fitted.astype(np.float64), resolution).T, resolution).T).astype(np.uint8)


def label_in_window(
    label: Float[np.ndarray, "25"] | Sequence[float], window: Window, width: int, height: int
) -> Float32[np.ndarray, "25"]:
    """The camera of the window: it stands where it stood, and its intrinsics are in units of the window's side.

    What a source of width W and height H shows at u (0 to 1 over its width) lies in the window at
    u' = (u W - left) / side, and v' = (v H - top) / side. This maps the intrinsics, which are in units of W and H, row
    by row.
    """
    camera = camera_from_label(torch.as_tensor(label, dtype=torch.float64))
    window_from_source = torch.tensor(
        [
            [width / window.side, 0.0, -window.left / window.side],
            [0.0, height / window.side, -window.top / window.side],
            [0.0, 0.0, 1.0],
        ],
        dtype=torch.float64,
    )
    followed = Camera(camera.T_world_cam, window_from_source @ camera.intrinsics)
    return label_from_camera(followed).float().numpy()


def have_one_shape(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two pictures (height, width) differ in scale alone, up to the rounding of the smaller one's sides."""
    (a_height, a_width), (b_height, b_width) = a, b
    return abs(a_height * b_width - a_width * b_height) < max(*a, *b)


def largest_power_of_two(limit: int) -> int:
    """The largest that is not above the limit."""
    assert limit >= 1
    return 1 << (limit.bit_length() - 1)


def is_power_of_two(number: int) -> bool:
    return number >= 1 and number & (number - 1) == 0


def _fitted(pixels: UInt8[np.ndarray, "height width *channels"], window: Window) -> np.ndarray:
    """What the window shows, with zeros beyond the source."""
    height, width = pixels.shape[:2]
    left, top, side = window
    inside = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] != (side, side):
        before, after = (max(-top, 0), max(-left, 0)), (max(top + side - height, 0), max(left + side - width, 0))
        inside = np.pad(inside, [*zip(before, after, strict=True), *[(0, 0)] * (pixels.ndim - 2)])
    return np.ascontiguousarray(inside)


def _shares(rows: Float[np.ndarray, "n columns"], size: int) -> Float[np.ndarray, "size columns"]:
    """Exact means over `size` equal stretches of the first axis, also where they end within a row."""
    sums = np.concatenate([np.zeros_like(rows[:1]), np.cumsum(rows, axis=0)])
    ends = np.arange(size + 1) * (len(rows) / size)
    whole_rows = np.minimum(ends.astype(np.int64), len(rows) - 1)
    at_ends = sums[whole_rows] + (ends - whole_rows)[:, None] * rows[whole_rows]
    return np.diff(at_ends, axis=0) * (size / len(rows))
