# SPDX-License-Identifier: Apache-2.0
"""What HeadNet makes of heads, as pictures: its readings, who it takes for alike, what faults do to distances."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnnlib.charts import BLUE, Axis, Plot
from dnnlib.drawing import FAINT, MUTED, Box, Canvas, RGBPicture, contact_sheet, joined
from metrics.headnet.evaluation import FACE_RAD, over
from metrics.headnet.headset import HeadSet
from metrics.headnet.network import HeadNet

_TITLES = {
    "blur_px": "blur, pixels of 64",
    "noise": "noise, deviation",
    "dropped": "share of identities dropped",
    "faces_on_back": "share of backs with a face",
}


def readings(net: HeadNet, heads: HeadSet, columns: int = 8, rows: int = 4) -> RGBPicture:
    """Pictures, each with what the mask leaves of it; the true yaw below the first, the told one below the second."""
    heads = heads.rows(torch.linspace(0, len(heads) - 1, columns * rows).long())
    yaw_deg = over(net.yaw_rad, heads.image).rad2deg()
    cut = heads.image * over(net.mask, heads.image) + 255 * (1 - over(net.mask, heads.image))
    pictures = [_array(picture) for pair in zip(heads.image, cut, strict=True) for picture in pair]
    labels = [
        text
        for true, told in zip(heads.yaw_rad.rad2deg().tolist(), yaw_deg.tolist(), strict=True)
        for text in (f"{true:+.0f}°", f"{told:+.0f}°")
    ]
    return contact_sheet(pictures, 2 * columns, labels, cell=64)


def neighbours(net: HeadNet, heads: HeadSet, count: int = 9, rows: int = 8) -> RGBPicture:
    """Face views, each followed by the most alike ones and their cosines; a star marks the same head."""
    heads = heads.rows(heads.yaw_rad.abs() <= FACE_RAD)
    identity = over(net.identity, heads.image)
    asked = torch.linspace(0, len(heads) - 1, rows).long()
    pictures, labels = [], []
    for row in asked.tolist():
        cosine, found = (identity @ identity[row]).topk(count + 1)
        for value, other in zip(cosine.tolist(), found.tolist(), strict=True):
            pictures.append(_array(heads.image[other]))
            is_same = bool(heads.identity[other] == heads.identity[row])
            labels.append("asked" if other == row else f"{value:.2f}{' *' if is_same else ''}")
    return contact_sheet(pictures, count + 1, labels, cell=64)


def response(figures: dict[str, Any]) -> RGBPicture:
    """The distance by the amount of every fault."""
    return joined([_panel(_TITLES[name], curve) for name, curve in figures["faults"].items()])


def _panel(title: str, curve: dict[str, float], width: int = 270, height: int = 210) -> RGBPicture:
    amounts, values = [float(amount) for amount in curve], list(curve.values())
    step = 10 ** math.floor(math.log10(max(values)))
    top = step * math.ceil(1.05 * max(values) / step)
    canvas = Canvas(width, height)
    axes = Axis(title, 0, amounts[-1], amounts), Axis("distance", 0, top, (0, top / 2, top))
    plot = Plot(canvas, Box(52, 36, width - 22, height - 48), *axes)
    for value in plot.y.ticks:
        canvas.line([plot.at(0, value), plot.at(amounts[-1], value)], FAINT)
    plot.draw_x()
    plot.draw_y()
    points = [plot.at(amount, value) for amount, value in zip(amounts, values, strict=True)]
    canvas.line(points, BLUE, 2)
    for point, value in zip(points, values, strict=True):
        canvas.disc(point, 3, BLUE)
        canvas.text((point[0], point[1] - 6), f"{value:.3g}", 10, MUTED, "ms")
    return canvas.picture()


def _array(picture: Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
