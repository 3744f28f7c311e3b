# SPDX-License-Identifier: Apache-2.0
"""The picture files of a run: how they are called, which there are, and small copies of them for a page.

`fakes000120.png` was made after 120 thousand images. Snapshots closer than a thousand images have the rest behind a
dot: `fakes000000.032.png`. `_raw`, `_depth` and `_mask` are the same heads in other ways.
"""

import base64
import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dnnlib.atomic import atomic_write_bytes
from dnnlib.drawing import RGBPicture
from training.data.images import encode_png

_FAKES = re.compile(r"fakes(\d{6,}(?:\.\d{3})?)\.png")
_COMPRESSION = 6
_QUALITY = 88


class Small(NamedTuple):
    """A picture inside a page."""

    uri: str
    width: int
    height: int


def fakes_name(nimg: int, kind: str = "image") -> str:
    """The file of a sheet."""
    thousands, rest = divmod(nimg, 1000)
    number = f"{thousands:06d}.{rest:03d}" if rest else f"{thousands:06d}"
    return f"fakes{number}.png" if kind == "image" else f"fakes{number}_{kind}.png"


def write_picture(path: Path, picture: RGBPicture) -> None:
    """A PNG that is whole or not there."""
    atomic_write_bytes(path, encode_png(picture, _COMPRESSION), sync=False)


def snapshots(folder: Path, until_nimg: int) -> list[int]:
    """Image counts of which there are pictures, ascending."""
    found = [match[1] for match in map(_FAKES.fullmatch, os.listdir(folder)) if match]
    return sorted(nimg for nimg in (round(1000 * float(number)) for number in found) if nimg <= until_nimg)


def chosen(available: list[int], count: int) -> list[int]:
    """The first, the last, and some evenly between."""
    if len(available) <= count:
        return available
    return [available[i] for i in np.linspace(0, len(available) - 1, count).round().astype(int)]


def small(path: Path, max_width: int) -> Small | None:
    """The picture as it is to be shown. None where there is no file, or none that can be read."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except (OSError, ValueError):
        return None
    if image.width > max_width:
        image = image.resize((max_width, round(image.height * max_width / image.width)), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=_QUALITY)
    return Small("data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode(), *image.size)
