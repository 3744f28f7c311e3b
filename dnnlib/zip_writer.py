# SPDX-License-Identifier: Apache-2.0
"""Writing a zip archive that is complete or not there, and whose bytes depend on nothing but its content.

Members are stored uncompressed, since images are compressed already and reading is quickest so. Time stamps,
permissions and the system of origin are fixed: the same files in the same order give the same archive.
"""

import contextlib
import threading
import zipfile
from pathlib import Path

from dnnlib.atomic import atomic_write
from dnnlib.member_names import StoreError, check_name

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_READABLE_FILE = 0o100644 << 16
_MAX_NAME_BYTES = 0xFFFF


class ZipWriter:
    """An archive in the making. It takes its final name in `close()`, or never."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._lock = threading.Lock()
        self._is_broken = False
        # Left from the inside out: the archive writes its directory, then its file takes the final name or vanishes.
        self._exits = contextlib.ExitStack()
        self._refuse_existing()
        file = self._exits.enter_context(atomic_write(path))
        self._archive = self._exits.enter_context(zipfile.ZipFile(file, "w"))

    def write(self, name: str, data: bytes) -> None:
        """Adds a member. A name can be used once."""
        check_name(name, self._path)
        if len(name.encode(errors="replace")) > _MAX_NAME_BYTES or not _is_unicode(name):
            raise StoreError(f"{self._path}: {name!r} cannot be a name in a zip archive; rename the file")
        content = bytes(memoryview(data))
        info = zipfile.ZipInfo(name, _EARLIEST)
        info.create_system, info.external_attr = _UNIX, _READABLE_FILE
        with self._lock:
            if self._archive.fp is None:
                raise StoreError(f"{self._path}: is closed, so {name!r} cannot be added")
            if name in self._archive.NameToInfo:
                raise StoreError(f"{self._path}: {name!r} was written before; every name can be used once")
            self._is_broken = True  # Until it is written in full.
            self._archive.writestr(info, content)
            self._is_broken = False

    def close(self) -> None:
        """Completes the archive."""
        if self._archive.fp is None:
            return
        try:
            self._refuse_existing()
            if self._is_broken:
                raise StoreError(f"{self._path}: was not made, since writing one of its members failed")
        except StoreError:
            self.discard()
            raise
        self._exits.close()

    def discard(self) -> None:
        """Throws away what there is of the archive."""
        # A full disk may keep the directory from being written. Nobody misses it, and its file goes all the same.
        with contextlib.suppress(_Discarded, OSError), self._exits:
            raise _Discarded

    def __del__(self) -> None:
        # Forgotten without closing. Does nothing after `close()`.
        self.discard()

    def _refuse_existing(self) -> None:
        if self._path.exists() and not self._overwrite:
            raise StoreError(f"{self._path}: exists already; remove it, choose another name, or ask to overwrite it")


def _is_unicode(name: str) -> bool:
    """False for a name that was read from a file system and is no text there."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


class _Discarded(Exception):  # noqa: N818 - no error: it tells atomic_write not to keep the file
    pass
