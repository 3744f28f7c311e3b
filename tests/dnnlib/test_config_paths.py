# SPDX-License-Identifier: Apache-2.0
"""Paths reach every field, say what is wrong where they do not, and the result is always a valid configuration."""

import logging
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from dnnlib.config import BY_KIND, Config, ConfigError, to_tree
from dnnlib.config_paths import ABSENT, differences, leaves, override, replace
from dnnlib.config_types import text_of


class Leaf(Config):
    kind: Literal["leaf"] = "leaf"
    width: int = Field(3, ge=1)
    tint: float = 0.5
    veins: tuple[int, ...] = (1, 2)


class Needle(Config):
    kind: Literal["needle"] = "needle"
    length: int
    tint: float = 0.25
    veins: int = 0


class Soil(Config):
    depth: float = 1.0
    wet: bool = False


class Tree(Config):
    name: str = "oak"
    low: int = 0
    high: int = 9
    foliage: Annotated[Leaf | Needle, BY_KIND] = Leaf()
    fruit: Annotated[Leaf | Needle, BY_KIND] | None = None
    soil: Soil | None = None
    branches: tuple[Soil, ...] = (Soil(), Soil(depth=2.0))

    @model_validator(mode="after")
    def ordered(self) -> "Tree":
        if self.low > self.high:
            raise ValueError(f"low={self.low} is above high={self.high}; lower one or raise the other")
        return self


OAK = Tree()


def test_replacing_nothing_changes_nothing() -> None:
    assert replace(OAK) == OAK
    assert override(OAK, []) == OAK


def test_replace_takes_python_values_at_dotted_paths_and_leaves_the_original_alone() -> None:
    pine = replace(OAK, name="pine", **{"foliage": Needle(length=4), "branches.1.depth": 3.0})
    assert (pine.name, pine.foliage, pine.branches[1].depth) == ("pine", Needle(length=4), 3.0)
    assert Tree() == OAK


@pytest.mark.parametrize(
    ("path", "value"), [("low", "3"), ("low", True), ("low", 1.0), ("soil.wet", 1), ("foliage.tint", float("nan"))]
)
def test_replace_does_not_convert(path: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=path):
        replace(OAK, **{path: value})


def test_every_leaf_can_be_set_to_what_another_configuration_has_there() -> None:
    pine = Tree(
        name="none",
        low=-4,
        foliage=Leaf(width=7, tint=1e-9, veins=()),
        soil=Soil(wet=True),
        branches=(Soil(depth=3.5),) * 2,
    )
    assignments = [f"{path}={quoted(path, value)}" for path, value in leaves(to_tree(pine)).items()]
    assert override(OAK, assignments) == pine


def quoted(path: str, value: Any) -> str:
    return text_of(value) if path != "name" else f'"{value}"'


@given(st.lists(st.tuples(st.sampled_from(["low", "foliage.width"]), st.integers(1, 9))))
def test_a_later_assignment_wins(pairs: list[tuple[str, int]]) -> None:
    result = leaves(to_tree(override(OAK, [f"{path}={value}" for path, value in pairs])))
    assert all(result[path] == value for path, value in dict(pairs).items())


def test_fields_that_constrain_each_other_change_together() -> None:
    moved = override(OAK, ["low=20", "high=30"])
    assert (moved.low, moved.high) == (20, 30)
    with pytest.raises(ConfigError, match="low=20 is above high=9; lower one"):
        override(OAK, ["low=20"])


