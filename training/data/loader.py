# SPDX-License-Identifier: Apache-2.0
"""Batches for ever, read by worker processes while the trainer computes.

Which items are in the batch at an image count is a function of the seed alone (see torch_utils/sampler.py): the same
after a restart, for any number of workers, and for any split of the batch over ranks.

A damaged item ends the run with an error that names it; or, where the policy is to skip, another one takes its place.
Which one follows from the seed and the position too, and it is drawn by the same weights.

    with Loader(dataset, batch=32, seed=0, device="cuda") as loader:
        for batch in loader: ...
"""

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from dnnlib.console import get_logger
from torch_utils import rng
from torch_utils.sampler import InfiniteSampler, cumulative_weights, items_at
from training.data.dataset import ImageDataset, Item
from training.data.problems import DataError
from training.data.stop_flag import worker_context
from training.types import Batch

log = get_logger(__name__)

MAX_ATTEMPTS = 16  # Replacements tried for one place in a batch. If all are damaged, so is the whole set.

# What comes of asking a dead worker for the shared memory of a batch that it had announced.
_HANDSHAKE_ERRORS = (ConnectionError, EOFError, FileNotFoundError)


class LoaderError(RuntimeError):
    """A process that loads data came to its end."""


class Loader:
    """Iterates over this rank's batches from `start_nimg` on. `batch` counts the images of all ranks together."""

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        batch: int,
        seed: int,
        start_nimg: int = 0,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 2,
        prefetch: int = 4,
        device: str | torch.device = "cpu",
        damaged: Literal["error", "skip"] = "error",
    ) -> None:
        self.skipped: dict[str, int] = {}  # Images that were replaced, and how often.
        self._damaged = damaged
        self._workers = workers
        self._is_closed = False
        sampler = InfiniteSampler(
            len(dataset),
            seed=seed,
            batch=batch,
            start_nimg=start_nimg,
            rank=rank,
            world_size=world_size,
            weights=torch.from_numpy(dataset.weights),
        )
        self._loader = DataLoader(
            _Fetcher(dataset, seed, num_attempts=MAX_ATTEMPTS if damaged == "skip" else 1),
            batch_sampler=_Places(sampler),
            collate_fn=_collate,
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            multiprocessing_context=worker_context() if workers else None,
            pin_memory=torch.device(device).type == "cuda",
            worker_init_fn=_leave_the_end_to_parent,
            generator=torch.Generator(),  # Else it would draw a seed from the generator of the whole process.
        )
        self._batches: Iterator[_Fetched] | None = None
        self._waited_s = 0.0
        self._since_s = time.perf_counter()

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> Batch:
        if self._is_closed:
            raise LoaderError("the loader is closed and has no more batches")
        start_s = time.perf_counter()
        try:
            if self._batches is None:
                self._batches = _start(self._loader)
            fetched = next(self._batches)
        except (RuntimeError, *_HANDSHAKE_ERRORS) as error:
            self.close()
            raise _explained(error, self._workers) from None
        finally:
            self._waited_s += time.perf_counter() - start_s
        for damage in fetched.damages:
            self._meet(damage)
        if fetched.image is None:
            self.close()
            raise DataError(f"{MAX_ATTEMPTS} items in a row are damaged, the last one: {fetched.damages[-1].reason}")
        conditions = {} if fetched.label is None else {"camera": torch.from_numpy(fetched.label)}
        return Batch(fetched.image, fetched.mask, conditions, torch.from_numpy(fetched.index))

    def wait_share(self) -> float:
        """The share of time that the caller waited for batches since the last call, or since the beginning."""
        now_s = time.perf_counter()
        share = self._waited_s / max(now_s - self._since_s, 1e-9)
        self._waited_s, self._since_s = 0.0, now_s
        return share

    def close(self) -> None:
        """Ends the workers. There are no batches any more."""
        batches, self._batches = self._batches, None
        self._is_closed = True
        if self._workers and batches is not None:
            # PyTorch would do so when nobody refers to them any more, but a traceback may go on referring.
            batches._shutdown_workers()

    def __enter__(self) -> "Loader":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _meet(self, damage: "_Damage") -> None:
        if self._damaged == "error":
            self.close()
            raise DataError(f"{damage.reason}. To replace damaged items by others, set data.damaged=skip")
        if damage.name not in self.skipped:
            log.warning("skipped: %s", damage.reason)
        self.skipped[damage.name] = self.skipped.get(damage.name, 0) + 1


