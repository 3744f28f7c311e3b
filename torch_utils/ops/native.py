# SPDX-License-Identifier: Apache-2.0
"""Which path serves an operator: the native kernel, or the PyTorch reference that defines it.

Schemas, fake implementations and gradients are registered by the operator modules and need no binary. The binary adds
kernels to them. It is built and loaded at the first use of an operator, never at import, and when that cannot be done
the reference serves and one line says so. FULLHEAD_OPS=reference never builds; FULLHEAD_OPS=native never falls back.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from dnnlib.console import get_logger
from torch_utils.ops import build

Mode = Literal["auto", "native", "reference"]

_log = get_logger("ops")
_forced: list[Mode] = []


class NativeUnavailableError(RuntimeError):
    """A native kernel was asked for by name and cannot serve."""


def mode() -> Mode:
    """The path in force: the innermost `forced` block, else FULLHEAD_OPS, else auto."""
    if _forced:
        return _forced[-1]
    value = os.environ.get("FULLHEAD_OPS") or "auto"
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


def _serves(op: str, device_type: str) -> bool:
    path = mode()
    if path == "reference" or device_type == "meta":
        return False
    reason = why_not(op, device_type)
    if reason and path == "native":
        raise NativeUnavailableError(f"FULLHEAD_OPS=native, but {op} has no native kernel for {device_type}: {reason}")
    if reason and build.has_kernel(op, device_type):
        with _Shared.lock:
            _warn_once(reason)
    return not reason


# What torch.compiler.assume_constant_result does, without the second that importing the compiler takes: torch.compile
# calls this function while it traces, builds and loads included, and keeps the answer.
_serves._dynamo_marked_constant = True


def serves_if_loaded(op: str, x: Tensor) -> bool:
    """As `serves`, for an operator not worth a build by itself: unless asked for by name, it waits for another's."""
    return _serves_if_loaded(op, x.device.type)


def _serves_if_loaded(op: str, device_type: str) -> bool:
    return (mode() == "native" or has_looked()) and _serves(op, device_type)


_serves_if_loaded._dynamo_marked_constant = True


def has_looked() -> bool:
    """Whether this process has tried to build and load already: then `why_not` costs nothing and is final."""
    return _load.cache_info().currsize > 0


def why_not(op: str, device_type: str) -> str | None:
    """Why no native kernel of `op` serves this kind of device; None where one does. Builds and loads at first use."""
    if not build.has_kernel(op, device_type):
        return f"No {device_type} kernel is written yet."
    with _Shared.lock:
        library, reason = _load()
    if library is None:
        return reason
    if device_type == "cuda" and not library.has_cuda:
        return library.why_no_cuda
    return None


class _Shared:
    """The lock under which one thread builds, loads or warns while the others wait."""

    lock = threading.Lock()


@lru_cache(maxsize=1)
def _load() -> tuple[build.Library | None, str]:
    """Builds if needed, loads once a process. The reason is empty on success."""
    try:
        library = build.ensure()
    except (build.BuildError, OSError) as error:
        return None, str(error)
    try:
        torch.ops.load_library(library.path)
    except OSError as error:
        why = error.__cause__ or error  # PyTorch wraps what the loader says
        return None, f"The library cannot be loaded ({why}); `python -m torch_utils.ops --clear --build` builds anew."
    return library, ""


@lru_cache
def _warn_once(reason: str) -> None:
    _log.warning(
        "Native operators are off, the PyTorch reference serves: every result is the same, the operators cost "
        "2 to 40 times more (docs/ops.md). Reason: %s `python -m torch_utils.ops` tells more.",
        reason,
    )


def _renew_lock() -> None:
    # Another thread may have been building at the moment of the fork; its lock would stay locked in the child.
    _Shared.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


# --- Shared by the operator modules -----------------------------------------------------------------------------------


def dense_format(x: Tensor) -> torch.memory_format:
    """The layout a kernel writes for input x: channels-last if x is, otherwise contiguous. csrc/layout.h agrees."""
    if x.ndim == 4 and x.stride(1) == 1 and not x.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def without_autocast(x: Tensor) -> AbstractContextManager:
    """For the references: an operator keeps the type of its input, where autocast would change it."""
    if not torch.amp.is_autocast_available(x.device.type):
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def forbid_backward(op: str, what: str) -> None:
    """Makes a gradient through `op` an error that says what is missing, instead of a silent zero."""

    def backward(ctx, *grads):
        raise NotImplementedError(
            f"{op}: {what} are not implemented; use FULLHEAD_OPS=reference where they are needed."
        )

    torch.library.register_autograd(op, backward)
