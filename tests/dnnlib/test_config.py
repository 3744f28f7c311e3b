# SPDX-License-Identifier: Apache-2.0
"""Configurations are frozen, exact in JSON, and say in words what is wrong with a file."""

import enum
import json
import subprocess
import sys
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError, model_validator

from dnnlib.config import BY_KIND, Config, ConfigError, from_json, migrate, parse_object, to_json


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Disk(Config):
    kind: Literal["disk"] = "disk"
    radius: float = Field(1.0, gt=0)


class Box(Config):
    kind: Literal["box"] = "box"
    sides: tuple[int, int] = (1, 2)
    color: Color = Color.RED


class Scene(Config):
    title: str = "untitled"
    count: int = Field(1, ge=1, le=9)
    weight: float = 0.5
    scales: tuple[float, ...] = ()
    limit: float | None = None
    shape: Annotated[Disk | Box, BY_KIND] = Disk()
    others: tuple[Annotated[Disk | Box, BY_KIND], ...] = ()

    @model_validator(mode="after")
    def weight_fits_count(self) -> "Scene":
        if self.weight > 10 * self.count:
            raise ValueError(f"weight={self.weight} is more than 10 per count; raise count")
        return self


finite = st.floats(allow_nan=False, allow_infinity=False)
shapes = st.one_of(
    st.builds(Disk, radius=finite.filter(lambda x: x > 0)),
    st.builds(Box, sides=st.tuples(st.integers(), st.integers()), color=st.sampled_from(Color)),
)
scenes = st.builds(
    Scene,
    title=st.text(),
    count=st.integers(1, 9),
    weight=finite.filter(lambda x: x <= 10),
    scales=st.lists(finite).map(tuple),
    limit=st.none() | finite,
    shape=shapes,
    others=st.lists(shapes, max_size=3).map(tuple),
)


@given(scenes)
def test_json_gives_back_the_same_configuration(scene: Scene) -> None:
    again = from_json(Scene, to_json(scene))
    assert again == scene
    assert repr(again) == repr(scene)  # equality alone takes 0.0 for -0.0 and 1 for 1.0
    assert to_json(again) == to_json(scene)


@given(scenes)
def test_a_configuration_can_be_a_dictionary_key(scene: Scene) -> None:
    assert {scene: 1}[from_json(Scene, to_json(scene))] == 1


def test_a_configuration_cannot_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Scene().count = 2


@pytest.mark.parametrize(
    "fields",
    [
        {"count": "3"},
        {"count": True},
        {"count": 2.0},
        {"weight": "1"},
        {"weight": float("nan")},
        {"weight": float("inf")},
        {"tilte": "x"},
    ],
)
def test_python_values_are_not_converted(fields: dict) -> None:
    with pytest.raises(ValidationError):
        Scene(**fields)


