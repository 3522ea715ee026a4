"""A nested Python structure as a flat table of nodes, and back.

The table is a list of JSON arrays; node 0 is the root, and a container names its items by their
numbers, which are greater than its own. Being flat, it knows no depth limit, and nothing here
recurses. Arrays are left out: a node holds the name under which the caller stores one.

    {"lr": 0.1, "w": array}  ->  ["dict", [[["str", "lr"], 1], [["str", "w"], 2]]],
                                 ["float", "0.1"],
                                 ["array", "w"]
"""

from __future__ import annotations

import base64
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..device import device
from ..dtypes import ALL, dtype
from ..tensor import Size
from .leaf import TensorLeaf, Unwrap, Wrap, leaf_of, wrapped
from .places import Place, check_key, items_of

__all__ = ["Malformed", "decode", "encode"]

Node = list[Any]

_MAPPINGS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {"list": list, "tuple": tuple, "Size": Size}
_dtypes = {each.name: each for each in ALL}

# How a scalar is written as JSON, and read back. Floats are text because JSON has no nan, wide
# integers because Python refuses to print or parse their decimals.
_TO_JSON: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: None,
    bool: bool,
    int: lambda value: value if value.bit_length() < 64 else hex(value),
    float: repr,
    complex: lambda value: [repr(value.real), repr(value.imag)],
    str: str,
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
    dtype: lambda value: value.name,
    device: str,
}
_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "NoneType": lambda data: None,
    "bool": bool,
    "int": lambda data: int(data, 16) if isinstance(data, str) else int(data),
    "float": float,
    "complex": lambda data: complex(float(data[0]), float(data[1])),
    "str": str,
    "bytes": lambda data: base64.b64decode(data, validate=True),
    "dtype": lambda data: _dtypes[data],
    "device": device,
}


class Malformed(Exception):
    """The nodes are not such as :func:`encode` makes."""


def encode(structure: Any, unwrap: Unwrap | None) -> tuple[list[Node], dict[str, np.ndarray]]:
    """The nodes of ``structure`` and, by name, the arrays they speak of.

    Arrays that are the same window on the same memory (tied weights) get one name.

    Raises:
        TypeError: a value or key is of a kind that cannot be stored; its place is named.
        ValueError: a container holds itself.
    """
    nodes: list[Node] = [[]]
    arrays: dict[str, np.ndarray] = {}
    names: dict[tuple[Any, ...], str] = {}
    open_containers: set[int] = set()

    def name_of(array: np.ndarray, place: Place) -> str:
        window = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)
        if array.size and window in names:
            return names[window]
        name = _entry_name(place, arrays)
        arrays[name] = array
        names[window] = name
        return name

    # None as place: the container of this id is done.
    stack: list[tuple[Any, int, Place | None]] = [(structure, 0, Place())]
    while stack:
        value, number, place = stack.pop()
        if place is None:
            open_containers.discard(number)
            continue
        kind = type(value)
        to_json = _TO_JSON.get(kind)
        if to_json is not None:
            nodes[number] = [kind.__name__, to_json(value)]
        elif isinstance(value, np.ndarray):
            nodes[number] = ["array", name_of(_storable(value, place), place)]
        elif isinstance(value, np.generic):
            nodes[number] = ["scalar", name_of(_storable(np.asarray(value), place), place)]
        elif (leaf := leaf_of(value, unwrap)) is not None:
            facts = [leaf.dtype, leaf.requires_grad, leaf.parameter, leaf.device]
            nodes[number] = ["tensor", name_of(_storable(leaf.array, place), place), facts]
        else:
            items = items_of(value, place)
            if id(value) in open_containers:
                raise ValueError(f"cannot store {place}: this {kind.__name__} contains itself")
            open_containers.add(id(value))
            stack.append((None, id(value), None))
            first = len(nodes)
            nodes.extend([] for _ in items)
            if isinstance(value, dict):
                keys = [_key_to_json(key, place) for key, _ in items]
                nodes[number] = [kind.__name__, [[k, first + i] for i, k in enumerate(keys)]]
            else:
                nodes[number] = [kind.__name__, list(range(first, len(nodes)))]
            for i in reversed(range(len(items))):
                step, item = items[i]
                stack.append((item, first + i, Place(place, step)))
    return nodes, arrays


