# SPDX-License-Identifier: Apache-2.0
"""A pickle machine that can build plain data and nothing else.

A pickle is a program for a small stack machine. This one is our own, since Python's imports names and calls what it
finds: here a *name* is text, and "calling" it looks the text up in a *vocabulary* of our functions, all of them pure.
No module is imported, no attribute is followed, no class of Python's is created or altered because a file says so.

Opcodes are those that Python's picklers write with protocols 2 to 5 for such data. Keys are texts and small integers:
hashing a deep tuple would overflow the C stack, and chosen large integers all fall into one slot.
Values are None, bool, int, float, str, bytes, tuple, list, dict, set, `Span` (long bytes or text, left in the file),
`Name`, and whatever the vocabulary makes.
"""

import pickletools
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch_utils.legacy_bytes import Cursor, LegacyPickleError, Limits

PROTOCOLS = range(2, 6)
LONGEST_INLINE = 4096  # longer bytes and texts stay in the file
LONGEST_NAME = 256
INT_KEYS = range(-(2**31), 2**31)

_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_EMPTY = {b"]": list, b"}": dict, b")": tuple, b"\x8f": set}
_NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
_TEXTS = {b"\x8c": 1, b"X": 4, b"\x8d": 8}  # the width of the length that stands in front
_BYTES = {b"C": 1, b"B": 4, b"\x8e": 8}
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_GET = {b"h": 1, b"j": 4}
_PUT = {b"q": 1, b"r": 4}
_OPCODE_NAMES = {opcode.code.encode("latin1"): opcode.name for opcode in pickletools.opcodes}
_NOTHING = object()


class Buildable(ABC):
    """A stand-in that takes its state after it was made."""

    @abstractmethod
    def build(self, state: Any) -> None:
        """Take the state, or refuse it."""


@final
@dataclass(frozen=True)
class Name:
    """A dotted name that stood in the file. It refers to nothing."""

    text: str


@final
@dataclass(frozen=True)
class Vocabulary:
    """The names a file may use, and our function for each. A call gets the tuple of arguments as the file gives it."""

    calls: Mapping[str, Callable[[tuple], Any]] = field(default_factory=dict)
    classes: Mapping[str, Callable[[], Any]] = field(default_factory=dict)  # made without arguments
    mentions: frozenset[str] = frozenset()  # may stand in arguments
    persistent: Callable[[Any], Any] | None = None  # what a persistent id stands for

    def __contains__(self, name: str) -> bool:
        return name in self.calls or name in self.classes or name in self.mentions


def quoted(text: str) -> str:
    """Text of a file, made safe for a terminal and short."""
    return ascii(text if len(text) <= 80 else f"{text[:80]}...")


def kind(value: Any) -> str:
    """What to call a value in a message, whatever is in it."""
    return f"name {quoted(value.text)}" if isinstance(value, Name) else type(value).__name__


def expect(what: str, values: Any, *kinds: type | tuple[type, ...]) -> tuple:
    """Arguments as a tuple of these kinds, one each, or a refusal."""
    if type(values) is not tuple or len(values) != len(kinds) or not all(map(isinstance, values, kinds)):
        found = ", ".join(map(kind, values[:9])) if type(values) is tuple else kind(values)
        raise LegacyPickleError(f"{what} is written in a way this reader does not know ({found or 'nothing'})")
    return values