def test_a_default_is_validated_too() -> None:
    class Wrong(Config):
        count: int = Field(0, ge=1)

    with pytest.raises(ValidationError):
        Wrong()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"count": "3"}', ['count: got "3"', "a whole number at least 1 and at most 9", "such as 1"]),
        ('{"count": 3.0}', ["count: got 3.0", "a whole number"]),
        ('{"count": true}', ["count: got true", "a whole number"]),
        ('{"weight": 1e999}', ["weight: got Infinity", "a number"]),
        ('{"weight": 99.0}', ["weight=99.0 is more than 10 per count; raise count"]),
        ('{"cuont": 3}', ["cuont: no such field", "Did you mean count?", "title, count, weight"]),
        ('{"shape": {"kind": "bix"}}', ['shape: got {"kind": "bix"}', "one of disk, box"]),
        ('{"shape": {"radius": 1.0}}', ['shape: got {"radius": 1.0}', "one of disk, box"]),
        (
            '{"shape": {"kind": "box", "radius": 1.0}}',
            ["shape.radius: no such field", "Fields of shape: kind, sides, color"],
        ),
        ('{"shape": {"kind": "disk", "radius": -1}}', ["shape.radius: got -1", "greater than 0", "such as 1.0"]),
        ('{"shape": {"kind": "box", "sides": [1]}}', ["shape.sides.1: missing; expected a whole number"]),
        (
            '{"others": [{"kind": "disk"}, {"kind": "box", "color": "green"}]}',
            ['others.1.color: got "green"', "one of red, blue"],
        ),
        ('{"limit": "x"}', ['limit: got "x"', "a number or null"]),
        ('{"title": "\\ud800"}', ["not a configuration in JSON"]),
        ('{"title": "a", "title": "b"}', ["the key 'title' is given twice"]),
        ('{"weight": NaN}', ["NaN is not a finite number"]),
        ('{"weight": -Infinity}', ["-Infinity is not a finite number"]),
        ("[1]", ["expected a JSON object", "list"]),
        ('{"title": ', ["not a configuration in JSON", "line 1"]),
        ("[" * 100_000, ["not a configuration in JSON"]),
    ],
)
def test_an_error_names_the_source_the_path_and_what_would_be_right(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(Scene, text, source="scene.json")
    message = str(caught.value)
    assert message.startswith("scene.json: ")
    for word in words:
        assert word in message


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(Scene, '{"count": 0, "weight": "x", "shape": {"kind": "disk", "radius": 0}}')
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "count",
        "weight",
        "shape.radius",
    ]


def test_fields_that_could_not_be_frozen_or_typed_are_refused_when_the_class_is_defined() -> None:
    with pytest.raises(TypeError, match=r"Mutable\.items: .*use a tuple"):

        class Mutable(Config):
            items: list[int]

    class Plain(BaseModel):
        x: int = 0

    with pytest.raises(TypeError, match=r"Loose\.part: derive Plain from Config"):

        class Loose(Config):
            part: Plain

    with pytest.raises(TypeError, match=r"Blind\.shape: .*BY_KIND"):

        class Blind(Config):
            shape: Disk | Box = Disk()

    with pytest.raises(TypeError, match="no alias"):

        class Renamed(Config):
            count: int = Field(1, alias="n")


def test_a_docstring_under_a_field_describes_it() -> None:
    class Documented(Config):
        count: int = 1
        """How many."""

    assert Documented.model_fields["count"].description == "How many."


MIGRATIONS = {
    1: lambda tree: {("title" if key == "name" else key): value for key, value in tree.items()},
    2: lambda tree: {**tree, "count": tree["count"] + 1},
}


def test_an_old_file_is_brought_forward_one_version_at_a_time() -> None:
    old = {"schema_version": 1, "name": "x", "count": 1}
    assert migrate(old, MIGRATIONS, 3, "f") == {"schema_version": 3, "title": "x", "count": 2}
    assert migrate({"schema_version": 2, "title": "x", "count": 1}, MIGRATIONS, 3, "f")["count"] == 2
    assert old == {"schema_version": 1, "name": "x", "count": 1}


def test_a_file_of_the_newest_schema_is_left_alone() -> None:
    tree = {"schema_version": 3, "title": "x"}
    assert migrate(tree, MIGRATIONS, 3, "f") == tree


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (4, "newer FullHead as schema 4; this one reads up to 3"),
        (0, "from 1 to 3"),
        ("1", "from 1 to 3"),
        (True, "from 1 to 3"),
        (None, "from 1 to 3"),
    ],
)
def test_a_schema_version_that_cannot_be_read_is_said_to_be(version: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        migrate({"schema_version": version}, MIGRATIONS, 3, "old.json")


def test_parse_object_keeps_integers_and_floats_apart() -> None:
    tree = parse_object('{"a": 1, "b": 1.0, "c": 12345678901234567890}', "f")
    assert json.dumps(tree) == '{"a": 1, "b": 1.0, "c": 12345678901234567890}'


def test_the_machinery_needs_no_torch() -> None:
    code = "import sys, configs, dnnlib.config_paths; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