# ----------------------------------------------------------------------------------------------------------------------
# What happens in the workers.


class _Damage(NamedTuple):
    """An item that could not be read. The reason names the file too."""

    name: str
    reason: str


class _Fetched(NamedTuple):
    """A batch, and what was met on the way. Without a picture, if nothing could replace what was met.

    Tensors go to the caller in shared memory, and that takes a handshake for each of them: too much for small ones.
    """

    image: UInt8[Tensor, "batch 3 height width"] | None
    mask: UInt8[Tensor, "batch 1 height width"] | None
    label: Float32[np.ndarray, "batch 25"] | None
    index: Int64[np.ndarray, " batch"]
    damages: list[_Damage]


class _Place(NamedTuple):
    """A place in a batch: the item that is due, and the image count at which it is."""

    position: int
    item: int


class _Places(Sampler[list[_Place]]):
    """The places of this rank's share, batch by batch."""

    def __init__(self, sampler: InfiniteSampler) -> None:
        self._sampler = sampler

    def __iter__(self) -> Iterator[list[_Place]]:
        items = iter(self._sampler)
        places = self._sampler.places
        for batch_start in itertools.count(self._sampler.start_nimg, self._sampler.batch):
            yield [_Place(batch_start + place, next(items)) for place in places]


class _Fetcher(Dataset):
    """Reads the item of a place, or what replaces it."""

    def __init__(self, dataset: ImageDataset, seed: int, num_attempts: int) -> None:
        self._dataset = dataset
        self._key = rng.key_of(seed, "replacement of damaged items")
        self._num_attempts = num_attempts
        self._cumulative = cumulative_weights(torch.from_numpy(dataset.weights), len(dataset))

    def __getitem__(self, place: _Place) -> tuple[Item | None, list[_Damage]]:
        damages = []
        item = place.item
        for attempt in range(self._num_attempts):
            try:
                return self._dataset[item], damages
            except DataError as error:
                damages.append(_Damage(self._dataset.index.names[item % len(self._dataset.index)], str(error)))
            # A stream of draws with its own key, in which every place of every batch has positions of its own.
            position = torch.tensor([place.position * self._num_attempts + attempt])
            item = int(items_at(position, len(self._dataset), self._key, self._cumulative))
        return None, damages


def _collate(fetched: list[tuple[Item | None, list[_Damage]]]) -> _Fetched:
    items = [item for item, _ in fetched if item is not None]
    damages = [damage for _, met in fetched for damage in met]
    index = np.array([item.index for item in items], dtype=np.int64)
    if len(items) < len(fetched):
        return _Fetched(None, None, None, index, damages)
    # In a worker this stacks the pictures in shared memory.
    image = default_collate([item.image for item in items])
    mask = None if items[0].mask is None else default_collate([item.mask for item in items])
    label = None if items[0].label is None else torch.stack([item.label for item in items]).numpy()
    return _Fetched(image, mask, label, index, damages)


def _leave_the_end_to_parent(worker: int) -> None:
    # Ctrl-C reaches all processes of a terminal. The parent ends its workers, who need not each print a traceback: not
    # of the interrupt, and not of a batch that the parent was about to fetch (a thread of multiprocessing prints that
    # through the hook).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # The parent's handler came along with the fork.
    if hasattr(os, "setpgrp"):  # torchrun passes SIGTERM to the whole process group of a rank.
        os.setpgrp()
    sys.excepthook = _print_unless_parent_left


def _print_unless_parent_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, _HANDSHAKE_ERRORS):
        sys.__excepthook__(kind, error, trace)


def _start(loader: DataLoader) -> Iterator[_Fetched]:
    """Starts the workers. That one of them died is an error where a batch is asked for, and nowhere else.

    PyTorch would raise it from a signal, in the middle of whatever the caller is about.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    finally:
        if handler is not None:  # It was set by something that is not Python.
            signal.signal(signal.SIGCHLD, handler)


def _explained(error: Exception, num_workers: int) -> Exception:
    is_lost = "DataLoader worker" in str(error) or isinstance(error, _HANDSHAKE_ERRORS)
    if not (num_workers and is_lost):
        return error
    what = (str(error) or type(error).__name__).splitlines()[0]
    return LoaderError(
        f"a process that loads data came to its end ({what}). Memory is the usual reason, also "
        f"shared memory in a container (docker run --ipc=host); lower data.workers ({num_workers}) or data.prefetch"
    )
