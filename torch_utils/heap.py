# SPDX-License-Identifier: Apache-2.0
"""Memory of the CPU that was freed stays with the process, for the next picture.

The C library gives every large piece back to the system at once, and takes it again for the next picture: a picture of
512 x 512 then waits for the system's pages as long as for its convolutions. Only glibc is told otherwise, by its
mallopt; elsewhere nothing is changed. Where Linux has huge pages on demand, they are asked for.
"""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # Names of mallopt's numbers.
_MADV_HUGEPAGE = 14
_PAGE, _MIB = 4096, 1 << 20


def keep_freed_memory() -> bool:
    """All of it, until `trim`. Whether it could be."""
    return _told({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1, _TOP_PAD: 64 * _MIB}) and _ask_for_huge_pages(_memory_bytes() // 4)


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _ask_for_huge_pages(size: int) -> bool:
    # The heap grows by a piece that is free again at once: no memory is taken, but what lies there later is.
    libc = _glibc()
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    piece = libc.malloc(size)
    if not piece:
        return True  # Small pages serve too.
    begin = -(-piece // _PAGE) * _PAGE
    libc.madvise(begin, (piece + size - begin) // _PAGE * _PAGE, _MADV_HUGEPAGE)
    libc.free(piece)
    return True


def trim() -> bool:
    """Gives back what is free now."""
    libc = _glibc()
    if libc is None:
        return False
    libc.malloc_trim(0)
    return True


def _told(numbers: dict[int, int]) -> bool:
    libc = _glibc()
    return libc is not None and all(libc.mallopt(name, value) == 1 for name, value in numbers.items())


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
