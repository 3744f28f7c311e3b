# SPDX-License-Identifier: Apache-2.0
"""NumPy's numbers and arrays in a pickle, of plain numeric types, read without NumPy's unpickling.

A type arrives as a code ("f8") and, later, as its state, which holds the byte order.
"""

import math
import struct
from typing import Any, final

import torch
from torch import Tensor

from torch_utils.legacy_bytes import LegacyPickleError, Limits, Span
from torch_utils.legacy_machine import Buildable, Name, expect, quoted

_LAYOUTS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "b1": "?"}
_LAYOUTS |= {"u2": "H", "u4": "I", "u8": "Q"}
_DTYPES = {"f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "b1": torch.bool, "u1": torch.uint8}
_DTYPES |= {"i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64}
_MAX_DIMENSIONS = 16


@final
class NumberType(Buildable):
    """Stands for a numpy.dtype."""

    def __init__(self, arguments: tuple) -> None:
        self.code, *_ = expect("a NumPy type", arguments, str, (bool, int), (bool, int))
        if self.code not in _LAYOUTS:
            raise LegacyPickleError(f"it has NumPy values of type {quoted(self.code)}, which are no plain numbers")

    def build(self, state: Any) -> None:
        """Little-endian it must be; nothing else in the state matters to a plain number."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if not isinstance(order, str) or order not in ("<", "|"):
            raise LegacyPickleError("it has NumPy values that are not little-endian")


@final
class Array(Buildable):
    """Stands for a numpy.ndarray; `values` is None until its state has come."""

    def __init__(self, arguments: tuple, limits: Limits) -> None:
        expect("a NumPy array", arguments, Name, tuple, bytes)
        self.values: Tensor | None = None
        self.limits = limits

    def build(self, state: Any) -> None:
        """Shape, type, order and bytes."""
        _, shape, dtype, is_fortran, data = expect(
            "a NumPy array", state, int, tuple, NumberType, (bool, int), (bytes, Span)
        )
        if dtype.code not in _DTYPES or is_fortran or len(shape) > _MAX_DIMENSIONS:
            raise LegacyPickleError("it has a NumPy array of a kind that no published snapshot has")
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise LegacyPickleError("the shape of a NumPy array is no shape")
        num_bytes = data.size if isinstance(data, Span) else len(data)
        if num_bytes == 0 or math.prod(shape) * _DTYPES[dtype.code].itemsize != num_bytes:
            raise LegacyPickleError(f"a NumPy array does not fit the {num_bytes} bytes it has")
        self.limits.spend_copy(num_bytes)
        raw = torch.frombuffer(bytearray(data.read() if isinstance(data, Span) else data), dtype=torch.uint8)
        self.values = (raw != 0 if dtype.code == "b1" else raw.view(_DTYPES[dtype.code])).reshape(shape)


def read_scalar(arguments: tuple) -> float | int | bool:
    """A NumPy number as a number of Python's."""
    dtype, data = expect("a NumPy number", arguments, NumberType, bytes)
    layout = "<" + _LAYOUTS[dtype.code]
    if len(data) != struct.calcsize(layout):
        raise LegacyPickleError("a NumPy number does not have the bytes of its type")
    return struct.unpack(layout, data)[0]
