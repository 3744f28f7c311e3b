# SPDX-License-Identifier: Apache-2.0
"""Arrays come back from their file as they were, or not at all."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.array_file import Arrays, map_arrays, write_arrays

ARRAYS = {
    "a": np.arange(7, dtype=np.uint8),
    "pairs": np.array([(1, 2.5), (3, 4.5)], dtype=[("n", "<u2"), ("x", "<f8")]),
    "empty": np.zeros((0, 25), dtype=np.float32),
    "matrix": np.arange(6.0).reshape(2, 3),
}
DTYPES = {name: array.dtype for name, array in ARRAYS.items()}
INFO = {"text": "ü", "list": [1, None]}


@pytest.fixture
def file(tmp_path):
    write_arrays(tmp_path / "x.index", "key", Arrays(INFO, ARRAYS))
    return tmp_path / "x.index"


def test_what_was_written_is_mapped(file):
    info, arrays = map_arrays(file, "key", DTYPES)
    assert info == INFO
    for name, array in ARRAYS.items():
        assert np.array_equal(arrays[name], array)
        assert arrays[name].shape == array.shape
        assert arrays[name].size == 0 or arrays[name].ctypes.data % 64 == 0
        assert arrays[name].size == 0 or not arrays[name].flags.writeable


def test_another_key_other_arrays_and_no_file_are_all_nothing(file):
    assert map_arrays(file, "other", DTYPES) is None
    assert map_arrays(file, "key", DTYPES | {"more": np.dtype(np.uint8)}) is None
    assert map_arrays(file, "key", DTYPES | {"matrix": np.dtype(np.float32)}) is None
    assert map_arrays(file.parent / "none", "key", DTYPES) is None
    assert map_arrays(file.parent, "key", DTYPES) is None


def test_every_truncation_is_nothing(file):
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        assert map_arrays(file, "key", DTYPES) is None
    file.write_bytes(data + b"\0")
    assert map_arrays(file, "key", DTYPES) is None


def test_any_other_head_is_nothing(file):
    """Not even one that differs in the shape of an array without elements, whose checksum is that of any other."""
    data = file.read_bytes()
    for at in range(24 + int.from_bytes(data[8:16], "little")):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert map_arrays(file, "key", DTYPES) is None


@given(at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_changed_byte_is_noticed_or_lies_between_the_arrays(file, at, byte):
    data = file.read_bytes()
    at %= len(data)
    changed = file.with_name("changed")
    changed.write_bytes(data[:at] + bytes([byte]) + data[at + 1 :])
    if (content := map_arrays(changed, "key", DTYPES)) is not None:
        assert all(np.array_equal(content.arrays[name], array) for name, array in ARRAYS.items())


@given(junk=st.binary(max_size=200), length=st.integers(0, 2**64 - 1))
def test_any_bytes_are_nothing(file, junk, length):
    junk_file = file.with_name("junk")
    for data in (
        junk,
        b"FHarrays" + length.to_bytes(8, "little") + junk,
        *(
            b"FHarrays" + len(head).to_bytes(8, "little") + zlib.crc32(head).to_bytes(8, "little") + head
            for head in (junk, b"[]")
        ),
    ):
        junk_file.write_bytes(data)
        assert map_arrays(junk_file, "key", DTYPES) is None
