# SPDX-License-Identifier: Apache-2.0
"""Labels survive their file, and a file that is wrong says where."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.training.data.sets import attempt, labels_at, names_of
from training.data.labels import dataset_json, join_labels, read_dataset_json
from training.data.problems import DataError

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
LABELS = st.integers(0, 5).flatmap(lambda n: npst.arrays(np.float32, (n, 25), elements=FLOATS))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
LABEL = labels_at(20.0)[0].tolist()


def read(tree):
    return read_dataset_json(json.dumps(tree).encode(), "set.zip/dataset.json")


@given(labels=LABELS, letters=st.text(min_size=1, max_size=3).map(lambda text: text.replace("\\", "")))
def test_labels_come_back_bit_by_bit_with_their_settings(labels, letters):
    names = [f"00000/{letters}{i}.png" for i in range(len(labels))]
    pairs = [(name, "from " + name) for name in names]
    file = read_dataset_json(dataset_json(names, labels, pairs, version=3, nested={"a": [1.5]}), "x")
    assert file.names == names
    assert file.labels.tobytes() == labels.tobytes()
    assert file.settings == {"version": 3, "nested": {"a": [1.5]}, "fnames": [list(pair) for pair in pairs]}
    assert not file.problems


def test_the_written_file_is_plain_json_with_a_line_for_each_label():
    names, labels = names_of(5000), labels_at(np.linspace(0, 90, 5000))
    data = dataset_json(names, labels, seed=1)
    tree = json.loads(data)
    assert tree["seed"] == 1
    assert [name for name, _ in tree["labels"]] == names
    assert np.array_equal(np.float32([label for _, label in tree["labels"]]), labels)
    assert data.count(b"\n") == 5002
    assert json.loads(dataset_json([], None)) == {"labels": None}
    assert json.loads(dataset_json([], np.zeros((0, 25), np.float32))) == {"labels": []}


def test_objects_lists_numbers_and_texts_of_numbers_mean_the_same():
    texts = [f"{number:.6f}" for number in LABEL]
    forms = [{"a": LABEL}, [["a", LABEL]], {"a": texts}, [["a", texts]]]
    for form in forms:
        file = read({"labels": form})
        assert file.names == ["a"]
        assert np.allclose(file.labels, [LABEL], atol=1e-6)
        assert not file.problems


@pytest.mark.parametrize("name", ["./00000/a.png", "00000\\a.png", ".\\00000\\a.png"])
def test_names_as_other_tools_write_them_are_understood(name):
    file = read({"labels": [[name, LABEL]]})
    assert file.names == ["00000/a.png"]


@pytest.mark.parametrize("tree", [{"labels": None}, {}, {"other": [1, {"labels": []}]}])
def test_no_labels_are_told_from_an_empty_list(tree):
    assert read(tree).labels is None
    assert read({"labels": []}).labels.shape == (0, 25)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "has no camera label (null)"),
        (3, "has the class 3 as its label, not a camera"),
        ([1.0] * 24, "has a label of 24 numbers"),
        ([LABEL], "has a label of 1 numbers"),
        (["x"] * 25, "not 25 finite numbers"),
        ([[1]] * 25, "not 25 finite numbers"),
        ([float("nan")] * 25, "has a label whose number 0 is nan"),
        ([1.0] * 11 + [10**400] * 14, "has a label whose number 11 is inf"),
        ([1.0] * 24 + [1e39], "has a label whose number 24 is 1e+39"),
        ([None] * 25, "has a label whose number 0 is None"),
        ("text", "not 25 finite numbers"),
        ({"a": 1}, "not 25 finite numbers"),
    ],
)
def test_a_label_that_is_none_is_a_problem_and_leaves_the_others_alone(value, words):
    file = read({"labels": [["a", LABEL], ["b", value], ["c", LABEL]]})
    assert np.isfinite(file.labels[[0, 2]]).all()
    assert np.isnan(file.labels[1]).all()
    (problem,) = file.problems
    assert problem.name == "b"
    assert words in problem.reason


@pytest.mark.parametrize("data", [b'[["a", [1]]]', b"", b'"labels"', b"\0"])
def test_what_is_no_object_is_told_the_form(data):
    with pytest.raises(DataError, match=r"begins with .*; write \{\"labels\""):
        read_dataset_json(data, "x")


@pytest.mark.parametrize("entry", [None, 5, "a", [], ["a"], [1, LABEL], ["a", LABEL, 1], {"a": LABEL}])
def test_an_entry_of_another_form_is_a_problem_of_the_file(entry):
    file = read({"labels": [["a", LABEL], entry]})
    assert file.names == ["a"]
    assert file.problems[0].name == "set.zip/dataset.json"
    assert "entry 1 of its labels is" in file.problems[0].reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"labels"',
        b'{"labels":',
        b'{"labels": 5}',
        b'{"labels": "x"}',
        b'{"labels": [',
        b'{"labels": [["a", [1]],]}',
        b'{"labels": {"a": [1],}}',
        b'{"labels": {5: [1]}}',
        b'{"labels": [] "x": 1}',
        b'{"labels": []} x',
        b'{"labels": [], "labels": []}',
        b'{"x": 1, "x": 2}',
        b'{"labels": ' + b"[" * 200_000,
        b'{"x": ' + b'{"a":' * 200_000,
        b'{"x": ' + b"9" * 100_000 + b"}",
        b"\xff\xfe{}",
        b'{"labels": nothing}',
    ],
)
def test_what_is_no_such_file_is_refused_by_name(data):
    with pytest.raises(DataError, match=r"^set\.zip/dataset\.json: "):
        read_dataset_json(data, "set.zip/dataset.json")


def test_a_number_of_a_million_digits_takes_no_time():
    start_s = time.perf_counter()
    file = read_dataset_json(b'{"labels": [["a", [' + b"7" * 1_000_000 + b"]]]}", "x")
    assert np.isnan(file.labels).all()
    assert time.perf_counter() - start_s < 5


@given(tree=JSON_VALUES | st.fixed_dictionaries({"labels": JSON_VALUES}))
def test_any_json_is_read_or_refused_by_name(tree):
    result = attempt(read_dataset_json, json.dumps(tree).encode(), "f.json")
    if isinstance(result, DataError):
        assert str(result).startswith("f.json: ")
    else:
        assert result.labels is None or result.labels.shape == (len(result.names), 25)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_any_damage_is_read_or_refused_by_name(at, byte, cut):
    data = dataset_json(names_of(3), labels_at([0.0, 90.0, 180.0]), version=1)
    at %= len(data)
    data = data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :]
    result = attempt(read_dataset_json, data, "f.json")
    if isinstance(result, DataError):
        assert str(result).startswith("f.json: ")
    else:
        assert not cut or at >= len(data.rstrip())


# Joining labels to images.


def test_labels_follow_the_images_whatever_the_order_of_the_entries():
    names, labels = names_of(50), labels_at(np.linspace(-90, 90, 50))
    order = np.random.default_rng(0).permutation(50)
    file = read_dataset_json(dataset_json([names[i] for i in order], labels[order]), "x")
    joined = join_labels(names[10:], file, "x")
    assert np.array_equal(joined.labels, labels[10:])
    assert joined.num_unused == 10
    assert not joined.problems


def test_a_name_that_looks_the_same_is_spelled_out():
    file = read({"labels": [["e\u0301.png", LABEL]]})
    problem = join_labels(["\u00e9.png"], file, "x").problems[0]
    assert "'\\xe9.png' and 'e\\u0301.png'" in problem.remedy


def test_an_image_without_an_entry_is_a_problem_that_names_what_was_perhaps_meant():
    file = read({"labels": [["a/b.jpg", LABEL]]})
    joined = join_labels(["a/B.png", "c.png"], file, "x")
    assert [problem.name for problem in joined.problems] == ["a/B.png", "c.png"]
    assert "names 'a/b.jpg' instead" in joined.problems[0].reason
    assert "has no label in x" in joined.problems[1].reason
    assert np.isnan(joined.labels).all()


def test_entries_for_one_image_may_agree_but_not_differ():
    other = labels_at(50.0)[0].tolist()
    file = read({"labels": [["a", LABEL], ["b", LABEL], ["./a", LABEL], ["b", other]]})
    joined = join_labels(["a", "b"], file, "x")
    assert np.isfinite(joined.labels[0]).all()
    assert np.isnan(joined.labels[1]).all()
    assert [problem.name for problem in joined.problems] == ["b"]
    assert "two different labels" in joined.problems[0].reason
