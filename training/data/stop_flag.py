# SPDX-License-Identifier: Apache-2.0
"""How the parent tells workers to stop, without a lock that a killed worker could take along.

An event of multiprocessing is guarded by a lock, also where one only looks. PyTorch's workers look once per batch: one
that is killed just then (Linux does so where memory ends) keeps the lock, and the parent, which looks too before it
reports the death, waits for ever. One byte needs no lock.
"""

import copy
import multiprocessing
from multiprocessing.context import BaseContext


class StopFlag:
    """What PyTorch's workers need of an event: `set` once by the parent, and `is_set`."""

    def __init__(self) -> None:
        self._byte = multiprocessing.RawValue("b", 0)

    def set(self) -> None:
        self._byte.value = 1

    def is_set(self) -> bool:
        return bool(self._byte.value)


def worker_context() -> BaseContext:
    """The usual way here to start processes, with stop flags as its events."""
    context = copy.copy(multiprocessing.get_context())
    context.Event = StopFlag
    return context
