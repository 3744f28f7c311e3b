# SPDX-License-Identifier: Apache-2.0
"""The folder of a run, made or found again: the same command goes on, another configuration is refused.

What decides the numbers of a run must stay. What says how long it goes on, how it is watched, how it is cut up and
where its data lie may change, and the folder's `config.json` then says so.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dnnlib.config import Config, ConfigError, to_tree
from dnnlib.config_paths import differences
from dnnlib.config_types import text_of
from dnnlib.console import get_logger
from dnnlib.locks import FileLock
from torch_utils import distributed
from training.run_config import RunConfig, load_config, save_config
from training.run_folder import RunFolder

log = get_logger(__name__)

# Fields, and groups of fields, that may be others when a run goes on.
MAY_CHANGE = (
    "name",
    "device",
    "licence",
    "metrics",
    "numerics",
    "loop.total_nimg",
    "loop.tick_nimg",
    "loop.snapshot_nimg",
    "loop.part",
    "loop.keep_last",
    "loop.keep_every_nimg",
    "data.img_data",  # The images themselves are compared when the save is read.
    "data.seg_data",
    "data.damaged",
    "data.workers",
    "data.prefetch",
)
# What a folder may hold before its run has written its configuration.
_MADE_BEFORE = {".lock", "log.txt"}
Change = tuple[str, Any, Any]  # Path, old and new value.
_PATIENCE_S = 5.0  # The process before may still be ending.


@contextmanager
def opened(folder: RunFolder, config: RunConfig) -> Iterator[None]:
    """The folder belongs to this run for the length of a with block. Every rank must call it; the main one writes.

    The lock dies with the process that holds it.
    """
    _check_ranks(config)
    if not distributed.is_main():
        distributed.barrier("the run folder")
        yield
        return
    _check_folder(folder)
    folder.path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder.lock, timeout_s=_PATIENCE_S))
        except TimeoutError as error:
            raise ConfigError(
                f"{folder.path}: another process trains in this folder ({error}): end it, or choose another folder"
            ) from None
        folder.remove_unfinished()
        prepare(folder, config)
        distributed.barrier("the run folder")
        yield


def prepare(folder: RunFolder, config: RunConfig) -> None:
    """Compares with what the folder's run began with, and writes what may change. For who holds the lock."""
    if not folder.config.exists():
        save_config(config, folder.config)
        return
    changes = changes_of(folder, config)
    for path, old, new in changes:
        log.info(f"From now on {path} is {text_of(new)}; it was {text_of(old)}.")
    if changes:
        save_config(config, folder.config)


def check(folder: RunFolder, config: RunConfig) -> None:
    """Raises what would refuse the run in this folder. Nothing is written."""
    _check_folder(folder)
    if folder.config.exists():
        changes_of(folder, config)


def changes_of(folder: RunFolder, config: RunConfig) -> list[Change]:
    """What the run in the folder was configured otherwise. What must stay is refused, once the run has begun."""
    changes = differences(load_config(folder.config), config)
    refused = [change for change in changes if not may_change(change[0])]
    if refused and folder.has_begun():
        lines = "".join(f"\n  {path}: {text_of(old)}, now {text_of(new)}" for path, old, new in refused)
        raise ConfigError(
            f"{folder.path}: the run in this folder has another configuration:{lines}\nGive the old values to go on, "
            f"or train in another folder (with --resume={folder.path} from the weights of this one)"
        )
    return changes


def may_change(path: str) -> bool:
    """Whether a run can go on with another value there."""
    return any(path == name or path.startswith(f"{name}.") for name in MAY_CHANGE)


def _check_folder(folder: RunFolder) -> None:
    if folder.path.exists() and not folder.path.is_dir():
        raise ConfigError(f"{folder.path}: is a file; a run needs a folder")
    if folder.config.exists() or not folder.path.exists():
        return
    others = sorted(set(os.listdir(folder.path)) - _MADE_BEFORE)
    others = [name for name in others if not name.startswith(".config.json.")]  # A first write that was cut short.
    if others:
        raise ConfigError(
            f"{folder.path}: is no run (it has no config.json), but holds {others[0]!r}"
            f"{' and more' if len(others) > 1 else ''}: choose an empty or a new folder"
        )


def _check_ranks(config: Config) -> None:
    trees = distributed.gather_json(to_tree(config))
    for rank, tree in enumerate(trees):
        if tree != trees[0]:
            raise ConfigError(f"rank {rank} was started with another configuration than rank 0: start all alike")
