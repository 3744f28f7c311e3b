# SPDX-License-Identifier: Apache-2.0
"""Items of a set in the making, and the *shards* that keep some of them on disk until all are there.

A shard is a zip archive that is complete or not there, with encoded pictures under the numbers of their items and one
JSON list that says what became of each item.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from dnnlib.files import Store, open_store
from training.cameras import LABEL_DIM
from training.data.images import encode_jpeg, encode_png
from training.data.problems import DataError, Problem

ImageKind = Literal["png", "jpg"]
_ITEMS = "items.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """An item of a new set. `source` is the file it was made from, if there is one.

    Arrays of `truth` as high and wide as the image are pictures, such as depth, and become a file each; all others have
    the same shape in every item and are stacked over the items.
    """

    image: UInt8[np.ndarray, "height width channels"]
    mask: UInt8[np.ndarray, "height width"] | None = None
    label: np.ndarray | Sequence[float] | None = None
    source: str = ""
    truth: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Skipped:
    """An item that is left out, and why."""

    problem: Problem


class Entry(NamedTuple):
    """What became of an item: the names of its files in the shard, or the problem."""

    item: int
    size: tuple[int, int] = (0, 0)  # Height and width.
    has_mask: bool = False
    label: list[float] | None = None
    source: str = ""
    pictures: Sequence[str] = ()  # Keys of its truth.
    values: Sequence[str] = ()
    problem: Problem | None = None


def write_shard(path: Path, items: Iterable[int], make: Callable[[int], Made | Skipped], kind: ImageKind) -> None:
    """Makes the items and keeps them. An error names the item, or the file that cannot be read or written."""
    try:
        with open_store(path, "w", overwrite=True) as shard:
            entries = [_make_one(shard, item, make, kind) for item in items]
            shard.write(_ITEMS, json.dumps(entries, allow_nan=False).encode())
    except OSError as error:
        if error.filename is None:  # A full disk names nothing.
            error.filename = str(path)
        raise


def _make_one(shard: Store, item: int, make: Callable[[int], Made | Skipped], kind: ImageKind) -> Entry:
    try:
        return _keep(shard, item, make(item), kind)
    except ValueError as error:
        raise DataError(f"item {item}: {error}") from error
    except OSError:
        raise
    except Exception as error:
        raise RuntimeError(f"item {item} could not be made") from error


def read_entries(shard: Store) -> list[Entry]:
    """What became of the items of the shard, in their order."""
    entries = []
    for row in json.loads(shard.read(_ITEMS)):
        entry = Entry(*row)
        entries.append(entry._replace(size=tuple(entry.size), problem=entry.problem and Problem(*entry.problem)))
    return entries


def image_of(shard: Store, entry: Entry) -> bytes:
    """The encoded image."""
    return shard.read(f"{entry.item}.image")


def mask_of(shard: Store, entry: Entry) -> bytes:
    """The encoded mask."""
    return shard.read(f"{entry.item}.mask")


def truth_of(shard: Store, entry: Entry, key: str) -> bytes:
    """An array of the truth in NumPy's file format."""
    return shard.read(f"{entry.item}.truth.{key}")


def npy(array: np.ndarray) -> bytes:
    """An array in NumPy's file format."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array, order="C"))
    return file.getvalue()


def _keep(shard: Store, item: int, made: Made | Skipped, kind: ImageKind) -> Entry:
    if isinstance(made, Skipped):
        return Entry(item, problem=made.problem)
    size = made.image.shape[:2]
    assert made.mask is None or made.mask.shape == size, f"mask {made.mask.shape}, image {size}"
    encode = encode_png if kind == "png" else encode_jpeg
    shard.write(f"{item}.image", encode(made.image))
    if made.mask is not None:
        shard.write(f"{item}.mask", encode_png(made.mask))
    for key, array in made.truth.items():
        assert array.dtype != object, f"{key} holds objects, not numbers"
        shard.write(f"{item}.truth.{key}", npy(array))
    pictures = [key for key, array in made.truth.items() if array.shape[:2] == size]
    values = [key for key in made.truth if key not in pictures]
    label = None if made.label is None else _label(made.label)
    return Entry(item, size, made.mask is not None, label, made.source, pictures, values)


def _label(label: np.ndarray | Sequence[float]) -> list[float]:
    numbers = np.asarray(label, dtype=np.float32)
    if numbers.shape != (LABEL_DIM,) or not np.isfinite(numbers).all():
        raise ValueError(f"its label is {numbers.tolist()}; a label is {LABEL_DIM} finite numbers")
    return numbers.tolist()
