# SPDX-License-Identifier: Apache-2.0
"""Named arrays in one file that is mapped into memory, not read, so that all processes of a machine share it.

    "FHarrays" | length of the head | its checksum | head: JSON | arrays, each at a multiple of 64 bytes

The first three have 8 bytes each. The head holds a key, which says what the arrays were made from, any JSON `info`, and
for every array its shape, place and checksum. A file that is damaged, or made from something else, is nobody's error:
it counts as not there.
"""

import json
import math
import mmap
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dnnlib.atomic import atomic_write
from dnnlib.config_types import JSON

_MAGIC = b"FHarrays"
_BEFORE_HEAD = 24
_ALIGNMENT = 64


class Arrays(NamedTuple):
    """What such a file holds."""

    info: JSON
    arrays: dict[str, np.ndarray]


def write_arrays(path: Path, key: str, content: Arrays) -> None:
    """Makes the file, which is whole or not there."""
    at, places, blocks = 0, {}, {}
    for name, array in content.arrays.items():
        blocks[name] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        shape, num_bytes = list(array.shape), blocks[name].nbytes
        places[name] = {"shape": shape, "offset": at, "checksum": zlib.crc32(blocks[name])}
        at += num_bytes + -num_bytes % _ALIGNMENT
    head = json.dumps({"key": key, "num_bytes": at, "info": content.info, "arrays": places}).encode()
    with atomic_write(path) as file:
        file.write(_MAGIC + len(head).to_bytes(8, "little") + zlib.crc32(head).to_bytes(8, "little") + head)
        for block in blocks.values():
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            file.write(block)
        file.write(b"\0" * (-file.tell() % _ALIGNMENT))


def map_arrays(path: Path, key: str, dtypes: Mapping[str, np.dtype]) -> Arrays | None:
    """The content of a whole file that was made under this key and has these arrays, read-only. Else None."""
    try:
        with open(path, "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head_end = _BEFORE_HEAD + int.from_bytes(memory[8:16], "little")
        if memory[:8] != _MAGIC or head_end > len(memory):
            return None
        text = memory[_BEFORE_HEAD:head_end]
        if zlib.crc32(text) != int.from_bytes(memory[16:_BEFORE_HEAD], "little"):
            return None
        head = json.loads(text)
        start = head_end + -head_end % _ALIGNMENT
        if head["key"] != key or start + head["num_bytes"] != len(memory) or set(head["arrays"]) != set(dtypes):
            return None
        arrays = {}
        for name, place in head["arrays"].items():
            count = math.prod(place["shape"])
            array = (
                np.frombuffer(memory, dtypes[name], count, start + place["offset"])
                if count
                else np.empty(0, dtypes[name])
            )
            if zlib.crc32(array.view(np.uint8)) != place["checksum"]:
                return None
            arrays[name] = array.reshape(place["shape"])
        return Arrays(head["info"], arrays)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return None  # Whatever a damaged head makes of the steps above.
