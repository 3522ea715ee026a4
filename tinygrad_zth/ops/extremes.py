"""The largest and the smallest, where they are, and whether there are any.

Ties: a full ``max()``, ``amax`` and their counterparts share the gradient evenly among all that are
equal; ``max(dim)`` gives it to the one whose index it returns, the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from ..backends import backend_of
from ..operation import Applied, op
from ..tensor import Tensor, from_array
from ..types import Array, Namespace
from . import return_types
from .calling import torch_call
from .reduce import dims_of, kept, spread
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "pick", "place"]

_maximum, _minimum = np.maximum.reduce, np.minimum.reduce


# ------------------------------------------------------------------------ picking along a dimension


def _pick(xp: Namespace, x: Array, indices: Array, dim: int, keepdim: bool) -> Array:
    """The element at ``indices`` along ``dim``; ``indices`` has the result's shape."""
    if not keepdim:
        indices = xp.expand_dims(indices, dim)
    r = xp.take_along_axis(x, indices, dim)
    return r if keepdim else r.squeeze(dim)


def _place(xp: Namespace, x: Array, indices: Array, shape: tuple[int, ...], dim: int, keepdim: bool) -> Array:
    """Zeros of ``shape`` with ``x`` at ``indices`` along ``dim``: the opposite of picking."""
    if not keepdim:
        indices, x = xp.expand_dims(indices, dim), xp.expand_dims(x, dim)
    r = xp.zeros(shape, x.dtype)
    xp.put_along_axis(r, indices, x, dim)
    return r


def picking(name: str, grad_name: str) -> Applied:
    """``pick`` under the name that PyTorch gives to what it is a part of."""
    return op(
        _pick, name=name, grad_name=grad_name, tensors=("indices",),
        x=lambda g, indices, x_shape, dim, keepdim: place(g, indices, x_shape, dim, keepdim),
    )  # fmt: skip


pick = picking("pick", "PickBackward0")
place = op(
    _place, name="place", tensors=("indices",),
    x=lambda g, indices, dim, keepdim: pick(g, indices, dim, keepdim),
)  # fmt: skip


def _shares(xp: Namespace, x: Array, out: Array, dim: int | None, keepdim: bool) -> Array:
    """1 / k for the k elements that are the extreme, else 0; nan (0 / 0) where it is nan."""
    same = x == (out if keepdim else xp.asarray(out).reshape(kept(x.shape, dim)))
    return same / same.sum(dim, keepdims=True, dtype=x.dtype)


def _shares_of_all(x: Array, out: Array) -> Array:
    """1 / k for the k elements that are the extreme of all (or nan, if it is nan), else 0."""
    same = (x == out) | ((x != x) & (out != out))  # asking whether it is NaN would make the host wait for a device
    return same / same.sum(dtype=x.dtype)


shares = op(_shares, name="shares", tensors=("x", "out"))
shares_of_all = op(_shares_of_all, name="shares_of_all", tensors=("x", "out"))


def _extreme(name: str, reduce: Callable[..., Any], method: str) -> Applied:
    """amax or amin: the value alone, by any dimensions."""
    return op(
        lambda x, dim, keepdim: reduce(x, dim, None, None, keepdim), name=name, ordered=True,
        kernels={"cupy": lambda x, dim, keepdim: getattr(x, method)(dim, keepdims=keepdim)},
        x=lambda g, x, x_shape, out, dim, keepdim: spread(g, x_shape, dim, keepdim)
        * shares(x, out, dim, keepdim),
    )  # fmt: skip


def _extreme_of_all(name: str, reduce: Callable[..., Any], method: str) -> Applied:
    """max or min of everything."""
    return op(
        lambda x: reduce(x, None), name=name, grad_name=f"{name.capitalize()}Backward1",
        kernels={"cupy": lambda x: getattr(x, method)()},
        x=lambda g, x, out: g * shares_of_all(x, out),
    )  # fmt: skip


def _extreme_along(name: str, reduce: Callable[..., Any], method: str) -> Applied:
    """max or min along one dimension, whose gradient goes to the index that was found."""
    return op(
        lambda x, indices, dim, keepdim: reduce(x, dim, None, None, keepdim),
        name=f"{name}_along", grad_name=f"{name.capitalize()}Backward0", ordered=True, tensors=("indices",),
        kernels={
            "cupy": lambda x, indices, dim, keepdim: getattr(x, method)(dim, keepdims=keepdim)
        },
        x=lambda g, indices, x_shape, dim, keepdim: place(g, indices, x_shape, dim, keepdim),
    )  # fmt: skip


amax_of, amin_of = _extreme("amax", _maximum, "max"), _extreme("amin", _minimum, "min")
max_of, min_of = _extreme_of_all("max", _maximum, "max"), _extreme_of_all("min", _minimum, "min")
max_along, min_along = (
    _extreme_along("max", _maximum, "max"),
    _extreme_along("min", _minimum, "min"),
)


