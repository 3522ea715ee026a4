"""softmax and log_softmax along any axis: NumPy kernels, forward and backward.

softmax(x)_i = exp(x_i) / sum_j exp(x_j). Where no element is too large, nor a row's every element
too small, the quotient is taken as it stands, which is one pass fewer and more precise; otherwise
the row's maximum is subtracted first, which changes nothing but the range (Goodfellow, Bengio and
Courville, Deep Learning, 2016, section 4.1). A row that is -inf throughout, or holds a NaN or +inf,
gives NaN, as in PyTorch.
"""

from __future__ import annotations

import numpy as np

from ..backends.parallel import in_blocks, on_blocks
from ..operation import Applied, op
from ..ops.powers import exp
from ..tensor import Tensor
from ..types import Array, Value
from . import softmax_cuda as cuda
from .rows import (
    LARGEST_PLAIN_EXPONENT,
    SMALLEST_PLAIN_SUM,
    as_slabs,
    at_least,
    below,
    row_sums,
    widened,
)

__all__ = [
    "exp_rows",
    "log_normaliser",
    "log_softmax",
    "log_softmax_backward",
    "log_softmax_forward",
    "plain_log_softmax",
    "plain_softmax",
    "softmax",
    "softmax_backward",
    "softmax_forward",
]

_EXP_NS, _PASS_NS = 0.35, 0.1


def exp_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """exp of a non-empty contiguous matrix, scaled row by row so that it cannot overflow.

    Returns `(e, sums, shift)`: `e = exp(x - shift)`, shape of `x`; `sums`, `(rows,)`, its row sums;
    `shift`, `(rows,)`, or None where none was needed.
    """
    dtype = x.dtype
    if below(x, LARGEST_PLAIN_EXPONENT[dtype.char]):
        e = in_blocks(np.exp, _EXP_NS, x)
        sums = row_sums(e)
        if at_least(sums, SMALLEST_PLAIN_SUM[dtype.char]):
            return e, sums, None
    e = np.empty(x.shape, dtype)
    shift = np.maximum.reduce(x, axis=1)
    on_blocks(_exp_of_difference, _EXP_NS + _PASS_NS, x, shift[:, None], e)
    return e, row_sums(e), shift


def _exp_of_difference(x: Array, y: Array, out: Array) -> None:
    np.exp(np.subtract(x, y, out), out)


