# SPDX-License-Identifier: Apache-2.0
"""How far long work has come, how fast it goes, and when it will be done.

On a terminal this is a moving bar; elsewhere it is a plain line every few seconds, and none at all for work that takes
less than a second. Only rank 0 shows anything, and it does not where warnings alone are wanted.

    for image in progress(images, "images", unit="img"): ...
    with progress(num_bytes, "download", unit="B") as bar: bar.advance(len(chunk))
"""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sized
from typing import Generic, TypeVar, final

from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from dnnlib.console import shared_console, shows_progress
from dnnlib.text import format_bytes, format_count, format_duration

T = TypeVar("T")


def progress(
    work: "Iterable[T] | int | None", description: str, unit: str = "it", done_before: int = 0
) -> "Progress[T]":
    """Shows the progress of a loop over `work`, or of a `with` block that advances towards `work` units.

    None is an amount that nobody knows. The unit "B" counts bytes. Units that were `done_before` took no time now.
    """
    return Progress(work, description, unit, done_before)


@final
class Progress(Generic[T]):
    """Counts finished units and shows them when it is time to."""

    def __init__(self, work: "Iterable[T] | int | None", description: str, unit: str, done_before: int) -> None:
        self._work = work
        self._total = work if isinstance(work, int) else len(work) if isinstance(work, Sized) else None
        if self._total is not None and self._total < 0:
            raise ValueError(f"the amount of work for {description!r} is {self._total}; give 0 or more, or None")
        self._description = description
        self._unit = unit
        self._done = self._done_before = done_before
        self._start_s = self._next_s = 0.0
        self._display: _Display | None = None
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[T]:
        assert isinstance(self._work, Iterable), "a number cannot be looped over; use `with` and `advance`"
        with self:
            for item in self._work:
                yield item
                self.advance()

    def __enter__(self) -> "Progress[T]":
        self._done = self._done_before
        self._start_s = time.monotonic()
        if shows_progress():
            self._display = (_Bar if shared_console().is_interactive else _Lines)(self._description, self._total)
            self._next_s = self._display.first_s
        return self

    def __exit__(self, *exc_info: object) -> None:
        elapsed_s = time.monotonic() - self._start_s
        with self._lock:
            if self._display is not None and elapsed_s >= self._display.first_s:
                self._show(elapsed_s, is_last=True)
            self._display = None

    def advance(self, amount: int = 1) -> None:
        """Counts `amount` more units as finished. Any thread may call it."""
        assert amount >= 0
        with self._lock:
            self._done += amount
            elapsed_s = time.monotonic() - self._start_s
            if self._display is not None and elapsed_s >= self._next_s:
                self._next_s = elapsed_s + self._display.interval_s
                self._show(elapsed_s, is_last=False)

    def _show(self, elapsed_s: float, is_last: bool) -> None:
        assert self._display is not None
        status = describe(self._done, self._total, elapsed_s, self._unit, is_last, self._done_before)
        try:
            self._display.show(self._done, status, is_last)
        except OSError:
            # Nobody reads stderr any more. That is no reason to stop the work.
            self._display = None


def describe(done: int, total: int | None, elapsed_s: float, unit: str, is_last: bool, done_before: int = 0) -> str:
    """`120/1000 it (12%), 34 it/s, 26s left`, or `1000/1000 it (100%), 34 it/s, took 29s` at the end."""
    is_bytes = unit == "B"
    amounts = [format_bytes(n) if is_bytes else str(n) for n in (done, total) if n is not None]
    parts = ["/".join(amounts) + ("" if is_bytes else f" {unit}")]
    if total:
        parts[0] += f" ({min(100, 100 * done // total)}%)"
    rate = (done - done_before) / elapsed_s if elapsed_s > 0 else 0.0
    if rate > 0:
        slow = f"{format_duration(1 / rate)}/{unit}"
        parts.append(slow if rate < 1 else f"{format_bytes(rate) if is_bytes else f'{format_count(rate)} {unit}'}/s")
    if is_last:
        parts.append(f"took {format_duration(elapsed_s)}")
    elif rate > 0 and total is not None:
        parts.append(f"{format_duration(max(0, total - done) / rate)} left")
    return ", ".join(parts)


class _Display(ABC):
    """Where a status goes: when it is first worth showing, and how often."""

    first_s: float
    interval_s: float

    @abstractmethod
    def show(self, done: int, status: str, is_last: bool) -> None:
        """Shows the status, for the last time or not."""


@final
class _Lines(_Display):
    """Plain lines, for log files and pipes."""

    first_s = 1.0
    interval_s = 5.0

    def __init__(self, description: str, total: int | None) -> None:
        self._description = description

    def show(self, done: int, status: str, is_last: bool) -> None:
        shared_console().print(Text(f"{self._description}: {status}"), soft_wrap=True)


@final
class _Bar(_Display):
    """A bar on a terminal. Bars inside one another share a block of lines, which rich redraws."""

    first_s = 0.0
    interval_s = 0.1

    _block: RichProgress | None = None

    def __init__(self, description: str, total: int | None) -> None:
        if _Bar._block is None:
            columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[status]}")
            # Drawn by us and never by a thread, whose lock a fork could leave locked.
            _Bar._block = RichProgress(
                *columns, console=shared_console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            _Bar._block.start()
            # rich hides the cursor until the end. A killed program has no end, so it stays visible.
            shared_console().show_cursor(True)
        self._task = _Bar._block.add_task(description, total=total, status="")

    def show(self, done: int, status: str, is_last: bool) -> None:
        block = _Bar._block
        if block is None:
            return  # A forked child has the counter but not the terminal.
        block.update(self._task, completed=done, status=status, refresh=True)
        if is_last and len(block.tasks) > 1:
            block.remove_task(self._task)  # The outermost bar stays on the screen, those inside it vanish.
        elif is_last:
            block.stop()
            _Bar._block = None


def _forget_block() -> None:
    _Bar._block = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_block)
