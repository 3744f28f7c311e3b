# SPDX-License-Identifier: Apache-2.0
"""The folder of unfinished work beside a destination: what was begun there, and how far it came.

    DEST.parts/plan.json           what is being made, and the stage of it; the same command finds its plan and goes on
              /shard-000000.zip ...
              /lock                keeps other processes away

Stages are "making"; "placing", when all shards are there and what lies at the destinations is ours to replace; and
"done", when only this folder has to go. Every file appears whole, so a kill at any moment leaves one of these states.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, final

from dnnlib.atomic import atomic_write_text, is_unfinished
from dnnlib.config_types import JSON
from dnnlib.locks import FileLock
from training.data.problems import DataError

Stage = Literal["making", "placing", "done"]

_PLAN, _LOCK, _SHARD = "plan.json", "lock", "shard-"


@final
class Unfinished:
    """Work that was begun."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: JSON = None
        self.stage: Stage = "making"
        self.result: JSON = None  # Of work that is done.
        with contextlib.suppress(FileNotFoundError):
            saved = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
            self.plan, self.stage, self.result = saved["plan"], saved["stage"], saved["result"]

    def begin(self, plan: JSON) -> None:
        """Forgets what is there, and begins to work by this plan."""
        self._remove_all_but(_LOCK)
        self.plan = plan
        self.enter("making")

    def enter(self, stage: Stage, result: JSON = None) -> None:
        """Goes on to this stage."""
        self.stage, self.result = stage, result
        saved = {"stage": stage, "plan": self.plan, "result": result}
        atomic_write_text(self.folder / _PLAN, json.dumps(saved))

    def shard(self, number: int) -> Path:
        return self.folder / f"{_SHARD}{number:06d}.zip"

    def has_shards(self) -> bool:
        return any(name.startswith(_SHARD) for name in _names(self.folder))

    def missing(self, num_shards: int) -> list[int]:
        """Numbers of the shards that are still to be made."""
        there = set(_names(self.folder))
        return [number for number in range(num_shards) if self.shard(number).name not in there]

    def remove(self) -> None:
        """Everything, the plan last: what a kill leaves still tells that it can go."""
        self._remove_all_but(_PLAN, _LOCK)
        self._remove_all_but(_LOCK)
        self._remove_all_but()
        with contextlib.suppress(OSError):  # Another process may have opened the lock anew, in vain.
            self.folder.rmdir()

    def _remove_all_but(self, *kept: str) -> None:
        for name in _names(self.folder):
            if name not in kept:
                (self.folder / name).unlink()


def folder_beside(dest: Path) -> Path:
    """Where unfinished work for a destination lies."""
    return dest.with_name(dest.name + ".parts")


@contextlib.contextmanager
def unfinished_work(dest: Path, plan: Mapping[str, JSON], force: bool) -> Iterator[Unfinished]:
    """The work of this plan, begun now or earlier. Work of another plan is refused, or with `force` thrown away.

    What fails before the first shard leaves nothing behind.
    """
    folder = folder_beside(dest)
    plan = json.loads(json.dumps(plan))
    if folder.exists() and not _is_ours(folder):
        raise DataError(f"{folder}: is in the way of unfinished work; remove it, or choose another destination")
    with contextlib.ExitStack() as exits:
        try:
            exits.enter_context(FileLock(folder / _LOCK, timeout_s=0))
        except TimeoutError:
            raise DataError(f"{dest}: another process is making it; wait for it, or choose another name") from None
        work = Unfinished(folder)
        if work.plan != plan:
            if work.plan is not None and work.stage != "done" and not force:
                raise DataError(
                    f"{folder}: holds unfinished work with other settings ({_difference(work.plan, plan)}); finish it "
                    "with those of then, or start over with --force"
                )
            work.begin(plan)
        for name in filter(is_unfinished, _names(folder)):
            (folder / name).unlink()
        try:
            yield work
        finally:
            if work.stage == "making" and not work.has_shards():
                work.remove()


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def _is_ours(folder: Path) -> bool:
    """Whether nothing lies there but unfinished work, perhaps killed before its plan."""
    if not folder.is_dir():
        return False
    names = _names(folder)
    return _PLAN in names or all(name == _LOCK or is_unfinished(name) for name in names)


def _difference(then: Mapping[str, JSON], now: Mapping[str, JSON], prefix: str = "") -> str:
    """The settings that differ, with both values."""
    parts = []
    for key in {**then, **now}:
        old, new = then.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            parts.append(_difference(old, new, f"{prefix}{key}."))
        elif old != new:
            parts.append(f"{prefix}{key} was {_short(old)}, is {_short(new)}")
    return ", ".join(filter(None, parts))


def _short(value: JSON) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
