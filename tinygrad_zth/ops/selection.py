"""Elements found by their rank: median, quantile, mode, the k-th smallest.

Each is picked at an index of the input (two indices, for a quantile between two elements), through
which its gradient goes back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import numpy as np

from ..backends import HOST, Kernels, backend_of
from ..operation import op
from ..partial_order import comparison, index_of_rank
from ..tensor import Tensor, from_array
from ..types import Array, Namespace
from . import return_types
from .calling import torch_call
from .extremes import one_dim, pick, refuse_empty, shares_of_all
from .scatter import gather
from .sort import RETRACED, order
from .view import reshape

__all__ = ["FUNCTIONS", "METHODS"]


def _at(xp: Namespace, x: Array, k: int, dim: int, keepdim: bool) -> Array:
    """The index of the element of rank ``k`` (from 0) along ``dim``."""
    ranked = order(x, dim, False)[(slice(None),) * dim + (slice(k, k + 1),)]
    return ranked if keepdim else ranked.squeeze(dim)


def _median_index(xp: Namespace, x: Array, dim: int, keepdim: bool, skip: bool) -> Array:
    """The index of the lower median; of nan, where there is one and ``skip`` is False."""
    ranked = order(x, dim, False)
    numbers = (x == x).sum(dim, keepdims=True)
    n = x.shape[dim]
    middle = xp.maximum(numbers - 1, 0) // 2
    if not skip:
        first_nan = xp.minimum(numbers, n - 1)
        middle = xp.where(numbers < n, first_nan, middle)
    index = xp.take_along_axis(ranked, middle, dim)
    return index if keepdim else index.squeeze(dim)


def _mode_index(xp: Namespace, x: Array, dim: int, keepdim: bool) -> Array:
    """The last index of the most frequent element; the smallest, among equally frequent ones."""
    n = x.shape[dim]
    ranked = order(x, dim, False)
    values = xp.moveaxis(xp.take_along_axis(x, ranked, dim), dim, -1)
    ranked = xp.moveaxis(ranked, dim, -1)
    starts = xp.concatenate([xp.ones((*values.shape[:-1], 1), bool), values[..., 1:] != values[..., :-1]], -1)
    run = xp.cumsum(starts, -1)  # the number of each run of equal elements
    length = (run[..., :, None] == run[..., None, :]).sum(-1)
    first = length.argmax(-1)[..., None]
    last = first + xp.take_along_axis(length, first, -1) - 1
    index = xp.moveaxis(xp.take_along_axis(ranked, xp.minimum(last, n - 1), -1), -1, dim)
    return index if keepdim else index.squeeze(dim)


rank_index = op(_at, name="rank_index")
median_index = op(_median_index)
mode_index = op(_mode_index)
median_of_all = op(  # all that equal it share the gradient
    lambda x, skip: x[median_index(x, 0, False, skip)], name="median",
    x=lambda g, x, out: g * shares_of_all(x, out),
)  # fmt: skip


def _picked(name: str, input: Tensor, dim: int, keepdim: bool, find: Callable[..., Any], pair: type) -> Any:
    """The named tuple of what ``find`` finds along ``dim``."""
    array = input._array
    dim = one_dim(name, dim, array.ndim)
    if array.ndim == 0:
        return pair(input.clone(), from_array(backend_of(array).xp.zeros((), np.int64)))
    if array.shape[dim] == 0:
        refuse_empty(name, array.shape, dim)
    indices = from_array(find(array, dim))
    return pair(pick(input, indices, dim, keepdim), indices)


def _retraced(x: Array, k: int, dim: int, keepdim: bool) -> Array:
    """``rank_index`` with PyTorch's choice in the rows where the element of rank ``k`` has equals."""
    index: Array = rank_index(x, k, dim, keepdim)
    if x.shape[dim] > RETRACED:
        return index
    rows = np.moveaxis(x, dim, -1)
    flat = np.moveaxis(index if keepdim else np.expand_dims(index, dim), dim, -1)
    value = np.take_along_axis(rows, flat, -1)
    unsure = ((rows == value) | ((rows != rows) & (value != value))).sum(-1) > 1
    if not unsure.any():
        return index
    flat = flat.copy()
    for place in zip(*np.nonzero(unsure), strict=True) if flat.ndim > 1 else [()]:
        row = rows[place].tolist()
        flat[place] = index_of_rank(len(row), k, comparison(row, False))
    found = np.moveaxis(flat, -1, dim)
    return found if keepdim else found.squeeze(dim)


_rank_found = Kernels(_retraced, HOST)


