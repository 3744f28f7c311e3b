# SPDX-License-Identifier: Apache-2.0
"""The directory of a zip archive: which members it has and where their bytes are.

At the end of the file stands an *end record*; it tells where the directory is, and that has one *entry* per member.
Large archives have a second end record with 64-bit numbers. The directory is kept as the bytes it is on disk, and an
entry is decoded when it is asked for, so that a million members open in about a second.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dnnlib.member_names import StoreError, check_name

# After each signature, and leaving out what we do not use:
_END = struct.Struct("<4s2H2xH2LH")  # 2 disks, number of entries, size and offset of the directory, comment length
_LOCATOR_64 = struct.Struct("<4s4xQ4x")  # offset of the 64-bit end record
_END_64 = struct.Struct("<4s12x2L8x3Q")  # 2 disks, number of entries, size and offset of the directory
_ENTRY = struct.Struct("<4s4x2H4x3L2H10xL")  # flags, method, checksum, 2 sizes, 2 lengths (name, extra), offset
_ENTRY_LENGTHS = struct.Struct("<4s24x3H12x")  # lengths of name, extra fields and comment
_IN_EXTRA_64 = 0xFFFFFFFF  # The number itself is in the extra field for 64-bit numbers.


class Entry(NamedTuple):
    """What the directory says about one member: its header is at `offset`, and `packed_size` bytes follow that."""

    flags: int
    method: int
    checksum: int
    packed_size: int
    size: int
    offset: int


class RawDirectory(NamedTuple):
    """The directory as the bytes it is on disk, where it starts, and its number of entries, known modulo `modulo`."""

    start: int
    content: bytes
    count: int
    modulo: int


def fetch_directory(path: Path, size: int, fetch: Callable[[int, int], bytes]) -> RawDirectory:
    """The directory of the archive `path` of `size` bytes, read by `fetch(offset, size)`. Entries are not looked at."""
    end = _find_end(path, size, fetch)
    _, *disks, count, length, start, _ = _END.unpack(fetch(end, _END.size))
    modulo = 1 << 16
    locator = fetch(max(0, end - _LOCATOR_64.size), min(end, _LOCATOR_64.size))
    if locator.startswith(b"PK\x06\x07") and len(locator) == _LOCATOR_64.size:
        _, end = _LOCATOR_64.unpack(locator)
        record = fetch(end, _END_64.size) if end + _END_64.size <= size else b""
        if not record.startswith(b"PK\x06\x06"):
            raise _unreadable(path, "its 64-bit end record is not where it should be")
        _, *disks, count, length, start = _END_64.unpack(record)
        modulo = 1 << 64
    if any(disks):
        raise _unreadable(path, "it is one of several parts of an archive; join them first")
    if start + length != end:
        raise _unreadable(path, "bytes are missing from it, or were added at its front")
    return RawDirectory(start, fetch(start, length), count, modulo)


class ZipDirectory:
    """The members that the directory of the archive `path` has."""

    def __init__(self, path: Path, raw: RawDirectory) -> None:
        self._path = path
        self._bytes = raw.content
        self.start = raw.start
        self.positions: dict[str, int] = {}  # Name -> where its entry begins. Folders are left out.
        num_entries = self._index()
        if num_entries % raw.modulo != raw.count:
            raise _unreadable(path, f"its directory has {num_entries} entries and should have {raw.count}")

    def entry(self, name: str) -> Entry:
        """The entry of a member that is there."""
        at = self.positions[name]
        _, flags, method, checksum, packed, size, len_name, len_extra, offset = _ENTRY.unpack_from(self._bytes, at)
        name_end = at + _ENTRY.size + len_name
        numbers_64 = iter(_numbers_64(self._bytes[name_end : name_end + len_extra]))
        size, packed, offset = (next(numbers_64, -1) if n == _IN_EXTRA_64 else n for n in (size, packed, offset))
        if min(size, packed, offset) < 0:
            raise StoreError(f"{self._path}: member {name!r} is damaged: its 64-bit size or position is missing")
        return Entry(flags, method, checksum, packed, size, offset)

    def _index(self) -> int:
        """Walks over the entries, fills `positions`, and returns how many entries there are."""
        at = num_entries = 0
        while at < len(self._bytes):
            if at + _ENTRY.size > len(self._bytes):
                raise _unreadable(self._path, f"entry {num_entries} of its directory is cut off")
            signature, len_name, len_extra, len_comment = _ENTRY_LENGTHS.unpack_from(self._bytes, at)
            name_end = at + _ENTRY.size + len_name
            if signature != b"PK\x01\x02" or name_end + len_extra + len_comment > len(self._bytes):
                raise _unreadable(self._path, f"entry {num_entries} of its directory is damaged")
            name = _decode_name(self._bytes[name_end - len_name : name_end])
            check_name(name.removesuffix("/"), self._path)
            if name in self.positions:
                raise StoreError(f"{self._path}: holds two files named {name!r}; remove one and pack it again")
            if not name.endswith("/"):
                self.positions[name] = at
            at = name_end + len_extra + len_comment
            num_entries += 1
        return num_entries


def _find_end(path: Path, size: int, fetch: Callable[[int, int], bytes]) -> int:
    """Where the end record is: last in the file but for a comment, whose length it tells."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    tail = fetch(tail_start, size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        record = tail[at : at + _END.size]
        if len(record) == _END.size and at + _END.size + _END.unpack(record)[-1] == len(tail):
            return tail_start + at
        at = tail.rfind(b"PK\x05\x06", 0, at)
    if fetch(0, min(2, size)) != b"PK":
        raise _unreadable(path, "it is a file of another kind, or empty; name a folder or a zip archive")
    raise _unreadable(path, "it does not end like one; perhaps a copy or download was interrupted")


def _unreadable(path: Path, reason: str) -> StoreError:
    return StoreError(f"{path} is not a readable zip archive: {reason}")


def _decode_name(raw: bytes) -> str:
    """UTF-8 where it fits, since many tools write it without setting the flag for it. Else the letters of DOS."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _numbers_64(extra: bytes) -> list[int]:
    """The content of the extra field for 64-bit numbers."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            content = extra[at + 4 : at + 4 + length]
            return list(struct.unpack_from(f"<{len(content) // 8}Q", content))
        at += 4 + length
    return []
