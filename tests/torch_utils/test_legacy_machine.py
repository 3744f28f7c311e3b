# SPDX-License-Identifier: Apache-2.0
"""The pickle machine builds plain data as the stock one does, and has no way to do anything else."""

import contextlib
import pickle
import pickletools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_utils.legacy_bytes import Cursor, LegacyPickleError, Limits, Span
from torch_utils.legacy_machine import Machine, Name, Vocabulary
from torch_utils.legacy_records import check_tree

NAMES = Vocabulary(calls={"a.list": list}, classes={"a.dict": dict}, mentions=frozenset({"a.b"}))


def run(data: bytes, vocabulary: Vocabulary = NAMES) -> object:
    return Machine(Cursor(Span.of_bytes(data)), vocabulary, Limits.of_file(len(data))).run()


def program(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers(-(2**31), 2**31 - 1)
PLAIN = st.recursive(
    SCALARS | st.sets(KEYS),
    lambda parts: st.lists(parts) | st.dictionaries(KEYS, parts) | st.tuples(parts) | st.tuples(parts, parts, parts),
    max_leaves=20,
)


@settings(max_examples=60)
@given(PLAIN, st.sampled_from([4, 5]))
def test_plain_data_comes_back_as_it_was(value, protocol):
    assert run(pickle.dumps(value, protocol)) == value


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(2, 5))
def test_any_bytes_give_a_value_or_are_refused(data, protocol):
    with contextlib.suppress(LegacyPickleError):
        run(bytes([0x80, protocol]) + data)


OPCODES = st.sampled_from([opcode.code.encode("latin1") for opcode in pickletools.opcodes])
STEPS = st.lists(OPCODES | st.sampled_from([b"K\x01", b"h\x00", b"q\x00", b"\x8c\x01a", b"ca\nb\n", b"ca\nlist\n"]))


@settings(max_examples=200)
@given(STEPS)
def test_any_opcodes_give_a_value_or_are_refused(steps):
    with contextlib.suppress(LegacyPickleError):
        check_tree(run(program(*steps)))


def test_long_values_stay_in_the_file_until_they_are_read():
    text, data = "ä" * 4000, b"x" * 5000
    found = run(pickle.dumps([text, data], 4))
    assert all(isinstance(span, Span) for span in found)
    assert [span.is_text for span in found] == [True, False]
    assert found[0].read().decode() == text
    assert found[1].read() == data


@pytest.mark.parametrize(
    ("opcode", "name"),
    [
        (b"\x82\x01", "EXT1"),
        (b"\x83\x01\x00", "EXT2"),
        (b"\x84\x01\x00\x00\x00", "EXT4"),
        (b"(ia\nb\n", "INST"),
        (b"(ca\nb\no", "OBJ"),
        (b"ca\ndict\n)}\x92", "NEWOBJ_EX"),
        (b"Pid\n", "PERSID"),
        (b"NQ", "BINPERSID"),
        (b"\x97", "NEXT_BUFFER"),
        (b"\x98", "READONLY_BUFFER"),
        (b"\x96" + struct.pack("<Q", 2**60), "BYTEARRAY8"),
        (b"\x8b" + struct.pack("<i", 2**30), "LONG4"),
        (b"(\x91", "FROZENSET"),
        (b"I1\n", "INT"),
        (b"S'a'\n", "STRING"),
        (b"U\x01a", "SHORT_BINSTRING"),
        (b"N2", "DUP"),
        (b"N0", "POP"),
    ],
)
def test_an_opcode_that_snapshots_do_not_have_is_named_and_refused(opcode, name):
    with pytest.raises(LegacyPickleError, match=f"opcode {name}[, ].*nothing was run"):
        run(program(opcode))


@pytest.mark.parametrize(
    "name",
    [
        b"ca.dict\n__class__\n",
        b"ca\ndict.__init__\n",
        b"ca.b.c\nd\n",
        b"c\na.b\n",
        b"\x8c\x01a\x8c\x06b.__x_\x93",
        b"\x8c\x01a\x8c\x00\x93",
        b"c__main__\nb\n",
    ],
)
def test_a_name_is_matched_as_a_whole_and_never_followed(name):
    with pytest.raises(LegacyPickleError, match=r"asks for|no name|written in a way"):
        run(program(name))


