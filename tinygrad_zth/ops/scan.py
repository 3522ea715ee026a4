"""Running reductions along one dimension, and products, whose gradients are made of them.

Where a product holds a zero, dividing the result by an element no longer says what the others make.
The gradients then come from running products from both sides, and from the linear recurrence
s_i = b_i + a_i s_{i-1} (:data:`recurrence`): they are exact, linear in time, and have gradients
themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import dtype, int64, of
from ..inplace import write_back
from ..operation import Applied, op
from ..tensor import Tensor, from_array
from ..types import Array, Namespace, Value
from . import return_types
from .calling import torch_call
from .create import zeros
from .extremes import one_dim
from .reduce import accumulable, spread
from .scatter import gather
from .view import reshape

__all__ = ["FUNCTIONS", "METHODS"]

FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")
_multiply: Callable[..., Array] = np.multiply.reduce


def _key(dim: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * dim + (part,)


def _backwards(x: Array, dim: int) -> Array:
    return x[_key(dim, slice(None, None, -1))]


def _running(name: str) -> Callable[..., Any]:
    """cumsum or cumprod, accumulated in float64 as PyTorch does."""

    def kernel(xp: Namespace, x: Array, dim: int, reverse: bool) -> Array:
        wide = FLOAT64 if x.dtype.kind == "f" else x.dtype
        r = getattr(xp, name)(_backwards(x, dim) if reverse else x, dim, wide)
        r = r if r.dtype == x.dtype else r.astype(x.dtype)
        return _backwards(r, dim) if reverse else r

    return kernel


def _shift(xp: Namespace, x: Array, dim: int, step: int, fill: int) -> Array:
    """Every element moved by ``step`` along ``dim``; ``fill`` moves in."""
    r = xp.full_like(x, fill)
    n = x.shape[dim]
    if abs(step) < n:
        to = slice(step, None) if step > 0 else slice(None, step)
        source = slice(None, -step) if step > 0 else slice(-step, None)
        r[_key(dim, to)] = x[_key(dim, source)]
    return r


def _recurrence(xp: Namespace, a: Array, b: Array, dim: int, reverse: bool) -> Array:
    s = xp.array(b)
    steps = range(s.shape[dim])[::-1] if reverse else range(s.shape[dim])
    last = None
    for i in steps:
        here = s[_key(dim, slice(i, i + 1))]
        if last is not None:
            here += a[_key(dim, slice(i, i + 1))] * last
        last = here
    return s


shift: Applied = op(_shift, x=lambda g, dim, step: shift(g, dim, -step, 0))
recurrence: Applied = op(
    _recurrence, name="linear_recurrence",
    a=lambda g, a, out, dim, reverse: (
        recurrence(shift(a, dim, 1 if reverse else -1, 0), g, dim, not reverse)
        * shift(out, dim, -1 if reverse else 1, 0)
    ),
    b=lambda g, a, dim, reverse: (
        recurrence(shift(a, dim, 1 if reverse else -1, 0), g, dim, not reverse)
    ),
)  # fmt: skip


def _cumprod_gradient(g: Value, x: Value, out: Value, dim: int, reverse: bool) -> Value:
    if not bool((x == 0).any()):
        return cumsum_of(g * out, dim, not reverse) / x
    ahead = 1 if reverse else -1  # the way back: from the end of the running product to its start
    rest = recurrence(shift(x, dim, ahead, 0), g, dim, not reverse)
    return shift(out, dim, -ahead, 1) * rest


cumsum_of: Applied = op(
    _running("cumsum"), name="cumsum", ordered=True,
    x=lambda g, dim, reverse: cumsum_of(g, dim, not reverse),
)  # fmt: skip
cumprod_of = op(_running("cumprod"), name="cumprod", ordered=True, x=_cumprod_gradient)


def _prod(x: Array, dim: int, keepdim: bool) -> Array:
    return _multiply(x, dim, x.dtype, None, keepdim)


def _prod_any(x: Any, dim: Any, keepdim: Any) -> Any:
    return x.prod(dim, keepdims=keepdim)


def _prod_gradient(g: Value, x: Value, x_shape: tuple[int, ...], out: Value, dim: int, keepdim: bool) -> Value:
    if not bool((x == 0).any()):
        return spread(g * out, x_shape, dim, keepdim) / x
    before = shift(cumprod_of(x, dim, False), dim, 1, 1)
    after = shift(cumprod_of(x, dim, True), dim, -1, 1)
    return spread(g, x_shape, dim, keepdim) * before * after


prod_of = op(_prod, name="prod", ordered=True, kernels={"cupy": _prod_any}, x=_prod_gradient)


@torch_call
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """The product over one dimension or all; of bools and integers, an int64."""
    input = accumulable(input, dtype)
    array = input._array
    if dim is not None:
        dim = one_dim("prod", dim, array.ndim)
    if dim is None or array.ndim == 0:
        shape = (1,) * array.ndim
        result = prod_of(reshape(input, (array.size,)), 0, False)
        found: Tensor = reshape(result, shape) if keepdim else result
        return found
    return prod_of(input, dim, keepdim)


def _running_call(name: str, apply: Callable[..., Any], input: Tensor, dim: int, dtype: Any) -> Tensor:
    input = accumulable(input, dtype)
    dim = one_dim(name, dim, input._array.ndim)
    if input._array.ndim == 0:
        return input.clone()
    result: Tensor = apply(input, dim, False)
    return result


@torch_call
def cumsum(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """The running sum along ``dim``; of bools and integers, an int64."""
    return _running_call("cumsum", cumsum_of, input, dim, dtype)


@torch_call
def cumprod(input: Tensor, dim: int, *, dtype: dtype | None = None) -> Tensor:
    """The running product along ``dim``; of bools and integers, an int64."""
    return _running_call("cumprod", cumprod_of, input, dim, dtype)


# ---------------------------------------------------------------------------- by another operation


def _accumulate(ufunc: np.ufunc) -> Applied:
    """``ufunc.accumulate``, and the same step by step for backends that have no such method."""

    def by_steps(xp: Namespace, x: Array, dim: Any) -> Any:
        r = xp.array(x)
        one = getattr(xp, ufunc.__name__)
        for i in range(1, r.shape[dim]):
            here = _key(dim, i)
            r[here] = one(r[_key(dim, i - 1)], r[here])
        return r

    return op(
        lambda x, dim: ufunc.accumulate(x, dim),
        name=f"{ufunc.__name__}_accumulate", kernels={"cupy": by_steps},
    )  # fmt: skip


_running_max, _running_min = _accumulate(np.maximum), _accumulate(np.minimum)


def _positions(xp: Namespace, x: Array, best: Array, dim: int) -> Array:
    """For each running extreme, the last index so far that holds it (or the last nan)."""
    n = x.shape[dim]
    place = xp.arange(n).reshape((n,) + (1,) * (x.ndim - 1 - dim))
    return _running_max(xp.where((x == best) | (x != x), place, 0), dim)


_positions_of = op(_positions, name="running_positions")


def _running_extreme(name: str, apply: Callable[..., Any], input: Tensor, dim: int, pair: type) -> Any:
    array = input._array
    dim = one_dim(name, dim, array.ndim)
    if array.ndim == 0:
        return pair(input.clone(), zeros((), dtype=int64, device=input.device))
    indices = from_array(_positions_of(array, apply(array, dim), dim))
    return pair(gather(input, dim, indices), indices)


@torch_call
def cummax(input: Tensor, dim: int) -> return_types.cummax:
    """The named tuple (values, indices) of the running maximum along ``dim``; the last among
    equals.
    """
    result: return_types.cummax = _running_extreme("cummax", _running_max, input, dim, return_types.cummax)
    return result


@torch_call
def cummin(input: Tensor, dim: int) -> return_types.cummin:
    """The named tuple (values, indices) of the running minimum along ``dim``; the last among
    equals.
    """
    result: return_types.cummin = _running_extreme("cummin", _running_min, input, dim, return_types.cummin)
    return result


_log_running_sum = _accumulate(np.logaddexp)


def _falling(xp: Namespace, x: Array, y: Array) -> Array:
    """exp(x - y) for x <= y; 0 where both are -inf."""
    return xp.exp(x - xp.maximum(y, xp.finfo(x.dtype).min))


falling = op(_falling, x=lambda g, out: g * out, y=lambda g, out: -g * out)


def _logcumsumexp_gradient(g: Value, x: Value, out: Value, dim: int) -> Value:
    following = shift(out, dim, -1, 0)
    rest = recurrence(falling(out, following), g, dim, True)
    return rest * falling(x, out)


logcumsumexp_of = op(
    lambda x, dim: _log_running_sum(x, dim), name="logcumsumexp", ordered=True, x=_logcumsumexp_gradient
)


@torch_call
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(input))) along ``dim``, safe from overflow."""
    array = input._array
    if array.dtype.kind != "f":
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{of(array.dtype).legacy}'")
    dim = one_dim("logcumsumexp", dim, array.ndim)
    return logcumsumexp_of(input, dim) if array.ndim else input.clone()


FUNCTIONS = {
    "cummax": cummax, "cummin": cummin, "cumprod": cumprod, "cumsum": cumsum,
    "logcumsumexp": logcumsumexp, "prod": prod,
}  # fmt: skip
METHODS = {
    **FUNCTIONS, "cumprod_": write_back("cumprod_", cumprod), "cumsum_": write_back("cumsum_", cumsum),
    "logcumsumexp_": write_back("logcumsumexp_", logcumsumexp),
}  # fmt: skip
