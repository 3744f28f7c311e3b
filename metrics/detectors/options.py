# SPDX-License-Identifier: Apache-2.0
"""What a user writes about the file of a detector: `NAME=FILE[#sha256=...][&size=299][&range=0..1][&order=bgr]`.

    inception=inception.pt#sha256=6726...&flags=return_features
    face=https://host/face.onnx#sha256=...&order=bgr

Size and range are what the network was made for, and most files do not say. Names that are in common use have defaults.
"""

import dataclasses
from pathlib import Path
from typing import Literal, cast, final

from dnnlib.download import fetch
from dnnlib.text import nearest

Range = Literal["0..255", "0..1", "-1..1", "imagenet"]
RANGES: tuple[Range, ...] = ("0..255", "0..1", "-1..1", "imagenet")


@final
@dataclasses.dataclass(frozen=True)
class DetectorOptions:
    """A file and how pictures are given to the network in it."""

    name: str
    source: str  # A path or a URL.
    sha256: str | None = None
    size: int | None = None  # None: what the file demands, else pictures as they are.
    range: Range = "0..1"
    order: Literal["rgb", "bgr"] = "rgb"
    flags: tuple[str, ...] = ()  # Arguments of a TorchScript program that are set to true.
    classes: tuple[int, ...] = ()  # Of a segmentation: which ones are head.

    def file(self) -> Path:
        """The file, fetched if it has to be, and checked if its sha256 is known."""
        return fetch(self.source, self.sha256)


# What the networks usually taken under these names were made for.
USUAL = {
    "inception": {"size": 299, "range": "0..255"},
    "classes": {"size": 299, "range": "0..255"},
    "vgg16": {"size": 224, "range": "imagenet"},
    "lpips": {"range": "-1..1"},
    "face": {"size": 112, "range": "-1..1"},
    "segmentation": {"size": 512, "range": "imagenet"},
}


# A distance that has their name is of so many features: the same files also give classes.
FEATURES = {"inception": 2048}


def parse_detector(text: str) -> DetectorOptions:
    """A ValueError says what is wrong with the text."""
    name, equals, rest = text.partition("=")
    if not equals or not name.isidentifier() or not name.islower() or "_" in name or not rest:
        raise ValueError(
            f"--detector={text}: write NAME=FILE, such as inception=inception.pt; a name has small letters and digits"
        )
    source, _, fragment = rest.partition("#")
    fields = dict(USUAL.get(name, {}))
    for part in fragment.split("&") if fragment else []:
        key, equals, value = part.partition("=")
        if not equals or key not in _FIELDS:
            close = nearest(key, _FIELDS)
            meant = f"; did you mean {close}?" if close else ""
            raise ValueError(
                f"--detector={name}: {part!r} is none of {', '.join(_FIELDS)}, each with = and a value{meant}"
            )
        fields[key] = _FIELDS[key](name, value)
    return DetectorOptions(name, source, **fields)


def _text(name: str, value: str) -> str:
    return value


def _size(name: str, value: str) -> int | None:
    if value == "any":
        return None
    if not value.isdecimal() or not 8 <= int(value) <= 4096:
        raise ValueError(f"--detector={name}: size={value} is no side of a picture in 8 to 4096, nor any")
    return int(value)


def _range(name: str, value: str) -> Range:
    if value not in RANGES:
        raise ValueError(f"--detector={name}: range={value} is none of {', '.join(RANGES)}")
    return cast(Range, value)


def _order(name: str, value: str) -> str:
    if value not in ("rgb", "bgr"):
        raise ValueError(f"--detector={name}: order={value} is neither rgb nor bgr")
    return value


def _flags(name: str, value: str) -> tuple[str, ...]:
    if not all(flag.isidentifier() for flag in value.split(",")):
        raise ValueError(f"--detector={name}: flags={value} are not names with commas between them")
    return tuple(value.split(","))


def _classes(name: str, value: str) -> tuple[int, ...]:
    if not all(number.isdecimal() for number in value.split(",")):
        raise ValueError(f"--detector={name}: classes={value} are not numbers with commas between them")
    return tuple(int(number) for number in value.split(","))


_FIELDS = {"sha256": _text, "size": _size, "range": _range, "order": _order, "flags": _flags, "classes": _classes}
