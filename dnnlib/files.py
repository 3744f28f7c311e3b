# SPDX-License-Identifier: Apache-2.0
"""One interface over a folder and a zip archive of files.

    with open_store("heads.zip") as store:
        for name in store.names():
            image = store.read(name)

A *store* is opened either for reading or for writing. A name in it is a relative path with forward slashes. Stores may
be read from several threads, from forked workers, and after pickling, which opens them again elsewhere.
"""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, final

from dnnlib.atomic import atomic_write_bytes, is_unfinished
from dnnlib.member_names import StoreError, check_name, is_safe, not_found
from dnnlib.text import nearest
from dnnlib.zip_reader import ZipReader
from dnnlib.zip_writer import ZipWriter

__all__ = ["FolderStore", "Store", "StoreError", "ZipStore", "open_store"]

Mode = Literal["r", "w"]


def open_store(path: str | Path, mode: Mode = "r", overwrite: bool = False) -> "Store":
    """The folder or zip archive at `path`. A new one is an archive when its name ends in .zip.

    An archive that exists, or a folder with anything in it, is written to only with `overwrite`.
    """
    path = Path(path)
    if mode == "r":
        return FolderStore(path) if path.is_dir() else ZipStore(path)
    if path.suffix.lower() in (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"):
        raise StoreError(f"{path}: cannot be written; name a folder, or an archive that ends in .zip")
    return (ZipStore if path.suffix.lower() == ".zip" else FolderStore)(path, mode, overwrite)


class Store(ABC):
    """Files by name."""

    def __init__(self, path: str | Path, mode: Mode) -> None:
        if mode not in ("r", "w"):
            raise ValueError(f"mode {mode!r} is not one of 'r' (read) and 'w' (write)")
        self.path = Path(path)
        self.mode = mode

    @abstractmethod
    def names(self) -> list[str]:
        """All files in it, sorted. Folders are not listed, nor what a killed writer left unfinished."""

    @abstractmethod
    def __contains__(self, name: str) -> bool:
        """Whether `read(name)` would find a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of one file."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Makes a file. A name can be used once."""

    @abstractmethod
    def close(self) -> None:
        """Ends the work. An archive being written is complete, and there, from now on."""

    @abstractmethod
    def discard(self) -> None:
        """Ends the work after a failure. An archive being written is not made."""

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, exc_type: type | None, *exc_info: object) -> None:
        self.close() if exc_type is None else self.discard()

    def __reduce__(self) -> tuple[type, tuple[Path, Mode]]:
        if self.mode == "w":
            raise TypeError(f"{self.path} is being written; only a store for reading can go to another process")
        return type(self), (self.path.absolute(), self.mode)

    def _require(self, mode: Mode) -> None:
        if self.mode != mode:
            raise StoreError(f"{self.path}: was opened with mode {self.mode!r}; open it with {mode!r} for this")


@final
class FolderStore(Store):
    """The files of a folder and its subfolders. Links may not lead out of it. Written files are whole or not there."""

    def __init__(self, path: str | Path, mode: Mode = "r", overwrite: bool = False) -> None:
        super().__init__(path, mode)
        self._overwrite = overwrite
        self._written: set[str] = set()
        if mode == "w":
            self.path.mkdir(parents=True, exist_ok=True)
            if not overwrite and any(self.path.iterdir()):
                raise StoreError(f"{path}: is a folder with files in it; empty it, choose another, or ask to overwrite")
        elif not self.path.is_dir():
            raise StoreError(_no_such(self.path))
        self._root = os.path.realpath(self.path)

    def names(self) -> list[str]:
        self._require("r")
        found = []
        folders = [""]
        while folders:
            prefix = folders.pop()
            with os.scandir(os.path.join(self._root, prefix)) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(name + "/")
                    elif entry.is_dir():
                        # It may lead back to a folder above itself.
                        raise StoreError(f"{self.path}: {name!r} is a link to a folder; put the files themselves there")
                    elif entry.is_file():
                        if not is_unfinished(entry.name):
                            found.append(name)
                    elif entry.is_symlink():
                        raise StoreError(f"{self.path}: {name!r} is a link to nothing; remove it")
        return sorted(found)

    def __contains__(self, name: str) -> bool:
        self._require("r")
        return is_safe(name) and os.path.isfile(self._locate(name))

    def read(self, name: str) -> bytes:
        self._require("r")
        location = self._locate(name)
        if not os.path.isfile(location):
            raise not_found(name, self.path, self.names())
        return Path(location).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        self._require("w")
        location = self._locate(name)
        if name in self._written or (os.path.lexists(location) and not self._overwrite):
            raise StoreError(f"{self.path}: {name!r} was written before; every name can be used once")
        try:
            os.makedirs(os.path.dirname(location), exist_ok=True)
            # Syncing each of a million images would take hours.
            atomic_write_bytes(location, data, sync=False)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise StoreError(f"{self.path}: {name!r} would make one name both a file and a folder") from None
        self._written.add(name)

    def close(self) -> None:
        pass

    def discard(self) -> None:
        pass

    def _locate(self, name: str) -> str:
        """The path of a file, all links followed."""
        check_name(name, self.path)
        location = os.path.realpath(os.path.join(self._root, name))
        if not location.startswith(os.path.join(self._root, "")):
            raise StoreError(f"{self.path}: {name!r} is a link out of the folder; put the file itself there")
        return location


@final
class ZipStore(Store):
    """The members of a zip archive. One being written is uncompressed and takes its name only when it is complete."""

    def __init__(self, path: str | Path, mode: Mode = "r", overwrite: bool = False) -> None:
        super().__init__(path, mode)
        if mode == "r" and not self.path.is_file():
            raise StoreError(_no_such(self.path))
        if mode == "w":
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._archive = ZipReader(self.path) if mode == "r" else ZipWriter(self.path, overwrite)

    def names(self) -> list[str]:
        self._require("r")
        return self._archive.names()

    def __contains__(self, name: str) -> bool:
        self._require("r")
        return name in self._archive

    def read(self, name: str) -> bytes:
        self._require("r")
        return self._archive.read(name)

    def write(self, name: str, data: bytes) -> None:
        self._require("w")
        self._archive.write(name, data)

    def close(self) -> None:
        self._archive.close()

    def discard(self) -> None:
        self._archive.discard()


def _no_such(path: Path) -> str:
    """The message for a path that is not there, with a neighbour that was perhaps meant."""
    neighbours = os.listdir(path.parent) if path.parent.is_dir() else []
    meant = nearest(path.name, neighbours)
    hint = f"; did you mean {str(path.parent / meant)!r}?" if meant else ""
    return f"{path}: there is no such folder or zip archive{hint}"
