# SPDX-License-Identifier: Apache-2.0
"""Tensors as old snapshots hold them: a *storage* of numbers, and a view of it by offset, size and stride.

A storage lies in the snapshot as the bytes of a small file of its own, in the format torch wrote before 1.6: five
pickles (a magic number, a version, facts about the writing machine, what is stored, its key), then a count and the
numbers. The stock reader of those bytes runs an unrestricted unpickler on them. Here the same closed machine reads
them, and every number they declare is held against the bytes that are there.
"""

import math
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from torch_utils.legacy_bytes import Cursor, LegacyPickleError, Limits, Span
from torch_utils.legacy_machine import Machine, Name, Vocabulary, expect, kind

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
MAX_DIMENSIONS = 16
MAX_EMPTY = 2**40  # sizes of a tensor without elements, multiplied; torch counts in 63 bits

DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


@final
@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers in memory, without a shape."""

    values: Tensor


def read_storage(arguments: tuple, limits: Limits) -> Storage:
    """The storage in the bytes that `torch.storage._load_from_bytes` was to be called with."""
    (data,) = expect("a storage", arguments, (bytes, Span))
    cursor = Cursor(data if isinstance(data, Span) else Span.of_bytes(data))
    vocabulary = Vocabulary(mentions=frozenset(DTYPES), persistent=lambda stored: stored)
    magic, version, facts, stored, keys = (Machine(cursor, vocabulary, limits).run() for _ in range(5))
    if magic != MAGIC or version != VERSION:
        raise LegacyPickleError("the data of a tensor is not in the format of published snapshots")
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise LegacyPickleError("the data of a tensor was not written by a little-endian machine")
    what, storage_type, key, _, count, view = expect(
        "the data of a tensor", stored, str, Name, str, str, int, (tuple, type(None))
    )
    if what != "storage" or keys != [key] or view is not None:
        raise LegacyPickleError("the data of a tensor is not one whole storage")
    return Storage(_read_values(cursor, DTYPES[storage_type.text], count, limits))


def _read_values(cursor: Cursor, dtype: torch.dtype, count: int, limits: Limits) -> Tensor:
    num_bytes = count * dtype.itemsize
    written = cursor.unsigned(8)
    if written != count or cursor.remaining != num_bytes:
        claims = f"{count} and then {written}" if written != count else f"{count}"
        raise LegacyPickleError(f"a tensor claims {claims} elements of {dtype}, and {cursor.remaining} bytes are there")
    limits.spend_copy(num_bytes)
    raw = torch.empty(num_bytes, dtype=torch.uint8)
    if num_bytes:
        cursor.fill(memoryview(raw.numpy()))
    # A bool whose byte is neither 0 nor 1 is undefined behaviour wherever it is used.
    return raw != 0 if dtype == torch.bool else raw.view(dtype)


def rebuild_tensor(arguments: tuple) -> Tensor:
    """The view of a storage that `torch._utils._rebuild_tensor_v2` was to be called for."""
    storage, offset, size, stride, _, hooks = expect("a tensor", arguments, Storage, int, tuple, tuple, bool, dict)
    if hooks:
        raise LegacyPickleError("a tensor comes with hooks, which would be code")
    return view(storage, offset, size, stride)


def view(storage: Storage, offset: int, size: tuple[Any, ...], stride: tuple[Any, ...]) -> Tensor:
    """A view that stays inside of its storage and has no more elements than it.

    Strides may repeat elements, but never make more of them: copying a view takes no more memory than its storage.
    """
    numbers = [offset, *size, *stride]
    if (
        len(size) != len(stride)
        or len(size) > MAX_DIMENSIONS
        or not all(isinstance(n, int) and n >= 0 for n in numbers)
    ):
        raise LegacyPickleError("the shape of a tensor is no shape")
    if 0 in size:
        if math.prod(max(n, 1) for n in size) > MAX_EMPTY:
            raise LegacyPickleError("the shape of a tensor is no shape")
        return storage.values.new_empty(size)
    available = storage.values.numel()
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= available or math.prod(size) > available:
        raise LegacyPickleError(f"a tensor reaches over the end of its {available} elements")
    # The stride of a dimension of length 1 means nothing, and may be any number.
    stride = tuple(1 if n == 1 else step for n, step in zip(size, stride, strict=True))
    return storage.values.as_strided(size, stride, offset)


def rebuild_parameter(arguments: tuple) -> Tensor:
    """The tensor of a parameter. That it is one, its place in the module says."""
    tensor, _, hooks = expect("a parameter", arguments, Tensor, bool, dict)
    if hooks:
        raise LegacyPickleError(f"a parameter comes with hooks, which would be code ({kind(hooks)})")
    return tensor
