# SPDX-License-Identifier: Apache-2.0
"""philox_words: against one counter at a time in Python's integers, at the ends of its arguments; when it is built."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_utils import ops
from torch_utils.ops import native
from torch_utils.ops.philox_words import CPU_CHUNK, _philox, philox, reference

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
MASK = 0xFFFFFFFF
KEYS = (0, 1, 2**63 - 1, 2**63, 2**64 - 1, 0x299F31D0_A4093822)


def word_by_word(index, key, count):
    """The paper's round, ten times, in unbounded integers."""
    words = []
    for block in range((count + 3) // 4):
        c0, c1, c2, c3 = index & MASK, index >> 32 & MASK, block, 0
        k0, k1 = key & MASK, key >> 32
        for _ in range(10):
            first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
            c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & MASK, (first >> 32) ^ c3 ^ k1, first & MASK
            k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
        words += [c0, c1, c2, c3]
    return words[:count]


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(
    indices=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9),
    key=st.integers(0, 2**64 - 1),
    count=st.integers(0, 300),
)
def test_words_are_those_of_one_counter_after_the_other(path, indices, key, count):
    with ops.forced(path):
        words = ops.philox_words(torch.tensor(indices, dtype=torch.int64), key, count)
    assert words.shape == (len(indices), count)
    assert words.dtype == torch.int64
    assert words.tolist() == [word_by_word(index, key, count) for index in indices]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 63, 64, 256, 257, 1023, 24576])
def test_native_gives_the_bits_of_the_reference(count, key):
    indices = torch.tensor([0, -1, 5, 2**32 - 1, 2**32, 2**40 + 3, -(2**63), 2**63 - 1] * 3)
    with ops.forced("native"):
        assert torch.equal(ops.philox_words(indices, key, count), reference(indices, key, count))


@pytest.mark.parametrize("items", [65, 4096, 20_001])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_many_items_of_few_words_are_divided_as_if_they_were_not(count, items):
    indices = torch.arange(items) * 2_000_003 - 2**33
    with ops.forced("native"):
        assert torch.equal(ops.philox_words(indices, 7, count), reference(indices, 7, count))


@pytest.mark.parametrize("path", PATHS)
def test_indices_may_lie_apart_and_be_of_any_integers(path):
    apart = torch.arange(20).reshape(10, 2)[:, 1]
    with ops.forced(path):
        words = ops.philox_words(apart.contiguous(), 3, 5)
        assert torch.equal(ops.philox_words(apart, 3, 5), words)
        assert torch.equal(ops.philox_words(apart[:1].expand(3), 3, 5), words[:1].expand(3, 5))
        for dtype in (torch.int32, torch.int16, torch.uint8):
            assert torch.equal(ops.philox_words(apart.to(dtype), 3, 5), words)


@pytest.mark.parametrize("path", PATHS)
def test_there_may_be_nothing_to_draw(path):
    with ops.forced(path):
        assert ops.philox_words(torch.arange(0), 3, 5).shape == (0, 5)
        assert ops.philox_words(torch.arange(5), 3, 0).shape == (5, 0)
        assert ops.philox_words(torch.arange(0), 3, 0).shape == (0, 0)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with ops.forced("native"):
            words = ops.philox_words(torch.arange(3), 1, 70_001)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(words, reference(torch.arange(3), 1, 70_001))


@pytest.mark.parametrize("count", [1, 7, CPU_CHUNK, 2 * CPU_CHUNK + 3])
def test_the_host_gets_the_words_that_devices_get(count):
    counter = torch.randint(0, 2**32, (4, count), generator=torch.Generator().manual_seed(0))
    for key in KEYS:
        assert torch.equal(philox(counter, key), _philox(counter, key))


def test_the_kernel_refuses_what_it_cannot_draw():
    op = torch.ops.fullhead.philox_words
    with pytest.raises(RuntimeError, match="int64"):
        op(torch.zeros(3), 0, 4)
    with pytest.raises(RuntimeError, match="indices must be"):
        op(torch.zeros(3, 2, dtype=torch.int64), 0, 4)
    for count in (-1, 2**34 + 1):
        with pytest.raises(RuntimeError, match="0 to 2"):
            op(torch.zeros(0, dtype=torch.int64), 0, count)


# --- When it is built -------------------------------------------------------------------------------------------------


def test_words_alone_build_nothing_and_say_nothing(machine):
    said = machine.run("from torch_utils import rng\nrng.normal(0, 'z', torch.arange(3), (5,))")
    assert said.lines == []
    assert machine.compilations == 0


def test_words_take_the_kernel_once_another_operator_has_been_used(ready):
    code = """
indices = torch.arange(3)
print(native.serves_if_loaded("philox_words", indices))
before = ops.philox_words(indices, 1, 9)
ops.biased_act(torch.zeros(1, 2), None, "lrelu")
print(native.serves_if_loaded("philox_words", indices))
assert torch.equal(ops.philox_words(indices, 1, 9), before)
with ops.forced("reference"):
    print(native.serves_if_loaded("philox_words", indices))
"""
    assert ready.run(code, csrc=False).lines == ["False", "True", "False"]


def test_words_asked_for_by_name_are_built_for(ready):
    code = "print(native.serves_if_loaded('philox_words', torch.arange(3)))"
    assert ready.run(code, csrc=False, FULLHEAD_OPS="native").lines == ["True"]


def test_what_has_no_memory_has_no_kernel():
    with ops.forced("native"):
        assert not native.serves_if_loaded("philox_words", torch.arange(3, device="meta"))
