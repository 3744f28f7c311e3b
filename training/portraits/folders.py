# SPDX-License-Identifier: Apache-2.0
"""Folders for results, refused before any work if nothing can be written there."""

import secrets
from pathlib import Path


def results_folder(path: str | Path) -> Path:
    """The folder, made if it is not there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(8)}.tmp"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ValueError(f"{folder}: nothing can be written there ({error.strerror}); choose another folder") from None
    return folder
