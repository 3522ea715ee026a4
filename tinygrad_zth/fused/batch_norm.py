"""batch_norm: each channel to mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015, algorithm 1).

    y = (x - mean) / sqrt(var + eps) * weight + bias

x is (N, C) or (N, C, ...); mean and var are over everything but dimension 1. The variance is the
biased one. The gradient of x is lecture 4's formula in one line:

    dx = weight * rstd / n * (n g - sum(g) - xhat * sum(g * xhat))

The running statistics are the caller's (``nn.functional.batch_norm``): they are no part of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends import Kernels
from ..backends.cuda_source import cuda_kernel
from ..backends.parallel import run_blocks
from ..backends.sums import total
from ..operation import op
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace, Value
from . import batch_norm_cuda as cuda
from .rows import widened

__all__ = ["Own", "batch_norm", "batch_statistics", "plain"]

_NS_PER_ELEMENT = 0.5
_BLOCKED = 32768  # elements from which on going through memory in blocks pays


class Own(NamedTuple):
    """The batch's own statistics, (C,) each, where the caller has computed them already."""

    mean: Any
    var: Any


def _axes(x: Value) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(v: Value, x: Value) -> Value:
    """(C,) shaped to broadcast against x."""
    return v.reshape(1, -1, *(1,) * (x.ndim - 2))


def _slabs(xp: Namespace, x: Array) -> Any:
    """x as (N, C, L) if it is large enough to be worked on in blocks of samples, else None."""
    if xp is np and x.ndim > 2 and x.size >= _BLOCKED and x.flags.c_contiguous:
        slabs = x.reshape(*x.shape[:2], -1)
        return slabs if slabs.shape[2] >= 16 else None
    return None


def _run(body: Callable[..., Any], x: Array) -> None:
    run_blocks(body, x.shape[0], x.shape[1] * x.shape[2], _NS_PER_ELEMENT)


def batch_statistics(xp: Namespace, x: Array) -> tuple[Array, ...]:
    """Mean and biased variance per channel of (N, C, ...), each (C,), in x's dtype (at least float32)."""
    work = widened(x)
    n = math.prod(x.shape) // max(x.shape[1], 1)
    slabs = _slabs(xp, work)
    if slabs is None:
        mean = xp.add.reduce(work, _axes(x)) / n
        centred = work - _column(mean, x)
        return mean, xp.add.reduce(centred * centred, _axes(x)) / n
    sums = np.empty(slabs.shape[:2], slabs.dtype)  # by sample: the result does not depend on the blocks

    def add_up(a: int, b: int) -> None:
        sums[a:b] = total(slabs[a:b], 2, False)

    _run(add_up, slabs)
    mean = np.add.reduce(sums, 0) / n
    column = mean[:, None]

    def squares(a: int, b: int) -> None:
        centred = slabs[a:b] - column
        np.vecdot(centred, centred, out=sums[a:b])

    _run(squares, slabs)
    return mean, np.add.reduce(sums, 0) / n


def batch_norm_forward(
    xp: Namespace, x: Array, weight: Array, bias: Array, mean: Any, var: Array, eps: float
) -> tuple[Any, ...]:
    """x (N, C, ...), weight and bias (C,) or None; mean and var (C,) to use, or None (or Own) for the batch's own.

    Returns the result and, for the backward, the mean and 1 / sqrt(var + eps).
    """
    work = widened(x)
    if mean is None:
        mean, var = batch_statistics(xp, x)
    elif isinstance(mean, Own):
        mean, var = mean
    mean = mean.astype(work.dtype, copy=False)
    rstd = (1 / xp.sqrt(var + eps)).astype(work.dtype, copy=False)
    scale = rstd if weight is None else rstd * weight
    slabs = _slabs(xp, work)
    if slabs is None:
        out = work - _column(mean, x)
        out *= _column(scale, x)
        if bias is not None:
            out += _column(bias, x)
        return out.astype(x.dtype, copy=False), mean, rstd
    out = np.empty(slabs.shape, slabs.dtype)
    columns: list[Any] = [None if v is None else v.astype(work.dtype, copy=False)[:, None] for v in (mean, scale, bias)]

    def normalise(a: int, b: int) -> None:
        block = np.subtract(slabs[a:b], columns[0], out=out[a:b])
        block *= columns[1]
        if columns[2] is not None:
            block += columns[2]

    _run(normalise, slabs)
    return out.reshape(x.shape).astype(x.dtype, copy=False), mean, rstd


