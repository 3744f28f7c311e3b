# SPDX-License-Identifier: Apache-2.0
"""The names of files inside a folder or archive: which are safe, and what a wrong one was meant to be.

A *member name* is a relative path with forward slashes, such as `00000/img00000000.png`. It is kept exactly as it was
stored. In particular "é" may be one character (NFC) or an e with an accent behind it (NFD): these are two names.
"""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path


class StoreError(ValueError):
    """A folder or archive, or a file in it, is not what it should be. The message names both."""


# Parts between slashes: none empty, `.` or `..`, none with a backslash or zero byte; no drive letter before them.
_PART = r"(?!\.{1,2}(?:/|\Z))[^/\\\0]+"
_SAFE = re.compile(rf"(?![A-Za-z]:){_PART}(?:/{_PART})*")


def is_safe(name: str) -> bool:
    """Whether a name cannot lead out of a folder, nor mean something else on another system."""
    return _SAFE.fullmatch(name) is not None


def check_name(name: str, where: Path) -> None:
    """Refuses a name that is not safe."""
    if not is_safe(name):
        raise StoreError(
            f"{where}: {name!r} is not a safe name for a file inside it; "
            "names are relative, with forward slashes and without '..', such as 00000/img.png"
        )


def not_found(name: str, where: Path, names: Collection[str]) -> StoreError:
    """The error for a missing name. It shows the one that differs only in case or normalisation, or else an example."""
    folded = _fold(name)
    twin = next((other for other in names if _fold(other) == folded), None)
    if twin is None:
        example = f", such as {next(iter(names))!r}" if names else ""
        return StoreError(f"{where}: no file {name!r}; it holds {len(names)} files{example}")
    same_letters = unicodedata.normalize("NFC", twin) == unicodedata.normalize("NFC", name)
    reason = "the Unicode normalisation of its accents" if same_letters else "upper and lower case"
    return StoreError(f"{where}: no file {name!r}, but {twin!r} ({twin!a}), which differs in {reason}")


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
