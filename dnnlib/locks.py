# SPDX-License-Identifier: Apache-2.0
"""A lock between processes (and threads) that dies with its holder.

The lock belongs to an open file, not to the file's existence: when the holder ends in whatever way, the operating
system lets go. The *lock file* itself stays where it is and says who holds the lock, as "process 123 on host".
"""

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.05
PATIENCE_S = 2.0

# Open files of this process that hold or await a lock. A forked child closes its copies: otherwise the lock would live
# as long as the child does, although its holder is gone.
_open_files: set[int] = set()


class FileLock:
    """`with FileLock(path): ...` runs the block alone. Waits for ever, or raises TimeoutError after `timeout_s`.

    `on_wait` is called once with the holder's name when the wait takes longer than two seconds.
    """

    def __init__(
        self, path: str | Path, timeout_s: float | None = None, on_wait: Callable[[str], None] | None = None
    ) -> None:
        self.path = Path(path)
        self.timeout_s = timeout_s
        self.on_wait = on_wait
        self._file: int | None = None
        self._thread: int | None = None

    def __enter__(self) -> "FileLock":
        if self._file is not None and self._thread == threading.get_ident():
            raise RuntimeError(f"this thread already holds the lock {self.path} and would wait for itself")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._wait()
        with contextlib.suppress(OSError):  # On a full disk the lock holds, only without a name.
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        self._file, self._thread = file, threading.get_ident()
        return self

    def __exit__(self, *exc_info: object) -> None:
        file, self._file, self._thread = self._file, None, None
        # A forked child leaves its copy of the block too, but has nothing to release.
        if file in _open_files:
            os.ftruncate(file, 0)
            _unlock(file)
            _close(file)

    def _wait(self) -> int:
        """Tries until the lock is won. Returns the open file that holds it."""
        start = time.monotonic()
        told = self.on_wait is None
        while (file := _try_to_lock(self.path)) is None:
            waited_s = time.monotonic() - start
            if self.timeout_s is not None and waited_s >= self.timeout_s:
                raise TimeoutError(f"waited {waited_s:.1f} s for the lock {self.path}, held by {self._holder()}")
            if waited_s >= PATIENCE_S and not told:
                self.on_wait(self._holder())
                told = True
            time.sleep(POLL_S)
        return file

    def _holder(self) -> str:
        with contextlib.suppress(OSError):
            return self.path.read_text(errors="replace").strip() or "an unknown process"
        return "an unknown process"


def _try_to_lock(path: Path) -> int | None:
    """The open file with the lock on it, or None when somebody else has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    _open_files.add(file)
    won = False
    try:
        # Somebody may delete the file between our opening and locking it; nobody else would find what we locked.
        won = _lock_now(file) and _is_still(path, file)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise OSError(error.errno, f"the file system of {path} has no locks; choose a local folder") from error
        raise
    finally:
        if not won:
            _close(file)
    return file if won else None


def _is_still(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _close(file: int) -> None:
    _open_files.discard(file)
    os.close(file)


def _close_all() -> None:
    for file in tuple(_open_files):
        _close(file)


if os.name == "nt":
    import msvcrt

    def _lock_now(file: int) -> bool:
        try:
            _at_far_byte(file, msvcrt.LK_NBLCK)
        except OSError:
            return False
        return True

    def _unlock(file: int) -> None:
        _at_far_byte(file, msvcrt.LK_UNLCK)

    def _at_far_byte(file: int, operation: int) -> None:
        # Windows locks bytes, which nobody else can then read: take one far behind the text.
        os.lseek(file, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(file, operation, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    os.register_at_fork(after_in_child=_close_all)

    def _lock_now(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        # Closing alone would not do while a child, just forked, still has the file open too.
        fcntl.flock(file, fcntl.LOCK_UN)
