"""Windows by stride: diagonals, sliding windows, and any other. The gradient is put where the window was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import backend_of
from ..operation import Applied, op
from ..storage import buffer_of
from ..tensor import Tensor, replay
from ..types import Array, Namespace, Value
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "as_strided", "diagonal", "diagonal_of", "embed_in"]


def embed_in(shape: Sequence[int], value: Value, path: tuple[Any, ...]) -> Value:
    """Zeros of ``shape`` with ``value`` in the window ``path``: the opposite of looking through it."""
    return _embed(value, tuple(shape), path)


def _embed_kernel(xp: Namespace, x: Array, shape: tuple[int, ...], path: tuple[Any, ...]) -> Array:
    from ..inplace import _set_window

    whole = xp.zeros(shape, x.dtype)
    _set_window(whole, path, x)
    return whole


_embed = op(_embed_kernel, name="embed", x=lambda g, path: replay(g, path))


def _diagonal(x: Array, offset: int, dim1: int, dim2: int) -> Array:
    n1, n2 = x.shape[dim1], x.shape[dim2]
    length = max(0, min(n1, n2 - offset) if offset >= 0 else min(n1 + offset, n2))
    keep = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    if length == 0:
        moved = x.transpose((*keep, dim1, dim2))
        return moved[..., :0, 0] if n2 else moved.reshape((*moved.shape[:-2], 0))
    corner = [slice(None)] * x.ndim
    corner[dim1 if offset < 0 else dim2] = slice(abs(offset), None)
    corner = x[tuple(corner)]
    return backend_of(x).as_strided(
        corner,
        (*(x.shape[d] for d in keep), length),
        (*(x.strides[d] for d in keep), x.strides[dim1] + x.strides[dim2]),
    )


diagonal_of: Applied = op(
    _diagonal,
    name="diagonal",
    view=True,
    x=lambda g, x_shape, offset, dim1, dim2: embed_in(x_shape, g, ((diagonal_of, (offset, dim1, dim2)),)),
)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the plane of two dimensions, as the last dimension of a view."""
    ndim = input._array.ndim
    a, b = dim_of(dim1, ndim), dim_of(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diagonal_of(input, offset, a, b)


def _unfold(x: Array, dim: int, size: int, pace: int) -> Array:
    count = (x.shape[dim] - size) // pace + 1
    shape = (*x.shape[:dim], count, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * pace, *x.strides[dim + 1 :], x.strides[dim])
    return backend_of(x).as_strided(x, shape, strides)


def _fold(xp: Namespace, x: Array, shape: tuple[int, ...], dim: int, size: int, pace: int) -> Array:
    whole = xp.zeros(shape, x.dtype)
    key = [slice(None)] * len(shape)
    for i in range(size):  # windows overlap; the places with one offset do not
        key[dim] = slice(i, i + (x.shape[dim] - 1) * pace + 1, pace)
        whole[tuple(key)] += x[..., i]
    return whole


_unfold_op = op(
    _unfold, name="unfold", view=True,
    x=lambda g, x_shape, dim, size, pace: _fold_op(g, x_shape, dim, size, pace),
)  # fmt: skip
_fold_op: Applied = op(_fold, name="unfold_backward", x=lambda g, dim, size, pace: _unfold_op(g, dim, size, pace))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of ``size``, ``step`` apart, along a dimension, as a new last dimension of a view."""
    d = dim_of(dimension, input._array.ndim)
    if not input._array.ndim and 0 <= size <= 1:  # a number is a vector of one, of which there is one window
        return as_strided(input, (size,), (1,))
    if not input._array.ndim:
        raise RuntimeError(f"maximum size for tensor at dimension 0 is 1 but size is {size}")
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > input._array.shape[d]:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {input._array.shape[d]} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return _unfold_op(input, d, size, step)


def _as_strided(x: Array, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Array:
    base, item = buffer_of(x), x.itemsize
    flat = base.reshape(-1, order="A") if base.flags.c_contiguous or base.flags.f_contiguous else base.ravel()
    return backend_of(x).as_strided(flat[offset:], size, tuple(s * item for s in stride))


def _place(
    x: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    x_shape: tuple[int, ...],
    x_stride: tuple[int, ...],
    x_offset: int,
) -> Array:
    """Where each element of the strided window lies in the window ``x``; -1 for those outside."""

    def places(shape: tuple[int, ...], strides: tuple[int, ...], start: int) -> Array:
        where = np.full(shape, start)
        for d, (n, s) in enumerate(zip(shape, strides, strict=True)):
            where += (np.arange(n) * s).reshape([-1 if i == d else 1 for i in range(len(shape))])
        return where

    mine, theirs = places(size, stride, offset), places(x_shape, x_stride, x_offset)
    lookup = np.full(max(mine.max(initial=-1), theirs.max(initial=-1)) + 1, -1)
    lookup[theirs.reshape(-1)] = np.arange(theirs.size)
    return lookup[mine]


def _strided_sum(xp: Namespace, x: Array, places: Array, shape: tuple[int, ...]) -> Array:
    n = 1
    for s in shape:
        n *= s
    flat = xp.zeros(n + 1, x.dtype)  # what is outside (-1) goes to the last place
    backend_of(x).index_add(flat, (xp.asarray(places).reshape(-1),), x.reshape(-1))
    return flat[:n].reshape(shape)


def _strided_take(xp: Namespace, x: Array, places: Array, shape: tuple[int, ...]) -> Array:
    flat = xp.concatenate([x.reshape(-1), xp.zeros(1, x.dtype)])
    return flat[xp.asarray(places)]


_strided_sum_op = op(
    _strided_sum, name="as_strided_scatter", x=lambda g, places, shape: _strided_take_op(g, places, shape)
)
_strided_take_op: Applied = op(
    _strided_take, name="as_strided_gather", x=lambda g, places, shape: _strided_sum_op(g, places, shape)
)


def _as_strided_kernel(x: Array, size: tuple[int, ...], stride: tuple[int, ...], offset: int, places: Array) -> Array:
    return _as_strided(x, size, stride, offset)


_as_strided_op = op(
    _as_strided_kernel, name="as_strided", view=True,
    x=lambda g, x_shape, places: _strided_sum_op(g, places, x_shape),
)  # fmt: skip


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """The storage under ``input`` seen with any sizes, strides and offset (in elements).

    Raises RuntimeError if the window does not lie within the storage or a stride is negative.
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    offset = input.storage_offset() if storage_offset is None else storage_offset
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    held = buffer_of(input._array).size
    if 0 not in size and last >= held:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{input.itemsize} requiring a storage size of {(last + 1) * input.itemsize} are out of bounds for "
            f"storage of size {held * input.itemsize}"
        )
    places = None
    if input.requires_grad:
        places = _place(input._array, size, stride, offset, input._array.shape, input.stride(), input.storage_offset())
    return _as_strided_op(input, size, stride, offset, places)


FUNCTIONS = {"as_strided": as_strided, "diagonal": diagonal}
METHODS = {**FUNCTIONS, "unfold": unfold}
