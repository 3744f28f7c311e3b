# SPDX-License-Identifier: Apache-2.0
"""Files of one JSON object per line, each with the image count `nimg` it belongs to; stats.jsonl is one.

A run that goes on from a save repeats what came after it, so that part of such a file is cut off first: every row is
there once, and image counts only grow.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dnnlib.console import get_logger

log = get_logger(__name__)

Row = Mapping[str, Any]


def append(path: Path, row: Row) -> None:
    """One more row. A disk that is full costs the row, and the run goes on."""
    line = json.dumps(row).encode() + b"\n"
    try:
        with open(path, "ab", buffering=0) as file:
            end = file.tell()
            if file.write(line) < len(line):
                os.ftruncate(file.fileno(), end)  # Half a row would spoil the next one too.
                raise OSError("there is no space left")
    except OSError as error:
        log.warning(f"Could not write to {path.name}: {error}. The training goes on.")


def cut(path: Path, nimg: int, keep: Callable[[Row], bool] = lambda row: True) -> None:
    """Removes what is later than image `nimg`, or from the first row on that is not to be kept; and unfinished rows."""
    if not path.exists():
        return
    end = 0
    for row, stop in _scan(path):
        if row["nimg"] > nimg or not keep(row):
            break
        end = stop
    if end < path.stat().st_size:
        os.truncate(path, end)


def read(path: Path) -> Iterator[Row]:
    """All rows."""
    if path.exists():
        yield from (row for row, _ in _scan(path))


def _scan(path: Path) -> Iterator[tuple[Row, int]]:
    """Rows and where each ends. What is no row ends the file: nothing behind it can be trusted."""
    position = 0
    with open(path, "rb") as file:
        for line in file:
            position += len(line)
            try:
                row = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n") or not isinstance(row, dict) or not isinstance(row.get("nimg"), int):
                return
            yield row, position
