# SPDX-License-Identifier: Apache-2.0
"""dataset.json <-> one array of labels.

    {"labels": [["00000/img0.png", [25 numbers]], ...], any other keys}

`labels` may also be an object from name to numbers, and a number may be written as a string. Names are taken with
forward slashes and without a leading `./`, however they are written. The reader is lenient: an entry that is wrong is a
`Problem` and a row of NaN, so that all problems of a file can be told at once. Only a file that is no such file at
all raises. The labels of a million images are 400 MB of JSON, so both directions go entry by entry.
"""

import json
import reprlib
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from dnnlib.config_types import JSON
from training.cameras import LABEL_DIM
from training.data.json_cursor import Cursor
from training.data.masks import stem
from training.data.problems import DataError, Problem

DATASET_JSON = "dataset.json"

_BLOCK = 4096  # Entries that become an array together.
# Numbers of labels are floats however long they are written; an int of a million digits would take minutes.
_LABELS = json.JSONDecoder(parse_int=float)
_OTHER = json.JSONDecoder()
_REMEDY = f"a label is {LABEL_DIM} numbers; mend the entry, or leave the image out"


class LabelFile(NamedTuple):
    """What a dataset.json says. `labels` is None where there are none; `settings` are all keys but the labels."""

    names: list[str]
    labels: Float32[np.ndarray, "n 25"] | None
    problems: list[Problem]
    settings: dict[str, JSON]


def read_dataset_json(data: bytes, where: str) -> LabelFile:
    """Reads the file, leniently. `where` names it in problems and errors."""
    try:
        text = data.decode("utf-8-sig")  # Editors on Windows may put a mark in front.
    except UnicodeDecodeError:
        raise DataError(f"{where}: is not text in UTF-8; save it so") from None
    cursor, rows = Cursor(text), _Rows(where)
    if not cursor.sees("{"):
        raise DataError(f'{where}: begins with {text[:20]!r}; write {{"labels": [[name, [{LABEL_DIM} numbers]], ...]}}')
    settings: dict[str, JSON] = {}
    has_labels = False
    try:
        for key in cursor.keys(_OTHER):
            if key in settings or (key == "labels" and has_labels):
                raise DataError(f"{where}: the key {key!r} is given twice; keep one of them")
            if key != "labels" or cursor.sees("n"):
                settings[key] = cursor.value(_OTHER)
            elif has_labels := cursor.sees("{"):
                for name in cursor.keys(_LABELS):
                    rows.add(name, cursor.value(_LABELS))
            elif has_labels := cursor.take("["):
                for _ in cursor.items("]"):
                    rows.add_entry(cursor.value(_LABELS))
            else:
                raise DataError(f'{where}: "labels" is neither a list nor an object; write a list of [name, numbers]')
        cursor.expect_end()
    except DataError:
        raise
    except RecursionError:
        raise DataError(f"{where}: is nested too deeply to be a file of labels; write it again") from None
    except ValueError as error:
        raise DataError(f"{where}: is not valid JSON ({str(error)[:200]}); mend it, or write it again") from None
    settings.pop("labels", None)  # Was null.
    names, labels = rows.finish()
    return LabelFile(names, labels if has_labels else None, rows.problems, settings)


class Joined(NamedTuple):
    """Labels in the order of the images, NaN where there is none, and how many entries no image asked for."""

    labels: Float32[np.ndarray, "images 25"]
    problems: list[Problem]
    num_unused: int


def join_labels(image_names: Sequence[str], file: LabelFile, where: str) -> Joined:
    """The labels of the images. A name may have several entries if they agree."""
    assert file.labels is not None
    problems: list[Problem] = []
    places: dict[str, int] = {}
    for place, name in enumerate(file.names):
        first = places.setdefault(name, place)
        if first != place and not np.array_equal(file.labels[first], file.labels[place], equal_nan=True):
            problems.append(Problem(name, f"has two different labels in {where}", "keep the right one"))
            file.labels[first] = np.nan
    rows = np.fromiter((places.get(name, -1) for name in image_names), dtype=np.int64, count=len(image_names))
    twins: dict[str, str] | None = None
    for image in np.flatnonzero(rows < 0):
        twins = twins if twins is not None else {_fold(name): name for name in reversed(file.names)}
        problems.append(_unlabelled(image_names[image], twins, where))
    labels = np.full((len(rows), LABEL_DIM), np.nan, dtype=np.float32)
    labels[rows >= 0] = file.labels[rows[rows >= 0]]
    return Joined(labels, problems, len(places) - len(np.unique(rows[rows >= 0])))