def batch_norm_backward(
    g: Array, needs: tuple[bool, ...], x: Array, weight: Array, own: bool, mean: Array, rstd: Array
) -> tuple[Array | None, ...]:
    """Gradients of x, weight and bias for g (N, C, ...); ``own``: the statistics were the batch's."""
    x, work = widened(x), widened(g)
    n = math.prod(g.shape) // max(g.shape[1], 1)
    scale = rstd if weight is None else (rstd * weight).astype(work.dtype, copy=False)
    slabs, gs = (_slabs(np, v) if isinstance(v, np.ndarray) else None for v in (x, work))
    if slabs is None or gs is None:
        centred = x - _column(mean, g)
        sum_g = work.sum(_axes(g))
        sum_gx = (work * centred).sum(_axes(g)) * rstd
        dx = None
        if needs[0] and own:
            dx = centred * _column(sum_gx * rstd / -n, g)
            dx += work
            dx -= _column(sum_g / n, g)
            dx *= _column(scale, g)
        elif needs[0]:
            dx = work * _column(scale, g)
        return None if dx is None else dx.astype(g.dtype, copy=False), *_affine(needs, sum_gx, sum_g)
    sums, products = np.empty(gs.shape[:2], gs.dtype), np.empty(gs.shape[:2], gs.dtype)
    column = mean[:, None]

    def add_up(a: int, b: int) -> None:
        block = gs[a:b]
        sums[a:b] = total(block, 2, False)
        np.vecdot(block, slabs[a:b] - column, out=products[a:b])

    _run(add_up, gs)
    sum_g, sum_gx = np.add.reduce(sums, 0), np.add.reduce(products, 0) * rstd
    if not needs[0]:
        return None, *_affine(needs, sum_gx, sum_g)
    dx = np.empty(gs.shape, gs.dtype)
    slope, factor = (sum_gx * rstd / n)[:, None], scale[:, None]
    level = (sum_g / n)[:, None]

    def combine(a: int, b: int) -> None:
        block = dx[a:b]
        if own:
            np.subtract(slabs[a:b], column, out=block)
            block *= -slope
            block += gs[a:b]
            block -= level
            block *= factor
        else:
            np.multiply(gs[a:b], factor, out=block)

    _run(combine, gs)
    return dx.reshape(g.shape).astype(g.dtype, copy=False), *_affine(needs, sum_gx, sum_g)


def _affine(needs: tuple[bool, ...], sum_gx: Array, sum_g: Array) -> tuple[Array | None, ...]:
    return sum_gx if needs[1] else None, sum_g if needs[2] else None


def plain(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, var: Tensor | None, eps: float
) -> Tensor:
    """The definition, a composition of primitives."""
    dims = _axes(x)
    if mean is None or isinstance(mean, Own):
        mean = x.mean(dims, keepdim=True)
        var = ((x - mean) * (x - mean)).mean(dims, keepdim=True)
    else:
        mean, var = (_column(new_tensor(getattr(v, "_array", v)), x) for v in (mean, var))
    out = (x - mean) * (var + eps) ** -0.5
    out = out if weight is None else out * _column(weight, x)
    return out if bias is None else out + _column(bias, x)


_gradients = Kernels(batch_norm_backward, {"cupy": cuda.batch_norm_backward})


@cuda_kernel
def _on_device(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: Any) -> Any:
    """The CUDA kernel computes the batch's own statistics itself."""
    own = mean is None or isinstance(mean, Own)
    return cuda.batch_norm_forward(x, weight, bias, None if own else mean, None if own else var, eps)


def _backward(
    g: Array, needs: tuple[bool, ...], x: Array, weight: Array, mean: Any, centre: Array, rstd: Array
) -> tuple[Array | None, ...]:
    own = mean is None or isinstance(mean, Own)
    result: tuple[Array | None, ...] = _gradients[g.__class__](g, needs, x, weight, own, centre, rstd)
    return result


batch_norm = op(
    batch_norm_forward,
    name="batch_norm",
    grad_name="NativeBatchNormBackward0",
    inputs=("x", "weight", "bias"),
    tensors=("mean", "var"),
    extras=("centre", "rstd"),
    kernels={"cupy": _on_device},
    backward=_backward,
    plain=plain,
)
