"""Sums over rows and columns as products with ones, where that is faster than NumPy's reduction.

A reduction call costs 1.5 to 2 us on a small matrix, BLAS's matrix-vector product a third of it, and
on a large one it uses both cores. What is summed is the same; only the order of the additions differs:
within `LONGEST` terms BLAS's order is as good as NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..types import Array
from .blas import one_blas_thread
from .kept import kept
from .products import SHORT_VECTOR

__all__ = ["LONGEST", "ones", "total"]

LONGEST = 8192  # terms of a sum that is left to BLAS, which does not add in pairs as NumPy does
_add: Callable[..., Array] = np.add.reduce


@kept(128)
def ones(shape: int | tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Read-only ones: a sum over rows or columns is a gemv with them.

    From the left ``(n,)`` makes of a matrix the sums of its columns, and ``(1, n)`` the same as a row;
    from the right ``(n,)`` those of its rows, and ``(n, 1)`` the same as a column.
    """
    return np.ones(shape, dtype)


def total(x: np.ndarray, dim: int | tuple[int, ...] | None, keepdim: bool, alone: bool = False) -> Array:
    """The sum of `x` over `dim` (an axis, a tuple of axes in order, or None for all of them).

    alone: BLAS has been told to use this thread only, as it is for large arrays (see `products.dot`).
    """
    size = x.size
    if size >= SHORT_VECTOR and not alone:
        with one_blas_thread():
            return total(x, dim, keepdim, True)
    if size > 1 and x.dtype.char in "fd" and x.flags.c_contiguous:
        ndim = x.ndim
        if dim is None:
            if size <= LONGEST:
                sums = (x if ndim == 1 else x.reshape(-1)).dot(ones[size, x.dtype])
                return sums.reshape((1,) * ndim) if keepdim else sums
        elif ndim == 2:
            rows, columns = x.shape
            if dim == 0:
                if columns > 1 and rows <= LONGEST:
                    return ones[(1, rows) if keepdim else rows, x.dtype].dot(x)
            elif (dim == 1 or dim == -1) and rows > 1 and 1 < columns <= LONGEST:
                return x.dot(ones[(columns, 1) if keepdim else columns, x.dtype])
        elif ndim > 2:
            n = x.shape[-1]
            # What is left is the last axis: everything before it is rows.
            if dim.__class__ is tuple and dim == tuple(range(ndim - 1)):
                if n > 1 and size // n <= LONGEST:
                    sums = ones[size // n, x.dtype].dot(x.reshape(-1, n))
                    return sums.reshape((1,) * (ndim - 1) + (n,)) if keepdim else sums
            elif (dim == -1 or dim == ndim - 1) and 1 < n <= LONGEST and size > n:
                sums = x.reshape(-1, n).dot(ones[n, x.dtype])
                return sums.reshape(x.shape[:-1] + (1,) if keepdim else x.shape[:-1])
    return _add(x, dim, None, None, keepdim)
