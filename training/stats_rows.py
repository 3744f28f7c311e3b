# SPDX-License-Identifier: Apache-2.0
"""`stats.jsonl`: a row for every tick, each whole or not there, none of images that were not counted after all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnnlib.atomic import atomic_write_bytes
from dnnlib.console import get_logger

log = get_logger(__name__)


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Where there is no room for it, a row is left out, and the run goes on."""
    line = (json.dumps(row) + "\n").encode()
    with open(path, "ab", buffering=0) as file:
        length = file.tell()
        try:
            written = file.write(line)
            problem = None if written == len(line) else "the disk is full"
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            os.truncate(path, length)
            log.warning(f"{path.name} lacks the row at {row['nimg']} images: {problem}")


def cut_rows(path: Path, nimg: int) -> int:
    """Takes away what a run wrote after the save it goes on from, and a line it could not finish. How many went."""
    if not path.exists():
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if _is_row_until(line, nimg)]
    if len(kept) < len(lines):
        atomic_write_bytes(path, b"".join(kept))
    return len(lines) - len(kept)


def _is_row_until(line: bytes, nimg: int) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n") and isinstance(row, dict) and isinstance(row.get("nimg"), int) and row["nimg"] <= nimg
