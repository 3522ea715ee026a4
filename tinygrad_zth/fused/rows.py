"""What the row-wise kernels share: the dtype they compute in, and arrays seen as rows.

float16 is computed in float32 and rounded once at the end, as PyTorch's CPU kernels do; float32
and float64 stay what they are. A reduction along an axis is a reduction along the rows of an
`(outer, n, inner)` window on the array; where `inner` is 1, of a matrix.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends import Kernels
from ..backends.kept import kept
from ..backends.products import dot
from ..backends.sums import ones
from ..types import Array

__all__ = [
    "LARGEST_PLAIN_EXPONENT",
    "SMALLEST_PLAIN_SUM",
    "as_slabs",
    "at_least",
    "below",
    "constants",
    "column_sums",
    "narrowed",
    "ones",
    "row_sums",
    "widened",
]

LARGEST_PLAIN_EXPONENT = {"f": 64.0, "d": 500.0}
"""Up to this size exp(x) needs no maximum subtracted: a sum of 10^9 values of it stays finite
(float32: exp(64) = 6e27). Keyed by dtype.char."""

SMALLEST_PLAIN_SUM = {"f": 1e-18, "d": 1e-200}
"""With a row sum of at least this, what exp(x) lost by underflow is below 1e-19 of it."""


column_sums = Kernels(lambda g: dot(ones[g.shape[0], g.dtype], g), {"cupy": lambda g: g.sum(0)})
"""By array type: the sum of each column of a matrix, shape `(columns,)`."""


def widened(x: np.ndarray) -> np.ndarray:
    """`x` in the dtype it is computed in: float32 for float16, otherwise unchanged."""
    return x.astype(np.float32) if x.dtype.char == "e" else x


@kept(256)
def constants(dtype: np.dtype, *values: float) -> tuple[np.ndarray, ...]:
    """`values` as 0-d arrays of `dtype`: a ufunc takes one in half the time that it takes a Python number."""
    return tuple(np.array(v, dtype) for v in values)


def narrowed(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """What was computed in the dtype of :func:`widened`, in ``dtype``."""
    return x if x.dtype is dtype else x.astype(dtype)


def as_slabs(x: np.ndarray, axis: int) -> np.ndarray:
    """`x` as `(outer, n, inner)`, contiguous, with `n` the length of `axis`.

    A view where the layout allows one, otherwise a copy. A 0-d array is one row of one element.
    """
    shape = x.shape
    if not shape:
        return x.reshape(1, 1, 1)
    axis %= len(shape)
    if shape[axis] == 0 or x.size == 0:
        return x.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    slabs = x.reshape(math.prod(shape[:axis]), shape[axis], -1)
    return slabs if slabs.flags.c_contiguous else np.ascontiguousarray(slabs)


def below(x: np.ndarray, bound: float) -> bool:
    """Whether every element of the non-empty `x` is less than `bound`, and none is NaN."""
    return bool(x.item(x.argmax()) < bound)  # NaN is what argmax finds first; on small arrays a third of max's time


def at_least(x: np.ndarray, bound: float) -> bool:
    """Whether every element of the non-empty `x` is `bound` or more, and none is NaN."""
    return bool(x.item(x.argmin()) >= bound)


def row_sums(x: np.ndarray) -> Array:
    """The sum of each row of a contiguous matrix, shape `(rows,)`."""
    return dot(x, ones[x.shape[1], x.dtype])
