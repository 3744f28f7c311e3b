# SPDX-License-Identifier: Apache-2.0
"""Inert records of modules, and the walk from a record to its tensors.

A *record* keeps what a snapshot says of an object: the name of its class and its attributes. It has no behaviour.
What is read is a *sound tree*: without loops, of bounded depth and size even where parts are shared, and of known
types, so that any later walk, copy or print of it ends.
"""

from collections.abc import Iterator
from typing import Any, final

from torch import Tensor

from torch_utils.legacy_bytes import LegacyPickleError
from torch_utils.legacy_machine import Buildable, kind, quoted
from torch_utils.legacy_numpy import Array

MAX_DEPTH = 100  # a published snapshot needs some 20
MAX_NODES = 2_000_000  # counted each time a shared part is met

_LEAVES = (type(None), bool, int, float, str, bytes, Tensor, Array)


@final
class Record(Buildable):
    """Stands for an object of the file."""

    def __init__(
        self, class_name: str, state: dict[str, Any] | None = None, words: frozenset[str] = frozenset()
    ) -> None:
        self.class_name = class_name
        self.words = words  # That were asked for, and stand in the source text that came with the object.
        self.state = {} if state is None else state

    def __repr__(self) -> str:
        return f"Record({quoted(self.class_name)})"

    def build(self, state: Any) -> None:
        """Take the attributes of an object."""
        if not isinstance(state, dict) or self.state:
            raise LegacyPickleError(f"the state of {quoted(self.class_name)} is not one dictionary ({kind(state)})")
        self.state = state

    @property
    def attributes(self) -> dict[str, Any]:
        """What the object's author set, without what torch keeps of a module."""
        return {name: value for name, value in self.state.items() if not name.startswith("_")}

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The keyword arguments it was made with."""
        return self._part("_init_kwargs")

    @property
    def modules(self) -> dict[str, "Record"]:
        """The modules it consists of."""
        found = {name: module for name, module in self._part("_modules").items() if module is not None}
        for name, module in found.items():
            if not isinstance(module, Record):
                raise LegacyPickleError(f"module {quoted(name)} of {self!r} is no module ({kind(module)})")
        return found

    @property
    def own_tensors(self) -> dict[str, Tensor]:
        """Its parameters, then its buffers, without those that a state dict leaves out."""
        temporary = self.state.get("_non_persistent_buffers_set", set())
        if not isinstance(temporary, set):
            raise LegacyPickleError(f"{self!r} has no set of non-persistent buffers ({kind(temporary)})")
        buffers = self._part("_buffers").items()
        found = self._part("_parameters") | {name: value for name, value in buffers if name not in temporary}
        found = {name: value for name, value in found.items() if value is not None}
        for name, value in found.items():
            if not isinstance(value, Tensor):
                raise LegacyPickleError(f"{quoted(name)} of {self!r} is no tensor ({kind(value)})")
        return found

    def _part(self, name: str) -> dict[str, Any]:
        part = self.state.get(name)
        if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
            raise LegacyPickleError(f"{self!r} is no module: it has no {name}")
        return part


def tensors(record: Record) -> dict[str, Tensor]:
    """The state dict of the module that a record stands for: dotted names in the order of registration."""
    if not isinstance(record, Record):
        raise LegacyPickleError(f"a module is expected here, and the file has {kind(record)}")
    found: dict[str, Tensor] = {}
    for name, tensor in _walk(record, ""):
        if name in found:
            raise LegacyPickleError(f"two tensors have the name {quoted(name)}")
        found[name] = tensor
    return found


def _walk(record: Record, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in record.own_tensors.items():
        yield prefix + name, tensor
    for name, module in record.modules.items():
        yield from _walk(module, f"{prefix}{name}.")


def check_tree(value: Any) -> None:
    """Refuse what is no sound tree."""
    _measure(value, 0, {})


def _measure(value: Any, depth: int, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Nodes and height of what hangs below; `known` has both for what was seen, and None for what is being seen."""
    if isinstance(value, _LEAVES):
        # Long texts weigh more: repeated often enough, they too would fill a memory that copies or prints them.
        return 1 + (len(value) // 64 if isinstance(value, str | bytes) else 0), 0
    if id(value) not in known:
        if depth >= MAX_DEPTH:
            raise LegacyPickleError(f"it is nested more than {MAX_DEPTH} deep")
        known[id(value)] = None
        below = [_measure(part, depth + 1, known) for part in _parts(value)]
        known[id(value)] = 1 + sum(nodes for nodes, _ in below), 1 + max((height for _, height in below), default=0)
    measured = known[id(value)]
    if measured is None:
        raise LegacyPickleError(f"it contains itself (a {kind(value)}), and never ends")
    nodes, height = measured
    if nodes > MAX_NODES:
        raise LegacyPickleError(f"it repeats its parts until there are more than {MAX_NODES}")
    if depth + height > MAX_DEPTH:
        raise LegacyPickleError(f"it is nested more than {MAX_DEPTH} deep")
    return measured


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Record):
        if not all(isinstance(name, str) for name in value.state):
            raise LegacyPickleError(f"an attribute of {value!r} has a number for a name")
        return [value.state]
    if isinstance(value, dict):
        return list(value.values())  # keys are texts and integers
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set):
        return []
    raise LegacyPickleError(f"it has raw data or a bare name where plain values belong ({kind(value)})")
