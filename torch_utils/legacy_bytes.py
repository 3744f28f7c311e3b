# SPDX-License-Identifier: Apache-2.0
"""Bytes of a foreign file, taken in bounds: no declared length is believed before the file is seen to hold it.

A *span* is a range of a file, read only when someone asks. A *cursor* moves through a span and never leaves it.
*Limits* are what reading one file may cost, whatever the file says.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO, final

MAX_OPCODES = 500_000  # a published snapshot needs some 150,000
MAX_INLINE_BYTES = 64 * 2**20  # texts and small values together; tensors are read straight to their place
COPIES_OF_FILE = 2  # text encoded to bytes, as protocol 2 needs, and bytes to tensors: each once


@final
class LegacyPickleError(ValueError):
    """The file is refused: damaged, of another kind, or with more in it than inert data."""


def truncated(position: int) -> LegacyPickleError:
    """What to say of a file that stops early."""
    return LegacyPickleError(f"it ends in the middle of a value (byte {position}): copy or download it again")


@final
@dataclass(eq=False)
class Limits:
    """What may still be spent on one file."""

    opcodes: int
    inline_bytes: int
    copied_bytes: int

    @classmethod
    def of_file(cls, num_bytes: int) -> "Limits":
        """Limits for a file of this size."""
        return cls(MAX_OPCODES, MAX_INLINE_BYTES, COPIES_OF_FILE * num_bytes)

    def spend_opcode(self) -> None:
        """Count one step."""
        self.opcodes -= 1
        if self.opcodes < 0:
            raise LegacyPickleError(f"it has more than {MAX_OPCODES} steps, which no published snapshot needs")

    def spend_inline(self, num_bytes: int) -> None:
        """Count bytes read at once."""
        self.inline_bytes -= num_bytes
        if self.inline_bytes < 0:
            raise LegacyPickleError(f"it has more than {MAX_INLINE_BYTES} bytes outside of tensors")

    def spend_copy(self, num_bytes: int) -> None:
        """Count bytes that will be written to memory."""
        self.copied_bytes -= num_bytes
        if self.copied_bytes < 0:
            raise LegacyPickleError("it names the same data again and again, and would take more memory than its size")


@final
@dataclass(frozen=True, eq=False)
class Span:
    """A range of a file. `is_text` says that the bytes are UTF-8."""

    file: BinaryIO
    start: int
    size: int
    is_text: bool = False

    @classmethod
    def of_bytes(cls, data: bytes) -> "Span":
        """Bytes in memory as a span."""
        return cls(io.BytesIO(data), 0, len(data))

    def read(self) -> bytes:
        """All of it."""
        return Cursor(self).take(self.size)


@final
class Cursor:
    """A position that moves through a span."""

    def __init__(self, span: Span) -> None:
        self.file = span.file
        self.position = span.start
        self.end = span.start + span.size

    @property
    def remaining(self) -> int:
        """Bytes up to the end of the span."""
        return self.end - self.position

    def skip(self, size: int, is_text: bool = False) -> Span:
        """Leave `size` bytes unread, to be read later."""
        if size > self.remaining:
            raise truncated(self.end)
        self.position += size
        return Span(self.file, self.position - size, size, is_text)

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > self.remaining:
            raise truncated(self.end)
        self.file.seek(self.position)
        data = self.file.read(size)
        self.position += len(data)
        if len(data) < size:
            raise truncated(self.position)
        return data

    def fill(self, place: memoryview) -> None:
        """The next bytes, written to `place` without a copy on the way."""
        start = self.skip(place.nbytes).start
        self.file.seek(start)
        if (size := self.file.readinto(place)) < place.nbytes:
            raise truncated(start + size)

    def unsigned(self, width: int) -> int:
        """The next little-endian number of `width` bytes."""
        return int.from_bytes(self.take(width), "little")

    def line(self, longest: int) -> str:
        """ASCII up to the next end of line, which is passed."""
        start = self.position
        text, newline, _ = self.take(min(longest + 1, self.remaining)).partition(b"\n")
        self.position = start + len(text) + len(newline)
        if not newline and not self.remaining:
            raise truncated(self.end)
        if not newline or not text.isascii():
            raise LegacyPickleError("a name in it is no name: it is damaged or made to mislead")
        return text.decode("ascii")
