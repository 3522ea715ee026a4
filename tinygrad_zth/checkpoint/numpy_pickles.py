"""NumPy's arrays and scalars in a pickle: written as NumPy writes them, read without a call that the file chooses.

Source: ``numpy.ndarray.__reduce__`` and ``__setstate__``, in the NumPy reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

from .pickle_reader import Internal, Symbol
from .pickle_writer import Call, Global
from .places import Place

__all__ = ["STATES", "SYMBOLS", "reduce_numpy"]

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1 and 2


def reduce_numpy(value: np.ndarray | np.generic, place: Place) -> Call:
    """What a pickle says in the place of an array or scalar. Raises TypeError if its elements are not numbers or text."""
    kind = value.dtype
    if kind.kind not in "biufcSU" or type(value) not in (np.ndarray, np.memmap, kind.type):
        raise TypeError(f"cannot store {place}: a {type(value).__name__} of dtype {kind}")
    reduced: Any = kind.__reduce__()
    _, arguments, state = reduced
    described = Call(Global("numpy", "dtype"), arguments, state)
    if isinstance(value, np.generic):
        return Call(Global(_MULTIARRAY[1], "scalar"), (described, value.tobytes()))
    shell = (Global("numpy", "ndarray"), (0,), b"b")
    return Call(Global(_MULTIARRAY[1], "_reconstruct"), shell, (1, value.shape, described, False, value.tobytes()))


class _Kind(Internal):
    """A dtype, whose byte order a pickle says after its name."""

    __slots__ = ("dtype",)

    def __init__(self, kind: np.dtype) -> None:
        self.dtype = kind


def _kind(arguments: tuple[Any, ...]) -> _Kind:
    match arguments:
        case (str(code), _, _) if re.fullmatch(r"b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,9}", code):
            return _Kind(np.dtype(code))
    raise UnpicklingError(f"refused the NumPy dtype {arguments!r}: only numbers and text")


def _set_order(kind: _Kind, state: Any) -> None:
    match state:
        case (3, "<" | ">" | "|" | "=" as order, None, None, None, *_):
            kind.dtype = kind.dtype.newbyteorder(order)
        case _:
            raise UnpicklingError(f"malformed NumPy dtype: {state!r}")


def _shell(arguments: tuple[Any, ...]) -> np.ndarray:
    match arguments:
        case (Symbol() as cls, (0,), b"b") if cls.name == "numpy.ndarray":
            return np.ndarray(0, np.int8)
    raise UnpicklingError("malformed NumPy array")


def _set_elements(array: np.ndarray, state: Any) -> None:
    match state:
        case (1, tuple(shape), _Kind() as kind, bool(by_columns), bytes(raw)) if all(type(n) is int for n in shape):
            elements: Any = (shape, kind.dtype, by_columns, raw)
            try:
                array.__setstate__(elements)
                return
            except (TypeError, ValueError, OverflowError, MemoryError) as error:
                raise UnpicklingError(f"malformed NumPy array: {error}") from error
    raise UnpicklingError("malformed NumPy array")


def _scalar(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (_Kind() as kind, bytes(raw)) if len(raw) == kind.dtype.itemsize:
            return np.ndarray((), kind.dtype, raw)[()]
    raise UnpicklingError("malformed NumPy scalar")


SYMBOLS: dict[str, Symbol] = {
    "numpy.ndarray": Symbol("numpy.ndarray"),
    "numpy.dtype": Symbol("numpy.dtype", _kind),
    **{f"{home}._reconstruct": Symbol(f"{home}._reconstruct", _shell) for home in _MULTIARRAY},
    **{f"{home}.scalar": Symbol(f"{home}.scalar", _scalar) for home in _MULTIARRAY},
}
"""The names that NumPy's pickles use."""

STATES: dict[type, Callable[[Any, Any], None]] = {_Kind: _set_order, np.ndarray: _set_elements}
"""What a pickle may give a state after it is made, and how."""
