"""batch_norm: each channel to mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015, algorithm 1).

    y = (x - mean) / sqrt(var + eps) * weight + bias

x is (N, C) or (N, C, ...); mean and var are over everything but dimension 1. The variance is the
biased one. The gradient of x is lecture 4's formula in one line:

    dx = weight * rstd / n * (n g - sum(g) - xhat * sum(g * xhat))

The running statistics are the caller's (``nn.functional.batch_norm``): they are no part of the graph.
"""

from __future__ import annotations

import math

from ..backends import Kernels
from ..operation import op
from ..tensor import new_tensor
from . import batch_norm_cuda as cuda

__all__ = ["batch_norm", "batch_statistics", "plain"]


def _axes(x):
    return (0, *range(2, x.ndim))


def _column(v, x):
    """(C,) shaped to broadcast against x."""
    return v.reshape(1, -1, *(1,) * (x.ndim - 2))


def batch_statistics(xp, x):
    """Mean and biased variance per channel of (N, C, ...), each (C,), in x's dtype (at least float32)."""
    work = x.astype("float32") if x.dtype.itemsize < 4 else x
    n = math.prod(x.shape) // max(x.shape[1], 1)
    mean = xp.add.reduce(work, _axes(x)) / n
    centred = work - _column(mean, x)
    return mean, xp.add.reduce(centred * centred, _axes(x)) / n


def batch_norm_forward(xp, x, weight, bias, mean, var, eps):
    """x (N, C, ...), weight and bias (C,) or None; mean and var (C,) to use, or None for the batch's own.

    Returns the result and, for the backward, the normalised x and 1 / sqrt(var + eps).
    """
    work = x.astype("float32") if x.dtype.itemsize < 4 else x
    if mean is None:
        n = math.prod(x.shape) // max(x.shape[1], 1)
        mean = xp.add.reduce(work, _axes(x)) / n
        xhat = work - _column(mean, x)
        var = xp.add.reduce(xhat * xhat, _axes(x)) / n
    else:
        xhat = work - _column(mean, x).astype(work.dtype, copy=False)
    rstd = (1 / xp.sqrt(var + eps)).astype(work.dtype, copy=False)
    xhat *= _column(rstd, x)
    if weight is None and bias is None:
        return xhat.astype(x.dtype), xhat, rstd
    out = xhat * _column(weight, x) if weight is not None else xhat.copy()
    if bias is not None:
        out += _column(bias, x)
    return out.astype(x.dtype, copy=False), xhat, rstd


def batch_norm_backward(g, needs, weight, mean, xhat, rstd):
    """Gradients of x, weight and bias for g (N, C, ...)."""
    axes = _axes(g)
    work = g.astype(xhat.dtype, copy=False)
    sum_g = work.sum(axes)
    sum_gx = (work * xhat).sum(axes)
    dx = None
    if needs[0]:
        scale = rstd if weight is None else rstd * weight
        if mean is None:  # the batch's own statistics depend on x, too
            n = math.prod(g.shape) // max(g.shape[1], 1)
            dx = xhat * _column(sum_gx / -n, g)
            dx += work
            dx -= _column(sum_g / n, g)
            dx *= _column(scale, g)
        else:
            dx = work * _column(scale, g)
        dx = dx.astype(g.dtype, copy=False)
    return dx, sum_gx if needs[1] else None, sum_g if needs[2] else None


def plain(x, weight, bias, mean, var, eps):
    """The definition, a composition of primitives."""
    dims = _axes(x)
    if mean is None:
        mean = x.mean(dims, keepdim=True)
        var = ((x - mean) * (x - mean)).mean(dims, keepdim=True)
    else:
        mean, var = (_column(new_tensor(getattr(v, "_array", v)), x) for v in (mean, var))
    out = (x - mean) * (var + eps) ** -0.5
    out = out if weight is None else out * _column(weight, x)
    return out if bias is None else out + _column(bias, x)


_gradients = Kernels(
    batch_norm_backward,
    {
        "cupy": lambda g, needs, weight, mean, kept, rstd: cuda.batch_norm_backward(
            g, needs, weight, mean is None, kept, rstd
        )
    },
)
batch_norm = op(
    batch_norm_forward,
    name="batch_norm",
    grad_name="NativeBatchNormBackward0",
    inputs=("x", "weight", "bias"),
    tensors=("mean", "var"),
    extras=("xhat", "rstd"),
    kernels={"cupy": cuda.batch_norm_forward},
    backward=lambda g, needs, weight, mean, xhat, rstd: _gradients[g.__class__](g, needs, weight, mean, xhat, rstd),
    plain=plain,
)
