# SPDX-License-Identifier: Apache-2.0
"""The types a configuration field may have: how each is described to a person and read from `--set` text.

A *spec* is one field type, taken apart. The set is closed on purpose: whatever a configuration holds can be frozen,
compared, hashed, written as JSON and typed on a command line. `read_spec` refuses every other annotation when the class
is defined.

    Scalar    int, float, bool, str          with their bounds
    Choice    Literal or Enum                one of a few values
    Null      None                           the other half of an optional field
    Sequence  tuple[X, ...] or tuple[X, Y]
    Model     a nested configuration
    Slot      several configurations told apart by their field `kind`
    Either    X | Y                          such as int | None
"""

import enum
import json
import math
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

JSON: TypeAlias = Any  # what the json module reads and writes
NUMBERS = {int: "a whole number", float: "a number"}
BOUND_WORDS = {
    "ge": "at least",
    "gt": "greater than",
    "le": "at most",
    "lt": "less than",
    "multiple_of": "a multiple of",
    "min_length": "at least this long:",
    "max_length": "at most this long:",
    "pattern": "of the form",
}
SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def text_of(value: JSON) -> str:
    """The value as one would type it after `=`: text bare, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def read_json(text: str) -> JSON:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is not JSON ({error})") from None


@dataclass(frozen=True)
class Scalar:
    type: type
    bounds: tuple[tuple[str, Any], ...] = ()

    def describe(self) -> str:
        noun = {**NUMBERS, bool: "true or false", str: "text"}[self.type]
        return " ".join([noun, " and ".join(f"{BOUND_WORDS[key]} {bound}" for key, bound in self.bounds)]).strip()

    def example(self) -> JSON:
        if self.type not in NUMBERS:
            return {bool: True, str: "text"}[self.type]
        bounds = dict(self.bounds)
        low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
        if low is not None and high is not None:
            value = (low + high) / 2
        else:
            value = low + 1 if low is not None else high - 1 if high is not None else 1
        step = bounds.get("multiple_of", 1 if self.type is int else None)
        return self.type(value if step is None else math.ceil(value / step) * step)

    def parse(self, text: str) -> JSON:
        if self.type is bool:
            if text.lower() not in SWITCH:
                raise ValueError("not a switch")
            return SWITCH[text.lower()]
        if self.type is str:
            return read_json(text) if len(text) > 1 and text[0] == text[-1] == '"' else text
        value = self.type(text)
        if not math.isfinite(value):
            raise ValueError("not finite")
        return value


@dataclass(frozen=True)
class Choice:
    values: tuple[tuple[str, JSON], ...]  # (what one types, what JSON holds)

    def describe(self) -> str:
        return "one of " + ", ".join(text for text, _ in self.values) if len(self.values) > 1 else self.values[0][0]

    def example(self) -> JSON:
        return self.values[0][1]

    def parse(self, text: str) -> JSON:
        return dict(self.values)[text]


@dataclass(frozen=True)
class Null:
    def describe(self) -> str:
        return "null"

    def example(self) -> JSON:
        return None

    def parse(self, text: str) -> JSON:
        if text.lower() not in ("null", "none"):
            raise ValueError("not null")


@dataclass(frozen=True)
class Sequence:
    items: tuple["Spec", ...]
    repeats: bool  # one item type for any length, or one item type per position
    bounds: tuple[tuple[str, Any], ...] = ()

    def describe(self) -> str:
        if not self.repeats:
            return f"a list of {len(self.items)}: " + ", ".join(item.describe() for item in self.items)
        return " ".join(["a list, each", self.items[0].describe(), *(f"{BOUND_WORDS[k]} {v}" for k, v in self.bounds)])

    def example(self) -> JSON:
        if not self.repeats:
            return [item.example() for item in self.items]
        return [self.items[0].example()] * max(1, dict(self.bounds).get("min_length", 1))

    def parse(self, text: str) -> JSON:
        if text.startswith("["):
            return read_json(text)
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        if not self.repeats and len(parts) != len(self.items):
            raise ValueError("wrong length")
        items = self.items * len(parts) if self.repeats else self.items
        return [item.parse(part) for item, part in zip(items, parts, strict=True)]

    def at(self, name: str, length: int) -> "Spec | None":
        """The spec of one position, or None where there is no such position."""
        if not (name.isdecimal() and int(name) < length):
            return None
        return self.items[0 if self.repeats else int(name)]


@dataclass(frozen=True)
class Model:
    cls: type[BaseModel]

    def describe(self) -> str:
        return "an object with the fields " + ", ".join(self.cls.model_fields)

    def example(self) -> JSON:
        return {name: example_of(field) for name, field in self.cls.model_fields.items() if field.is_required()}

    def parse(self, text: str) -> JSON:
        return read_json(text)


@dataclass(frozen=True)
class Slot:
    members: tuple[tuple[str, Model], ...]  # kind -> what it configures

    @property
    def kinds(self) -> Choice:
        """The field `kind` of the slot, of which each member knows only its own value."""
        return Choice(tuple((kind, kind) for kind, _ in self.members))

    def describe(self) -> str:
        return f"an object whose kind is {self.kinds.describe()}"

    def example(self) -> JSON:
        kind, model = self.members[0]
        return {"kind": kind, **model.example()}

    def parse(self, text: str) -> JSON:
        return read_json(text)


@dataclass(frozen=True)
class Either:
    members: tuple["Spec", ...]

    def describe(self) -> str:
        return " or ".join(member.describe() for member in self.members)

    def example(self) -> JSON:
        return self.members[0].example()

    def parse(self, text: str) -> JSON:
        # Free text last, because every text fits it; so an optional text can be cleared.
        for member in sorted(self.members, key=lambda spec: isinstance(spec, Scalar) and spec.type is str):
            try:
                return member.parse(text)
            except (ValueError, KeyError):
                continue
        raise ValueError("fits no alternative")


Spec: TypeAlias = Scalar | Choice | Null | Sequence | Model | Slot | Either


def read_bounds(metadata: Iterable[Any]) -> tuple[tuple[str, Any], ...]:
    found = {}
    for item in metadata:
        nested = item.metadata if isinstance(item, FieldInfo) else [item]
        for constraint in nested:
            found |= {
                key: getattr(constraint, key) for key in BOUND_WORDS if getattr(constraint, key, None) is not None
            }
    return tuple(found.items())


def read_spec(annotation: Any, metadata: tuple = (), discriminator: Any = None) -> Spec:
    """Takes an annotation apart. TypeError, addressed to the author of the class, where it is outside the set."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        by = next(
            (item.discriminator for item in args[1:] if isinstance(item, FieldInfo) and item.discriminator),
            discriminator,
        )
        return read_spec(args[0], (*metadata, *args[1:]), by)
    if annotation in (int, float, bool, str):
        return Scalar(annotation, read_bounds(metadata))
    if annotation in (None, type(None)):
        return Null()
    if origin is Literal:
        return Choice(tuple((text_of(value), value) for value in args))
    if origin is tuple:
        repeats = args[-1] is Ellipsis
        return Sequence(tuple(read_spec(arg) for arg in args if arg is not Ellipsis), repeats, read_bounds(metadata))
    if origin in (Union, types.UnionType):
        return read_union(args, discriminator)
    is_class = origin is None and isinstance(annotation, type)  # in Python 3.10 list[int] says that it is a type
    if is_class and issubclass(annotation, enum.Enum):
        return Choice(tuple((text_of(member.value), member.value) for member in annotation))
    if is_class and issubclass(annotation, BaseModel):
        if annotation.model_config.get("frozen") and annotation.model_config.get("extra") == "forbid":
            return Model(annotation)
        raise TypeError(f"derive {annotation.__name__} from Config")
    hint = "; use a tuple, which cannot change" if (origin or annotation) in (list, set, dict) else ""
    raise TypeError(f"{annotation} cannot be a configuration field{hint}")


