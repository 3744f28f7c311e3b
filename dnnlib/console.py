# SPDX-License-Identifier: Apache-2.0
"""What the program says while it runs: on the console, and with time stamps in a log file.

Every process of a distributed run has a *rank*. Rank 0 speaks to the user; from the others only errors are heard, and
those say which rank it was. Everything goes to stderr, so that a script's stdout stays its result.

    log = get_logger(__name__)
    setup_logging("run/log.txt")
    log.info("12 images")
"""

import logging
import os
from pathlib import Path
from typing import final

from rich.console import Console
from rich.text import Text

from dnnlib.text import nearest

_ROOT = "fullhead"
_STYLES = {"DEBUG": "dim", "INFO": "", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


@final
class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves the error to the caller. rich would end the program, and with it a long training."""
        raise BrokenPipeError("nobody reads stderr any more")


class _Shared:
    """The one console, which a progress bar and the log lines above it must share, and the rank that speaks on it."""

    console: Console = _Console(stderr=True, highlight=False)
    rank: int | None = None
    level: int = logging.INFO


def get_logger(name: str) -> logging.Logger:
    """The logger of a module: `get_logger(__name__)`. Quiet below warnings until `setup_logging` is called."""
    return logging.getLogger(f"{_ROOT}.{name}")


def setup_logging(log_file: str | Path | None = None, rank: int = 0, level: int | str = logging.INFO) -> None:
    """Sends what our loggers say to the console, and to a file when one is named. A second call replaces the first."""
    logger = logging.getLogger(_ROOT)
    logger.setLevel(_level_number(level))
    for handler in tuple(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    _Shared.rank, _Shared.level = rank, logger.level
    logger.propagate = False  # A root logger that somebody set up would print every line a second time.
    logger.addHandler(_ConsoleHandler())
    if log_file is not None:
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        logger.addHandler(logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace"))
    for handler in logger.handlers:
        handler.setFormatter(_Formatter(rank, brief=isinstance(handler, _ConsoleHandler)))
        handler.setLevel(logging.NOTSET if rank == 0 else logging.ERROR)


def shared_console() -> Console:
    """The console to print on."""
    return _Shared.console


def current_rank() -> int:
    """The rank given to `setup_logging`, else the one that torchrun put into the environment, else 0."""
    if _Shared.rank is not None:
        return _Shared.rank
    from_environment = os.environ.get("RANK", "0")
    return int(from_environment) if from_environment.isdecimal() else 0


def shows_progress() -> bool:
    """Whether this process is the one that says how far it is; not if `setup_logging` was asked for warnings alone."""
    return current_rank() == 0 and _Shared.level <= logging.INFO


class _Formatter(logging.Formatter):
    """`2025-01-31 12:00:00 ERROR rank 3 training.trainer: text` in a file, and less of that on a console.

    Further lines of a message are indented: a line that starts with a time starts a message.
    """

    def __init__(self, rank: int, brief: bool) -> None:
        super().__init__(datefmt="%H:%M:%S" if brief else "%Y-%m-%d %H:%M:%S")
        self._rank = rank
        self._brief = brief

    def format(self, record: logging.LogRecord) -> str:
        words = [self.formatTime(record, self.datefmt)]
        if not self._brief or record.levelno != logging.INFO:
            words.append(record.levelname)
        if self._rank != 0:
            words.append(f"rank {self._rank}")
        if not self._brief:
            words.append(record.name.removeprefix(_ROOT + ".") + ":")
        text = super().format(record)  # The message and, behind it, the traceback of an exception.
        return "\n    ".join([" ".join([*words, *text.splitlines()[:1]]), *text.splitlines()[1:]])


class _ConsoleHandler(logging.Handler):
    """Prints through the shared console, which puts the line above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = Text(self.format(record), style=_STYLES.get(record.levelname, ""))
            shared_console().print(line, soft_wrap=True)
        except Exception:
            self.handleError(record)


def _level_number(level: int | str) -> int:
    if isinstance(level, int):
        return level
    if level.upper() not in _STYLES:
        meant = nearest(level, _STYLES) or "INFO"
        raise ValueError(f"{level!r} is not a level of logging; write one of {', '.join(_STYLES)}, perhaps {meant}")
    return getattr(logging, level.upper())


def _renew_console() -> None:
    # Another thread may have been printing at the moment of the fork; its lock would stay locked in the child.
    _Shared.console = _Console(stderr=True, highlight=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_console)
