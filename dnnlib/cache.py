# SPDX-License-Identifier: Apache-2.0
"""Where files live that can be made or fetched again: downloads, compiled operators."""

import os
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """A place in the user's cache, which is $FULLHEAD_CACHE, else $XDG_CACHE_HOME/fullhead, else ~/.cache/fullhead.

    Creates nothing.
    """
    if chosen := os.environ.get("FULLHEAD_CACHE"):
        root = Path(os.path.abspath(os.path.expanduser(chosen)))
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification says to ignore a relative path.
        root = Path(base if os.path.isabs(base) else _home() / ".cache") / "fullhead"
    return root.joinpath(*parts)


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # A container may run as a user that has neither $HOME nor an entry in the password file.
        raise ValueError("this user has no home folder; set FULLHEAD_CACHE to a folder for cached files") from None
