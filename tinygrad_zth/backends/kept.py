"""Small arrays that kernels need again and again: made once, and kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

__all__ = ["IN_FLOAT32", "as_operand", "kept"]

LARGEST = 1 << 16  # elements of an array that is worth its memory
Made = TypeVar("Made")


class Kept(dict[tuple[Any, ...], Made]):
    """What ``make`` makes of its arguments, an array or a tuple of arrays that depends on nothing else: ``ones[3, dtype]``.

    The arrays are made read-only, since everybody gets the same ones. Up to ``most`` results are kept, none with an
    array of more than ``LARGEST`` elements. A table is asked in a third of the time of a function that remembers.
    """

    def __init__(self, make: Callable[..., Made], most: int) -> None:
        self.make, self.most = make, most
        self.__doc__ = make.__doc__

    def __missing__(self, arguments: tuple[Any, ...]) -> Made:
        made = self.make(*arguments)
        arrays: Any = made if isinstance(made, tuple) else (made,)
        for array in arrays:
            array.flags.writeable = False
        if all(array.size <= LARGEST for array in arrays):
            if len(self) >= self.most:
                self.clear()
            self[arguments] = made
        return made


def kept(most: int) -> Callable[[Callable[..., Made]], Kept[Made]]:
    """A decorator that makes a table of a function; see :class:`Kept`."""
    return functools.partial(Kept, most=most)


class Numbers(dict[float, Any]):
    """Python's numbers as arrays without dimensions of a dtype: a ufunc takes one in half the time that it takes a number.

    A number that is not found is itself: zero, whose sign no key shows, nan, and what the dtype may not hold.
    """

    MOST = 1024

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)

    def __missing__(self, number: float) -> Any:
        if not 1e-30 < abs(number) < 1e30:
            return number
        if len(self) >= self.MOST:
            self.clear()
        array = self[number] = np.array(number, self.dtype)
        array.flags.writeable = False
        return array


IN_FLOAT32 = Numbers("float32")


def as_operand(number: float, dtype: np.dtype) -> Any:
    """``number`` as an operand of NumPy's beside an array of ``dtype``."""
    return IN_FLOAT32[number] if dtype is IN_FLOAT32.dtype else number