def log_normaliser(sums: np.ndarray, shift: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """log(sum exp(x)) as the sum of a high and a low part, shapes of `sums`.

    Subtracted one after the other they leave log-probabilities near 0 with an error of one unit in
    the last place of the result, rather than of the logits.
    """
    if shift is not None:
        return shift, np.log(sums)
    exact = np.log(sums, dtype=np.float64)
    high = exact.astype(sums.dtype)
    return high, (exact - high).astype(sums.dtype)


def softmax_forward(x: np.ndarray, axis: int) -> np.ndarray:
    """softmax of `x` along `axis`; shape and dtype of `x`."""
    if x.size == 0:
        return np.empty_like(x)
    slabs = as_slabs(widened(x), axis)
    if slabs.shape[2] == 1:
        e, sums, _ = exp_rows(slabs[:, :, 0])
        on_blocks(np.multiply, _PASS_NS, e, (1.0 / sums)[:, None], e)
    else:
        e, sums, _ = _exp_slabs(slabs)
        e /= sums
    return e.reshape(x.shape).astype(x.dtype, copy=False)


def softmax_backward(gy: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """Gradient of softmax from that of its output y: y * (gy - sum(gy * y)); shape of `y`."""
    if y.size == 0:
        return np.empty_like(y)
    out = as_slabs(widened(y), axis)
    dy = as_slabs(widened(gy), axis)
    gx = np.empty_like(out)
    if out.shape[2] == 1:
        on_blocks(_softmax_slope, 3 * _PASS_NS, out[:, :, 0], dy[:, :, 0], gx[:, :, 0])
    else:
        np.multiply(dy, out, out=gx)
        np.subtract(dy, np.add.reduce(gx, axis=1, keepdims=True), out=gx)
        np.multiply(gx, out, out=gx)
    return gx.reshape(y.shape).astype(y.dtype, copy=False)


def _softmax_slope(y: Array, dy: Array, out: Array) -> None:
    np.subtract(dy, np.vecdot(dy, y)[:, None], out)
    out *= y


def log_softmax_forward(x: np.ndarray, axis: int) -> np.ndarray:
    """log(softmax(x)) along `axis`, exact where softmax itself would underflow; shape of `x`."""
    if x.size == 0:
        return np.empty_like(x)
    slabs = as_slabs(widened(x), axis)
    if slabs.shape[2] == 1:
        rows = slabs[:, :, 0]
        out, sums, shift = exp_rows(rows)
        high, low = log_normaliser(sums, shift)
        on_blocks(_minus_both, 2 * _PASS_NS, rows, high[:, None], low[:, None], out)
    else:
        out, sums, shift = _exp_slabs(slabs)
        high, low = log_normaliser(sums, shift)
        np.subtract(slabs, high, out=out)
        np.subtract(out, low, out=out)
    return out.reshape(x.shape).astype(x.dtype, copy=False)


def _minus_both(x: Array, high: Array, low: Array, out: Array) -> None:
    np.subtract(x, high, out)
    out -= low


def log_softmax_backward(gy: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
    """Gradient of log_softmax: gy - exp(y) * sum(gy), y its output; shape of `y`."""
    if y.size == 0:
        return np.empty_like(y)
    out = as_slabs(widened(y), axis)
    dy = as_slabs(widened(gy), axis)
    gx = np.empty_like(out)
    if out.shape[2] == 1:
        dy2 = dy[:, :, 0]
        on_blocks(_log_softmax_slope, _EXP_NS + 2 * _PASS_NS, out[:, :, 0], dy2, row_sums(dy2)[:, None], gx[:, :, 0])
    else:
        np.exp(out, out=gx)
        gx *= np.add.reduce(dy, axis=1, keepdims=True)
        np.subtract(dy, gx, out=gx)
    return gx.reshape(y.shape).astype(y.dtype, copy=False)


def _log_softmax_slope(y: Array, dy: Array, sums: Array, out: Array) -> None:
    np.exp(y, out)
    out *= sums
    np.subtract(dy, out, out)


def _exp_slabs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """`exp_rows` along axis 1 of `(outer, n, inner)`; sums and shift are `(outer, 1, inner)`."""
    kind = x.dtype.char
    if below(x, LARGEST_PLAIN_EXPONENT[kind]):
        e = np.exp(x)
        sums = np.add.reduce(e, axis=1, keepdims=True)
        if at_least(sums, SMALLEST_PLAIN_SUM[kind]):
            return e, sums, None
    shift = np.maximum.reduce(x, axis=1, keepdims=True)
    e = x - shift
    np.exp(e, out=e)
    return e, np.add.reduce(e, axis=1, keepdims=True), shift


def plain_softmax(x: Tensor, dim: int) -> Tensor:
    """softmax by its definition, a composition of primitives."""
    if 0 in x.shape:
        return x + 0
    e = (x - x.detach().amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def plain_log_softmax(x: Tensor, dim: int) -> Tensor:
    """log_softmax by its definition, a composition of primitives."""
    if 0 in x.shape:
        return x + 0
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def _total(a: Value, axis: int) -> Value:
    return a.sum(axis, keepdims=True) if a.ndim else a


# The gradients need the output alone, so they are operations of their own, with formulas for the
# second order, and the input need not be kept.
_softmax_gradient: Applied = op(
    softmax_backward,
    name="softmax_backward",
    kernels={"cupy": cuda.softmax_backward},
    gy=lambda g, y, axis: _softmax_gradient(g, y, axis),
    y=lambda g, gy, y, axis: g * (gy - _total(gy * y, axis)) - gy * _total(g * y, axis),
)
_log_softmax_gradient = op(
    log_softmax_backward,
    name="log_softmax_backward",
    kernels={"cupy": cuda.log_softmax_backward},
    gy=lambda g, y, axis: g - _total(g * exp(y), axis),
    y=lambda g, gy, y, axis: -g * exp(y) * _total(gy, axis),
)

softmax = op(
    softmax_forward,
    name="softmax",
    kernels={"cupy": cuda.softmax_forward},
    plain=plain_softmax,
    x=lambda g, out, axis: _softmax_gradient(g, out, axis),
)
log_softmax = op(
    log_softmax_forward,
    name="log_softmax",
    kernels={"cupy": cuda.log_softmax_forward},
    plain=plain_log_softmax,
    x=lambda g, out, axis: _log_softmax_gradient(g, out, axis),
)
