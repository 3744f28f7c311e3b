# SPDX-License-Identifier: Apache-2.0
"""Dotted paths into a configuration: replacing fields, `--set` text, and what differs between two configurations.

A path names fields from the outside in, `field.planes.depth`; a number names a position in a list, `stages.0.batch`.
An *assignment* is `PATH=TEXT`, the text typed by the field it is for. Changes are made to the tree, in order, and the
whole is validated once at the end, so fields that constrain each other can change together.
"""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic_core import to_jsonable_python

from dnnlib.config import (
    Config,
    ConfigError,
    ConfigT,
    Tree,
    container,
    expected,
    from_tree,
    no_such_field,
    to_tree,
)
from dnnlib.config_types import JSON, Model, Sequence, Slot, Spec, example_of, spec_of, text_of
from dnnlib.console import get_logger
from dnnlib.text import nearest

log = get_logger(__name__)
ABSENT = "(absent)"  # stands for a field that only the other configuration has


def replace(config: ConfigT, **changes: Any) -> ConfigT:
    """The configuration with other values at some paths, validated: `replace(base, name="x", **{"loop.batch": 4})`."""
    tree = to_tree(config)
    for path, value in changes.items():
        assign(tree, Model(type(config)), path, lambda spec, value=value: to_jsonable_python(value))
    return from_tree(type(config), tree, f"replace({', '.join(changes)})")


def override(config: ConfigT, assignments: Iterable[str]) -> ConfigT:
    """Applies `--set` assignments; a later one wins over an earlier one."""
    tree, assignments = to_tree(config), list(assignments)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not (equals and path.strip()):
            *_, (example, value) = leaves(tree).items()
            raise ConfigError(f"--set {assignment}: expected PATH=VALUE, such as {example}={text_of(value)}")
        try:
            assign(tree, Model(type(config)), path.strip(), lambda spec, text=text: spec.parse(text.strip()))
        except ConfigError as error:
            raise ConfigError(f"--set {assignment}: {error}") from None
    return from_tree(type(config), tree, " ".join(f"--set {assignment}" for assignment in assignments))


def assign(tree: Tree, spec: Spec, path: str, value_for: Callable[[Spec], JSON]) -> None:
    """Puts `value_for(spec of the field)` at the path, in place."""
    *parents, last = names = path.split(".")
    node: JSON = tree
    for depth, name in enumerate(parents, start=1):
        spec, example = part(tree, node, spec, names[:depth])
        key = int(name) if isinstance(node, list) else name
        if isinstance(node, dict) and name not in node:
            node[name] = example  # a slot that just changed its kind holds no defaults yet
        if node[key] is None:
            node[key] = unset(container(spec), ".".join(names[:depth]), last)
        node = node[key]
    holder = container(spec)
    spec, example = part(tree, node, spec, names)
    try:
        value = value_for(spec)
    except (ValueError, KeyError):
        suggestion = f" (its kind alone: {path}.kind=...)" if isinstance(container(spec), Slot) else ""
        raise ConfigError(f"{path}: {expected(spec, text_of(example))}{suggestion}") from None
    if isinstance(holder, Slot) and last == "kind":
        switch_kind(node, holder, value, path)
    else:
        node[int(last) if isinstance(node, list) else last] = value


def part(tree: Tree, node: JSON, spec: Spec, names: list[str]) -> tuple[Spec, JSON]:
    """The spec and an example of the last of `names`, one step below `node`."""
    *parents, name = names
    path, whole = ".".join(names), container(spec)
    if isinstance(whole, Slot):
        if name == "kind":
            return whole.kinds, whole.members[0][0]
        whole = dict(whole.members)[node["kind"]]
    if isinstance(whole, Model):
        fields = whole.cls.model_fields
        if name in fields:
            return spec_of(fields[name]), example_of(fields[name])
        raise ConfigError(no_such_field(path, fields, suggestion=elsewhere(tree, path)))
    if isinstance(whole, Sequence) and isinstance(node, list):
        item = whole.at(name, len(node))
        if item is not None:
            return item, item.example()
        positions = f"has the positions 0 to {len(node) - 1}" if node else "is an empty list"
        raise ConfigError(f"{path}: {'.'.join(parents)} {positions}")
    raise ConfigError(f"{path}: {'.'.join(parents)} is {spec.describe()}; nothing lies below it")


def unset(spec: Spec, path: str, next_name: str) -> JSON:
    """What an optional part that is null becomes when something below it is set."""
    if isinstance(spec, Model) or (isinstance(spec, Slot) and next_name == "kind"):
        return {}
    remedy = (
        f"choose its kind first, such as {path}.kind={spec.kinds.example()}"
        if isinstance(spec, Slot)
        else f"set {path}"
    )
    raise ConfigError(f"{path} is null; {remedy}")


def switch_kind(node: Tree, slot: Slot, after: JSON, path: str) -> None:
    """Makes the slot hold another kind. Fields of the same name and type stay; the others are dropped, and named."""
    before, members = node.get("kind"), dict(slot.members)
    old, new = (
        {name: spec_of(field) for name, field in members[kind].cls.model_fields.items()} if kind in members else {}
        for kind in (before, after)
    )
    dropped = {name: node.pop(name) for name in list(node) if name != "kind" and old.get(name) != new.get(name, ABSENT)}
    node["kind"] = after
    if dropped:
        log.warning("%s=%s drops %s", path, after, ", ".join(f"{name}={value}" for name, value in dropped.items()))


def elsewhere(tree: Tree, path: str) -> str | None:
    """A field of that name somewhere else, or a path spelled like this one."""
    paths = list(leaves(tree))
    name = path.rpartition(".")[2]
    return next((other for other in paths if other.rpartition(".")[2] == name), None) or nearest(path, paths)


def leaves(tree: JSON, prefix: str = "") -> dict[str, JSON]:
    """Path -> value for everything that has no parts. A list of plain values is one value."""
    if isinstance(tree, dict):
        items: Iterable = tree.items()
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        items = enumerate(tree)
    else:
        return {prefix: tree}
    return {path: leaf for name, item in items for path, leaf in leaves(item, f"{prefix}.{name}".lstrip(".")).items()}


def differences(a: Config, b: Config) -> list[tuple[str, JSON, JSON]]:
    """(path, value in a, value in b) wherever they differ, in a's order; `ABSENT` where only one has the field."""
    left, right = leaves(to_tree(a)), leaves(to_tree(b))
    pairs = ((path, left.get(path, ABSENT), right.get(path, ABSENT)) for path in {**left, **right})
    return [(path, x, y) for path, x, y in pairs if x != y]
