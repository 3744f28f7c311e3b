# SPDX-License-Identifier: Apache-2.0
"""Reading a zip archive from many threads and processes at once.

Bytes are fetched by their position, never through a cursor that somebody else could move. So threads and forked workers
need no lock between them, and an archive that is replaced on disk while in use goes on being read as it was.
"""

import os
import struct
import zlib
from pathlib import Path

from dnnlib.member_names import StoreError, check_name, not_found
from dnnlib.zip_directory import Entry, RawDirectory, ZipDirectory, fetch_directory

# No file of a dataset is larger. An archive that declares more is damaged, or made to exhaust the memory.
MAX_MEMBER_BYTES = 1 << 32

_HEADER = struct.Struct("<4s22x2H")  # signature, lengths of name and extra fields
_IS_ENCRYPTED = 1 << 0
_STORED, _DEFLATED = 0, 8


class ZipMembers:
    """The content of members whose entries the caller has. Costs nothing to open, however many members there are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - stays open as long as the reader lives
        self._size = os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Lets go of the archive."""
        self._file.close()

    def directory(self) -> RawDirectory:
        """The directory of the archive, not looked into."""
        return fetch_directory(self._path, self._size, self._fetch)

    def read(self, name: str, entry: Entry) -> bytes:
        """The content of one member, checked against its declared size and checksum. `name` is for the errors."""
        if entry.flags & _IS_ENCRYPTED:
            raise self._error(name, "is encrypted; unpack it and pack it again without a password")
        if entry.method not in (_STORED, _DEFLATED):
            raise self._error(name, f"is compressed by method {entry.method}; pack it again with zip -0")
        if entry.size > MAX_MEMBER_BYTES:
            raise self._error(name, f"declares {entry.size} bytes, more than the {MAX_MEMBER_BYTES} that are allowed")
        data = self._fetch_packed(name, entry)
        if entry.method == _DEFLATED:
            data = self._inflate(name, entry, data)
        if len(data) != entry.size:
            raise self._error(name, f"is damaged: it has {len(data)} bytes instead of {entry.size}")
        if zlib.crc32(data) != entry.checksum:
            raise self._error(name, f"is damaged: checksum {zlib.crc32(data):08x} instead of {entry.checksum:08x}")
        return data

    def _fetch_packed(self, name: str, entry: Entry) -> bytes:
        """The member's bytes as stored, behind its header. That they are the right ones, their checksum will tell."""
        if entry.offset + _HEADER.size <= self._size:
            signature, len_name, len_extra = _HEADER.unpack(self._fetch(entry.offset, _HEADER.size))
            start = entry.offset + _HEADER.size + len_name + len_extra
            if signature == b"PK\x03\x04" and start + entry.packed_size <= self._size:
                return self._fetch(start, entry.packed_size)
        raise self._error(name, "is damaged: its content is not where the directory says")

    def _inflate(self, name: str, entry: Entry, packed: bytes) -> bytes:
        """Decompresses at most one byte more than declared, however much there is."""
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.size + 1)
        except zlib.error as error:
            raise self._error(name, f"is damaged: {error}") from None
        if len(data) > entry.size:
            raise self._error(name, f"is damaged: it decompresses to more than the declared {entry.size} bytes")
        return data

    def _fetch(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`, which lie inside the archive as it was opened."""
        if self._file.closed:
            raise StoreError(f"{self._path}: is closed and can no longer be read")
        chunks = []
        while size > 0:
            chunk = _read_at(self._file.fileno(), size, offset)
            if not chunk:
                raise StoreError(f"{self._path}: has become shorter while it was read")
            chunks.append(chunk)
            offset, size = offset + len(chunk), size - len(chunk)
        return b"".join(chunks)

    def _error(self, name: str, reason: str) -> StoreError:
        return StoreError(f"{self._path}: member {name!r} {reason}")


class ZipReader:
    """The content of one archive. Whatever is wrong with it raises a StoreError that names it and the member."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members = ZipMembers(path)
        try:
            self._directory = ZipDirectory(path, self._members.directory())
        except BaseException:
            self._members.close()
            raise

    def close(self) -> None:
        """Lets go of the archive."""
        self._members.close()

    discard = close

    def __contains__(self, name: str) -> bool:
        return name in self._directory.positions

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._directory.positions)

    def entry(self, name: str) -> Entry:
        """What the directory says of a file."""
        check_name(name, self._path)
        if name not in self._directory.positions:
            raise not_found(name, self._path, self._directory.positions)
        return self._directory.entry(name)

    def read(self, name: str) -> bytes:
        """The content of one file."""
        return self._members.read(name, self.entry(name))


if hasattr(os, "pread"):
    _read_at = os.pread

else:  # Windows. It does not fork, so a lock between threads is enough.
    import threading

    _cursor_lock = threading.Lock()

    def _read_at(file: int, size: int, offset: int) -> bytes:
        with _cursor_lock:
            os.lseek(file, offset, os.SEEK_SET)
            return os.read(file, size)
