# SPDX-License-Identifier: Apache-2.0
"""Annotation files: every usual form gives the same points, every wrong one is named with what to do."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnlib.files import open_store
from training.data.making.annotations import Annotation, join_annotations, read_boxes, read_landmarks
from training.data.making.calibration import HeadBox
from training.data.problems import DataError

PAIRS = [[float(i), i / 2] for i in range(68)]
POINTS = np.array([complex(x, y) for x, y in PAIRS])
LINES = "\n".join(f"{x} {y}" for x, y in PAIRS)
BOX = {"box": [10, 20, 110, 140], "yaw": 30, "pitch": -10, "roll": 5}

FORMS = {
    "a.pts": f"version: 1\nn_points: 68\n{{\n{LINES}\n}}\n",
    "b.txt": LINES,
    "c.txt": LINES.replace(" ", ", "),
    "sub/d.json": json.dumps(PAIRS),
    "e.json": json.dumps({"landmarks": PAIRS}),
    "f.json": json.dumps([number for pair in PAIRS for number in pair]),
}


def write(folder, files):
    with open_store(folder, "w") as store:
        for name, text in files.items():
            store.write(name, text.encode())
    return folder


def write_json(path, value):
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("kind", ["marks", "marks.zip"])
def test_all_forms_of_landmark_files_give_the_same_points(tmp_path, kind):
    found, problems = read_landmarks(write(tmp_path / kind, FORMS))
    assert problems == []
    assert set(found) == {"a", "b", "c", "sub/d", "e", "f"}
    for points in found.values():
        np.testing.assert_array_equal(points, POINTS)


def test_one_json_file_holds_the_landmarks_of_all(tmp_path):
    path = write_json(tmp_path / "all.json", {"x/a.jpg": PAIRS, "b.with.dots": PAIRS, "./c.PNG": PAIRS})
    found, problems = read_landmarks(path)
    assert problems == []
    assert set(found) == {"x/a", "b.with.dots", "c"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (PAIRS[:5], "5 points, not 68"),
        ([PAIRS, PAIRS], "one face"),
        ([*PAIRS[:67], [1.0, None]], "not a number"),
        ([*PAIRS[:67], [1.0, math.nan]], "nan"),
        ([*PAIRS[:67], [1.0, 10**400]], "inf"),
        ([*PAIRS[:67], [1.0, 1e300]], "1e+300"),
        ([*PAIRS[:67], [1, 2, 3]], "3 numbers"),
        ("points", "not a number"),
        (None, "not a number"),
        ({}, "not a number"),
        ([], "0 points"),
        (True, "not a number"),
    ],
)
def test_what_are_no_landmarks_is_a_problem_of_that_picture_alone(tmp_path, value, words):
    found, problems = read_landmarks(write_json(tmp_path / "all.json", {"bad.jpg": value, "good.jpg": PAIRS}))
    assert set(found) == {"good"}
    (problem,) = problems
    assert problem.name == "bad.jpg"
    assert words in problem.reason
    assert "68" in problem.remedy


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_breaks_the_readers(tmp_path_factory, value):
    path = write_json(tmp_path_factory.mktemp("fuzz") / "all.json", {"a.jpg": value, "b.jpg": BOX})
    found, problems = read_landmarks(path)
    assert set(found) == set()
    assert len(problems) == 2
    found, _ = read_boxes(path)
    assert "b" in found


def test_boxes_and_poses_are_read_in_radians_and_with_signs(tmp_path):
    path = write_json(
        tmp_path / "boxes.json", {"a.jpg": BOX, "b": {"yaw": 190, "pitch": 0}, "c": {"box": [0, 0, 1, 1]}}
    )
    found, problems = read_boxes(path, (-1.0, 1.0, -1.0))
    assert problems == []
    assert found["a"].box == (10, 20, 110, 140)
    assert np.degrees(found["a"].view) == pytest.approx((-30, -10, -5))
    assert found["b"].box is None
    assert np.degrees(found["b"].view) == pytest.approx((-190, 0, 0))
    assert found["c"].view is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (BOX | {"box": [10, 20, 100]}, "x0, y0, x1, y1"),
        (BOX | {"box": [100, 20, 50, 60]}, "width, height"),
        (BOX | {"box": [0, 0, 5, math.inf]}, "inf"),
        (BOX | {"box": [0, 0, 5, 10**400]}, "inf"),
        (BOX | {"yaw": 10**4000}, "inf"),
        (BOX | {"yaw": "left"}, "yaw is 'left'"),
        (BOX | {"pitch": None}, "pitch"),
        ({"box": BOX["box"], "yaw": 3}, "pitch"),
        (BOX | {"pitch": 120}, "beyond straight"),
        ({"score": 0.9}, "neither"),
        ([1, 2, 3, 4], "not an object"),
    ],
)
def test_what_is_no_box_is_a_problem_of_that_picture_alone(tmp_path, value, words):
    found, problems = read_boxes(write_json(tmp_path / "boxes.json", {"bad.jpg": value, "good.jpg": BOX}))
    assert set(found) == {"good"}
    assert [problem.name for problem in problems] == ["bad.jpg"]
    assert words in problems[0].reason


@pytest.mark.parametrize("text", ["", "[]", "{", "[1", '{"a": }', "\xff", "[" * 100_000])
def test_a_file_that_is_no_json_object_is_named(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode("latin-1"))
    for read in (read_landmarks, read_boxes):
        with pytest.raises(DataError, match=r"broken\.json"):
            read(path)


def test_missing_files_and_folders_without_landmarks_are_told(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_boxes(tmp_path / "none.json")
    with pytest.raises(DataError, match="is a folder"):
        read_boxes(tmp_path)
    with pytest.raises(DataError, match="no landmark files"):
        read_landmarks(write(tmp_path / "pictures", {"a.jpg": ""}))


def test_annotations_are_joined_by_stem_and_those_left_over_told():
    boxed = Annotation(box=HeadBox(0.0, 0.0, 1.0, 1.0))
    landmarks, boxes = {"x/a": POINTS}, dict.fromkeys(["x/a", "b", "c"], boxed)
    joined, problems = join_annotations(["b.png", "x/a.jpg", "d.webp"], landmarks, boxes)
    assert joined[0].landmarks is None
    assert joined[0].box is not None
    assert joined[1].landmarks is POINTS
    assert joined[1].box is not None
    assert joined[2] == (None, None, None)
    assert [problem.name for problem in problems] == ["c"]


def test_annotations_of_no_picture_at_all_are_a_mistake_in_the_names():
    with pytest.raises(DataError, match=r"'a', for example.*'x/a\.png'"):
        join_annotations(["x/a.png"], {"a": POINTS}, {})
    with pytest.raises(DataError, match="but for the extension"):
        join_annotations(["a.png", "a.jpg"], {"a": POINTS}, {})


def test_angles_in_radians_are_refused(tmp_path):
    yaws_deg = np.linspace(-170, 170, 12)
    boxes = {f"{i}": {**BOX, "yaw": yaw} for i, yaw in enumerate(yaws_deg)}
    assert len(read_boxes(write_json(tmp_path / "degrees.json", boxes))[0]) == 12
    in_radians = {k: {**v, "yaw": math.radians(v["yaw"]), "pitch": -0.2} for k, v in boxes.items()}
    with pytest.raises(DataError, match=r"radians\.json: .*beyond 2\.97, .* they are radians; write degrees"):
        read_boxes(write_json(tmp_path / "radians.json", in_radians))
    frontal = {k: {**v, "yaw": 0, "pitch": 0} for k, v in boxes.items()}
    assert len(read_boxes(write_json(tmp_path / "frontal.json", frontal))[0]) == 12


def test_pictures_without_any_annotation_have_none():
    joined, problems = join_annotations(["a.png"], {}, {})
    assert joined == [Annotation()]
    assert problems == []
