"""Sums, means, extremes: what takes dimensions away.

All take ``dim`` (an int, a tuple of ints, or None for all dimensions) and ``keepdim``; a
reduction's gradient is its incoming gradient, repeated over what was reduced (by the engine, or, where
there is something to multiply it with, as :data:`spread`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backends.kept import as_operand
from ..backends.sums import total
from ..broadcasting import expand_numpy
from ..dtypes import dtype, get_default_dtype, of, to_numpy
from ..operation import Applied, cast, op
from ..tensor import Tensor
from ..types import Array, Namespace, Number, Value
from .calling import torch_call
from .compare import pick
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "count_of", "dims_of", "divide_or_zero", "spread"]

FLOAT16, FLOAT32, INT64 = np.dtype("float16"), np.dtype("float32"), np.dtype("int64")
_add: Callable[..., Array] = np.add.reduce


def dims_of(dim: Any, ndim: int) -> Any:
    """``dim`` checked: an int, a tuple of ints, or None for all dimensions.

    Raises IndexError for a dimension there is not, RuntimeError for one named twice.
    """
    if dim is None:
        return None
    if dim.__class__ is int and 0 <= dim < ndim:
        return dim
    if dim.__class__ is int or not hasattr(dim, "__iter__"):
        dim = dim_of(dim.__index__(), ndim)
        return dim if ndim else None
    dims = tuple(sorted(dim_of(d, ndim) for d in dim))
    for a, b in zip(dims, dims[1:], strict=False):
        if a == b:
            raise RuntimeError(f"dim {a} appears multiple times in the list of dims")
    if not dims or ndim == 0:
        return None
    return dims[0] if len(dims) == 1 else dims


def count_of(shape: Sequence[int], dim: Any) -> int:
    """How many elements of ``shape`` make one element of the result."""
    if dim is None:
        return math.prod(shape)
    if dim.__class__ is int:
        return shape[dim]
    return math.prod([shape[d] for d in dim])


def kept(shape: Sequence[int], dim: Any) -> tuple[Any, ...]:
    """``shape`` with ones for the reduced dimensions: the result's under ``keepdim``."""
    if dim is None:
        return (1,) * len(shape)
    if dim.__class__ is int:
        dim %= len(shape)
        return (*shape[:dim], 1, *shape[dim + 1 :])
    return tuple([1 if i in dim else n for i, n in enumerate(shape)])


# ---------------------------------------------------------------------------- spread, sum, mean


def _kept_dim(g: Value, shape: Sequence[int], dim: Any, keepdim: bool) -> Value:
    """``g`` as if the dimensions had been kept: the engine repeats it along them."""
    return g if keepdim else g.reshape(kept(shape, dim))


def _spread_any(xp: Namespace, x: Array, shape: Any, dim: Any, keepdim: Any) -> Any:
    return xp.broadcast_to(_kept_dim(x, shape, dim, keepdim), shape)