def test_a_name_is_text_and_nothing_else():
    assert run(program(b"ca\nb\n")) == Name("a.b")


@pytest.mark.parametrize(
    "steps",
    [
        b"ca\nb\n)R",  # a name that is no function
        b"ca\ndict\n)R",  # a class called as a function
        b"ca\nlist\n)\x81",  # a function made as an object
        b"ca\ndict\nK\x01\x85\x81",  # with an argument
        b"ca\ndict\n]\x81",
        b"ca\nlist\n]R",  # a list in place of arguments
        b"\x8c\x06a.list)R",  # text in place of a name
        b"N)R",
        b"K\x01\x8c\x01a\x93",  # a name from a number
    ],
)
def test_only_listed_names_can_be_called_and_made(steps):
    with pytest.raises(LegacyPickleError):
        run(program(steps))


@pytest.mark.parametrize("target", [b"}", b"]", b"N", b"ca\nb\n", b"ca\ndict\n", b"ca\ndict\n)\x81", b"\x8c\x01a"])
def test_state_cannot_be_set_on_anything_but_stand_ins(target):
    with pytest.raises(LegacyPickleError, match="state of an object is missing"):
        run(program(target, b"}\x8c\x01xK\x01sb"))


@pytest.mark.parametrize(
    "steps",
    [
        b"",
        b"NN",
        b"(",
        b"N(",
        b"t",
        b"e",
        b"u",
        b"\x85",
        b"a",
        b"]a",
        b"](a",  # below the mark
        b"](Na",
        b"}Ns",
        b"}(Ne",
        b"](NNu",
        b"}(Nu",
        b"N(N\x90",
        b"R",
        b"NR",
        b"b",
        b"q\x00",
        b"\x94",
        b"h\x00",
        b"j\xff\xff\xff\xff",
        b"K",
        b"G\x00",
        b"X\xff\xff\xff\xff",
        b"\x8a\xff\x00",
        b"\x8c\x01\xff",  # no UTF-8
        b"\x8c\x03\xed\xa0\x80",  # half a character
        b"\x80\x04N",  # a second header
        b"\xff",  # no opcode
        b"ca\nb",
        b"c" + b"a" * 1000,
    ],
)
def test_a_program_that_makes_no_sense_is_refused(steps):
    with pytest.raises(LegacyPickleError):
        run(program(steps))


@pytest.mark.parametrize("key", [b")", b"N", b"G" + bytes(8), b"ca\nb\n", b"]", b"\x8a\x08" + b"\x01" * 8, b"N\x85"])
@pytest.mark.parametrize("container", [(b"}", b"Ns"), (b"}(", b"Nu"), (b"\x8f(", b"\x90")])
def test_keys_are_texts_and_small_integers(key, container):
    with pytest.raises(LegacyPickleError, match="a key in it"):
        run(program(container[0], key, container[1]))


def test_a_key_as_deep_as_the_file_is_long_does_not_overflow_the_stack():
    """The stock machine hashes it, and the process ends."""
    with pytest.raises(LegacyPickleError, match="a key in it"):
        run(program(b"}", b")", b"\x85" * 200_000, b"Ns"))


def test_more_steps_than_a_snapshot_needs_are_refused():
    limits = Limits.of_file(10**9)
    limits.opcodes = 1000
    data = program(b"(", b"]" * 1000, b"t")
    with pytest.raises(LegacyPickleError, match="steps"):
        Machine(Cursor(Span.of_bytes(data)), NAMES, limits).run()


def test_more_text_than_a_snapshot_has_is_refused():
    limits = Limits.of_file(10**9)
    limits.inline_bytes = 1000
    data = program(b"(", b"\x8c\x0aabcdefghij" * 101, b"t")
    with pytest.raises(LegacyPickleError, match="outside of tensors"):
        Machine(Cursor(Span.of_bytes(data)), NAMES, limits).run()
