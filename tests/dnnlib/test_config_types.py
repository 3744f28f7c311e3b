# SPDX-License-Identifier: Apache-2.0
"""A field's type decides how text is read into it, and what a person is told to type."""

import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, create_model

from dnnlib.config import BY_KIND, Config
from dnnlib.config_types import example_of, read_spec, spec_of


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Point(Config):
    kind: Literal["point"] = "point"
    x: float


class Line(Config):
    kind: Literal["line"] = "line"
    length: int = 1


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "3", 3),
        (int, "-1_000", -1000),
        (float, "1e-3", 0.001),
        (float, "2", 2.0),
        (str, "a=b,c", "a=b,c"),
        (str, "", ""),
        (str, '"quoted"', "quoted"),
        (str, '"', '"'),
        (bool, "True", True),
        (bool, "on", True),
        (bool, "1", True),
        (bool, "no", False),
        (bool, "0", False),
        (int | None, "none", None),
        (int | None, "7", 7),
        (str | None, "Null", None),
        (str | None, '"none"', "none"),
        (str | int, "5", 5),
        (float | Literal["auto"], "auto", "auto"),
        (float | Literal["auto"], "4", 4.0),
        (Literal["a", 2, True], "2", 2),
        (Literal["a", 2, True], "true", True),
        (Level, "2", 2),
        (tuple[int, ...], "1,2, 3", [1, 2, 3]),
        (tuple[int, ...], "[1, 2]", [1, 2]),
        (tuple[int, ...], "", []),
        (tuple[int, str], "4,x", [4, "x"]),
        (tuple[int, ...] | None, "1", [1]),
        (tuple[int, ...] | None, "null", None),
        (Line, '{"length": 2}', {"length": 2}),
        (Annotated[Point | Line, BY_KIND], '{"kind": "line"}', {"kind": "line"}),
    ],
)
def test_text_is_read_by_the_type_of_its_field(annotation: Any, text: str, value: Any) -> None:
    parsed = read_spec(annotation).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "3.5"),
        (int, ""),
        (int, "1e3"),
        (float, "nan"),
        (float, "-inf"),
        (float, "1e999"),
        (float, "1,5"),
        (bool, "2"),
        (bool, "maybe"),
        (int | None, "x"),
        (Literal["a", "b"], "c"),
        (Literal["a", "b"], "none"),
        (Level, "LOW"),
        (tuple[int, ...], "1,,2"),
        (tuple[int, ...], "[1,"),
        (tuple[int, int], "1"),
        (tuple[int, int], "1,2,3"),
        (Line, "line"),
    ],
)
def test_text_that_does_not_fit_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_spec(annotation).parse(text)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Field(ge=1, multiple_of=8)], "a whole number at least 1 and a multiple of 8"),
        (Annotated[float, Field(gt=0, lt=1)], "a number greater than 0 and less than 1"),
        (float | None, "a number or null"),
        (tuple[bool, ...], "a list, each true or false"),
        (tuple[int, str], "a list of 2: a whole number, text"),
        (Literal["a", "b"], "one of a, b"),
        (Line, "an object with the fields kind, length"),
        (Annotated[Point | Line, BY_KIND] | None, "an object whose kind is one of point, line or null"),
    ],
)
def test_a_type_is_described_in_words(annotation: Any, words: str) -> None:
    assert read_spec(annotation).describe() == words


@pytest.mark.parametrize(
    "annotation",
    [
        list[int],
        set[str],
        dict[str, int],
        Any,
        bytes,
        complex,
        Point | Line,
        Point | int,
        tuple[int, ...] | int,
        Annotated[Point | Line, Field(discriminator="x")],
    ],
)
def test_a_type_outside_the_closed_set_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError):
        read_spec(annotation)


def test_two_members_of_a_slot_need_two_kinds() -> None:
    class Twin(Config):
        kind: Literal["line"] = "line"

    class Nameless(Config):
        kind: Literal["nameless"]

    with pytest.raises(TypeError, match="its own `kind"):
        read_spec(Annotated[Line | Twin, BY_KIND])
    with pytest.raises(TypeError, match="its own `kind"):
        read_spec(Annotated[Line | Nameless, BY_KIND])


@given(
    st.sampled_from([int, float]),
    st.integers(-100, 100),
    st.integers(4, 100),
    st.sampled_from(["ge le", "gt lt", "ge", "lt", "gt"]),
)
def test_an_example_obeys_the_bounds_it_illustrates(number: type, low: int, span: int, keys: str) -> None:
    bounds = {key: low if key in ("ge", "gt") else low + span for key in keys.split()}
    annotation = Annotated[number, Field(**bounds)]
    TypeAdapter(annotation).validate_python(read_spec(annotation).example(), strict=True)


@given(st.sampled_from([2, 8, 16]), st.integers(0, 100))
def test_an_example_obeys_a_step(step: int, low: int) -> None:
    annotation = Annotated[int, Field(ge=low, multiple_of=step)]
    TypeAdapter(annotation).validate_python(read_spec(annotation).example(), strict=True)


@pytest.mark.parametrize(
    ("annotation", "default", "example"),
    [
        (int, Field(5), 5),
        (int, Field(5, examples=[7]), 7),
        (Annotated[tuple[int, ...], Field(min_length=2)], ..., [1, 1]),
        (Annotated[Point | Line, BY_KIND], ..., {"kind": "point", "x": 1.0}),
        (Level, Level.HIGH, 2),
        (Point, Point(x=2.0), {"kind": "point", "x": 2.0}),
        (float | None, None, 1.0),
    ],
)
def test_the_example_of_a_field_is_the_authors_or_the_default_or_made_up(
    annotation: Any, default: Any, example: Any
) -> None:
    cls = create_model("Made", __base__=Config, field=(annotation, default))
    field = cls.model_fields["field"]
    assert example_of(field) == example
    assert spec_of(field) == read_spec(field.annotation, tuple(field.metadata), field.discriminator)
