"""A reader of pickles that runs nothing.

A pickle is a program for a small stack machine, and Python's own machine will import and call
whatever the program names. This one builds containers and scalars; a name in the program is
looked up in the caller's table of :class:`Symbol`, a call is a call of a symbol in that table,
and an instruction that would do anything else is refused.

Source: the Python standard library's ``pickletools``, which specifies the instructions.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from typing import Any

__all__ = ["Internal", "Symbol", "read_pickle"]

_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_MARK = object()


class Internal:
    """Base of what exists while reading only, and may not be an item of the result."""

    __slots__ = ()


class Symbol(Internal):
    """What a name in a pickle stands for.

    build: called with the tuple of arguments where the pickle calls the name; it checks them.
        None for a name that is not to be called.
    """

    __slots__ = ("build", "name")

    def __init__(self, name: str, build: Callable[[tuple[Any, ...]], Any] | None = None) -> None:
        self.name = name
        self.build = build


States = Mapping[type, Callable[[Any, Any], None]]


def read_pickle(
    data: bytes, symbols: Mapping[str, Any], persistent: Callable[[Any], Any], states: States | None = None
) -> Any:
    """The object that the pickle ``data`` describes.

    symbols: for each name (``"module.name"``) that may occur, a Symbol or a plain value.
    persistent: gives the object for a persistent id.
    states: for each type that a pickle may give a state to once it is made, what does that, having checked it.

    Raises:
        pickle.UnpicklingError: the pickle names something else, needs an instruction that could
            run code, or is malformed.
    """
    machine = _Machine(symbols, persistent, states or {})
    instructions = pickletools.genops(data)
    while True:
        try:
            opcode, argument, position = next(instructions)
        except (ValueError, StopIteration) as error:
            raise UnpicklingError(f"malformed pickle: {error}") from error
        if opcode.name == "STOP":
            return machine.item()
        step = _STEPS.get(opcode.name)
        if step is None:
            raise UnpicklingError(
                f"refused the pickle instruction {opcode.name} at byte {position}: it is not "
                "needed for tensors in plain containers, and could run code"
            )
        step(machine, argument)


class _Machine:
    def __init__(self, symbols: Mapping[str, Any], persistent: Callable[[Any], Any], states: States) -> None:
        self.symbols = symbols
        self.persistent = persistent
        self.states = states
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise UnpicklingError("malformed pickle: the stack is empty")
        return self.stack.pop()

    def top(self, kind: type, what: str) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise UnpicklingError(f"malformed pickle: {what} to something that is no {kind.__name__}")
        return self.stack[-1]

    def item(self) -> Any:
        return _allowed(self.pop())

    def since_mark(self) -> list[Any]:
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                values = self.stack[at + 1 :]
                del self.stack[at:]
                return values
        raise UnpicklingError("malformed pickle: no mark on the stack")

    def put(self, number: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise UnpicklingError("malformed pickle: nothing to remember")
        self.memo[number] = self.stack[-1]

    def get(self, number: int) -> None:
        if number not in self.memo:
            raise UnpicklingError(f"malformed pickle: nothing remembered as {number}")
        self.push(self.memo[number])

    def find(self, module: Any, name: Any) -> None:
        full = f"{module}.{name}"
        if full not in self.symbols:
            raise UnpicklingError(
                f"refused '{full}': only tensors in plain containers are read, and nothing that "
                "the file asks to import or to call was run"
            )
        self.push(self.symbols[full])

    def call(self) -> None:
        arguments, symbol = self.pop(), self.pop()
        if not isinstance(symbol, Symbol) or symbol.build is None:
            name = symbol.name if isinstance(symbol, Symbol) else f"a {type(symbol).__name__}"
            raise UnpicklingError(f"refused to call {name}")
        if type(arguments) is not tuple:
            raise UnpicklingError(f"malformed pickle: {symbol.name} called without a tuple")
        self.push(symbol.build(arguments))

    def build(self) -> None:
        """Attributes: a state_dict is an OrderedDict with ``_metadata``, and nothing else is."""
        state = self.pop()
        target = self.stack[-1] if self.stack else None
        if type(target) in self.states:
            self.states[type(target)](target, state)
            return
        if type(target) is not OrderedDict or type(state) is not dict or set(state) - {"_metadata"}:
            raise UnpicklingError(
                f"refused to set attributes of a {type(target).__name__}: only a state_dict's _metadata is read"
            )
        vars(target).update(state)

    def set_items(self, values: list[Any]) -> None:
        fill(self.top(dict, "items added"), values)

    def add(self, values: list[Any]) -> None:
        self.top(set, "elements added").update(map(hashable, values))


def hashable(key: Any) -> Any:
    """``key``, if it is a scalar or a flat tuple of scalars; else UnpicklingError."""
    parts = key if type(key) is tuple else (key,)
    if all(type(part) in _SCALARS for part in parts):
        return key
    raise UnpicklingError(f"refused a dict key or set element of type {type(key).__name__}")


def fill(mapping: dict[Any, Any], values: list[Any]) -> None:
    """Put alternating keys and values into ``mapping``."""
    if len(values) % 2:
        raise UnpicklingError("malformed pickle: a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        mapping[hashable(key)] = _allowed(value)


def _allowed(value: Any) -> Any:
    for part in value if type(value) is tuple else (value,):
        if isinstance(part, Symbol):
            raise UnpicklingError(f"refused '{part.name}' as a value: only tensors and plain values")
        if isinstance(part, Internal):
            raise UnpicklingError("refused a bare storage: only tensors and plain values are read")
    return value


def _push_argument(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        machine.push(tuple([machine.pop() for _ in range(count)][::-1]))

    return step


def _global(machine: _Machine, argument: str) -> None:
    module, _, name = argument.partition(" ")
    machine.find(module, name)


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.find(module, name)


def _dict(machine: _Machine, _: Any) -> None:
    made: dict[Any, Any] = {}
    fill(made, machine.since_mark())
    machine.push(made)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _append(machine: _Machine, _: Any) -> None:
    value = machine.item()
    machine.top(list, "an item appended").append(value)


def _appends(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    machine.top(list, "items appended").extend(map(_allowed, values))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
            *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "BINUNICODE8"),
            *("SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _push_argument,
    ),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.push(_MARK),
    "POP": lambda machine, _: machine.stack.pop() if machine.stack else machine.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark().clear(),
    "DUP": lambda machine, _: machine.push(machine.top(object, "a copy")),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "LIST": lambda machine, _: machine.push(list(map(_allowed, machine.since_mark()))),
    "APPEND": _append,
    "APPENDS": _appends,
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "DICT": _dict,
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "ADDITEMS": lambda machine, _: machine.add(machine.since_mark()),
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(hashable, machine.since_mark()))),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.push(machine.persistent(machine.pop())),
}