def _storable(array: np.ndarray, place: Place) -> np.ndarray:
    descr = None if array.dtype.hasobject else np.lib.format.dtype_to_descr(array.dtype)
    if descr is None or np.lib.format.descr_to_dtype(descr) != array.dtype:
        raise TypeError(f"cannot store {place}: an array of dtype {array.dtype}")
    if type(array) not in (np.ndarray, np.memmap):
        raise TypeError(f"cannot store {place}: a {type(array).__name__}, not a plain array")
    return array


def _key_to_json(key: Any, place: Place) -> list[Any]:
    check_key(key, place)
    if type(key) is tuple:
        return ["tuple", [_key_to_json(part, place) for part in key]]
    return [type(key).__name__, _TO_JSON[type(key)](key)]


def _entry_name(place: Place, taken: Iterable[str]) -> str:
    """A name to read in the archive: the keys on the way, or a number where they make none."""
    name = "/".join(map(str, place.steps()))
    if name not in taken and len(name) < 200 and re.fullmatch(r"\w[\w. -]*(/\w[\w. -]*)*", name):
        return name
    number = 0
    while (name := f"array {number}") in taken:
        number += 1
    return name


def decode(nodes: list[Node], read_array: Callable[[str], np.ndarray], wrap: Wrap | None) -> Any:
    """The structure that ``nodes`` describe; ``read_array`` is called once for each name.

    Raises:
        Malformed: the table is not one that :func:`encode` makes.
    """
    arrays: dict[str, np.ndarray] = {}
    values: list[Any] = [None] * len(nodes)
    free = set(range(1, len(nodes)))

    def take(parent: int, number: Any) -> Any:
        # Each node belongs to one container before it: the table is a tree, and finite.
        if type(number) is not int or number <= parent or number not in free:
            raise Malformed(f"node {parent} refers to node {number!r}")
        free.discard(number)
        return values[number]

    for number in reversed(range(len(nodes))):
        match nodes[number]:
            case [str(kind), list(items)] if kind in _MAPPINGS:
                values[number] = mapping = _MAPPINGS[kind]()
                for item in items:
                    match item:
                        case [key, child]:
                            mapping[_key_from_json(key)] = take(number, child)
                        case _:
                            raise Malformed(f"node {number} has the item {item!r}")
            case [str(kind), list(items)] if kind in _SEQUENCES:
                values[number] = _SEQUENCES[kind]([take(number, child) for child in items])
            case ["array" | "scalar" | "tensor" as kind, str(name), *facts]:
                if name not in arrays:
                    arrays[name] = read_array(name)
                values[number] = _leaf(kind, arrays[name], facts, wrap)
            case [str(kind), data] if kind in _FROM_JSON:
                values[number] = _scalar_from_json(kind, data)
            case node:
                raise Malformed(f"node {number} is {node!r}")
    if not nodes or free:
        raise Malformed("the table of nodes is not a tree")
    return values[0]


def _leaf(kind: str, array: np.ndarray, facts: list[Any], wrap: Wrap | None) -> Any:
    match kind, facts:
        case "array", []:
            return array
        case "scalar", []:
            return array[()]
        case "tensor", [[str(name), bool(requires_grad), bool(parameter), str(where)]]:
            return wrapped(TensorLeaf(array, name, requires_grad, parameter, where), wrap)
    raise Malformed(f"a {kind} is described by {facts!r}")


def _scalar_from_json(kind: str, data: Any) -> Any:
    try:
        return _FROM_JSON[kind](data)
    except (ValueError, TypeError, LookupError, OverflowError, RuntimeError) as error:
        raise Malformed(f"{data!r} is no {kind}") from error


def _key_from_json(key: Any) -> Any:
    match key:
        case ["tuple", list(parts)] if all(part[:1] != ["tuple"] for part in parts):
            return tuple(map(_key_from_json, parts))
        case [str(kind), data] if kind in _FROM_JSON:
            return _scalar_from_json(kind, data)
    raise Malformed(f"{key!r} is no key")
