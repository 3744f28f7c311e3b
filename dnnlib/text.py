# SPDX-License-Identifier: Apache-2.0
"""Text that people type on a command line, and numbers as people like to read them.

A parser takes the text as typed and returns a plain value; what it does not understand raises a ValueError that shows
a right example. A formatter goes the other way and rounds to what is worth reading; its parser understands its output.
"""

import difflib
import math
import re
import shlex
from collections.abc import Iterable, Sequence

MAX_LIST_LENGTH = 10_000_000
MAX_SIDE = 65536

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
BYTES |= {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50}

_NUMBER = r"\d{1,18}(?:\.\d{1,18})?"
_RANGE = re.compile(r"(\d{1,19})(?:\s*-\s*(\d{1,19}))?", re.ASCII)
_SIZE = re.compile(r"(\d{1,5})\s*[xX×]\s*(\d{1,5})", re.ASCII)
_DURATION = re.compile(rf"(?:{_NUMBER}\s*[dhms]\s*)+", re.ASCII)
_BYTES = re.compile(rf"({_NUMBER})\s*([kmgtp]?i?)b?", re.ASCII | re.IGNORECASE)


# Parsers.


def parse_int_list(text: str) -> list[int]:
    """`1,2,5-10` as integers, in the order typed. Both ends of a range belong to it; repetitions stay."""
    wanted = "write whole numbers and rising ranges separated by commas, such as 1,2,5-10"
    ranges = []
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        if match is None:
            raise ValueError(f"{_quote(item.strip())} in {_quote(text)} is not a number or a range; {wanted}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"the range {first}-{last} in {_quote(text)} runs downwards; write {last}-{first}")
        ranges.append(range(first, last + 1))
    # Subtraction, since len() of a range refuses what does not fit into 63 bits.
    length = sum(r.stop - r.start for r in ranges)
    if length > MAX_LIST_LENGTH:
        raise ValueError(f"{_quote(text)} stands for {length} numbers, more than {MAX_LIST_LENGTH}; {wanted}")
    return [value for r in ranges for value in r]


def parse_size(text: str) -> tuple[int, int]:
    """`4x2` as (width, height)."""
    match = _SIZE.fullmatch(text.strip())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"{_quote(text)} is not a size; write width x height, each 1 to {MAX_SIDE}, such as 4x2")
    return sides


def parse_duration(text: str) -> float:
    """`90`, `45s`, `1h30m` or `2d` as seconds. A number without a unit means seconds; units go from large to small."""
    stripped = text.strip().lower()
    if re.fullmatch(_NUMBER, stripped, re.ASCII):
        return float(stripped)
    parts = re.findall(rf"({_NUMBER})\s*([dhms])", stripped, re.ASCII) if _DURATION.fullmatch(stripped) else []
    units = [unit for _, unit in parts]
    if not parts or units != sorted(set(units), key="dhms".index):
        raise ValueError(f"{_quote(text)} is not a duration; write seconds or d, h, m, s, such as 90, 45s, 1h30m or 2d")
    return float(sum(float(number) * SECONDS[unit] for number, unit in parts))


def parse_bytes(text: str) -> int:
    """`512`, `800MB`, `1.5G` or `24GiB` as a number of bytes. K, M, G count in thousands, Ki, Mi, Gi in 1024s."""
    match = _BYTES.fullmatch(text.strip())
    number, prefix = (match[1], match[2].lower()) if match else ("", "")
    # A fraction needs a unit: there is no half byte. `12iB` has a binary prefix without its letter.
    if match is None or prefix not in BYTES or ("." in number and not prefix):
        raise ValueError(f"{_quote(text)} is not a number of bytes; write for example 512, 800MB, 1.5G or 24GiB")
    return round(float(number) * BYTES[prefix]) if "." in number else int(number) * BYTES[prefix]


# Formatters.


def format_duration(seconds: float) -> str:
    """The two largest units: `0.4s`, `45s`, `3m20s`, `1h30m`, `2d4h`."""
    assert seconds >= 0
    if seconds < 9.95:
        return f"{round(seconds, 1):g}s"
    if round(seconds) < 60:
        return f"{round(seconds)}s"
    for large, small, end in (("m", "s", SECONDS["h"]), ("h", "m", SECONDS["d"]), ("d", "h", math.inf)):
        count = round(seconds / SECONDS[small])
        # Compared after rounding: 59 m 59.9 s is 1 h.
        if count * SECONDS[small] < end:
            whole, rest = divmod(count, SECONDS[large] // SECONDS[small])
            return f"{whole}{large}{rest}{small}" if rest else f"{whole}{large}"
    raise AssertionError(f"{seconds} is not a finite number")


def format_bytes(num_bytes: float) -> str:
    """In 1024s, with one decimal: `512 B`, `1.5 GiB`."""
    return _scaled(num_bytes, 1024, [" B", " KiB", " MiB", " GiB", " TiB", " PiB"], ".1f")


def format_count(count: float) -> str:
    """In thousands, with three digits: `950`, `1.25k`, `25M`."""
    return _scaled(count, 1000, ["", "k", "M", "G", "T", "P"], ".3g")


def _scaled(value: float, step: int, units: list[str], digits: str) -> str:
    assert value >= 0
    for unit in units:
        # Compared after rounding, so that 1023.99 KiB becomes 1 MiB, not 1024 KiB.
        if float(format(value, digits)) < step or unit == units[-1]:
            break
        value /= step
    return f"{float(format(value, digits)):.15g}{unit}"


def command_lines(words: Sequence[str], width: int = 110) -> str:
    """A command as one types it; where it is longer than `width`, in lines that a backslash joins.

    A value stays in the line of its option.
    """
    groups: list[str] = []
    for word in words:
        if groups and not word.startswith("-"):
            groups[-1] += f" {shlex.quote(word)}"
        else:
            groups.append(shlex.quote(word))
    lines = groups[:1]
    for group in groups[1:]:
        if len(lines[-1]) + 1 + len(group) > width - 2:
            lines.append(f"    {group}")
        else:
            lines[-1] += f" {group}"
    return " \\\n".join(lines)


# Spelling.


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None when nothing is close. For "did you mean" messages."""
    by_folded = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def _quote(text: str) -> str:
    """The text in quotes, shortened to what fits on a line of a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
