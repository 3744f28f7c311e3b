# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: where its files are, which save is the newest whole one, and which saves may go.

A *save* is two files of one image count, written in this order: `networks-N.safetensors`, which users load, and
`state-N.safetensors`, what else an exact resume needs. A save without its state was cut short and counts for nothing.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import final

from dnnlib.atomic import is_unfinished
from dnnlib.console import get_logger

log = get_logger(__name__)

_NUMBERED = re.compile(r"(\d+)-")
_NETWORKS = re.compile(r"networks-(\d{10})\.safetensors")
_STATE = re.compile(r"state-(\d{10})\.safetensors")


@final
class RunFolder:
    """Names in the folder of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.stats = self.path / "stats.jsonl"
        self.log = self.path / "log.txt"
        self.lock = self.path / ".lock"

    @classmethod
    def new_numbered(cls, outdir: str | Path, description: str) -> "RunFolder":
        """The next of `00000-description`, `00001-description`, ... in `outdir`, made now."""
        if os.path.basename(description) != description:
            raise ValueError(f"{description!r}: a run is called by a word or a few, without slashes")
        outdir = Path(outdir)
        outdir.mkdir(parents=True, exist_ok=True)
        while True:
            taken = [int(match[1]) for match in map(_NUMBERED.match, os.listdir(outdir)) if match]
            path = outdir / f"{max(taken, default=-1) + 1:05d}-{description}"
            try:
                path.mkdir()
            except FileExistsError:
                continue  # Another run took the number meanwhile.
            return cls(path)

    def networks(self, nimg: int) -> Path:
        return self.path / f"networks-{nimg:010d}.safetensors"

    def state(self, nimg: int) -> Path:
        return self.path / f"state-{nimg:010d}.safetensors"

    def saves(self) -> list[int]:
        """Image counts of all saves, the newest first."""
        if not self.path.is_dir():
            return []
        found = [int(match[1]) for match in map(_STATE.fullmatch, os.listdir(self.path)) if match]
        return sorted((nimg for nimg in found if self.networks(nimg).exists()), reverse=True)

    def networks_without_state(self) -> list[int]:
        """Image counts of networks that no run can go on from: users may keep them, and a save may be cut short."""
        if not self.path.is_dir():
            return []
        found = [int(match[1]) for match in map(_NETWORKS.fullmatch, os.listdir(self.path)) if match]
        return sorted(nimg for nimg in found if not self.state(nimg).exists())

    def has_begun(self) -> bool:
        """Whether a run has left more here than its configuration."""
        return self.stats.exists() or bool(self.saves() or self.networks_without_state())

    def remove_unfinished(self) -> None:
        """Removes what a killed process was writing. Only for who holds the lock of the folder."""
        for name in filter(is_unfinished, os.listdir(self.path)):
            (self.path / name).unlink(missing_ok=True)

    def remove(self, nimg: int) -> None:
        """Removes a save. The state goes first: what is left of a removal that is cut short then is no save."""
        self.state(nimg).unlink(missing_ok=True)
        self.networks(nimg).unlink(missing_ok=True)

    def set_aside(self, nimg: int, reason: str) -> None:
        """Renames a save that cannot be used, so that it is neither tried again nor lost."""
        for path in (self.state(nimg), self.networks(nimg)):
            if path.exists():
                os.replace(path, path.with_name(path.name + ".damaged"))
        log.warning(f"The save at {nimg} images cannot be used and was set aside: {reason}")

    def prune(self, keep_last: int, keep_every_nimg: int | None) -> list[int]:
        """Removes saves beyond the last ones, except one for every so many images. Returns what went."""
        gone = superseded(self.saves(), keep_last, keep_every_nimg)
        for nimg in gone:
            self.remove(nimg)
        return gone


def superseded(saves: Iterable[int], keep_last: int, keep_every_nimg: int | None) -> list[int]:
    """Which saves (by image count) need not be kept: all but the last ones and the first in every so many images."""
    ascending = sorted(saves)
    kept = set(ascending[-keep_last:])
    if keep_every_nimg is not None:
        first_of_block: dict[int, int] = {}
        for nimg in ascending:
            first_of_block.setdefault(nimg // keep_every_nimg, nimg)
        kept.update(first_of_block.values())
    return [nimg for nimg in ascending if nimg not in kept]
