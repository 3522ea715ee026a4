"""Small arrays that kernels need again and again: made once, and kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["kept"]

LARGEST = 1 << 16  # elements of an array that is worth its memory
Made = TypeVar("Made")


def kept(most: int) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """A decorator for a function whose result, an array or a tuple of arrays, depends on nothing but its arguments.

    The arrays are made read-only, since every caller gets the same ones. Up to ``most`` results are kept, none with an
    array of more than ``LARGEST`` elements.
    """

    def decorate(make: Callable[..., Made]) -> Callable[..., Made]:
        found: dict[tuple[Any, ...], Made] = {}

        @functools.wraps(make)
        def get(*arguments: Any) -> Made:
            made = found.get(arguments)
            return add(arguments) if made is None else made

        def add(arguments: tuple[Any, ...]) -> Made:
            made = make(*arguments)
            arrays: Any = made if isinstance(made, tuple) else (made,)
            for array in arrays:
                array.flags.writeable = False
            if all(array.size <= LARGEST for array in arrays):
                if len(found) >= most:
                    found.clear()
                found[arguments] = made
            return made

        return get

    return decorate