@torch_call
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> return_types.kthvalue:
    """The named tuple (values, indices) of the ``k``-th smallest (from 1) along ``dim``."""
    dim = one_dim("kthvalue", dim, input._array.ndim)
    if input._array.ndim and not input._array.shape[dim]:
        refuse_empty("kthvalue", input._array.shape, dim)
    if not 1 <= k <= (input._array.shape[dim] if input._array.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    result: return_types.kthvalue = _picked(
        "kthvalue",
        input,
        dim,
        keepdim,
        lambda x, d: _rank_found[x.__class__](x, k - 1, d, keepdim),
        return_types.kthvalue,
    )
    return result


def _median(name: str, input: Tensor, dim: int | None, keepdim: bool, pair: type) -> Any:
    skip = name == "nanmedian"
    if dim is not None:
        return _picked(name, input, dim, keepdim, lambda x, d: median_index(x, d, keepdim, skip), pair)
    flat = reshape(input, (-1,))
    if flat._array.size == 0:
        if flat._array.dtype.kind != "f":
            raise RuntimeError(f"{name}(): of an empty tensor of integers")
        return from_array(backend_of(flat._array).xp.full((), math.nan, flat._array.dtype))
    return median_of_all(flat, skip)


@overload
def median(input: Tensor) -> Tensor: ...
@overload
def median(input: Tensor, dim: int, keepdim: bool = False) -> return_types.median: ...
@torch_call
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, the lower of two; nan if there is a nan. With ``dim``, also the indices."""
    return _median("median", input, dim, keepdim, return_types.median)


@overload
def nanmedian(input: Tensor) -> Tensor: ...
@overload
def nanmedian(input: Tensor, dim: int, keepdim: bool = False) -> return_types.nanmedian: ...
@torch_call
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of what is not nan, the lower of two. With ``dim``, also the indices."""
    return _median("nanmedian", input, dim, keepdim, return_types.nanmedian)


@torch_call
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> return_types.mode:
    """The named tuple (values, indices) of the most frequent elements along ``dim``; the smallest
    of them.
    """
    result: return_types.mode = _picked(
        "mode", input, dim, keepdim, lambda x, d: mode_index(x, d, keepdim), return_types.mode
    )
    return result


# ---------------------------------------------------------------------------- quantiles


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _ranks(xp: Namespace, x: Array, q: Array, dim: int, interpolation: str, skip: bool) -> tuple[Array, ...]:
    """Indices of the elements below and above each quantile of ``q``, the upper's weight."""
    n = x.shape[dim]
    ranked = order(x, dim, False)
    numbers = (x == x).sum(dim, keepdims=True)
    q = q.reshape((-1,) + (1,) * (x.ndim - 1 - dim)).astype(x.dtype)
    if skip:
        rank = q * xp.maximum(numbers - 1, 0).astype(x.dtype)
    else:
        rank = xp.where(numbers < n, x.dtype.type(n - 1), q * x.dtype.type(n - 1))
    if interpolation == "lower":
        rank = xp.floor(rank)
    elif interpolation == "higher":
        rank = xp.ceil(rank)
    elif interpolation == "nearest":
        rank = xp.rint(rank)
    below = xp.floor(rank)
    weight = xp.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
    lower = xp.take_along_axis(ranked, below.astype(xp.int64), dim)
    upper = xp.take_along_axis(ranked, xp.ceil(rank).astype(xp.int64), dim)
    return lower, upper, weight


def _quantile(name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    array = input._array
    if array.size == 0:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if array.dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or "
            f"nearest, but got {interpolation}"
        )
    if isinstance(q, Tensor):
        if q._array.dtype != array.dtype:
            raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
        if q._array.ndim > 1:
            raise RuntimeError("quantile() q must be a scalar or 1D tensor")
        if q.device != input.device:
            raise RuntimeError("quantile() q tensor must be on the same device as the input tensor")
        points = q._array
    else:
        points = from_array(np.asarray(q, array.dtype))._array
    valid = bool(((points >= 0) & (points <= 1)).all())
    backend = backend_of(array)
    points = backend.asarray(points, None, backend.device_of(array))
    if not valid:
        raise RuntimeError(
            "quantile() q must be in the range [0, 1]" + ("" if isinstance(q, Tensor) else f" but got {q}")
        )
    ndim = array.ndim
    shape = [1] * ndim
    if dim is None:
        flat, axis = reshape(input, (-1,)), 0
    else:
        axis = one_dim(name, dim, ndim)
        flat = input if ndim else reshape(input, (1,))
        shape = [1 if d == axis else n for d, n in enumerate(array.shape)]
    lower, upper, weight = _ranks(backend.xp, flat._array, points, axis, interpolation, name == "nanquantile")
    low, high = gather(flat, axis, from_array(lower)), gather(flat, axis, from_array(upper))
    share = from_array(weight)
    if isinstance(q, Tensor) and q.requires_grad and interpolation == "linear":  # the others are steps in q
        x, n = flat._array, flat._array.shape[axis]
        numbers = (x == x).sum(axis, keepdims=True)
        slope = numbers - 1 if name == "nanquantile" else (n - 1) * (numbers == n)
        moved = q.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        share = share + (moved - moved.detach()) * from_array(slope.astype(array.dtype))
    result = (low + (high - low) * share).movedim(axis, 0)
    if not keepdim and ndim and dim is not None:
        shape.pop(axis)
    elif not keepdim:
        shape = []
    found: Tensor = reshape(result, (*((points.size,) if points.ndim else ()), *shape))
    return found


@torch_call
def quantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The elements below which a share ``q`` lies: between two elements, by ``interpolation``.

    ``q`` is a number, or a 1-D tensor, whose quantiles are stacked in a first dimension. nan, if
    there is a nan. Raises RuntimeError for q outside [0, 1], for an empty input and for integers.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@torch_call
def nanquantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """``quantile`` of what is not nan."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


FUNCTIONS = {
    "kthvalue": kthvalue, "median": median, "mode": mode, "nanmedian": nanmedian,
    "nanquantile": nanquantile, "quantile": quantile,
}  # fmt: skip
METHODS = dict(FUNCTIONS)
