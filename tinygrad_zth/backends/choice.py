"""``numpy.where`` without branches.

NumPy's ``where`` asks element by element, and on a condition without pattern (the sign of an
activation) a processor guesses wrong half of the time: 4 ns an element. The same choice with bits, in
blocks that stay in the cache, takes a tenth of that, and is exact for every value, NaN included:

    mask = -condition                   all ones or all zeros
    x where the condition holds, else y  =  y ^ ((x ^ y) & mask)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Array
from .parallel import run_blocks

__all__ = ["select"]

_WORDS = {2: np.int16, 4: np.int32, 8: np.int64}
_LEAST = 8192  # elements below which numpy.where is faster (measured)
_ARRAYS, _NS_PER_WORD = 2, 0.3  # that go through the cache at a time, and the time of a word of each


def _is_zero(value: Any) -> bool:
    return value.__class__ in (int, float) and value == 0 and str(value)[0] != "-"


def _words(value: Any, like: np.ndarray) -> Array:
    """The array's elements in a row, as integers of their size; None where they lie in another order."""
    if not isinstance(value, np.ndarray) or value.dtype != like.dtype or value.shape != like.shape:
        return None
    if 0 in value.strides:  # repeated along a dimension, as the gradient of a sum is: a copy costs less than branches
        value = np.ascontiguousarray(value)
    return value.reshape(-1).view(_WORDS[like.itemsize]) if value.flags.c_contiguous else None


def select(condition: Any, x: Any, y: Any) -> Array:
    """``np.where(condition, x, y)``; fast where the condition is a large bool array, and x and y are floating
    arrays of its shape and of one dtype, or one of them is the number 0."""
    like = x if isinstance(x, np.ndarray) and x.ndim else y
    if (
        not isinstance(condition, np.ndarray)
        or condition.size < _LEAST
        or condition.dtype.kind != "b"
        or not condition.flags.c_contiguous
        or not isinstance(like, np.ndarray)
        or like.shape != condition.shape
        or like.dtype.kind != "f"
        or like.itemsize not in _WORDS
    ):
        return np.where(condition, x, y)
    xs, ys = _words(x, like), _words(y, like)
    if (xs is None and not _is_zero(x)) or (ys is None and not _is_zero(y)):
        return np.where(condition, x, y)
    result = np.empty(like.shape, like.dtype)
    kind = _WORDS[like.itemsize]
    words, truth = result.reshape(-1).view(kind), condition.reshape(-1).view(np.int8)
    one = np.int8(1)

    def body(a: int, b: int) -> None:
        # Bytes are widened when they are all ones or all zeros already: the fewer steps on wide words, the better.
        mask = words[a:b]
        if xs is None:  # 0 where the condition holds
            mask[...] = truth[a:b] - one
            mask &= ys[a:b]
            return
        mask[...] = -truth[a:b]
        if ys is None:
            mask &= xs[a:b]
        else:
            mask &= xs[a:b] ^ ys[a:b]
            mask ^= ys[a:b]

    run_blocks(body, len(words), _ARRAYS, _NS_PER_WORD)
    return result
