"""A writer of pickles of plain values: the counterpart of :mod:`.pickle_reader`.

Python's own pickler imports what it is to name, so it cannot name ``torch._utils._rebuild_tensor_v2`` where PyTorch is
not installed. This one writes the instructions of protocol 2 for containers and scalars; a caller puts :class:`Global`,
:class:`Call` and :class:`Reference` where the reader shall look up a name, call it, or fetch something by its id.

Source: the Python standard library's ``pickletools``, which specifies the instructions.
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pickle import encode_long
from typing import Any

from .places import Place, check_key, items_of

__all__ = ["Call", "Global", "Reference", "write_pickle"]


@dataclass(frozen=True, slots=True)
class Global:
    """A name for the reader to look up: ``torch._utils`` and ``_rebuild_tensor_v2``."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """What ``what(*arguments)`` gives; a ``state`` is handed to its ``__setstate__``."""

    what: Global
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reader's ``persistent_load`` gives for ``id``."""

    id: Any


Reduce = Callable[[Any, Place], Global | Call | None]
"""What is written in a value's place; None for a value that is written itself."""

ORDERED_DICT = Global("collections", "OrderedDict")
_COUNTER = Global("collections", "Counter")
# Protocol 2 has the names of Python 2, and no instruction for bytes.
_SET, _COMPLEX = Global("__builtin__", "set"), Global("__builtin__", "complex")
_ENCODE = Global("_codecs", "encode")


def write_pickle(structure: Any, reduce: Reduce) -> bytes:
    """The pickle of ``structure``, in protocol 2; nothing here recurses, so it may be nested to any depth.

    What is one object here, container or replaced by ``reduce``, is one object when it is read.

    Raises:
        TypeError: a value or key is of a kind that cannot be stored; its place is named.
        ValueError: a tuple or Counter holds itself.
    """
    return b"\x80\x02" + b"".join(_Writer(reduce).write(structure)) + b"."


class _Code(bytes):
    """Instructions among the values that are still to be written."""


@dataclass(frozen=True, slots=True)
class _Made:
    """Among the values still to be written: the one that lies on the reader's stack by now."""

    value: Any


class _Writer:
    def __init__(self, reduce: Reduce) -> None:
        self._reduce = reduce
        self._written: list[bytes] = []
        self._todo: list[tuple[Any, Place]] = []
        self._memo: dict[int, bytes] = {}  # by identity: the instruction that fetches it again
        self._kept: list[Any] = []  # what has a place in the memo must live, lest its identity pass to another
        self._open: set[int] = set()  # what cannot exist before its items do

    def write(self, structure: Any) -> list[bytes]:
        self._todo.append((structure, Place()))
        while self._todo:
            value, place = self._todo.pop()
            if isinstance(value, _Code):
                self._written.append(value)
            elif isinstance(value, _Made):
                self._remember(value.value)
            elif id(value) in self._memo:
                self._written.append(self._memo[id(value)])
            elif (code := _scalar(value)) is not None:
                self._written.append(code)
            else:
                self._compound(value, place)
        return self._written

    def _next(self, place: Place, *values: Any) -> None:
        """Write these next, in this order."""
        self._todo += [(value, place) for value in reversed(values)]

    def _remember(self, value: Any) -> None:
        number = len(self._memo)
        self._open.discard(id(value))
        self._kept.append(value)
        short = number < 256
        self._written.append(b"q" + bytes([number]) if short else b"r" + struct.pack("<I", number))
        self._memo[id(value)] = b"h" + bytes([number]) if short else b"j" + struct.pack("<I", number)

    def _compound(self, value: Any, place: Place) -> None:
        kind = type(value)
        if id(value) in self._open:
            raise ValueError(f"cannot store {place}: this {kind.__name__} contains itself")
        if kind is Global:
            self._written.append(f"c{value.module}\n{value.name}\n".encode())
        elif kind is Reference:
            self._next(place, value.id, _Code(b"Q"))
        elif kind is Call:
            state = [] if value.state is None else [value.state, _Code(b"b")]
            self._next(place, value.what, value.arguments, _Code(b"R"), *state)
        elif kind is bytes:
            self._next(place, Call(_ENCODE, (value.decode("latin-1"), "latin1")))
        elif kind is complex:
            self._next(place, Call(_COMPLEX, (value.real, value.imag)))
        elif (replaced := self._reduce(value, place)) is not None:
            self._next(place, replaced, _Made(value))
        elif kind is set:
            for element in value:
                check_key(element, place)
            self._next(place, Call(_SET, (list(value),)), _Made(value))
        else:
            self._container(value, kind, place)

    def _container(self, value: Any, kind: type, place: Place) -> None:
        items = items_of(value, place)
        if kind is Counter:
            self._open.add(id(value))
            self._next(place, Call(_COUNTER, (dict(value),)), _Made(value))
        elif isinstance(value, dict):
            self._mapping(value, items, place)
        elif kind is list:
            self._written.append(b"]")
            self._remember(value)
            self._sequence(items, place, b"(", b"e")
        else:
            self._open.add(id(value))
            begin, end = (b"", (b")", b"\x85", b"\x86", b"\x87")[len(items)]) if len(items) < 4 else (b"(", b"t")
            self._next(place, _Made(value))
            self._sequence(items, place, begin, end)

    def _mapping(self, value: dict[Any, Any], items: list[tuple[Any, Any]], place: Place) -> None:
        ordered = type(value) is OrderedDict
        self._written.append(b"ccollections\nOrderedDict\n)R" if ordered else b"}")
        self._remember(value)
        if facts := vars(value).get("_metadata") if ordered else None:  # which versions a state_dict's layers have
            self._next(place, {"_metadata": facts}, _Code(b"b"))
        self._todo.append((_Code(b"u"), place))
        for key, item in reversed(items):
            check_key(key, place)
            self._todo += [(item, Place(place, key)), (key, place)]
        self._todo.append((_Code(b"("), place))

    def _sequence(self, items: list[tuple[Any, Any]], place: Place, begin: bytes, end: bytes) -> None:
        self._todo.append((_Code(end), place))
        self._todo += [(item, Place(place, step)) for step, item in reversed(items)]
        self._todo.append((_Code(begin), place))


def _scalar(value: Any) -> bytes | None:
    """The instruction that pushes None, a bool, int, float or str; None for a value of another kind."""
    kind = type(value)
    if kind is str:
        text: bytes = value.encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if kind is int:
        return _integer(value)
    if kind is float:
        return b"G" + struct.pack(">d", value)
    if kind is bool:
        return b"\x88" if value else b"\x89"
    return b"N" if value is None else None


def _integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    digits: bytes = encode_long(value)
    return (
        b"\x8a" + bytes([len(digits)]) + digits
        if len(digits) < 256
        else b"\x8b" + struct.pack("<i", len(digits)) + digits
    )
