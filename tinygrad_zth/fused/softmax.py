"""softmax and log_softmax along any axis: NumPy kernels, forward and backward.

softmax(x)_i = exp(x_i) / sum_j exp(x_j). Where no element is too large, nor a row's every element
too small, the quotient is taken as it stands, which is one pass fewer and more precise; otherwise
the row's maximum is subtracted first, which changes nothing but the range (Goodfellow, Bengio and
Courville, Deep Learning, 2016, section 4.1). A row that is -inf throughout, or holds a NaN or +inf,
gives NaN, as in PyTorch.
"""

from __future__ import annotations

import numpy as np

from ..backends.parallel import run_blocks
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
    "log_softmax_backward",
    "log_softmax_forward",
    "softmax_backward",
    "softmax_forward",
]

_EXP_NS, _PASS_NS = 0.35, 0.1


def exp_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """exp of a non-empty contiguous matrix, scaled row by row so that it cannot overflow.

    Returns `(e, sums, shift)`: `e = exp(x - shift)`, shape of `x`; `sums`, `(rows,)`, its row sums;
    `shift`, `(rows,)`, or None where none was needed.
    """
    rows, n = x.shape
    e = np.empty_like(x)
    if below(x, LARGEST_PLAIN_EXPONENT[x.dtype.char]):

        def plain(start: int, stop: int) -> None:
            np.exp(x[start:stop], out=e[start:stop])

        with np.errstate(under="ignore"):
            run_blocks(plain, rows, n, _EXP_NS)
        sums = row_sums(e)
        if at_least(sums, SMALLEST_PLAIN_SUM[x.dtype.char]):
            return e, sums, None
    shift = np.maximum.reduce(x, axis=1)

    def shifted(start: int, stop: int) -> None:
        block = e[start:stop]
        np.subtract(x[start:stop], shift[start:stop, None], out=block)
        np.exp(block, out=block)

    with np.errstate(invalid="ignore", under="ignore"):
        run_blocks(shifted, rows, n, _EXP_NS + _PASS_NS)
        return e, row_sums(e), shift


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
        scale = (1.0 / sums)[:, None]

        def normalise(start: int, stop: int) -> None:
            block = e[start:stop]
            np.multiply(block, scale[start:stop], out=block)

        with np.errstate(under="ignore"):
            run_blocks(normalise, *e.shape, _PASS_NS)
    else:
        e, sums, _ = _exp_slabs(slabs)
        with np.errstate(invalid="ignore", under="ignore"):
            e /= sums
    return e.reshape(x.shape).astype(x.dtype, copy=False)


def softmax_backward(g: np.ndarray, out: np.ndarray, axis: int) -> np.ndarray:
    """Gradient of softmax from that of its output: out * (g - sum(g * out)); shape of `out`."""
    if out.size == 0:
        return np.empty_like(out)
    y = as_slabs(widened(out), axis)
    dy = as_slabs(widened(g), axis)
    gx = np.empty_like(y)
    if y.shape[2] == 1:
        y2, dy2, gx2 = y[:, :, 0], dy[:, :, 0], gx[:, :, 0]

        def body(start: int, stop: int) -> None:
            yb, gb, block = y2[start:stop], dy2[start:stop], gx2[start:stop]
            np.subtract(gb, np.vecdot(gb, yb)[:, None], out=block)
            np.multiply(block, yb, out=block)

        run_blocks(body, *y2.shape, 3 * _PASS_NS)
    else:
        np.multiply(dy, y, out=gx)
        np.subtract(dy, np.add.reduce(gx, axis=1, keepdims=True), out=gx)
        np.multiply(gx, y, out=gx)
    return gx.reshape(out.shape).astype(out.dtype, copy=False)


def log_softmax_forward(x: np.ndarray, axis: int) -> np.ndarray:
    """log(softmax(x)) along `axis`, exact where softmax itself would underflow; shape of `x`."""
    if x.size == 0:
        return np.empty_like(x)
    slabs = as_slabs(widened(x), axis)
    if slabs.shape[2] == 1:
        rows = slabs[:, :, 0]
        out, sums, shift = exp_rows(rows)
        high, low = log_normaliser(sums, shift)
        high, low = high[:, None], low[:, None]

        def body(start: int, stop: int) -> None:
            block = out[start:stop]
            np.subtract(rows[start:stop], high[start:stop], out=block)
            np.subtract(block, low[start:stop], out=block)

        with np.errstate(invalid="ignore"):
            run_blocks(body, *rows.shape, 2 * _PASS_NS)
    else:
        out, sums, shift = _exp_slabs(slabs)
        high, low = log_normaliser(sums, shift)
        with np.errstate(invalid="ignore"):
            np.subtract(slabs, high, out=out)
            np.subtract(out, low, out=out)
    return out.reshape(x.shape).astype(x.dtype, copy=False)


def log_softmax_backward(g: np.ndarray, out: np.ndarray, axis: int) -> np.ndarray:
    """Gradient of log_softmax: g - exp(out) * sum(g); shape of `out`."""
    if out.size == 0:
        return np.empty_like(out)
    y = as_slabs(widened(out), axis)
    dy = as_slabs(widened(g), axis)
    gx = np.empty_like(y)
    if y.shape[2] == 1:
        y2, dy2, gx2 = y[:, :, 0], dy[:, :, 0], gx[:, :, 0]
        sums = row_sums(dy2)[:, None]

        def body(start: int, stop: int) -> None:
            block = gx2[start:stop]
            np.exp(y2[start:stop], out=block)
            np.multiply(block, sums[start:stop], out=block)
            np.subtract(dy2[start:stop], block, out=block)

        with np.errstate(invalid="ignore", under="ignore"):
            run_blocks(body, *y2.shape, _EXP_NS + 2 * _PASS_NS)
    else:
        with np.errstate(invalid="ignore", under="ignore"):
            np.exp(y, out=gx)
            gx *= np.add.reduce(dy, axis=1, keepdims=True)
            np.subtract(dy, gx, out=gx)
    return gx.reshape(out.shape).astype(out.dtype, copy=False)


def _exp_slabs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """`exp_rows` along axis 1 of `(outer, n, inner)`; sums and shift are `(outer, 1, inner)`."""
    kind = x.dtype.char
    with np.errstate(invalid="ignore", under="ignore"):
        if below(x, LARGEST_PLAIN_EXPONENT[kind]):
            e = np.exp(x)
            sums = np.add.reduce(e, axis=1, keepdims=True)
            if at_least(sums, SMALLEST_PLAIN_SUM[kind]):
                return e, sums, None
        shift = np.maximum.reduce(x, axis=1, keepdims=True)
        e = x - shift
        np.exp(e, out=e)
        return e, np.add.reduce(e, axis=1, keepdims=True), shift
