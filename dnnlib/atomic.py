# SPDX-License-Identifier: Apache-2.0
"""Files that are either whole or not there.

Content goes to a temporary file in the same folder, reaches the disk, and only then takes the final name. A reader sees
the old file or the new one, also when the writer is killed or the machine loses power.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.tmp", re.DOTALL)


@contextlib.contextmanager
def atomic_write(path: str | Path, sync: bool = True) -> Iterator[BinaryIO]:
    """A binary file that appears as `path` when the block ends, and vanishes when the block raises.

    `sync=False` leaves it to the operating system when the bytes reach the disk: right for thousands of small files,
    which another process still never sees half written.
    """
    with atomic_path(path, sync) as temporary, open(temporary, "xb") as file:
        # Mode "x" of open() creates with 0666 less the umask; the tempfile module would create with 0600.
        yield file


@contextlib.contextmanager
def atomic_path(path: str | Path, sync: bool = True) -> Iterator[Path]:
    """The same for libraries that want a name: a file that the block makes there appears as `path` when it ends."""
    target = Path(os.path.realpath(path))  # A link stays a link; what it points to is replaced.
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; a file was to be written there")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {target.parent}")
    temporary = unfinished(target)
    with _removed_on_error(temporary):
        yield temporary
        if sync:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    if sync:
        _sync_folder(target.parent)


def unfinished(target: Path) -> Path:
    """A name beside `target` for what will become it; `is_unfinished` knows such names."""
    # A cut name keeps within the file system's limit on the length of names.
    return target.parent / f".{target.name[:40]}.{secrets.token_hex(8)}.tmp"


def atomic_write_bytes(path: str | Path, data: bytes, sync: bool = True) -> None:
    """Makes `data` the content of the file, as `atomic_write` does."""
    with atomic_write(path, sync) as file:
        file.write(data)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Makes `text` the content of the file, in UTF-8 and with line ends as they are."""
    atomic_write_bytes(path, text.encode())


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is what a killed writer left behind, or one still writes."""
    return _TEMPORARY.fullmatch(name) is not None


@contextlib.contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:  # Ctrl-C too must not leave the temporary file behind.
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable. Windows cannot open a folder, and some network file systems do not sync one."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
