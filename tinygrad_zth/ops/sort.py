"""Order: sorting, the k largest, and what is found by order.

The indices come first; the values are then what is picked at them, which is how they have
gradients. Every sort here is stable, in both directions; nan is larger than everything.
"""

from __future__ import annotations

import numpy as np

from ..backends import HOST, Kernels, backend_of
from ..operation import op
from ..partial_order import comparison, first_indices
from ..tensor import Tensor, from_array
from ..types import Array, Namespace
from . import return_types
from .calling import torch_call
from .extremes import one_dim, picking

__all__ = ["FUNCTIONS", "METHODS"]


def _order(xp: Namespace, x: Array, dim: int, descending: bool) -> Array:
    """The indices that sort ``x`` along ``dim``, equal elements in their order."""
    if not descending:
        return xp.argsort(x, dim, kind="stable")
    back = (slice(None),) * dim + (slice(None, None, -1),)
    return x.shape[dim] - 1 - xp.argsort(x[back], dim, kind="stable")[back]


def _top(xp: Namespace, x: Array, k: int, dim: int, largest: bool) -> Array:
    """The indices of the k largest (smallest), the first of them first."""
    return _order(xp, x, dim, largest)[(slice(None),) * dim + (slice(k),)]


# A device has a sort (Thrust's), which allocates and is not stable for all dtypes: the host's is used.
sorted_values, top_values = picking("sort_values", "SortBackward0"), picking("top_values", "TopkBackward0")
order, top = op(_order, name="order", kernels=HOST), op(_top, name="top", kernels=HOST)


def _ordered(input: Tensor, dim: int, descending: bool) -> tuple[Tensor, ...]:
    array = input._array
    indices = from_array(order(array, dim, descending) if array.ndim else backend_of(array).xp.zeros((), np.int64))
    return (sorted_values(input, indices, dim, True) if array.ndim else input.clone()), indices


@torch_call
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> return_types.sort:
    """The named tuple (values, indices) of the elements in order along ``dim``."""
    dim = one_dim("sort", dim, input._array.ndim)
    return return_types.sort(*_ordered(input, dim, bool(descending)))


@torch_call
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that put ``input`` in order along ``dim``."""
    array = input._array
    dim = one_dim("argsort", dim, array.ndim)
    return from_array(order(array, dim, bool(descending)) if array.ndim else backend_of(array).xp.zeros((), np.int64))


@torch_call
def msort(input: Tensor) -> Tensor:
    """``input`` in order along its first dimension."""
    return sort(input, 0).values


RETRACED = 4096  # the longest row of which PyTorch's choice among equal elements is retraced


def _as_found(array: Array, k: int, dim: int, largest: bool, ordered: bool) -> Array:
    """``top`` with PyTorch's choice in the rows where others would do, because elements are equal."""
    indices: Array = top(array, k, dim, largest)
    if not k or array.shape[dim] > RETRACED:
        return indices
    rows = np.moveaxis(array, dim, -1)
    found = np.moveaxis(indices, dim, -1)
    values = np.take_along_axis(rows, found, -1)
    last = values[..., -1:]
    same = (rows == last) | ((rows != rows) & (last != last))
    inside = (values == last) | ((values != values) & (last != last))
    twice = (
        (values[..., 1:] == values[..., :-1])
        | ((values[..., 1:] != values[..., 1:]) & (values[..., :-1] != values[..., :-1]))
    ).any(-1)
    unsure = twice | (same.sum(-1) > inside.sum(-1)) if ordered else np.ones(found.shape[:-1], bool)
    if not unsure.any():
        return indices
    found = found.copy()
    for place in zip(*np.nonzero(unsure), strict=True) if found.ndim > 1 else [()]:
        row = rows[place].tolist()
        found[place] = first_indices(len(row), k, comparison(row, largest), ordered)
    return np.moveaxis(found, -1, dim)


_top_found = Kernels(_as_found, HOST)


@torch_call
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> return_types.topk:
    """The named tuple (values, indices) of the ``k`` largest (or smallest) along ``dim``, best
    first.

    Raises RuntimeError if there are fewer than ``k``.
    """
    array = input._array
    dim = one_dim("topk", dim, array.ndim)
    k = k.__index__()
    if not 0 <= k <= (array.shape[dim] if array.ndim else 1):
        raise RuntimeError("selected index k out of range")
    if array.dtype.kind == "b":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if array.ndim == 0:
        values, indices = _ordered(input, dim, False)
        return return_types.topk(values, indices)
    indices = from_array(_top_found[array.__class__](array, k, dim, bool(largest), bool(sorted)))
    return return_types.topk(top_values(input, indices, dim, True), indices)


FUNCTIONS = {"argsort": argsort, "msort": msort, "sort": sort, "topk": topk}
METHODS = dict(FUNCTIONS)
