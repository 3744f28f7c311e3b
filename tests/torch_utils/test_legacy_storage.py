# SPDX-License-Identifier: Apache-2.0
"""Storages equal what torch reads, and neither they nor views of them reach beyond the bytes that are there."""

import os
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.legacy_snapshots import storage_bytes
from torch_utils.legacy_bytes import LegacyPickleError, Limits
from torch_utils.legacy_storage import Storage, read_storage, rebuild_parameter, rebuild_tensor, view

COUNT = 300
DATA = storage_bytes(torch.arange(float(COUNT)))
STORAGE = Storage(torch.arange(12.0))


def load(data: bytes, limits: Limits | None = None) -> torch.Tensor:
    return read_storage((data,), limits or Limits.of_file(len(data))).values


def test_a_storage_holds_the_numbers_in_order():
    torch.testing.assert_close(load(DATA), torch.arange(float(COUNT)), rtol=0, atol=0)


def test_a_storage_of_nothing_is_read():
    assert load(storage_bytes(torch.zeros(0))).shape == (0,)


def test_a_bool_is_0_or_1_whatever_its_byte():
    data = bytearray(storage_bytes(torch.zeros(3, dtype=torch.bool)))
    data[-1] = 7
    assert load(bytes(data)).view(torch.uint8).tolist() == [0, 0, 1]


def swapped(old: bytes, new: bytes) -> bytes:
    assert DATA.count(old) >= 1
    return DATA.replace(old, new)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"numbers",
        DATA[:-1],
        DATA + b"\0",
        DATA[: len(DATA) // 2],
        swapped(b"\x8a\nl\xfc", b"\x8a\nl\xfd"),  # another magic number
        swapped(b"M\xe9\x03.", b"M\xe8\x03."),  # another version
        swapped(b"little_endianq\x02\x88", b"little_endianq\x02\x89"),
        swapped(b"X\x07\x00\x00\x00storage", b"X\x07\x00\x00\x00package"),
        swapped(b"M\x2c\x01", b"M\x2d\x01"),  # one element more
        swapped(b"M\x2c\x01", b"J\xff\xff\xff\xff"),  # -1 elements
        swapped(b"M\x2c\x01", b"\x8a\x08" + b"\xff" * 7 + b"\x7f"),
        swapped(b"M\x2c\x01", b"G\x40\x72\xc0\0\0\0\0\0"),  # 300.0 elements
        swapped((COUNT).to_bytes(8, "little"), (2**63).to_bytes(8, "little")),
        swapped((COUNT).to_bytes(8, "little"), (2**64 - 1).to_bytes(8, "little")),
        swapped(b"ctorch\nFloatStorage\n", b"ctorch\nDoubleStorage\n"),
        swapped(b"ctorch\nFloatStorage\n", b"ctorch\nload\n"),
        swapped(b"ctorch\nFloatStorage\n", b"N"),
        swapped(b"Ntq\x04Q", b"K\x01K\x02\x86tq\x04Q"),  # a view of a storage
        swapped(b"]q\x00X", b"]q\x00NaX"),
    ],
)
def test_a_storage_that_is_not_what_it_says_is_refused(data):
    with pytest.raises(LegacyPickleError):
        load(data)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("place", range(5))
def test_a_pickle_hidden_in_the_bytes_of_a_storage_is_not_run(tmp_path, place):
    """The stock reader of these bytes is an unrestricted unpickler."""
    trap = pickle.dumps(Trap(tmp_path / "trace"), 2)
    starts = [0] + [DATA.index(start) for start in (b"\x80\x02M\xe9", b"\x80\x02}", b"\x80\x02(", b"\x80\x02]")]
    data = DATA[: starts[place]] + trap + DATA[starts[place] :]
    with pytest.raises(LegacyPickleError, match=r"system.*nothing was run"):
        load(data)
    assert not (tmp_path / "trace").exists()
    if place == 0:  # which shows that the trap is one
        pickle.loads(data)
        assert (tmp_path / "trace").exists()


def test_a_storage_is_read_once_or_twice_but_not_again_and_again():
    limits = Limits.of_file(4 * COUNT)
    load(DATA, limits)
    load(DATA, limits)
    with pytest.raises(LegacyPickleError, match="again and again"):
        load(DATA, limits)


@pytest.mark.parametrize("argument", [(), (DATA, DATA), ("text",), (None,), [DATA]])
def test_a_storage_is_made_of_bytes(argument):
    with pytest.raises(LegacyPickleError, match="a storage"):
        read_storage(argument, Limits.of_file(10))


SIZES = st.lists(st.integers(0, 6), max_size=4).map(tuple)


@settings(max_examples=300)
@given(st.integers(0, 14), SIZES, st.data())
def test_a_view_is_refused_exactly_where_an_index_would_leave_the_storage_or_elements_multiply(offset, size, data):
    stride = tuple(data.draw(st.integers(0, 12)) for _ in size)
    indices = [offset]
    for n, step in zip(size, stride, strict=True):
        indices = [index + step * i for index in indices for i in range(n)]
    if all(index < 12 for index in indices) and len(indices) <= 12:
        assert view(STORAGE, offset, size, stride).flatten().tolist() == [float(index) for index in indices]
    else:
        with pytest.raises(LegacyPickleError, match="over the end"):
            view(STORAGE, offset, size, stride)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (-1, (2,), (1,)),
        (0, (-2,), (1,)),
        (3, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (2.0,), (1,)),
        (0, ("a",), (1,)),
        (0, (2**62, 2**62), (0, 0)),
        (0, (10**9,), (0,)),
        (2**70, (1,), (1,)),
        (0, (2,), (2**70,)),
        (0, (0, 2**62), (1, 1)),
        (0, (1,) * 17, (1,) * 17),
    ],
)
def test_a_view_with_odd_numbers_is_refused(offset, size, stride):
    with pytest.raises(LegacyPickleError):
        view(STORAGE, offset, size, stride)


def test_the_stride_of_a_dimension_of_length_1_may_be_anything():
    assert view(STORAGE, 1, (1, 2), (2**70, 3)).tolist() == [[1.0, 4.0]]


def test_many_views_share_one_storage():
    views = [view(STORAGE, 0, (12,), (1,)) for _ in range(1000)]
    assert {tensor.data_ptr() for tensor in views} == {STORAGE.values.data_ptr()}


@pytest.mark.parametrize(
    "arguments",
    [
        (STORAGE, 0, (2,), (1,), False, {"hook": 1}),
        (STORAGE, 0, (2,), (1,), False, {}, {"conj": True}),
        (torch.ones(2), 0, (2,), (1,), False, {}),
        (STORAGE, 0, [2], [1], False, {}),
        (STORAGE,),
    ],
)
def test_a_tensor_with_anything_unusual_is_refused(arguments):
    with pytest.raises(LegacyPickleError, match="a tensor"):
        rebuild_tensor(arguments)


@pytest.mark.parametrize("arguments", [(torch.ones(1), True, {"hook": 1}), (STORAGE, True, {}), (torch.ones(1),)])
def test_a_parameter_with_anything_unusual_is_refused(arguments):
    with pytest.raises(LegacyPickleError, match="a parameter"):
        rebuild_parameter(arguments)
