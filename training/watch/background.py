# SPDX-License-Identifier: Apache-2.0
"""Work that the training does not wait for, done by one thread in the order in which it was given."""

import queue
import threading
from collections.abc import Callable
from typing import final

from dnnlib.console import get_logger

log = get_logger(__name__)

Task = tuple[str, Callable[[], None]]


@final
class Background:
    """Does tasks one after another. One that fails is told of in the log; the run and the other tasks go on.

    At most `waiting` tasks wait; whoever gives one more waits too, so a slow disk cannot fill the memory.
    """

    def __init__(self, waiting: int = 4) -> None:
        self._tasks: queue.Queue[Task | None] = queue.Queue(waiting)
        # A daemon: a run that ends with an error is not kept alive by a disk that hangs.
        self._thread = threading.Thread(target=self._work, name="background", daemon=True)
        self._thread.start()

    def do(self, what: str, task: Callable[[], None]) -> None:
        """Soon. `what` completes "could not ..."."""
        self._tasks.put((what, task))

    def close(self) -> None:
        """Returns when all tasks are done."""
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            what, task = item
            try:
                task()
            except OSError as error:
                log.warning(f"Could not {what}: {error}. The training goes on.")
            except Exception:
                log.exception(f"Could not {what}. The training goes on.")