def read_union(args: tuple, discriminator: Any) -> Spec:
    specs = [read_spec(arg) for arg in args]
    models = tuple(spec for spec in specs if isinstance(spec, Model))
    others = tuple(spec for spec in specs if not isinstance(spec, Model))
    if len(models) > 1:
        if discriminator != "kind":
            raise TypeError("several configurations in one field need Annotated[A | B, BY_KIND]")
        kinds = [model.cls.model_fields["kind"].default for model in models]
        if len(set(kinds)) < len(kinds) or not all(isinstance(kind, str) for kind in kinds):
            raise TypeError(f"each member of a slot needs its own `kind: Literal[...] = ...`, got {kinds}")
        slot: tuple[Spec, ...] = (Slot(tuple(zip(kinds, models, strict=True))),)
    else:
        slot = models
    holds_parts = [spec for spec in (*slot, *others) if isinstance(spec, Model | Slot | Sequence | Either)]
    if holds_parts and len(holds_parts) + others.count(Null()) < len((*slot, *others)):
        raise TypeError("a part or a list may be combined with None only; give the alternatives a `kind`")
    members = (*slot, *others)
    return members[0] if len(members) == 1 else Either(members)


def spec_of(field: FieldInfo) -> Spec:
    return read_spec(field.annotation, tuple(field.metadata), field.discriminator)


def example_of(field: FieldInfo) -> JSON:
    """A right value for the field: the author's own example, else its default, else one that its bounds allow."""
    if field.examples:
        return field.examples[0]
    default = field.get_default(call_default_factory=True)
    if field.is_required() or default is None:
        return spec_of(field).example()
    return to_jsonable_python(default)