@final
class Machine:
    """Reads one pickle at the cursor and leaves the cursor behind it."""

    def __init__(self, cursor: Cursor, vocabulary: Vocabulary, limits: Limits) -> None:
        self.cursor = cursor
        self.vocabulary = vocabulary
        self.limits = limits
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack; what lies below the last is out of reach
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value that the pickle describes."""
        if self.cursor.take(1) != b"\x80" or self.cursor.unsigned(1) not in PROTOCOLS:
            raise LegacyPickleError("it is no pickle of protocol 2 to 5")
        while (opcode := self.cursor.take(1)) != b".":
            self.limits.spend_opcode()
            self.step(opcode)
        if self.marks or len(self.stack) != 1:
            raise _damaged("it stops with values left over")
        return self.stack[0]

    def step(self, opcode: bytes) -> None:
        """One opcode. Some only push; the others are grouped by what they take from the stack."""
        pushed = self.simple(opcode)
        if pushed is not _NOTHING:
            self.stack.append(pushed)
        elif opcode in _PUT:
            self.put(self.cursor.unsigned(_PUT[opcode]))
        elif opcode == b"\x94":  # MEMOIZE
            self.put(len(self.memo))
        elif opcode == b"\x95":  # FRAME: a hint for readers that buffer
            if self.cursor.unsigned(8) > self.cursor.remaining:
                raise _damaged("a part of it is longer than the file")
        elif opcode == b"(":  # MARK
            self.marks.append(len(self.stack))
        elif opcode in _TUPLES:
            self.stack.append(tuple(self.pop(_TUPLES[opcode])))
        elif opcode == b"t":  # TUPLE
            self.stack.append(tuple(self.pop_to_mark()))
        elif opcode == b"a":  # APPEND
            self.extend(self.pop(1))
        elif opcode == b"e":  # APPENDS
            self.extend(self.pop_to_mark())
        elif opcode == b"s":  # SETITEM
            self.set_items(self.pop(2))
        elif opcode == b"u":  # SETITEMS
            self.set_items(self.pop_to_mark())
        elif opcode == b"\x90":  # ADDITEMS
            self.add_items(self.pop_to_mark())
        elif opcode == b"\x93":  # STACK_GLOBAL
            self.stack.append(self.name(*expect("a name", tuple(self.pop(2)), str, str)))
        elif opcode == b"R":  # REDUCE
            self.stack.append(self.call(*self.pop(2)))
        elif opcode == b"\x81":  # NEWOBJ
            self.stack.append(self.new(*self.pop(2)))
        elif opcode == b"b":  # BUILD
            (state,) = self.pop(1)
            self.top(Buildable, "the state of an object").build(state)
        elif opcode == b"Q" and self.vocabulary.persistent is not None:  # BINPERSID
            self.stack.append(self.vocabulary.persistent(*self.pop(1)))
        elif opcode in _OPCODE_NAMES:
            name = _OPCODE_NAMES[opcode]
            raise LegacyPickleError(f"it uses the opcode {name}, which no published snapshot does; nothing was run")
        else:
            raise _damaged(f"it uses the opcode 0x{opcode.hex()}, which does not exist")

    def simple(self, opcode: bytes) -> Any:
        """What an opcode pushes that takes nothing from the stack."""
        if opcode in _CONSTANTS:
            return _CONSTANTS[opcode]
        if opcode in _EMPTY:
            return _EMPTY[opcode]()
        if opcode in _NUMBERS:
            layout = _NUMBERS[opcode]
            return struct.unpack(layout, self.cursor.take(struct.calcsize(layout)))[0]
        if opcode == b"\x8a":  # LONG1
            return int.from_bytes(self.cursor.take(self.cursor.unsigned(1)), "little", signed=True)
        if opcode in _TEXTS or opcode in _BYTES:
            is_text = opcode in _TEXTS
            return self.payload(self.cursor.unsigned((_TEXTS if is_text else _BYTES)[opcode]), is_text)
        if opcode in _GET:
            index = self.cursor.unsigned(_GET[opcode])
            if index not in self.memo:
                raise _damaged("it refers to a value it does not have")
            return self.memo[index]
        if opcode == b"c":  # GLOBAL
            return self.name(self.cursor.line(LONGEST_NAME), self.cursor.line(LONGEST_NAME))
        return _NOTHING

    def payload(self, size: int, is_text: bool) -> Any:
        """Text or bytes of the next `size` bytes; long ones stay in the file."""
        if size > LONGEST_INLINE:
            return self.cursor.skip(size, is_text)
        self.limits.spend_inline(size)
        data = self.cursor.take(size)
        try:
            return data.decode() if is_text else data
        except UnicodeDecodeError:
            raise _damaged("a text in it is not UTF-8") from None

    def name(self, module: str, attribute: str) -> Name:
        """A name, if the vocabulary has it: the text as a whole, not the path it could describe."""
        name = f"{module}.{attribute}"
        if name not in self.vocabulary:
            raise LegacyPickleError(
                f"it asks for {quoted(name)}, which is no part of a published snapshot; nothing was run. "
                "Use another copy of the file, and do not open this one with a reader that runs what it finds"
            )
        return Name(name)

    def call(self, function: Any, arguments: Any) -> Any:
        """What our function for the name makes of the arguments."""
        if not isinstance(function, Name) or function.text not in self.vocabulary.calls:
            raise LegacyPickleError(f"it calls what is no function of a published snapshot ({kind(function)})")
        if type(arguments) is not tuple:
            raise _damaged("a call has no arguments")
        return self.vocabulary.calls[function.text](arguments)

    def new(self, cls: Any, arguments: Any) -> Any:
        """An empty stand-in for an object of the class."""
        if not isinstance(cls, Name) or cls.text not in self.vocabulary.classes:
            raise LegacyPickleError(f"it makes an object that is no part of a published snapshot ({kind(cls)})")
        expect("an object", arguments)
        return self.vocabulary.classes[cls.text]()

    def extend(self, items: list[Any]) -> None:
        """Append to the list below."""
        self.top(list, "a list").extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Fill the dictionary below with keys and values in turn."""
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise _damaged("a key has no value")
        self.top(dict, "a dictionary").update(zip(checked_keys(keys), values, strict=True))

    def add_items(self, items: list[Any]) -> None:
        """Fill the set below."""
        self.top(set, "a set").update(checked_keys(items))

    def put(self, index: int) -> None:
        """Remember the top of the stack."""
        self.memo[index] = self.top(object, "a value")

    def top(self, wanted: type, what: str) -> Any:
        """The top of the stack, which stays, if it is of the kind wanted."""
        if len(self.stack) <= self.floor or not isinstance(self.stack[-1], wanted):
            raise _damaged(f"{what} is missing where it is used")
        return self.stack[-1]

    def pop(self, count: int) -> list[Any]:
        """The last values, in order."""
        if len(self.stack) - count < self.floor:
            raise _damaged("it uses a value it does not have")
        return self.cut(len(self.stack) - count)

    def pop_to_mark(self) -> list[Any]:
        """All values since the last mark, which goes."""
        if not self.marks:
            raise _damaged("it uses a value it does not have")
        return self.cut(self.marks.pop())

    def cut(self, height: int) -> list[Any]:
        """All values above a height, taken off."""
        values = self.stack[height:]
        del self.stack[height:]
        return values

    @property
    def floor(self) -> int:
        """What lies below is out of reach."""
        return self.marks[-1] if self.marks else 0


def checked_keys(keys: list[Any]) -> list[Any]:
    """Keys whose hashing cannot be used against us."""
    for key in keys:
        if not isinstance(key, str) and not (isinstance(key, int) and key in INT_KEYS):
            raise LegacyPickleError(f"a key in it is neither text nor a small integer ({kind(key)})")
    return keys


def _damaged(what: str) -> LegacyPickleError:
    return LegacyPickleError(f"{what}: it is damaged (copy or download it again) or no snapshot")
