"""Read a pickle as plain values and arrays, with a small interpreter that executes no code.

Weights are published as pickles (protocols 2 to 5). Python's unpickler trusts them: it calls the
functions that they name, recurses without limit, and allocates the sizes that they declare. This
interpreter supports only the operations that weights need, and calls only the given builders.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_OPERATIONS = 1_000_000
"""Operations of one pickle; the state of an optimizer of 500 tensors has 100,000."""
MAX_VALUES = 1_000_000
MAX_DEPTH = 64
MAX_INTEGER_BYTES = 16
MAX_LINE_BYTES = 200
_PLAIN = (str, bytes, int, float, bool, type(None))
_DAMAGED = (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, struct.error)


@dataclass(frozen=True)
class Name:
    """A reference of a pickle to a name in a module; nothing is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


Builders = Mapping[Name, Callable[..., Any] | None]
"""Allowed names and the function called for each; None if a name may only be referred to."""


@dataclass(frozen=True)
class Reading:
    """How the pickles of one kind of file are read.

    Attributes:
        builders: The allowed names.
        update: Called with an object that a builder returned and the state to set.
        stored: Returns the object of a persistent id.
    """

    builders: Builders
    update: Callable[[Any, Any], None]
    stored: Callable[[Any], Any] | None = None


def read_pickle(content: bytes, reading: Reading, start: int = 0) -> tuple[Any, int]:
    """Return the value of a pickle and its end position.

    Args:
        content: Bytes with the pickle.
        reading: How to read it.
        start: Position of its first byte.

    Returns:
        Dicts with plain keys, lists, tuples, plain values, and objects built by `reading`. Values
        may refer to each other in cycles; `require_bounded` checks this.

    Raises:
        ValueError: It is truncated or damaged, refers to another name, or has more than
            `MAX_OPERATIONS` operations.
    """
    machine = _Machine(content, reading, start)
    try:
        return machine.run(), machine.position
    except _DAMAGED as error:
        raise ValueError(f"it is a damaged pickle ({type(error).__name__})") from None


def require_bounded(value: Any, arrays: type | tuple[type, ...], max_bytes: int) -> None:
    """Check that a value read from a pickle is a tree, which can be walked, printed and copied.

    A value counts once for each reference to it.

    Args:
        value: The value.
        arrays: Allowed types of arrays.
        max_bytes: Size of all arrays, with at least four bytes per element (float32).

    Raises:
        ValueError: It is nested more than `MAX_DEPTH` levels deep, contains more than `MAX_VALUES`
            values or `max_bytes`, or a value that is neither plain nor an array.
    """
    pending, values, size = [(value, 0)], 1, 0
    while pending:
        each, depth = pending.pop()
        if isinstance(each, dict | list | tuple):
            values += len(each)
            if values > MAX_VALUES:
                raise ValueError(f"it contains more than {MAX_VALUES} values")
            if depth == MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
            items = each.values() if isinstance(each, dict) else each
            pending += [(item, depth + 1) for item in items]
        elif isinstance(each, arrays):
            size += each.nbytes // each.itemsize * max(4, each.itemsize)  # type: ignore[attr-defined]
            if size > max_bytes:
                raise ValueError(f"its arrays take more than {max_bytes} bytes")
        elif not isinstance(each, _PLAIN):
            raise ValueError(
                f"it contains a {type(each).__name__}, which is neither an array nor a plain value"
            )


def empty_dict() -> dict[Any, Any]:
    """Return the value for a ``collections.OrderedDict``, to which items are added later."""
    return {}


def empty_bytes() -> bytes:
    """Return empty bytes, which Python 3 pickles for Python 2 as a call of ``bytes``."""
    return b""


def _put(target: Any, key: Any, item: Any) -> None:
    # Hashing a tuple recurses through its items.
    if not isinstance(key, _PLAIN):
        raise ValueError(f"a key is a {type(key).__name__}; keys must be plain values")
    if type(target) is not dict:
        raise TypeError
    target[key] = item


