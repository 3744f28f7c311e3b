# SPDX-License-Identifier: Apache-2.0
"""Memory of the CPU that was freed stays with the process, for the next picture.

The C library gives every large piece back to the system at once, and takes it again for the next picture: a picture of
512 x 512 then waits for the system's pages as long as for its convolutions. On Linux the native library gives PyTorch
memory of its own instead (csrc/cpu/kept_memory.cpp): a stretch of addresses on huge pages, where every piece lies as
low as it can, so that no more is touched than was in use at once. Without the library glibc is told to keep what it
has, which serves nearly as well and takes up to twice the memory. Elsewhere nothing is changed.
"""

import ctypes
import os
import sys

import torch

from torch_utils.ops import native

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # Names of mallopt's numbers.
_MADV_HUGEPAGE = 14
_PAGE, _MIB = 4096, 1 << 20


def keep_freed_memory() -> bool:
    """All of it, until `trim`. Whether it could be."""
    if not sys.platform.startswith("linux"):
        return False
    is_native = native.mode() != "reference" and native.why_not("kept_memory", "cpu") is None
    if is_native and torch.ops.fullhead_memory.keep(_machine_bytes()):
        return True
    return _told({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 64 * _MIB}) and _grow(_machine_bytes() // 4)


def trim() -> None:
    """Gives back what is free now, as far as this system can."""
    if native.has_looked() and native.why_not("kept_memory", "cpu") is None:
        torch.ops.fullhead_memory.trim()
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _told(numbers: dict[int, int]) -> bool:
    libc = _glibc()
    return libc is not None and all(libc.mallopt(name, value) == 1 for name, value in numbers.items())


def _grow(size: int) -> bool:
    # By a piece that is free again at once: no memory is taken, but what lies there later is on huge pages.
    libc = _glibc()
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    piece = libc.malloc(size)
    if not piece:
        return True  # It grows as it must, on small pages.
    begin = -(-piece // _PAGE) * _PAGE
    libc.madvise(begin, (piece + size - begin) // _PAGE * _PAGE, _MADV_HUGEPAGE)
    libc.free(piece)
    return True


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
