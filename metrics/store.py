# SPDX-License-Identifier: Apache-2.0
"""Rows that were computed once, kept under the hash of everything they follow from.

A store is a folder of blocks; block i has the rows of the items [i * BLOCK, (i + 1) * BLOCK). Files are safetensors
with a digest, written whole or not at all, so that processes may share them, and a killed one loses a block.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from jaxtyping import Float32
from torch import Tensor

from dnnlib.console import get_logger
from torch_utils import checkpoint

BLOCK = 64

log = get_logger(__name__)


@final
class Store:
    """The blocks of one kind of items. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._is_lost = False

    def read(self, name: str, block: int, num_rows: int) -> Float32[Tensor, "rows ..."] | None:
        """The first rows of a block; None where they are not all there."""
        if self.folder is None or not (path := self._path(name, block)).exists():
            return None
        try:
            rows = checkpoint.read(path).tensors["rows"]
        except (checkpoint.CheckpointError, KeyError) as error:
            log.warning(f"{path}: is computed again ({error})")
            return None
        return rows[:num_rows] if len(rows) >= num_rows else None

    def write(self, name: str, block: int, rows: Float32[Tensor, "rows ..."]) -> None:
        """Keeps a block. Where nothing can be written, that is told once, and the work goes on."""
        if self.folder is None or self._is_lost:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoint.write(self._path(name, block), {"rows": rows}, {"format": "fullhead metric rows"})
        except OSError as error:
            self._is_lost = True
            log.warning(
                f"{self.folder}: cannot keep what is computed ({error}). The work goes on; FULLHEAD_CACHE moves it"
            )

    def drop(self) -> None:
        """Forgets everything."""
        if self.folder is not None:
            with contextlib.suppress(OSError):  # Another process may be writing there, and owns it then.
                shutil.rmtree(self.folder)

    def _path(self, name: str, block: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}-{block:06d}.safetensors"


def store_of(root: Path | None, facts: Mapping[str, Any]) -> Store:
    """The store of items that follow from these facts."""
    return Store(None if root is None else root / key_of(facts))


def key_of(facts: Mapping[str, Any]) -> str:
    """The same for the same facts, in any order."""
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