def test_another_kind_keeps_shared_fields_and_names_the_dropped_ones(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        changed = override(OAK, ["foliage.tint=0.75", "foliage.kind=needle", "foliage.length=8"])
    assert changed.foliage == Needle(length=8, tint=0.75)
    assert caplog.messages == ["foliage.kind=needle drops width=3, veins=[1, 2]"]  # veins has another type there


def test_a_part_of_another_kind_has_its_defaults_at_once() -> None:
    class Trunk(Config):
        kind: Literal["trunk"] = "trunk"
        cover: Annotated[Leaf | Needle, BY_KIND] = Leaf()

    class Plant(Config):
        body: Annotated[Leaf | Trunk, BY_KIND] = Leaf()

    assert override(Plant(), ["body.kind=trunk", "body.cover.width=7"]).body == Trunk(cover=Leaf(width=7))


def test_the_same_kind_again_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert override(OAK, ["foliage.kind=leaf"]) == OAK
    assert caplog.messages == []


def test_a_new_kind_still_needs_its_required_fields() -> None:
    with pytest.raises(ConfigError, match=r"foliage\.length: missing; expected a whole number"):
        override(OAK, ["foliage.kind=needle"])


def test_an_optional_part_appears_when_a_field_of_it_is_set_and_goes_with_null() -> None:
    wet = override(OAK, ["soil.wet=yes"])
    assert wet.soil == Soil(wet=True)
    assert override(wet, ["soil=none"]) == OAK


def test_an_optional_slot_appears_with_its_kind() -> None:
    assert override(OAK, ["fruit.kind=leaf", "fruit.width=5"]).fruit == Leaf(width=5)
    with pytest.raises(ConfigError, match=r"fruit is null; choose its kind first, such as fruit\.kind=leaf"):
        override(OAK, ["fruit.width=5"])


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        (
            "foliage.widht=4",
            [
                "foliage.widht: no such field",
                "Did you mean foliage.width?",
                "Fields of foliage: kind, width, tint, veins",
            ],
        ),
        ("width=4", ["width: no such field", "Did you mean foliage.width?", "name, low, high"]),
        ("folage.width=4", ["folage: no such field", "Did you mean foliage?"]),
        ("foliage.width=wide", ["foliage.width: expected a whole number at least 1, such as 3"]),
        ("foliage.width=0", ["foliage.width: got 0; expected a whole number at least 1, such as 3"]),
        ("foliage.kind=bark", ["foliage.kind: expected one of leaf, needle, such as leaf"]),
        ("foliage=needle", ["foliage: expected an object whose kind is one of leaf, needle", "foliage.kind=..."]),
        ("foliage.veins=a", ["foliage.veins: expected a list, each a whole number, such as [1, 2]"]),
        ("low.x=1", ["low.x: low is a whole number; nothing lies below it"]),
        ("branches.2.wet=1", ["branches.2: branches has the positions 0 to 1"]),
        ("branches.-1.wet=1", ["branches.-1: branches has the positions 0 to 1"]),
        ("soil=3", ["soil: got 3; expected an object with the fields depth, wet or null"]),
        ("name", ["expected PATH=VALUE, such as branches.1.wet=false"]),
        ("=4", ["expected PATH=VALUE"]),
        ("", ["expected PATH=VALUE"]),
        (".=1", ["no such field"]),
    ],
)
def test_a_wrong_assignment_is_quoted_with_what_would_be_right(assignment: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        override(OAK, [assignment])
    message = str(caught.value)
    assert message.startswith(f"--set {assignment}:")
    for word in words:
        assert word in message


def outcome(assignment: str) -> Tree | str:
    """The configuration, or what the user is told. Any other exception is a failure."""
    try:
        return override(OAK, [assignment])
    except ConfigError as error:
        return str(error)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_either_applied_or_refused_in_words(path: str, text: str) -> None:
    assert outcome(f"{path}={text}")


@given(
    st.sampled_from([*leaves(to_tree(OAK)), "branches", "fruit.kind"]),
    st.text(max_size=8) | st.sampled_from(["{}", "[]", "[{}]", '{"a":1}', "[null]"]),
)
def test_any_text_at_a_real_path_is_either_applied_or_refused_in_words(path: str, text: str) -> None:
    result = outcome(f"{path}={text}")
    assert isinstance(result, Tree) or path in result


def test_a_configuration_does_not_differ_from_itself() -> None:
    assert differences(OAK, Tree()) == []


def test_differences_name_the_path_and_both_values() -> None:
    other = replace(OAK, **{"foliage": Needle(length=2, tint=0.5), "branches.0.wet": True, "soil": Soil()})
    assert differences(OAK, other) == [
        ("foliage.kind", "leaf", "needle"),
        ("foliage.width", 3, ABSENT),
        ("foliage.veins", [1, 2], 0),
        ("soil", None, ABSENT),
        ("branches.0.wet", False, True),
        ("foliage.length", ABSENT, 2),
        ("soil.depth", ABSENT, 1.0),
        ("soil.wet", ABSENT, False),
    ]