class _Machine:
    """The stack machine of `pickle`, with the operations in `_OPERATIONS`."""

    def __init__(self, content: bytes, reading: Reading, start: int) -> None:
        self._content, self._reading = content, reading
        self.position = start
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Execute operations until STOP; return the value."""
        for _ in range(MAX_OPERATIONS):
            code = self.take(1)
            if code == pickle.STOP:
                return self.pop()
            if code not in _OPERATIONS:
                raise ValueError(
                    f"byte {self.position - 1} is {code!r}, which is not an operation for weights"
                )
            _OPERATIONS[code](self)
        raise ValueError(f"it has more than {MAX_OPERATIONS} operations")

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        end = self.position + length
        if not self.position <= end <= len(self._content):
            raise ValueError("it is truncated")
        taken = self._content[self.position : end]
        self.position = end
        return taken

    def number(self, form: str) -> int:
        """Return the next number in a `struct` format."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def integer(self) -> int:
        """Return the next integer of up to `MAX_INTEGER_BYTES`, which follows its length."""
        length = self.number("B")
        if length > MAX_INTEGER_BYTES:
            raise ValueError(f"it contains an integer of {length} bytes")
        return int.from_bytes(self.take(length), "little", signed=True)

    def line(self) -> str:
        """Return the text up to the next line feed."""
        end = self._content.find(b"\n", self.position, self.position + MAX_LINE_BYTES)
        if end < 0:
            raise ValueError(f"it contains a name of more than {MAX_LINE_BYTES} bytes")
        return self.take(end + 1 - self.position)[:-1].decode()

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self._stack.pop()

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[Any]:
        """Return the values pushed since the last mark, and remove the mark."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def top_of(self, length: int) -> list[Any]:
        """Pop the topmost values and return them."""
        if length > len(self._stack):
            raise IndexError
        items = self._stack[len(self._stack) - length :]
        del self._stack[len(self._stack) - length :]
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise TypeError
        self._stack[-1].extend(items)

    def put(self, items: list[Any]) -> None:
        for key, item in zip(items[::2], items[1::2], strict=True):
            _put(self._stack[-1], key, item)

    def remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def remember_next(self) -> None:
        self.remember(len(self._memo))

    def recall(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def name(self, module: str, name: str) -> None:
        """Push a name."""
        if not (type(module) is type(name) is str):
            raise TypeError
        found = Name(module[:MAX_LINE_BYTES], name[:MAX_LINE_BYTES])
        if found not in self._reading.builders:
            raise ValueError(f"it wants to run {found}, which no file of weights needs")
        self._stack.append(found)

    def build(self) -> None:
        called, arguments = self.top_of(2)
        if not isinstance(called, Name) or type(arguments) is not tuple:
            raise TypeError
        make = self._reading.builders[called]
        if make is None:
            raise ValueError(f"it calls {called}, which weights only refer to")
        self._stack.append(make(*arguments))

    def update(self) -> None:
        state = self.pop()
        self._reading.update(self._stack[-1], state)

    def load_stored(self) -> None:
        if self._reading.stored is None:
            raise ValueError("it refers to data in another file")
        self._stack.append(self._reading.stored(self.pop()))


_OPERATIONS: dict[bytes, Callable[[_Machine], Any]] = {
    pickle.PROTO: lambda m: m.take(1),
    pickle.FRAME: lambda m: m.take(8),
    pickle.MARK: lambda m: m.mark(),
    pickle.POP: lambda m: m.pop(),
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(m.number("<i")),
    pickle.BININT1: lambda m: m.push(m.number("B")),
    pickle.BININT2: lambda m: m.push(m.number("<H")),
    pickle.LONG1: lambda m: m.push(m.integer()),
    pickle.BINFLOAT: lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    pickle.SHORT_BINUNICODE: lambda m: m.push(_text(m.take(m.number("B")))),
    pickle.BINUNICODE: lambda m: m.push(_text(m.take(m.number("<I")))),
    pickle.BINUNICODE8: lambda m: m.push(_text(m.take(m.number("<Q")))),
    # Python 2 does not distinguish bytes and text.
    pickle.SHORT_BINSTRING: lambda m: m.push(m.take(m.number("B")).decode("latin1")),
    pickle.BINSTRING: lambda m: m.push(m.take(m.number("<i")).decode("latin1")),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.take(m.number("B"))),
    pickle.BINBYTES: lambda m: m.push(m.take(m.number("<I"))),
    pickle.BINBYTES8: lambda m: m.push(m.take(m.number("<Q"))),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE1: lambda m: m.push(tuple(m.top_of(1))),
    pickle.TUPLE2: lambda m: m.push(tuple(m.top_of(2))),
    pickle.TUPLE3: lambda m: m.push(tuple(m.top_of(3))),
    pickle.TUPLE: lambda m: m.push(tuple(m.since_mark())),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.APPEND: lambda m: m.extend(m.top_of(1)),
    pickle.APPENDS: lambda m: m.extend(m.since_mark()),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.SETITEM: lambda m: m.put(m.top_of(2)),
    pickle.SETITEMS: lambda m: m.put(m.since_mark()),
    pickle.BINPUT: lambda m: m.remember(m.number("B")),
    pickle.LONG_BINPUT: lambda m: m.remember(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.remember_next(),
    pickle.BINGET: lambda m: m.recall(m.number("B")),
    pickle.LONG_BINGET: lambda m: m.recall(m.number("<I")),
    pickle.GLOBAL: lambda m: m.name(m.line(), m.line()),
    pickle.STACK_GLOBAL: lambda m: m.name(*m.top_of(2)),
    pickle.REDUCE: lambda m: m.build(),
    pickle.BUILD: lambda m: m.update(),
    pickle.BINPERSID: lambda m: m.load_stored(),
}


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
