"""Lengths and distances. The slope of a norm at 0, where it has none, is taken to be 0, as in
PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import dtype, of
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Namespace, Value
from .calling import torch_call
from .extremes import refuse_empty
from .reduce import accumulable, dims_of, divide_or_zero, kept, spread, sum_of

__all__ = ["FUNCTIONS", "METHODS", "vector_norm"]

FLOAT16, FLOAT32 = np.dtype("float16"), np.dtype("float32")


def _power(xp: Namespace, x: Array, p: float) -> Array:
    """|x| to the power p; 0 where x is 0 and the power negative."""
    r = xp.abs(x) ** p
    return r if p >= 0 else xp.where(x == 0, x.dtype.type(0), r)


def _signed_power(xp: Namespace, x: Array, p: float) -> Array:
    """sign(x) |x|^p, where the sign of 0 and of nan is 0."""
    return xp.where(x > 0, x.dtype.type(1), -(x < 0).astype(x.dtype)) * _power(xp, x, p)


absolute_power = op(_power, name="absolute_power", x=lambda g, x, p: g * p * signed_power(x, p - 1))
signed_power: Applied = op(_signed_power, name="signed_power", x=lambda g, x, p: g * p * absolute_power(x, p - 1))


def _signed_shares(xp: Namespace, x: Array, out: Array, dim: int | None, keepdim: bool) -> Array:
    """sign(x) / k for the k elements whose magnitude is ``out`` (or nan), else 0."""
    same = (xp.abs(x) == (out if keepdim else xp.asarray(out).reshape(kept(x.shape, dim)))) | (x != x)
    return _signed_power(xp, x, 0) * same / same.sum(dim, keepdims=True, dtype=x.dtype)


signed_shares = op(_signed_shares, name="signed_shares", tensors=("x", "out"))


def _norm(xp: Namespace, x: Array, p: float, dim: int | tuple[int, ...] | None, keepdim: bool) -> Array:
    wide = x.astype(FLOAT32) if x.dtype is FLOAT16 else x
    if p == 2:
        r = xp.sqrt((wide * wide).sum(dim, keepdims=keepdim))
    elif p == 1:
        r = xp.abs(wide).sum(dim, keepdims=keepdim)
    elif p == 0:
        r = (wide != 0).sum(dim, keepdims=keepdim, dtype=wide.dtype)
    elif p == math.inf:
        r = xp.abs(wide).max(dim, keepdims=keepdim)
    elif p == -math.inf:
        r = xp.abs(wide).min(dim, keepdims=keepdim)
    else:
        r = (xp.abs(wide) ** p).sum(dim, keepdims=keepdim) ** (1 / p)
    return r if wide is x else r.astype(x.dtype)


def _norm_gradient(
    g: Value, x: Value, x_shape: tuple[int, ...], out: Value, p: float, dim: int | tuple[int, ...] | None, keepdim: bool
) -> Value:
    if p == 2:
        return x * spread(divide_or_zero(g, out), x_shape, dim, keepdim)
    if p == 0:
        return spread(g * 0, x_shape, dim, keepdim)  # a count has no slope
    if p in (math.inf, -math.inf):  # the extremes share it
        return spread(g, x_shape, dim, keepdim) * signed_shares(x, out, dim, keepdim)
    return signed_power(x, p - 1) * spread(g * absolute_power(out, 1 - p), x_shape, dim, keepdim)


norm_of = op(_norm, name="vector_norm", grad_name="LinalgVectorNormBackward0", ordered=True, x=_norm_gradient)


@torch_call
def vector_norm(
    input: Tensor,
    ord: float = 2,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> Tensor:
    """The ``ord``-norm over ``dim`` (of all elements, if None): (sum |x|^ord)^(1/ord).

    0 counts what is not zero; inf and -inf take the largest and smallest magnitude. Raises
    RuntimeError for integers, and for an extreme of nothing.
    """
    return _vector_norm(input, ord, dim, keepdim, dtype)


def _vector_norm(input: Tensor, p: Any, dim: Any, keepdim: bool, dtype: Any) -> Tensor:
    array = input._array
    if array.dtype.kind != "f":
        got = of(array.dtype).legacy
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {got}")
    dim = dims_of(dim, array.ndim)
    if dtype is not None:
        input = accumulable(input, dtype)
    p = float(p)
    if array.size == 0 and (p < 0 or p == math.inf):
        try:
            refuse_empty("linalg.vector_norm", array.shape, dim)
        except (RuntimeError, IndexError) as empty:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {p:g} norm of nothing, which has no identity: {empty}"
            ) from None
    return norm_of(input, p, dim, keepdim)


@torch_call
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: dtype | None = None,
) -> Tensor:
    """The p-norm over ``dim``; "fro" is 2, "nuc" the sum of a matrix's singular values."""
    if p == "nuc":
        from .linalg import matrix_norm

        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    return _vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other``."""
    return _vector_norm(input - other, p, None, False, None)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm distances between all rows of (..., P, M) and (..., R, M): (..., P, R)."""
    for name, x in (("X1", x1), ("X2", x2)):
        if x._array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x._array.ndim}D")
    if x1._array.shape[-1] != x2._array.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1._array.shape[-1]} X2: {x2._array.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    return _vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1, False, None)


# ---------------------------------------------------------------------------- without the nans


def _nan_to_zero(xp: Namespace, x: Array) -> Array:
    return xp.where(x == x, x, x.dtype.type(0))


nan_to_zero = op(_nan_to_zero, x=lambda g, x: g * (x == x))
count_numbers = op(lambda x, dim, keepdim: (x == x).sum(dim, keepdims=keepdim), name="count_numbers")


@torch_call
def nansum(
    input: Tensor, dim: Sequence[int] | int | None = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """The sum over ``dim`` of what is not nan."""
    input = accumulable(input, dtype)
    dim = dims_of(dim, input._array.ndim)
    return sum_of(nan_to_zero(input) if input._array.dtype.kind == "f" else input, dim, keepdim)


@torch_call
def nanmean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """The mean over ``dim`` of what is not nan; nan if nothing is left."""
    if input._array.dtype.kind != "f":
        got = of(input._array.dtype)
        raise RuntimeError(f"nanmean(): expected input to have floating point or complex dtype but got {got.legacy}")
    input = accumulable(input, dtype)
    dim = dims_of(dim, input._array.ndim)
    return sum_of(nan_to_zero(input), dim, keepdim) / count_numbers(input, dim, keepdim)


FUNCTIONS = {"cdist": cdist, "dist": dist, "nanmean": nanmean, "nansum": nansum, "norm": norm}
METHODS = {name: FUNCTIONS[name] for name in ("dist", "nanmean", "nansum", "norm")}
