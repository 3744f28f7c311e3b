# SPDX-License-Identifier: Apache-2.0
"""How commands tell a user's mistake: one clean message and exit code 1, no traceback."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from dnnlib.console import setup_logging

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130  # What shells report of a program that Ctrl-C ended.


def clean_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Turns mistakes of the user, and of disks, into a message without traceback; Ctrl-C into a quiet end.

    DataError, StoreError, LabelError and ConfigError are ValueErrors. Also sets up the log, which warnings go to.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        setup_logging()
        try:
            return function(*args, **kwargs)
        except (ValueError, OSError) as error:
            raise click.ClickException(_describe(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None

    return wrapped


def _describe(error: ValueError | OSError) -> str:
    """The message of an error; of one that the operating system raised, the file and its reason."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error).strip() or type(error).__name__
