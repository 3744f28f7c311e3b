# SPDX-License-Identifier: Apache-2.0
"""What is read is a tree that every walk comes to the end of, and modules give tensors or a reason."""

import copy
import json

import pytest
import torch

from torch_utils.legacy_bytes import LegacyPickleError, Span
from torch_utils.legacy_machine import Name
from torch_utils.legacy_records import MAX_DEPTH, Record, check_tree, tensors


def module(parameters=None, buffers=None, modules=None, **state) -> Record:
    state |= {"_parameters": parameters or {}, "_buffers": buffers or {}, "_modules": modules or {}}
    return Record("Module", state)


def nested(depth: int) -> list:
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_a_tree_at_the_limit_of_depth_can_be_copied_and_written():
    check_tree(value := nested(MAX_DEPTH))
    assert json.dumps(copy.deepcopy(value)) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 10 * MAX_DEPTH, 300_000])
def test_what_is_nested_deeper_is_refused(depth):
    with pytest.raises(LegacyPickleError, match="nested more than"):
        check_tree(nested(depth))


def test_depth_counts_through_parts_that_are_shared():
    shallow_first = nested(60)
    with pytest.raises(LegacyPickleError, match="nested more than"):
        check_tree([shallow_first, *[[shallow_first]] * 3, nested(45), _around(shallow_first, 45)])


def _around(value, depth):
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("kind", ["list", "dict", "tuple", "record"])
def test_what_contains_itself_is_refused(kind):
    loop = []
    loop.append({"list": loop, "dict": {"a": loop}, "tuple": (loop,), "record": Record("Loop", {"a": loop})}[kind])
    with pytest.raises(LegacyPickleError, match="contains itself"):
        check_tree(loop)


def test_shared_parts_are_allowed_until_they_multiply():
    value = ["a"]
    for _ in range(15):
        value = [value, value]
    check_tree(value)
    for _ in range(15):
        value = [value, value]
    with pytest.raises(LegacyPickleError, match="repeats its parts"):
        check_tree(value)


def test_a_long_text_repeated_weighs_by_its_length():
    check_tree(["a"] * 200_000)
    with pytest.raises(LegacyPickleError, match="repeats its parts"):
        check_tree(["a" * 4096] * 200_000)


@pytest.mark.parametrize("value", [Name("torch.FloatStorage"), Span.of_bytes(b"abc"), object()])
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(LegacyPickleError, match="plain values"):
        check_tree({"a": [value]})


def test_tensors_come_in_the_order_of_registration_without_temporary_ones():
    a, b, c, d = torch.arange(4.0)
    inner = module({"w": a, "none": None}, {"temporary": b, "kept": c}, _non_persistent_buffers_set={"temporary"})
    found = tensors(module({"own": d}, modules={"second": inner, "absent": None, "first": inner}))
    assert list(found) == ["own", "second.w", "second.kept", "first.w", "first.kept"]
    assert found["first.kept"] is c


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "NoneType"),
        ({"a": torch.ones(1)}, "dict"),
        (Record("Plain", {"a": 1}), "no module"),
        (module({"w": 3}), "'w'.*no tensor"),
        (module(buffers={"w": [torch.ones(1)]}), "'w'.*no tensor"),
        (module(modules={"m": torch.ones(1)}), "'m'.*no module"),
        (module({1: torch.ones(1)}), "_parameters"),
        (module(_non_persistent_buffers_set=["a"]), "non-persistent"),
        (module({"a.b": torch.ones(1)}, modules={"a": module({"b": torch.ones(1)})}), "two tensors"),
        (Record("Odd", {"_parameters": [], "_buffers": {}}), "_parameters"),
    ],
)
def test_a_record_that_is_no_module_says_why(record, message):
    with pytest.raises(LegacyPickleError, match=message):
        tensors(record)


def test_an_attribute_has_a_text_for_a_name():
    with pytest.raises(LegacyPickleError, match="number for a name"):
        check_tree(Record("Odd", {1: 2}))


@pytest.mark.parametrize("state", [None, [], ({}, {}), 3])
def test_the_state_of_an_object_is_one_dictionary(state):
    with pytest.raises(LegacyPickleError, match="not one dictionary"):
        Record("Odd").build(state)
