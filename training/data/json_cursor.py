# SPDX-License-Identifier: Apache-2.0
"""JSON text read value by value, for files whose values would not fit into memory together.

Whatever is not JSON raises a ValueError that says where; nesting beyond all reason raises a RecursionError.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")


class Cursor:
    """A place in a JSON text that moves on with everything that is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def sees(self, sign: str) -> bool:
        self._at = _SPACE.match(self._text, self._at).end()
        return self._text.startswith(sign, self._at)

    def take(self, sign: str) -> bool:
        found = self.sees(sign)
        self._at += len(sign) if found else 0
        return found

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise ValueError(f"expected {sign!r} at character {self._at}")

    def expect_end(self) -> None:
        if not self.sees("") or self._at != len(self._text):
            raise ValueError(f"something follows its end, at character {self._at}")

    def value(self, decoder: json.JSONDecoder) -> Any:
        self.sees("")
        value, self._at = decoder.raw_decode(self._text, self._at)
        return value

    def items(self, closing: str) -> Iterator[None]:
        """Stops before every item of a list or object, which the caller reads."""
        if self.take(closing):
            return
        yield
        while not self.take(closing):
            self.expect(",")
            yield

    def keys(self, decoder: json.JSONDecoder) -> Iterator[str]:
        """The keys of an object; the caller reads the values."""
        self.expect("{")
        for _ in self.items("}"):
            key = self.value(decoder)
            if not isinstance(key, str):
                raise ValueError(f"a key is {str(key)[:50]}, not text")
            self.expect(":")
            yield key
