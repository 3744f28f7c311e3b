# SPDX-License-Identifier: Apache-2.0
"""A folder or zip archive as a row of files that are read by *place*: what it takes to find one without searching.

For an archive a place is the member's entry in the directory, so that a million members need no table of names in
every process. For a folder the name is enough, and places are empty.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from dnnlib.files import FolderStore, StoreError, ZipStore
from dnnlib.zip_directory import Entry, ZipDirectory
from dnnlib.zip_reader import ZipMembers
from training.data.problems import DataError

# The fields of `Entry`.
PLACE = np.dtype(
    [("flags", "<u2"), ("method", "<u2"), ("checksum", "<u4"), ("packed", "<u8"), ("size", "<u8"), ("offset", "<u8")]
)


class Summary(NamedTuple):
    """How many files there are, and text that changes when one of them does."""

    num_files: int
    digest: str


class Listing(NamedTuple):
    """The names of all files, sorted, and their places."""

    names: list[str]
    places: np.ndarray


class Source(ABC):
    """Files for reading. May be pickled, which opens it again elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def summary(self) -> Summary:
        """Found without a look at the single files as far as possible."""

    @abstractmethod
    def listing(self) -> Listing:
        """All files."""

    @abstractmethod
    def read(self, name: str, place: np.void) -> bytes:
        """The content of the file of that name, which is at that place."""

    @abstractmethod
    def close(self) -> None:
        """Ends the use of it."""

    def __reduce__(self) -> tuple:
        return type(self), (self.path.absolute(),)


def open_source(path: str | Path) -> Source:
    """The folder or zip archive at `path`."""
    path = Path(path)
    return FolderSource(path) if path.is_dir() else ZipSource(path)


def read_file(source: Source, name: str, place: np.void) -> bytes:
    """The content of a file. That it cannot be read is an error about the data, which names it."""
    try:
        return source.read(name, place)
    except StoreError as error:
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(f"{source.path}/{name}: cannot be read ({error.strerror})") from None


@final
class FolderSource(Source):
    """The files of a folder and its subfolders. They are the same while names, sizes and times of change are."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._store = FolderStore(path)

    def summary(self) -> Summary:
        names = self._store.names()
        digest = hashlib.blake2b(digest_size=16)
        for name in names:
            status = os.stat(self.path / name)
            digest.update(os.fsencode(name) + b"\0%d\0%d\0" % (status.st_size, status.st_mtime_ns))
        return Summary(len(names), digest.hexdigest())

    def listing(self) -> Listing:
        names = self._store.names()
        return Listing(names, np.zeros(len(names), PLACE))

    def read(self, name: str, place: np.void) -> bytes:
        return self._store.read(name)

    def close(self) -> None:
        self._store.close()


@final
class ZipSource(Source):
    """The members of a zip archive. They are the same while its directory is, for that has their checksums."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if not path.is_file():
            ZipStore(path)  # Raises, and says what was perhaps meant.
        self._members = ZipMembers(path)

    def summary(self) -> Summary:
        raw = self._members.directory()
        return Summary(raw.count, hashlib.blake2b(raw.content, digest_size=16).hexdigest())

    def listing(self) -> Listing:
        directory = ZipDirectory(self.path, self._members.directory())
        names = sorted(directory.positions)
        return Listing(names, np.array([directory.entry(name) for name in names], PLACE))

    def read(self, name: str, place: np.void) -> bytes:
        return self._members.read(name, Entry(*place.tolist()))

    def close(self) -> None:
        self._members.close()
