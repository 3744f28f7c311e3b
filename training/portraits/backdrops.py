# SPDX-License-Identifier: Apache-2.0
"""What stands behind a head in place of its own background: that of another seed, a plain colour, a picture.

`seed:N`, `#rrggbb` or the name of a file on a command line. The background of a seed is drawn by the generator, from
features, before super-resolution; the others are pixels, which the cut-out head is put before.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from training.data.images import decode_image
from training.generator import Generator
from training.portraits.seeds import check_seeds

Ground = UInt8[np.ndarray, "size size 3"]

_SEED = re.compile(r"seed:\s*(\d{1,19})", re.ASCII)
_COLOUR = re.compile(r"#([0-9a-fA-F]{6})")


@dataclasses.dataclass(frozen=True)
class OfSeed:
    """The background that the generator draws for this seed."""

    seed: int


@dataclasses.dataclass(frozen=True)
class Plain:
    """One colour."""

    rgb: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class FromFile:
    """The largest square in the middle of a picture."""

    path: Path


Backdrop = OfSeed | Plain | FromFile


def parse_backdrop(text: str) -> Backdrop:
    """`seed:N`, `#rrggbb`, or the name of a picture file."""
    if match := _SEED.fullmatch(text):
        check_seeds([int(match[1])])
        return OfSeed(int(match[1]))
    if match := _COLOUR.fullmatch(text):
        return Plain(tuple(bytes.fromhex(match[1])))
    if text.startswith(("seed:", "#")) or not Path(text).is_file():
        raise ValueError(
            f"{text!r} is no background: write seed:N for that of another seed, #rrggbb for a colour such as #ffffff, "
            "or the name of a picture file that exists"
        )
    return FromFile(Path(text))


class BackdropType(click.ParamType):
    """`parse_backdrop` for click."""

    name = "background"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Backdrop:
        if not isinstance(value, str):
            return value
        try:
            return parse_backdrop(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def check_backdrop(G: Generator, backdrop: Backdrop | None) -> None:
    """Whether heads of this generator can stand before it."""
    if backdrop is not None and not G.config.background:
        raise ValueError(
            "This model draws a head and what is behind it as one, as EG3D's do: nothing else can be put behind it."
        )


def ground_of(backdrop: Backdrop | None, size: int) -> Ground | None:
    """The pixels to put heads before. None for a background that the generator draws."""
    match backdrop:
        case Plain(rgb):
            return np.broadcast_to(np.uint8(rgb), (size, size, 3))
        case FromFile(path):
            return _square(_opaque(decode_image(path.read_bytes(), str(path))), size)
        case _:
            return None


def put_before(
    cut_out: UInt8[np.ndarray, "*views height width 4"], ground: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "*views height width 3"]:
    """Cut-out heads over a ground of their size."""
    alpha = cut_out[..., 3:].astype(np.float32) / 255
    return np.rint(ground + (cut_out[..., :3].astype(np.float32) - ground) * alpha).astype(np.uint8)


def _opaque(picture: UInt8[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width 3"]:
    """What is transparent is white."""
    return picture if picture.shape[2] == 3 else put_before(picture, np.full_like(picture[..., :3], 255))


def _square(picture: UInt8[np.ndarray, "height width 3"], size: int) -> Ground:
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS, box))
