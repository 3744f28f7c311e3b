# SPDX-License-Identifier: Apache-2.0
"""What a flag of train.py is: a spelling, what its text does to a configuration, and a sentence.

A *conversion* turns the text into values by path, given the tree of the configuration so far; what it cannot read is a
ValueError that says what was expected. A text for a plain path is read as `--set PATH=TEXT` reads it.
"""

import dataclasses
from collections.abc import Callable, Mapping

from dnnlib.config import Tree
from dnnlib.config_types import JSON

Values = dict[str, JSON]
Conversion = Callable[[str, Tree], Values]

_SWITCH = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)


@dataclasses.dataclass(frozen=True)
class Flag:
    """One flag, in PanoHead's spelling without the two dashes."""

    name: str
    sets: str | Conversion
    meaning: str
    ignored: str | None = None  # Why the flag does nothing here.

    @property
    def spellings(self) -> list[str]:
        """As it is published, and with all dashes or all underscores."""
        return list(
            dict.fromkeys([f"--{self.name}", f"--{self.name.replace('_', '-')}", f"--{self.name.replace('-', '_')}"])
        )

    @property
    def key(self) -> str:
        """Its name as an identifier."""
        return self.name.replace("-", "_")


def ignored(name: str, why: str) -> Flag:
    """A flag that is accepted, so that commands can be pasted, and does nothing."""
    return Flag(name, lambda text, tree: {}, "without effect here", ignored=why)


def switch(path: str, when_on: JSON = True, when_off: JSON = False) -> Conversion:
    """Everything that PanoHead reads as true or false."""
    return lambda text, tree: {path: when_on if is_on(text) else when_off}


def is_on(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("expected true or false, such as True or 1")
    return _SWITCH[text.lower()]


def kimg(path: str) -> Conversion:
    """Thousands of images to images."""
    return lambda text, tree: {path: round(number(text, "thousands of images, such as 200") * 1000)}


def one_of(choices: Mapping[str, Values]) -> Conversion:
    """Words, each with what it sets."""

    def convert(text: str, tree: Tree) -> Values:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return choices[text]

    return convert


def whole_number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"expected {what}")
    return int(text)


def number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"expected {what}") from None
    if not abs(value) < 1e15:  # Not a number either.
        raise ValueError(f"expected {what}")
    return value
