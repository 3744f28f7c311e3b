# SPDX-License-Identifier: Apache-2.0
"""What opening a large set found out is kept in a file, so that it opens at once the next time.

The file lies beside the data, hidden, or in the user's cache where that folder cannot be written to. Its name follows
from where the data lie, so a new one replaces the old; its key follows from what they hold, so a stale one is not used.
It can be deleted at any time.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from dnnlib.cache import cache_dir
from dnnlib.console import get_logger
from dnnlib.locks import FileLock
from training.data.array_file import Arrays, map_arrays, write_arrays
from training.data.problems import DataError

log = get_logger(__name__)


class KeptArrays:
    """Arrays together with the file they are mapped from, if any: other processes map it too and copy nothing."""

    def __init__(self, content: Arrays, file: Path | None, key: str) -> None:
        self.info, self.arrays = content
        self._file = file
        self._key = key

    def __reduce__(self) -> tuple:
        if self._file is None:
            return KeptArrays, (Arrays(self.info, self.arrays), None, self._key)
        dtypes = {name: array.dtype for name, array in self.arrays.items()}
        return _map_again, (self._file, self._key, dtypes)


def keep(data: Path, variant: str, key: str, dtypes: Mapping[str, np.dtype], build: Callable[[], Arrays]) -> KeptArrays:
    """The arrays of the file for `data`, made by `build` where there is no file with this key. One process builds."""
    places = _places(data, variant)
    if (found := _find(places, key, dtypes)) is not None:
        return found
    for file in places:
        with contextlib.ExitStack() as exits:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                lock = exits.enter_context(FileLock(file.with_name(file.name + ".lock"), on_wait=_tell_wait))
            except OSError:
                continue  # A folder we may not write to, or without locks.
            # Whoever waits now finds the lock's file gone, looks again, and finds the result.
            exits.callback(_remove, lock.path)
            if (found := _find(places, key, dtypes)) is not None:
                return found
            content = build()
            with contextlib.suppress(OSError):  # A full disk.
                write_arrays(file, key, content)
            return _find([file], key, dtypes) or KeptArrays(content, None, key)
    return KeptArrays(build(), None, key)


def _find(places: list[Path], key: str, dtypes: Mapping[str, np.dtype]) -> KeptArrays | None:
    for file in places:
        if (content := map_arrays(file, key, dtypes)) is not None:
            return KeptArrays(content, file, key)
    return None


def _places(data: Path, variant: str) -> list[Path]:
    """Where the file may lie, best first."""
    data = Path(os.path.abspath(data))
    tag, full_tag = (
        hashlib.blake2b(text.encode(), digest_size=4).hexdigest() for text in (variant, f"{data}\0{variant}")
    )
    beside = data.parent / f".{data.name[:100]}.{tag}.index"
    try:
        return [beside, cache_dir("indices", f"{data.name[:100]}.{full_tag}.index")]
    except ValueError:  # A user without a home.
        return [beside]


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # Windows does not remove what is open.
        file.unlink()


def _tell_wait(holder: str) -> None:
    log.info("waiting for %s, which opens the same data set for the first time", holder)


def _map_again(file: Path, key: str, dtypes: dict[str, np.dtype]) -> KeptArrays:
    found = _find([file], key, dtypes)
    if found is None:
        raise DataError(f"{file}: was replaced while its data set was in use; did the data change? Start again")
    return found
