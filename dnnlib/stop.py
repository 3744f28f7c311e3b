# SPDX-License-Identifier: Apache-2.0
"""What SIGTERM and Ctrl-C do to a program that must not lose its work.

At first a signal ends the program at once and cleanly: nothing has been done. Inside `stop_requests` it is only noted,
and the work goes on to a place where it can be saved. A second Ctrl-C ends even that.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_STOPPING = (signal.SIGTERM, signal.SIGINT)
# A launcher may pass on a Ctrl-C that the terminal has sent already; that is no second one.
_SAME_REQUEST_S = 1.0


def exit_cleanly_on_stop() -> None:
    """From now on a signal ends the program with status 0. To be called before anything that takes time."""
    for number in _STOPPING:
        signal.signal(number, _exit)
    sys.unraisablehook = _exit_though_dropped


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl-C, for the length of a with block. A second Ctrl-C is a KeyboardInterrupt."""
    asked = threading.Event()
    first_s = 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal first_s
        if not asked.is_set():
            first_s = time.monotonic()
            asked.set()
        elif number == signal.SIGINT and time.monotonic() - first_s > _SAME_REQUEST_S:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # A third one would not even wait for Python.
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, ask) for number in _STOPPING}
    if sys.unraisablehook is _exit_though_dropped:  # A program whose work has begun ends with a status of its own.
        sys.unraisablehook = sys.__unraisablehook__
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Stopped(SystemExit):
    """Raised by a signal before the work began."""


def _exit(number: int, frame: Any) -> None:
    print("Stopped before the work began: there is nothing to save.", file=sys.stderr, flush=True)
    raise _Stopped(0)


def _exit_though_dropped(dropped: Any) -> None:
    # Python drops what a handler raises in a destructor, and in the callback at the end of every import.
    if isinstance(dropped.exc_value, _Stopped):
        os._exit(0)  # Raised again it would be dropped again, and nothing has been done that must be undone.
    sys.__unraisablehook__(dropped)
