# SPDX-License-Identifier: Apache-2.0
"""Many names as two arrays: all their bytes, and where each one ends. A million names are 25 MB instead of 100."""

from collections.abc import Iterable, Sequence
from typing import final, overload

import numpy as np
from jaxtyping import Int64, UInt8


@final
class NameArray(Sequence[str]):
    """Reads like a list of names; a slice is one."""

    def __init__(self, letters: UInt8[np.ndarray, " letters"], ends: Int64[np.ndarray, " names"]) -> None:
        self.letters = letters
        self.ends = ends

    @staticmethod
    def pack(names: Iterable[str]) -> "NameArray":
        # Names of files may be no text at all; the escape keeps them, as Python does for names from the system.
        encoded = [name.encode(errors="surrogateescape") for name in names]
        ends = np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)), dtype=np.int64)
        return NameArray(np.frombuffer(b"".join(encoded), dtype=np.uint8), ends)

    def lines(self) -> bytes:
        """All of them as they are stored, a line break between two."""
        if len(self) == 0:
            return b""
        breaks = self.ends[:-1] + np.arange(len(self) - 1)
        lines = np.full(len(self.letters) + len(breaks), ord("\n"), dtype=np.uint8)
        is_letter = np.ones(len(lines), dtype=bool)
        is_letter[breaks] = False
        lines[is_letter] = self.letters
        return lines.tobytes()

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        start = self.ends[at - 1] if at else 0
        return self.letters[start : self.ends[at]].tobytes().decode(errors="surrogateescape")
