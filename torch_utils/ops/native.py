# SPDX-License-Identifier: Apache-2.0
"""Which path serves an operator: the native kernel, or the PyTorch reference that defines it.

Schemas, fake implementations and gradients are registered by the operator modules and need no binary. The binary adds
kernels to them. It is built and loaded at the first use of an operator, never at import, and when that cannot be done
the reference serves and one line says so. FULLHEAD_OPS=reference never builds; FULLHEAD_OPS=native never falls back.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from torch_utils.ops import build

Mode = Literal["auto", "native", "reference"]

_log = logging.getLogger("fullhead.ops")
_forced: list[Mode] = []


class NativeUnavailableError(RuntimeError):
    """A native kernel was asked for by name and cannot serve."""


def mode() -> Mode:
    """The path in force: the innermost `forced` block, else FULLHEAD_OPS, else auto."""
    if _forced:
        return _forced[-1]
    value = os.environ.get("FULLHEAD_OPS", "auto")
    if value not in get_args(Mode):
        raise ValueError(f"FULLHEAD_OPS={value} is not known; use one of {', '.join(get_args(Mode))}.")
    return value


@contextmanager
def forced(path: Mode) -> Iterator[None]:
    """Forces one path inside the block. For tests and benchmarks."""
    _forced.append(path)
    try:
        yield
    finally:
        _forced.pop()


def serves(op: str, x: Tensor) -> bool:
    """Whether the native kernel of `op` is to be used for tensors that live with x."""
    return _serves(op, x.device.type)


@torch.compiler.assume_constant_result
def _serves(op: str, device_type: str) -> bool:
    path = mode()
    if path == "reference" or device_type == "meta":
        return False
    reason = why_not(op, device_type)
    if reason and path == "native":
        raise NativeUnavailableError(f"FULLHEAD_OPS=native, but {op} has no native kernel for {device_type}: {reason}")
    if reason and device_type == "cpu":
        _warn_once(reason)
    return not reason


def why_not(op: str, device_type: str) -> str | None:
    """Why no native kernel of `op` serves this kind of device; None where one does. Builds and loads at first use."""
    if device_type not in ("cpu", "cuda"):
        return f"there are no kernels for {device_type}"
    if not build.has_kernel(op, device_type):
        return f"no {device_type} kernel is written yet"
    library, reason = _load()
    if library is None:
        return reason
    if device_type == "cuda" and not library.has_cuda:
        return library.why_no_cuda
    return None


@lru_cache(maxsize=1)
def _load() -> tuple[build.Library | None, str]:
    """Builds if needed, loads once a process. The reason is empty on success."""
    try:
        library = build.ensure()
        torch.ops.load_library(library.path)
    except (build.BuildError, OSError) as error:
        return None, str(error)
    return library, ""


def forget() -> None:
    """Lets the next use look again. For the doctor and for tests; kernels already loaded stay loaded."""
    _load.cache_clear()
    _warn_once.cache_clear()


@lru_cache(maxsize=1)
def _warn_once(reason: str) -> None:
    _log.warning(
        "Native operators are off, the PyTorch reference serves: every result is the same, the operators cost "
        "3 to 40 times more (docs/ops.md). Reason: %s `python -m torch_utils.ops` tells more.",
        reason,
    )


# --- Shared by the operator modules -----------------------------------------------------------------------------------


def dense_format(x: Tensor) -> torch.memory_format:
    """The layout a kernel writes for input x: channels-last if x is, otherwise contiguous. csrc/layout.h agrees."""
    if x.ndim == 4 and x.stride(1) == 1 and not x.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def forbid_backward(op: str, what: str) -> None:
    """Makes a gradient through `op` an error that says what is missing, instead of a silent zero."""

    def backward(ctx, *grads):
        raise NotImplementedError(
            f"{op}: {what} are not implemented; use FULLHEAD_OPS=reference where they are needed."
        )

    torch.library.register_autograd(op, backward)