def _spread(x: Array, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Array:
    window = expand_numpy(_kept_dim(np.asarray(x), shape, dim, keepdim), shape)
    window.flags.writeable = False
    return window


def _sum(x: Array, dim: int | tuple[int, ...] | None, keepdim: bool) -> Array:
    if x.itemsize == 2 and x.dtype is FLOAT16:  # accumulated in float32, as PyTorch does
        return _add(x, dim, FLOAT32, None, keepdim).astype(FLOAT16)
    return total(x, dim, keepdim)


def _sum_any(x: Any, dim: Any, keepdim: Any) -> Any:
    if x.dtype.char == "e":  # accumulated in float32
        return x.sum(dim, FLOAT32, keepdims=keepdim).astype(x.dtype)
    return x.sum(dim, keepdims=keepdim)


def _mean(x: Array, dim: int | tuple[int, ...] | None, keepdim: bool) -> Array:
    if dim is None and not keepdim and x.dtype is not FLOAT16:
        return total(x, None, False) / x.size  # NumPy's scalars, unlike its arrays, take a Python number fastest
    n = count_of(x.shape, dim)
    if x.itemsize == 2 and x.dtype is FLOAT16:
        return (_add(x, dim, FLOAT32, None, keepdim) / n).astype(FLOAT16)
    return total(x, dim, keepdim) / as_operand(n, x.dtype)


def _mean_any(x: Any, dim: Any, keepdim: Any) -> Any:
    if x.dtype.char == "e":
        return (x.sum(dim, FLOAT32, keepdims=keepdim) / count_of(x.shape, dim)).astype(x.dtype)
    return x.sum(dim, keepdims=keepdim) / count_of(x.shape, dim)


spread = op(
    _spread, name="spread", grad_name="ExpandBackward0", kernels={"cupy": _spread_any},
    x=lambda g, dim, keepdim: sum_of(g, dim, keepdim),
)  # fmt: skip


def _sum_entry(name: str, grad_name: str) -> Applied:
    """One entry per name that PyTorch prints for it; so for the mean."""
    return op(
        _sum, name=name, grad_name=grad_name, ordered=True, kernels={"cupy": _sum_any},
        x=lambda g, x_shape, dim, keepdim: _kept_dim(g, x_shape, dim, keepdim),
    )  # fmt: skip


def _mean_entry(name: str, grad_name: str) -> Applied:
    return op(
        _mean, name=name, grad_name=grad_name, ordered=True, kernels={"cupy": _mean_any},
        x=lambda g, x_shape, dim, keepdim: _kept_dim(g, x_shape, dim, keepdim) / count_of(x_shape, dim),
    )  # fmt: skip


# Of everything, and along some dimensions.
sum_of: Applied
sum_along: Applied
sum_of, sum_along = _sum_entry("sum", "SumBackward0"), _sum_entry("sum_along", "SumBackward1")
mean_of, mean_along = _mean_entry("mean", "MeanBackward0"), _mean_entry("mean_along", "MeanBackward1")


def accumulable(input: Tensor, dtype: dtype | None) -> Tensor:
    """``input`` in the type it is summed in: ``dtype`` if given, else int64 for bools, integers."""
    if dtype is not None:
        wanted = to_numpy(dtype)
    elif input._array.dtype.kind == "f":
        return input
    else:
        wanted = INT64
    return input if input._array.dtype is wanted else cast(input, wanted)


@torch_call
def sum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """The sum over ``dim``; of bools and integers, an int64. ``dtype`` casts before summing."""
    array = input._array
    if dim is not None:
        dim = dims_of(dim, array.ndim)
    if dtype is not None or array.dtype.kind != "f":
        input = accumulable(input, dtype)
        if input._array.dtype.kind in "biu" and input._array.dtype is not INT64:  # summed as int64, then cut
            return cast(sum_of(cast(input, INT64), dim, keepdim), input._array.dtype)
    return (sum_of if dim is None else sum_along)(input, dim, keepdim)


def require_float(name: str, input: Tensor, dtype: dtype | None = None) -> Tensor:
    """``input`` cast to ``dtype`` if given. Raises RuntimeError if that is no floating type."""
    if dtype is not None:
        input = accumulable(input, dtype)
    if input._array.dtype.kind != "f":
        which = "Input" if dtype is None else "Optional"
        got = of(input._array.dtype).legacy
        raise RuntimeError(
            f"{name}(): could not infer output dtype. {which} dtype must be either a floating "
            "point "
            f"or complex dtype. Got: {got}"
        )
    return input


@torch_call
def mean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """The mean over ``dim`` (nan if that is empty). Raises RuntimeError for integers."""
    array = input._array
    if dim is not None:
        dim = dims_of(dim, array.ndim)
    if dtype is not None or array.dtype.kind != "f":
        input = require_float("mean", input, dtype)
    return (mean_of if dim is None else mean_along)(input, dim, keepdim)


# ---------------------------------------------------------------------------- variance


def _variance_by(add: Callable[..., Any]) -> Callable[..., Any]:
    """The variance, by this way to sum (``(x, dim, keepdim)``), and the mean. Two passes: the squares are
    taken of what is left when the mean is gone."""

    def variance(x: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool) -> tuple[Array, ...]:
        wide = x.astype(FLOAT32) if x.dtype is FLOAT16 else x
        n = count_of(x.shape, dim)
        mean = add(wide, dim, True) / n
        d = wide - mean
        d *= d
        r = add(d, dim, keepdim) / _freedom(n, correction)
        return (r, mean) if wide is x else (r.astype(x.dtype), mean)

    return variance


_variance, _variance_any = _variance_by(total), _variance_by(_sum_any)


def _freedom(n: int, correction: float) -> float:
    """n - correction, not below 0; a Python number, so that it widens nothing."""
    freedom = n - correction
    if freedom.__class__ is int and freedom > 0:
        return freedom
    freedom = max(0, freedom)
    return int(freedom) if freedom == int(freedom) else freedom


def _slope(shape: tuple[int, ...], dim: int | tuple[int, ...] | None, correction: float) -> float:
    """2 / (n - correction)."""
    freedom = count_of(shape, dim) - correction
    return 2.0 / freedom if freedom else math.inf


def _times_centred(scale: Array, x: Array, mean: Value, dim: int | tuple[int, ...] | None) -> Value:
    d = x - mean
    d *= scale
    return d


#: scale * (x - the mean of x over dim), where scale has the mean's shape: the slope of a variance.
#: The mean is handed over since it is known; the formula for x knows that it depends on x.
times_centred: Applied = op(
    _times_centred,
    tensors=("mean",),
    scale=lambda g, x, mean, dim: times_centred(g, x, mean, dim),
    x=lambda g, scale, dim: _centred(g * scale, dim),
)  # fmt: skip


def _centred(x: Value, dim: int | tuple[int, ...] | None) -> Value:
    return x - mean_of(x, dim, True)


def _var_gradient(
    g: Value,
    x: Value,
    x_shape: tuple[int, ...],
    mean: Array,
    dim: int | tuple[int, ...] | None,
    correction: float,
    keepdim: bool,
    factor: float,
) -> Value:
    if dim is None and count_of(x_shape, None) <= correction:  # nothing is left to divide by: PyTorch's answer
        return spread(g, x_shape, None, keepdim) * pick(x == mean, math.nan, math.inf)
    scale = _kept_dim(g, x_shape, dim, keepdim)
    return times_centred(scale * (factor * _slope(x_shape, dim, correction)), x, mean, dim)


def _std(x: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool) -> tuple[Array, ...]:
    r, mean = _variance(x, dim, correction, keepdim)
    return np.sqrt(r), mean


def _std_any(xp: Namespace, x: Array, dim: Any, correction: Any, keepdim: Any) -> Any:
    r, mean = _variance_any(x, dim, correction, keepdim)
    return xp.sqrt(r), mean


def _divide_or_zero(x: Array, y: Array) -> Array:
    """x / y, of one shape, and 0 where y is 0: a slope that is taken to be 0 where there is none."""
    if y.size and y.item(y.argmin()) > 0:  # the common case, of a length or a deviation
        return x / y
    return np.divide(x, y, np.zeros(x.shape, y.dtype), where=y != 0)


def _divide_or_zero_any(xp: Namespace, x: Array, y: Array) -> Any:
    zero = y == 0
    return xp.where(zero, y.dtype.type(0), x / (y + zero))


divide_or_zero: Applied = op(
    _divide_or_zero, kernels={"cupy": _divide_or_zero_any},
    x=lambda g, y: divide_or_zero(g, y),
    y=lambda g, out, y: -divide_or_zero(g * out, y),
)  # fmt: skip
var_of = op(
    _variance, name="var", ordered=True, extras=("mean",), kernels={"cupy": _variance_any},
    x=lambda g, x, x_shape, mean, dim, correction, keepdim: _var_gradient(
        g, x, x_shape, mean, dim, correction, keepdim, 1.0
    ),
)  # fmt: skip
std_of = op(
    _std, name="std", ordered=True, extras=("mean",), kernels={"cupy": _std_any},
    x=lambda g, x, x_shape, out, mean, dim, correction, keepdim: _var_gradient(
        divide_or_zero(g, out), x, x_shape, mean, dim, correction, keepdim, 0.5
    ),
)  # fmt: skip


def _spread_arguments(name: str, input: Tensor, dim: Any, unbiased: bool | None, correction: Any) -> tuple[Any, ...]:
    """The arguments of var and std, in both of PyTorch's forms (``unbiased`` may come first)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}() got both unbiased and correction")
        correction = 1 if unbiased else 0
    elif correction is None:
        correction = 1
    array = input._array
    if array.dtype.kind != "f":
        what = "std and var" if name in ("std", "var") else name
        raise RuntimeError(f"{what} only support floating point and complex dtypes")
    dim = dims_of(dim, array.ndim)
    if count_of(array.shape, dim) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=4,
        )
    return dim, correction


@torch_call
def var(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The variance over ``dim``: the squared distances to the mean, divided by n - ``correction``.

    ``correction`` is 1 unless given; ``unbiased=False`` is an older way to say 0.
    Raises RuntimeError for integers; warns where nothing is left to divide by.
    """
    dim, correction = _spread_arguments("var", input, dim, unbiased, correction)
    return var_of(input, dim, correction, keepdim)


@torch_call
def std(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """The standard deviation over ``dim``, the square root of ``var``; its slope at 0 is taken to
    be 0.
    """
    dim, correction = _spread_arguments("std", input, dim, unbiased, correction)
    return std_of(input, dim, correction, keepdim)


def _with_mean(
    name: str,
    apply: Applied,
    input: Tensor,
    dim: Any,
    unbiased: bool | None,
    keepdim: bool,
    correction: Any,
) -> tuple[Tensor, Tensor]:
    dim, correction = _spread_arguments(name, input, dim, unbiased, correction)
    return apply(input, dim, correction, keepdim), mean_of(input, dim, keepdim)


@torch_call
def var_mean(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair (variance, mean); see ``var``."""
    return _with_mean("var_mean", var_of, input, dim, unbiased, keepdim, correction)


@torch_call
def std_mean(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair (standard deviation, mean); see ``std``."""
    return _with_mean("std_mean", std_of, input, dim, unbiased, keepdim, correction)


# ---------------------------------------------------------------------------- logsumexp


def _logsumexp(xp: Namespace, x: Array, dim: int | tuple[int, ...] | None, keepdim: bool) -> Array:
    top = x.max(dim, keepdims=True)
    top = xp.where(xp.isfinite(top), top, top.dtype.type(0))  # -inf and inf carry themselves
    total = xp.log(xp.exp(x - top).sum(dim, keepdims=True)) + top
    return total if keepdim else total.reshape([n for n, k in zip(total.shape, _flags(x.ndim, dim)) if not k])


def _flags(ndim: int, dim: Any) -> list[bool]:
    """Per dimension, whether it is reduced."""
    dims = range(ndim) if dim is None else (dim,) if dim.__class__ is int else dim
    return [i in dims for i in range(ndim)]


def _exp_difference(xp: Namespace, x: Array, y: Array) -> Array:
    return xp.exp(x - y)


_softmax_like = op(_exp_difference, name="exp_difference", x=lambda g, out: g * out, y=lambda g, out: -g * out)
logsumexp_of = op(
    _logsumexp, name="logsumexp", ordered=True,
    x=lambda g, x, x_shape, out, dim, keepdim: spread(g, x_shape, dim, keepdim)
    * _softmax_like(x, spread(out, x_shape, dim, keepdim)),
)  # fmt: skip


@torch_call
def logsumexp(input: Tensor, dim: Sequence[int] | int, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over ``dim``, safe from overflow; -inf where there is nothing to sum.

    Integers become the default floating type.
    """
    array = input._array
    dim = dims_of(dim, array.ndim)
    if array.dtype.kind != "f":
        input = cast(input, get_default_dtype().numpy)
    if count_of(array.shape, dim) == 0:
        return sum(input, dim, keepdim) - math.inf
    return logsumexp_of(input, dim, keepdim)


FUNCTIONS = {
    "logsumexp": logsumexp, "mean": mean, "std": std, "std_mean": std_mean, "sum": sum, "var": var,
    "var_mean": var_mean,
}  # fmt: skip
METHODS = {name: FUNCTIONS[name] for name in ("logsumexp", "mean", "std", "sum", "var")}
