"""How a sampler fills an array: the order of its elements, chunk by chunk, under one lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..generator import Generator, default_generator

__all__ = [
    "C_NAMES",
    "DIGITS",
    "LIMITS",
    "draw",
    "empty_like",
    "in_memory_order",
    "memory_order",
    "store",
]

_CHUNK = 1 << 15  # elements a pass: its temporaries stay in a core's cache
FLOAT16, FLOAT32, FLOAT64 = (np.dtype(name) for name in ("float16", "float32", "float64"))
DIGITS: dict[np.dtype, int] = {FLOAT16: 11, FLOAT32: 24, FLOAT64: 53}
# The least and the largest finite number of each type.
LIMITS: dict[np.dtype, tuple[Any, ...]] = {np.dtype(np.bool_): (0, 1)}
LIMITS |= {t: (float(np.finfo(t).min), float(np.finfo(t).max)) for t in DIGITS}
LIMITS |= {
    np.dtype(t): (int(np.iinfo(t).min), int(np.iinfo(t).max)) for t in ("uint8", "int8", "int16", "int32", "int64")
}
C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "float32": "float",
    "float64": "double",
}


def memory_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """The axes from the slowest to the fastest, by stride; ties stay in index order.

    An axis of stride 0 compares with none, and of two equal strides the shorter axis is faster:
    PyTorch's iterator sorts by insertion with this partial order.
    """
    fastest_first = list(range(len(shape)))[::-1]
    for i in range(1, len(fastest_first)):
        at = i
        for before in range(i - 1, -1, -1):
            one, two = fastest_first[before], fastest_first[at]
            s, t = abs(strides[one]), abs(strides[two])
            if s == 0 or t == 0 or (s == t and shape[one] <= shape[two]):
                continue
            if s < t:
                break
            fastest_first[before], fastest_first[at] = two, one
            at = before
    return fastest_first[::-1]


def empty_like(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """An uninitialised dense array of the same shape, its axes in the same order in memory."""
    if array.flags.c_contiguous:
        return np.empty(array.shape, dtype or array.dtype)
    order = memory_order(array.shape, array.strides)
    dense = np.empty([array.shape[axis] for axis in order], dtype or array.dtype)
    return dense.transpose(np.argsort(order))


def in_memory_order(out: np.ndarray, fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """``fill`` a vector that runs through ``out`` in memory order."""
    if not out.flags.c_contiguous:
        target = out.transpose(memory_order(out.shape, out.strides))
        if not target.flags.c_contiguous:
            dense = np.empty(out.size, out.dtype)
            fill(dense)
            target[...] = dense.reshape(target.shape)
            return out
        fill(target.reshape(-1))
        return out
    fill(out.reshape(-1))
    return out


def store(part: np.ndarray, values: np.ndarray) -> None:
    """``values`` into ``part``, by C's conversions; to float16 by way of float32."""
    if part.dtype == FLOAT16 and values.dtype.itemsize == 8:
        values = values.astype(np.float32)
    elif part.dtype.kind in "iu" and values.dtype.kind == "f":
        values = values.astype(np.int64)
    np.copyto(part, values, casting="unsafe")


def draw(out: np.ndarray, generator: Generator | None, values: Callable[[Generator, int], np.ndarray]) -> np.ndarray:
    """Fill ``out`` by ``values(generator, count)``, chunk by chunk."""
    source = generator or default_generator

    def fill(flat: np.ndarray) -> None:
        for start in range(0, flat.size, _CHUNK):
            part = flat[start : start + _CHUNK]
            store(part, values(source, part.size))

    with source.lock, np.errstate(all="ignore"):
        return in_memory_order(out, fill)


def legacy_name(out: np.ndarray) -> str:
    return dtypes.of(out.dtype).legacy


def require_floating(out: np.ndarray, kernel: str) -> None:
    if out.dtype not in DIGITS:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{legacy_name(out)}'")
