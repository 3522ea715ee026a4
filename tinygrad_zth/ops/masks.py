"""Where a condition holds: filling, selecting and writing by masks, and the places that are not zero."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from ..backends import backend_of
from ..inplace import write_back
from ..operation import Applied, op
from ..refusal import mismatch, on_one_device
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace, Number
from .index import getitem, setitem

__all__ = ["FUNCTIONS", "METHODS", "masked_fill", "masked_scatter", "masked_select", "nonzero"]


def _masked_fill(xp: Namespace, x: Array, mask: Array, value: float) -> Array:
    return xp.where(
        mask,
        value
        if getattr(value, "dtype", x.dtype) == x.dtype and hasattr(value, "dtype")
        else xp.asarray(value, x.dtype),
        x,
    )


_masked_fill_op: Applied = op(
    _masked_fill, name="masked_fill", ordered=True, tensors=("mask",),
    x=lambda g, mask: _masked_fill_op(g, mask, 0),
    value=lambda g, mask: _masked_fill_op(g, ~mask, 0),
)  # fmt: skip


def _name_of(mask: Tensor) -> str:
    """The C++ name of a mask's dtype, as PyTorch's message has it."""
    names = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int", "uint8": "unsigned char"}
    return names.get(mask.dtype.name, mask.dtype.name) if isinstance(mask, Tensor) else type(mask).__name__


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """A copy with ``value`` (a number or a 0-d tensor) where ``mask`` (bool, broadcast) is True."""
    if not isinstance(mask, Tensor) or mask._array.dtype.kind != "b":
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {_name_of(mask)}")
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if mask._array.shape != input._array.shape:
        _common(mask._array.shape, input._array.shape)
    return _masked_fill_op(input, mask, value)


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that both broadcast to. Raises RuntimeError if there is none."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise RuntimeError(mismatch([a, b])) from None


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` is True, as a 1-D copy (both are broadcast)."""
    if mask._array.dtype.kind != "b":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    on_one_device("masked_select", input._array, mask._array)
    shape = _common(mask._array.shape, input._array.shape)
    return getitem(input.expand(shape), mask.expand(shape))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements of ``source``, in order, where ``mask`` is True."""
    if mask._array.dtype.kind != "b":
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    if source._array.dtype is not input._array.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes")
    on_one_device("masked_scatter", input._array, mask._array, source._array)
    shape = _common(mask._array.shape, input._array.shape)
    out, mask = input.expand(shape).clone(), mask.expand(shape)
    n = int(np.count_nonzero(mask._array))
    if n > source._array.size:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    setitem(out, mask, source.reshape(-1)[:n])
    return out


def _nonzero(x: Tensor) -> list[Tensor]:
    return [new_tensor(i.astype(np.int64, copy=False)) for i in x._array.nonzero()] if x._array.ndim else [
        new_tensor(i) for i in x._array.reshape(1).nonzero()
    ]  # fmt: skip


@overload
def nonzero(input: Tensor, *, as_tuple: Literal[False] = False) -> Tensor: ...
@overload
def nonzero(input: Tensor, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where ``input`` is not zero: a (count, ndim) tensor, or one index tensor per dimension."""
    places = _nonzero(input)
    if as_tuple:
        return tuple(places)
    if input._array.ndim == 0:
        return new_tensor(backend_of(input._array).xp.zeros((places[0]._array.size, 0), np.int64))
    return new_tensor(np.stack([p._array for p in places], 1))


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """``nonzero`` cut, or filled up with ``fill_value``, to ``size`` rows."""
    found = nonzero(input)._array[:size]
    xp = backend_of(found).xp
    rest = xp.full((size - found.shape[0], found.shape[1]), fill_value, np.int64)
    return new_tensor(xp.concatenate([found, rest]))


def argwhere(input: Tensor) -> Tensor:
    """Where ``input`` is not zero: a (count, ndim) tensor."""
    return nonzero(input)


FUNCTIONS = {
    "argwhere": argwhere, "masked_fill": masked_fill, "masked_scatter": masked_scatter,
    "masked_select": masked_select, "nonzero": nonzero, "nonzero_static": nonzero_static,
}  # fmt: skip
METHODS = {
    **FUNCTIONS, "masked_fill_": write_back("masked_fill_", masked_fill),
    "masked_scatter_": write_back("masked_scatter_", masked_scatter),
}  # fmt: skip