def refuse_empty(name: str, shape: Sequence[int], dim: Any, error: type = RuntimeError) -> None:
    """Raise as PyTorch does if there is nothing to choose from."""
    if dim is None:
        if 0 in shape:
            hint = " Specify the reduction dim with the 'dim' argument." if error is RuntimeError else ""
            raise error(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{hint}")
        return
    for d in (dim,) if dim.__class__ is int else dim:
        if shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def one_dim(name: str, dim: int, ndim: int) -> int:
    """``dim`` checked to be one int. Raises TypeError for a sequence."""
    if dim.__class__ is not int:
        if not hasattr(dim, "__index__"):
            raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
        dim = dim.__index__()
    return dim_of(dim, ndim)


def _along(name: str, input: Tensor, dim: int, keepdim: bool, find: str, apply: Callable[..., Any], pair: type) -> Any:
    array = input._array
    dim = one_dim(name, dim, array.ndim)
    if array.ndim == 0:
        return pair(input.clone(), from_array(backend_of(array).xp.zeros((), np.int64)))
    if array.shape[dim] == 0:
        refuse_empty(name, array.shape, dim)
    indices = from_array(getattr(array, find)(dim, keepdims=keepdim))
    return pair(apply(input, indices, dim, keepdim), indices)


def _full_or_along(
    name: str,
    input: Tensor,
    dim: int | None,
    keepdim: bool,
    full: Callable[..., Any],
    find: str,
    apply: Callable[..., Any],
    pair: type,
) -> Any:
    if dim is None:
        if input._array.size == 0:
            refuse_empty(name, input._array.shape, None)
        return full(input)
    return _along(name, input, dim, keepdim, find, apply, pair)


@overload
def max(input: Tensor) -> Tensor: ...
@overload
def max(input: Tensor, dim: int, keepdim: bool = False) -> return_types.max: ...
@overload
def max(input: Tensor, other: Tensor, /) -> Tensor: ...
@torch_call
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with ``dim``, the named tuple (values, indices of the first ones).

    ``max(input, other)``, with a Tensor, is ``maximum``. nan is larger than everything.
    Raises RuntimeError or IndexError if there is nothing to choose from.
    """
    if isinstance(dim, Tensor):
        from .elementwise import maximum

        return maximum(input, dim)
    return _full_or_along("max", input, dim, keepdim, max_of, "argmax", max_along, return_types.max)


@overload
def min(input: Tensor) -> Tensor: ...
@overload
def min(input: Tensor, dim: int, keepdim: bool = False) -> return_types.min: ...
@overload
def min(input: Tensor, other: Tensor, /) -> Tensor: ...
@torch_call
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; with ``dim``, the named tuple (values, indices of the first ones).

    ``min(input, other)``, with a Tensor, is ``minimum``. nan is smaller than everything.
    Raises RuntimeError or IndexError if there is nothing to choose from.
    """
    if isinstance(dim, Tensor):
        from .elementwise import minimum

        return minimum(input, dim)
    return _full_or_along("min", input, dim, keepdim, min_of, "argmin", min_along, return_types.min)


@torch_call
def amax(input: Tensor, dim: Sequence[int] | int = (), keepdim: bool = False) -> Tensor:
    """The largest elements over ``dim`` (all, if empty); equal ones share the gradient."""
    dim = dims_of(dim, input._array.ndim)
    refuse_empty("amax", input._array.shape, dim)
    return amax_of(input, dim, keepdim)


@torch_call
def amin(input: Tensor, dim: Sequence[int] | int = (), keepdim: bool = False) -> Tensor:
    """The smallest elements over ``dim`` (all, if empty); equal ones share the gradient."""
    dim = dims_of(dim, input._array.ndim)
    refuse_empty("amin", input._array.shape, dim)
    return amin_of(input, dim, keepdim)


@torch_call
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> return_types.aminmax:
    """The named tuple (min, max), over one dimension or all."""
    if dim is not None:
        dim = one_dim("aminmax", dim, input._array.ndim) if input._array.ndim else None
    refuse_empty("aminmax", input._array.shape, dim)
    return return_types.aminmax(amin_of(input, dim, keepdim), amax_of(input, dim, keepdim))


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    array = input._array
    if dim is not None:
        dim = one_dim(name, dim, array.ndim) if array.ndim else dims_of(dim, 0)
    if array.size == 0:
        refuse_empty(name, array.shape, dim, IndexError)
    if array.dtype.kind == "b":
        raise RuntimeError(f"{name}(): does not support bool input")
    return from_array(getattr(array, name)(dim, keepdims=keepdim))


@torch_call
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: the first, in the flattened input or along ``dim``."""
    return _arg("argmax", input, dim, keepdim)


@torch_call
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is: the first, in the flattened input or along ``dim``."""
    return _arg("argmin", input, dim, keepdim)


def _truth(input: Tensor, dim: Any, keepdim: bool, method: str) -> Tensor:
    array = input._array
    if dim is None or dim.__class__ is int or len(dim):
        dim = dims_of(dim, array.ndim)
    else:  # here alone, no dimensions means none
        dim = ()
    found = from_array(getattr(array, method)(dim, keepdims=keepdim))
    if array.dtype == np.uint8:
        found = from_array(found._array.astype(np.uint8))
    return found


@torch_call
def any(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether any element over ``dim`` is true (uint8 in, uint8 out; else bool)."""
    return _truth(input, dim, keepdim, "any")


@torch_call
def all(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Whether all elements over ``dim`` are true (uint8 in, uint8 out; else bool)."""
    return _truth(input, dim, keepdim, "all")


@torch_call
def count_nonzero(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """How many elements over ``dim`` are not zero, as int64."""
    return from_array((input._array != 0).sum(dims_of(dim, input._array.ndim)))


FUNCTIONS = {
    "all": all, "amax": amax, "amin": amin, "aminmax": aminmax, "any": any, "argmax": argmax,
    "argmin": argmin, "count_nonzero": count_nonzero, "max": max, "min": min,
}  # fmt: skip
METHODS = dict(FUNCTIONS)