def dataset_json(
    names: Sequence[str],
    labels: Float32[np.ndarray, "n 25"] | None,
    fnames: Sequence[tuple[str, str]] | None = None,
    **settings: JSON,
) -> bytes:
    """The file: settings first, then `fnames` (pairs of the new and the old name), then a line for each label.

    Numbers are the shortest decimals that are these float32 again. Labels of None are written as null.
    """
    head = {**settings, **({} if fnames is None else {"fnames": [list(pair) for pair in fnames]})}
    parts = [json.dumps(head, ensure_ascii=False, allow_nan=False, separators=(",", ":"))[:-1]]
    parts.append(("," if head else "") + '"labels":')
    if labels is None:
        parts.append("null}\n")
    else:
        assert len(names) == len(labels)
        assert np.isfinite(labels).all(), "labels are finite before they are written"
        parts.append("[\n")
        for start in range(0, len(names), _BLOCK):
            block = zip(names[start : start + _BLOCK], labels[start : start + _BLOCK].astype("U32"), strict=True)
            lines = [f"[{json.dumps(name, ensure_ascii=False)},[{','.join(row)}]]" for name, row in block]
            parts.append((",\n" if start else "") + ",\n".join(lines))
        parts.append("\n]}\n")
    return "".join(parts).encode()


# ----------------------------------------------------------------------------------------------------------------------
# Entries, and what may be wrong with them.


class _Rows:
    """Entries on their way into one array."""

    def __init__(self, where: str) -> None:
        self.problems: list[Problem] = []
        self._where = where
        self._names: list[str] = []
        self._values: list[Any] = []  # Of the last names, not in an array yet.
        self._blocks = [np.zeros((0, LABEL_DIM), dtype=np.float32)]
        self._num_entries = 0

    def add_entry(self, entry: Any) -> None:
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):
            self.add(*entry)
        else:
            self._num_entries += 1
            reason = f"entry {self._num_entries - 1} of its labels is {_short(entry)}, not [name, numbers]"
            self.problems.append(Problem(self._where, reason, "mend or remove the entry"))

    def add(self, name: str, value: Any) -> None:
        self._num_entries += 1
        self._names.append(clean_name(name))
        self._values.append(value)
        if len(self._values) == _BLOCK:
            self._flush()

    def finish(self) -> tuple[list[str], Float32[np.ndarray, "n 25"]]:
        self._flush()
        return self._names, np.concatenate(self._blocks)

    def _flush(self) -> None:
        if not self._values:
            return
        rows = _numbers(self._values, (len(self._values), LABEL_DIM))
        if rows is None:
            rows = np.full((len(self._values), LABEL_DIM), np.nan)
            for row, value in zip(rows, self._values, strict=True):
                numbers = _numbers(value, (LABEL_DIM,))
                row[:] = np.nan if numbers is None else numbers
        with np.errstate(over="ignore"):  # What is too large for float32 is refused as infinite.
            block = rows.astype(np.float32)
        first = len(self._names) - len(self._values)
        for place in np.flatnonzero(~np.isfinite(block).all(axis=1)):
            block[place] = np.nan
            self.problems.append(Problem(self._names[first + place], _what_is_wrong(self._values[place]), _REMEDY))
        self._blocks.append(block)
        self._values = []


def clean_name(name: str) -> str:
    """A name as a store has it: with forward slashes, and without `./` before it."""
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Numbers, or texts of numbers, as an array of that shape."""
    if not isinstance(value, list):
        return None
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.shape == shape else None


def _what_is_wrong(value: Any) -> str:
    if value is None:
        return "has no camera label (null)"
    if isinstance(value, float):
        return f"has the class {value:g} as its label, not a camera"
    if isinstance(value, list) and len(value) != LABEL_DIM:
        return f"has a label of {len(value)} numbers"
    if (numbers := _numbers(value, (LABEL_DIM,))) is not None:
        column = int(np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))[0])
        return f"has a label whose number {column} is {_short(value[column])}"
    return f"has a label that is not {LABEL_DIM} finite numbers, {_short(value)}"


def _unlabelled(name: str, twins: dict[str, str], where: str) -> Problem:
    twin = twins.get(_fold(name))
    if twin is None:
        return Problem(name, f"has no label in {where}", "add one (see dataset_tool.py cameras), or remove the image")
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", twin):
        reason = f"has no label in {where}, which writes its accents in another way (Unicode NFC and NFD)"
        return Problem(name, reason, f"make the names equal: {name!a} and {twin!a}")
    return Problem(name, f"has no label in {where}, which names {twin!r} instead", "make the names equal")


def _fold(name: str) -> str:
    """What is left of a name without the differences that tools make: extension, case, way to write accents."""
    return unicodedata.normalize("NFC", stem(name).casefold())


def _short(value: Any) -> str:
    return reprlib.repr(value)
