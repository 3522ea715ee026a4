"""Broadcasting and casting, and their undoing: what the backward pass does to every gradient, whatever the operation.

A value that was repeated gets the sum of what comes back; the gradient of a sum is repeated. Each is the other's
gradient, so that passes that are recorded are differentiable in turn.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .backends import array_types
from .backends.products import SHORT_VECTOR
from .backends.sums import LONGEST, ones, total
from .graph import Node
from .operation import Applied, cast, op
from .tensor import Tensor
from .types import Array, Namespace, Value

__all__ = ["alias", "expand_numpy", "expand_to", "fitted", "sum_to"]


def _expand(xp: Namespace, x: Array, shape: Any) -> Any:
    return xp.broadcast_to(x, shape)


def expand_numpy(x: Array, shape: tuple[int, ...]) -> Array:
    """``x`` as a window of this shape, to be written to where ``x`` can be."""
    sizes = x.shape
    if x.__class__ is np.ndarray and x.flags.c_contiguous and x.size and len(sizes) == len(shape):
        steps = [s if n == m else 0 if n == 1 else -1 for n, m, s in zip(sizes, shape, x.strides)]
        if -1 not in steps:
            return np.ndarray(shape, x.dtype, x, 0, steps)  # np.broadcast_to takes three times as long
    window = np.broadcast_to(x, shape)
    if x.flags.writeable:  # a part of it, in which no element shares its place, can be written to
        window.flags.writeable = True
    return window


def _sum_to_size(xp: Namespace, x: Array, shape: Any) -> Any:
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(i for i, n in enumerate(shape, lead) if n == 1 and x.shape[i] != 1))
    small = xp.add.reduce(x, axes) if axes else x
    return small if small.shape == shape else small.reshape(shape)


def _sum_to_size_numpy(x: Array, shape: tuple[int, ...]) -> Array:
    rest = x.shape
    if (
        len(rest) == 2
        and x.flags.c_contiguous
        and x.dtype.char in "fd"
        and 0 < rest[0] <= LONGEST
        and x.size < SHORT_VECTOR
    ):
        rows, columns = rest
        # A bias or a gain, the common case: the rows are summed.
        if shape == (columns,):
            return ones[rows, x.dtype].dot(x)
        if shape == (1, columns):
            return ones[(1, rows), x.dtype].dot(x)
    lead = len(rest) - len(shape)
    axes = (*range(lead), *(i for i, n in enumerate(shape, lead) if n == 1 and rest[i] != 1))
    small = total(x, axes[0] if len(axes) == 1 else axes, False) if axes else x
    return small if small.shape == shape else small.reshape(shape)


expand_to = op(
    _expand, name="expand", view=True, kernels={"numpy": expand_numpy}, x=lambda g, x_shape: sum_to(g, x_shape)
)
sum_to: Applied = op(
    _sum_to_size, name="sum_to_size", grad_name="SumBackward1", kernels={"numpy": _sum_to_size_numpy},
    x=lambda g, x_shape: expand_to(g, x_shape),
)  # fmt: skip
_repeated, _reduced = expand_to.op.kernels, sum_to.op.kernels


def _alias(x: Array) -> Array:
    return x[...]


alias = op(_alias, name="alias", view=True, x=lambda g: g)


def fitted(g: Value, edge: Node, ours: bool, alone: bool) -> tuple[Any, bool]:
    """``g`` in the edge's shape and dtype, and whether it is a buffer of ours. One value for many places is left as it
    is unless it is ``alone``: what it is added to repeats it."""
    recorded = g.__class__ not in array_types and isinstance(g, Tensor)
    array = g._array if recorded else g
    shape = edge.shape
    if array.shape != shape:
        size = prod(shape)
        # Whether it becomes one of the edge's shape by being repeated, and not by sums.
        if 0 < array.size < size if size else _repeats_nothing(array, shape):
            if alone:
                g = expand_to(g, shape) if recorded else _repeated[g.__class__](g, shape)
            ours = False
        else:
            g = sum_to(g, shape) if recorded else _reduced[g.__class__](g, shape)
            ours = not recorded and g.base is None
    if array.dtype is not edge.dtype:
        g = cast(g, edge.dtype)
        ours = not recorded
    return g, ours


def _repeats_nothing(x: Array, shape: tuple[int, ...]) -> bool:
    """Whether ``x`` broadcasts to ``shape``, which has no elements."""
    return x.ndim <= len(shape) and all(n == 1 or n == m for n, m in zip(x.shape[::-1], shape[::-1], strict=False))
