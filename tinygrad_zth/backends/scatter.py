"""Adding many values into few places, where ``numpy.add.at`` is slow.

``target[index] += values`` counts each place once, however often ``index`` names it. Three ways are
faster than ``add.at`` over rows, each where it was measured to be: for a small table (a vocabulary
of characters) a product with the one-hot matrix of the index; for few values ``add.at`` over single
numbers, which NumPy does without leaving its inner loop; else sorting the index, which brings equal
places together, so that each run is one sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Array
from .kept import kept
from .products import matmul

SMALL = 2048  # elements below which sorting costs more than it saves
FEW_ROWS = 128  # rows of a table up to which a product is faster than either
ONE_HOT = 1 << 20  # elements that the one-hot matrix may have


def summed_rows(n: int, rows: Array, values: Array) -> Array:
    """What ``add_rows`` makes of zeros: (n, width), row r the sum of the values that go to r.

    Args:
        rows: (N,) integers in [-n, n); values: (N, width).
    """
    count = rows.size
    if n <= FEW_ROWS and count * n <= ONE_HOT and values.dtype.char in "fd":
        sums = matmul(_identity[n, values.dtype].take(rows, 0).T, values)
        # Zero times infinity is NaN: what is not finite would reach rows that it does not belong to.
        size = float(np.vdot(sums, sums))
        if size - size == 0:
            return sums
    sums = np.zeros((n, values.shape[1]), values.dtype)
    add_rows(sums, rows, values)
    return sums


@kept(16)
def _identity(n: int, dtype: np.dtype) -> Array:
    """The rows of a one-hot matrix are rows of this one."""
    return np.eye(n, dtype=dtype)


def add_rows(target: Array, rows: Array, values: Array) -> None:
    """``target[rows[i]] += values[i]`` for every i, in place.

    Args:
        target: (V, ...); rows: (N,) integers in [-V, V); values: (N, ...) of target's dtype.
    """
    if values.size < SMALL:
        if values.ndim == 2 and target.flags.c_contiguous:
            width = values.shape[1]
            places = (rows % target.shape[0]).reshape(-1, 1) * width + np.arange(width)
            np.add.at(target.reshape(-1), places.reshape(-1), values.reshape(-1))
        else:
            np.add.at(target, rows, values)
        return
    if rows.min() < 0:
        rows = np.where(rows < 0, rows + target.shape[0], rows)
    order = rows.argsort(kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1])
    starts = np.concatenate([[0], starts + 1])
    target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)


def index_add(target: Array, key: tuple[Any, ...], values: Array) -> None:
    """``target[key] += values``, in place, where the same place may be named many times.

    Args:
        key: slices, and integer arrays or one mask, as NumPy's advanced indexing takes them.
    """
    arrays = [k for k in key if not isinstance(k, slice)]
    if len(arrays) == 1 and arrays[0].dtype.kind == "b":
        target[key] += values  # a mask names no place twice
        return
    values = np.asarray(values)
    if values.size == 0:
        return
    if len(arrays) == 1 and arrays[0] is key[0] and target.dtype.kind == "f":
        rest = target.shape[1:]
        if values.shape != arrays[0].shape + rest:
            values = np.broadcast_to(values, arrays[0].shape + rest)
        values = values.reshape(-1, *rest)
        add_rows(target, arrays[0].reshape(-1), values)
    elif len(arrays) == target.ndim and values.size >= SMALL and target.flags.c_contiguous:
        grid = np.broadcast_arrays(*arrays)
        flat = np.ravel_multi_index([g.reshape(-1) for g in grid], target.shape, mode="wrap")
        np.add.at(target.reshape(-1), flat, np.broadcast_to(values, grid[0].shape).reshape(-1))
    else:
        np.add.at(target, key, values)
