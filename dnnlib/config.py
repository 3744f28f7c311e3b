# SPDX-License-Identifier: Apache-2.0
"""Typed, frozen configurations and their exact JSON form.

A *configuration* is a frozen value that says everything about what it configures; it stands next to that thing.
A *tree* is the same value as plain JSON data. A *slot* is a field that holds one of several configurations, told apart
by their field `kind`:

    class TriGrid(Config):
        kind: Literal["trigrid"] = "trigrid"
        depth: int = Field(3, ge=1)

    class RadianceField(Config):
        planes: Annotated[TriGrid | TriPlane, BY_KIND] = TriGrid()
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dnnlib.config_types import JSON, Model, Sequence, Slot, Spec, example_of, spec_of
from dnnlib.text import nearest

BY_KIND = Field(discriminator="kind")
Tree = dict[str, JSON]


class ConfigError(ValueError):
    """What a person wrote is no valid configuration. The message gives the path, the expected type, a right example."""


class Config(BaseModel):
    """Base of every configuration: frozen, unknown keys refused, no silent conversion, finite numbers."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if "." in name or field.alias is not None:
                raise TypeError(f"{cls.__name__}.{name}: a path must name the field, so it has no alias")
            try:
                spec_of(field)
            except TypeError as error:
                raise TypeError(f"{cls.__name__}.{name}: {error}") from None


ConfigT = TypeVar("ConfigT", bound=Config)


def to_tree(config: Config) -> Tree:
    return config.model_dump(mode="json")


def to_json(config: Config) -> str:
    """JSON text that `from_json` turns into an equal value. Python writes the shortest exact form of a float."""
    return json.dumps(to_tree(config), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def from_json(cls: type[ConfigT], text: str, source: str = "configuration") -> ConfigT:
    return from_tree(cls, parse_object(text, source), source)


def from_tree(cls: type[ConfigT], tree: Tree, source: str = "configuration") -> ConfigT:
    try:
        # Validated as JSON, where strict still lets a list be a tuple and a text be an enum.
        return cls.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigError(explain(cls, error, source)) from None


def parse_object(text: str, source: str) -> Tree:
    """Reads one JSON object. A key given twice and a number that is not finite are mistakes, not data."""

    def unique(pairs: list[tuple[str, JSON]]) -> Tree:
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the key {twice[0]!r} is given twice; keep one of them")
        return dict(pairs)

    def not_finite(word: str) -> None:
        raise ValueError(f"{word} is not a finite number; write one, or null where the field is optional")

    try:
        tree = json.loads(text, object_pairs_hook=unique, parse_constant=not_finite)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: this is not a configuration in JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f'{source}: expected a JSON object, such as {{"name": "..."}}, but got {type(tree).__name__}')
    return tree


def migrate(tree: Tree, migrations: Mapping[int, Callable[[Tree], Tree]], newest: int, source: str) -> Tree:
    """Brings a tree of an older `schema_version` to the newest. `migrations[n]` turns version n into version n + 1."""
    version = tree.get("schema_version")
    if type(version) is not int or version < 1:
        example = f'such as "schema_version": {newest}'
        raise ConfigError(f"{source}: schema_version must be a whole number from 1 to {newest}, {example}")
    if version > newest:
        raise ConfigError(
            f"{source}: written by a newer FullHead as schema {version}; this one reads up to {newest}. Upgrade it."
        )
    for step in range(version, newest):
        tree = {**migrations[step](tree), "schema_version": step + 1}
    return tree


def no_such_field(path: str, names: Iterable[str], suggestion: str | None = None) -> str:
    """What to say of a path whose last part is none of `names`. A suggestion is a whole path."""
    parent, _, name = path.rpartition(".")
    close = nearest(name, names)
    suggestion = f"{parent}.{close}".lstrip(".") if close else suggestion
    hint = f" Did you mean {suggestion}?" if suggestion else ""
    return f"{path}: no such field.{hint} Fields of {parent or 'the configuration'}: {', '.join(names)}."


def expected(spec: Spec, example: str) -> str:
    words = spec.describe()
    return f"expected {words}" + (f", such as {example}" if example != words else "")


def explain(cls: type[Config], error: ValidationError, source: str) -> str:
    """The validation errors in words, one line for each path."""
    lines: dict[str, str] = {}
    for item in error.errors(include_url=False):
        path, line = explain_one(cls, item)
        lines.setdefault(path, line)
    separator = "\n  " if len(lines) > 1 else " "
    return f"{source}:" + separator + "\n  ".join(lines.values())


def explain_one(cls: type[Config], item: Mapping[str, Any]) -> tuple[str, str]:
    path, spec, example, names = locate(cls, item["loc"])
    got, kind, wanted = shorten(json.dumps(item["input"])), item["type"], expected(spec, json.dumps(example))
    if kind == "json_invalid":
        return path, f"this is not a configuration in JSON: {item['ctx']['error']}"
    if kind == "extra_forbidden":
        return path, no_such_field(path, names)
    if kind in ("value_error", "assertion_error"):
        return path, f"{path + ': ' if path else ''}{item['ctx']['error']}"
    if kind == "missing":
        return path, f"{path}: missing; {wanted}"
    return path, f"{path}: got {got}; {wanted}"


def locate(cls: type[Config], location: tuple[int | str, ...]) -> tuple[str, Spec, JSON, list[str]]:
    """Follows a validation error: the path as a person writes it, the spec and an example there, the sibling names."""
    path: list[str] = []
    spec: Spec = Model(cls)
    example: JSON = spec.example()
    names: list[str] = []
    for part in location:
        part_spec = container(spec)
        if isinstance(part_spec, Slot):  # the validator names the kind before it names the field
            spec = dict(part_spec.members)[part]
        elif isinstance(part_spec, Model):
            names = list(part_spec.cls.model_fields)
            path.append(str(part))
            if part not in names:
                break
            field = part_spec.cls.model_fields[part]
            spec, example = spec_of(field), example_of(field)
        elif isinstance(part_spec, Sequence):
            path.append(str(part))
            spec = part_spec.items[0 if part_spec.repeats else int(part)]
            example = spec.example()
        else:
            break  # one of several alternatives: what is said of all of them together is enough
    return ".".join(path), spec, example, names


def container(spec: Spec) -> Spec:
    """The part of an optional spec that has fields or positions; the spec itself otherwise."""
    return next(
        (member for member in getattr(spec, "members", ()) if isinstance(member, Model | Slot | Sequence)), spec
    )


def shorten(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
