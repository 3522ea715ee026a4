"""LayerNorm and RMSNorm over trailing dimensions: NumPy kernels, forward and backward.

LayerNorm: y = (x - mean) / sqrt(var + eps) * weight + bias, the variance uncorrected (Ba, Kiros and
Hinton, Layer Normalization, 2016). RMSNorm: y = x / sqrt(mean(x^2) + eps) * weight (Zhang and
Sennrich, Root Mean Square Layer Normalization, 2019). The normalised input is kept for backward.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import Kernels
from ..backends.parallel import BLOCK, on_blocks
from ..backends.products import dot
from ..operation import op
from ..tensor import Tensor
from ..types import Array
from . import layer_norm_cuda as cuda
from .rows import constants, narrowed, ones, row_sums, widened

__all__ = [
    "layer_norm",
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm",
    "rms_norm_backward",
    "rms_norm_forward",
]

_PASS_NS = 0.1


def layer_norm_forward(
    x: np.ndarray,
    normalized_shape: tuple[int, ...],
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(out, normalised, rstd)`: `out` in the shape and dtype of `x`; the others, `(rows, n)` and
    `(rows, 1)` in the dtype computed in, are for the backward.

    weight, bias: `normalized_shape` or None. Raises RuntimeError where they, or the trailing dimensions of
    `x`, are not `normalized_shape`.
    """
    check_shape(x, normalized_shape, weight, bias)
    return _forward(x, _rows(x, normalized_shape), weight, bias, eps, centred=True)


def rms_norm_forward(
    x: np.ndarray,
    normalized_shape: tuple[int, ...],
    weight: np.ndarray | None = None,
    eps: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `layer_norm_forward`, without mean and bias. `eps` None is the machine epsilon of the
    dtype computed in."""
    check_shape(x, normalized_shape, weight)
    rows = _rows(x, normalized_shape)
    if eps is None:
        eps = float(np.finfo(rows.dtype).eps)
    return _forward(x, rows, weight, None, eps, centred=False)


def layer_norm_backward(
    g: np.ndarray,
    normalised: np.ndarray,
    rstd: np.ndarray,
    weight: np.ndarray | None = None,
    needs: tuple[bool, bool, bool] = (True, True, True),
    normalized_shape: tuple[int, ...] | None = None,
) -> tuple[Array, ...]:
    """Gradients for x, weight and bias; None for those that `needs` leaves out.

    normalized_shape: the bias's shape; only needed where there is no weight.

    With h = g * weight and z the normalised input: rstd (h - mean(h) - z mean(h z)).
    """
    shape = weight.shape if weight is not None else normalized_shape
    return _backward(g, normalised, rstd, weight, shape, needs, centred=True)


def rms_norm_backward(
    g: np.ndarray,
    normalised: np.ndarray,
    rstd: np.ndarray,
    weight: np.ndarray | None = None,
    needs: tuple[bool, bool] = (True, True),
) -> tuple[Array, ...]:
    """Gradients for x and weight: as `layer_norm_backward`, without the term of the mean."""
    shape = weight.shape if weight is not None else None
    return _backward(g, normalised, rstd, weight, shape, (*needs, False), centred=False)[:2]


def _rows(x: np.ndarray, normalized_shape: tuple[int, ...]) -> np.ndarray:
    """`x` as a contiguous matrix, a row for each group that is normalised."""
    count = math.prod(x.shape[: x.ndim - len(normalized_shape)])
    return np.ascontiguousarray(widened(x)).reshape(count, math.prod(normalized_shape))


def check_shape(x: Array, normalized_shape: tuple[int, ...], weight: Array | None, bias: Array | None = None) -> None:
    """Raise RuntimeError where the trailing dimensions of ``x`` are not ``normalized_shape``, or a parameter has others."""
    depth = len(normalized_shape)
    if depth and x.shape[-depth:] == normalized_shape:
        if (weight is None or weight.shape == normalized_shape) and (bias is None or bias.shape == normalized_shape):
            return  # nothing is wrong; what is, is only looked for where something is
    if depth == 0:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, p in (("weight", weight), ("bias", bias)):
        if p is not None and p.shape != normalized_shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(p.shape)} and "
                f"normalized_shape = {list(normalized_shape)}"
            )
    if x.shape[max(x.ndim - depth, 0) :] != normalized_shape:
        raise RuntimeError(
            f"Given normalized_shape={list(normalized_shape)}, expected input with shape "
            f"[*, {', '.join(map(str, normalized_shape))}], but got input of size{list(x.shape)}"
        )


def _vector(p: np.ndarray | None, dtype: np.dtype) -> np.ndarray | None:
    """A weight or bias as a vector in the dtype computed in."""
    if p is None or (p.ndim == 1 and p.dtype is dtype):
        return p
    return p.reshape(-1).astype(dtype, copy=False)


def _forward(x: Array, rows: Array, weight: Array, bias: Array, eps: Any, centred: bool) -> tuple[Array, ...]:
    count, n = rows.shape
    dtype = rows.dtype
    if rows.size == 0:
        return np.empty_like(x), np.empty_like(rows), np.empty((count, 1), dtype)
    weight, bias = _vector(weight, dtype), _vector(bias, dtype)
    if count == 1:
        out, z, rstd = _one_row(rows[0], weight, bias, eps, centred)
        return narrowed(out.reshape(x.shape), x.dtype), z.reshape(1, n), rstd
    share, eps, one = constants[dtype, 1.0 / n, eps, 1.0]
    mean = None
    if centred:
        mean = row_sums(rows)[:, None]
        mean *= share

    def normalise(
        source: Array, mean: Array, z: Array = None, out: Array = None, rstd: Array = None
    ) -> tuple[Array, ...]:
        """`(out, z, rstd)` of a block of rows, written into the arrays given."""
        if mean is not None:
            source = z = np.subtract(source, mean, z)
        square = np.vecdot(source, source)
        square *= share
        square += eps
        # As a vector: NumPy takes a column three times as long.
        rstd = np.divide(one, np.sqrt(square, square), square if rstd is None else rstd[:, 0])[:, None]
        z = np.multiply(source, rstd, z)
        if weight is not None:
            out = np.multiply(z, weight, out)
            if bias is not None:
                out += bias
        else:
            out = np.positive(z, out) if bias is None else np.add(z, bias, out)  # z itself is the backward's
        return out, z, rstd

    if rows.size <= BLOCK:
        out, z, rstd = normalise(rows, mean)
    else:
        z, out = np.empty_like(rows), np.empty_like(rows)
        rstd = np.empty((count, 1), dtype)
        on_blocks(normalise, 6 * _PASS_NS, rows, mean, z, out, rstd)
    return narrowed(out.reshape(x.shape), x.dtype), z, rstd


def _one_row(x: Array, weight: Array, bias: Array, eps: float, centred: bool) -> tuple[Array, ...]:
    """`normalise` for a single row, a vector: what stands for the row is a number, and nothing broadcasts.
    Half the time, for a model that generates token by token."""
    n, dtype = x.size, x.dtype
    z = x - np.array(x.dot(ones[n, dtype]) / n, dtype) if centred else x
    square = float(z.dot(z)) / n + float(dtype.type(eps))
    # A 0-d array is an operand in half the time of a number; Python's division by 0 would be an error.
    rstd = np.array(1 / math.sqrt(square) if square > 0 else math.nan if square else math.inf, dtype)
    z = z * rstd
    out = z.copy() if weight is None else z * weight  # z is the backward's
    if bias is not None:
        out += bias
    return out, z, rstd.reshape(1, 1)


def _backward(
    g: Array,
    normalised: Array,
    rstd: Array,
    weight: Array,
    shape: Any,
    needs: tuple[bool, ...],
    centred: bool,
) -> tuple[Array, ...]:
    count, n = normalised.shape
    dtype = normalised.dtype
    dy = np.ascontiguousarray(widened(g)).reshape(count, n)
    w = _vector(weight, dtype)
    gx = gw = gb = None
    if normalised.size == 0:
        gx = np.empty_like(g) if needs[0] else None
        gw, gb = (np.zeros(shape, g.dtype) if need else None for need in needs[1:])
        return gx, gw, gb
    total = ones[count, dtype]
    if needs[2]:
        gb = dot(total, dy).reshape(shape).astype(g.dtype, copy=False)
    need_x, need_w = needs[0], needs[1]
    (share,) = constants[dtype, 1.0 / n]
    mean = None
    if need_x and centred:
        mean = (row_sums(dy) if w is None else dot(dy, w))[:, None]
        mean *= share
    product = np.empty_like(dy) if need_w else None
    gx = np.empty_like(dy) if need_x else None

    def body(d: Array, z: Array, product: Array, o: Array, mean: Array, rstd: Array) -> None:
        if product is not None:
            np.multiply(d, z, product)
        if o is None:
            return
        h = d if w is None else np.multiply(d, w, o)
        along = np.vecdot(h, z)
        along *= share
        np.subtract(h, z * along[:, None], o)
        if mean is not None:
            o -= mean
        o *= rstd

    on_blocks(body, (8 if need_w else 7) * _PASS_NS, dy, normalised, product, gx, mean, rstd)
    if need_w:
        gw = dot(total, product).reshape(shape).astype(g.dtype, copy=False)
    if gx is not None:
        gx = narrowed(gx.reshape(g.shape), g.dtype)
    return gx, gw, gb


def plain_layer_norm(
    x: Tensor, normalized_shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """The definition: (x - mean) / sqrt(var + eps), times weight, plus bias."""
    check_shape(x._array, normalized_shape, *(None if p is None else p._array for p in (weight, bias)))
    dims = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(dims, keepdim=True)
    out = centred * ((centred * centred).mean(dims, keepdim=True) + eps) ** -0.5
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def plain_rms_norm(x: Tensor, normalized_shape: tuple[int, ...], weight: Tensor | None, eps: float | None) -> Tensor:
    """The definition: x / sqrt(mean(x^2) + eps), times weight."""
    check_shape(x._array, normalized_shape, None if weight is None else weight._array)
    dims = tuple(range(-len(normalized_shape), 0))
    if eps is None:
        eps = float(np.finfo(x._array.dtype).eps)
    out = x * ((x * x).mean(dims, keepdim=True) + eps) ** -0.5
    return out if weight is None else out * weight


_layer_norm_gradients = Kernels(layer_norm_backward, {"cupy": cuda.layer_norm_backward})
_rms_norm_gradients = Kernels(
    lambda g, normalised, rstd, weight, needs, shape: rms_norm_backward(g, normalised, rstd, weight, needs),
    {"cupy": cuda.rms_norm_backward},
)
layer_norm = op(
    layer_norm_forward,
    name="layer_norm",
    grad_name="NativeLayerNormBackward0",
    inputs=("x", "weight", "bias"),
    extras=("normalised", "rstd"),
    plain=plain_layer_norm,
    kernels={"cupy": cuda.layer_norm_forward},
    backward=lambda g, needs, normalised, rstd, weight, normalized_shape: _layer_norm_gradients[g.__class__](
        g, normalised, rstd, weight, needs, normalized_shape
    ),
)
rms_norm = op(
    rms_norm_forward,
    name="rms_norm",
    grad_name="MulBackward0",
    inputs=("x", "weight"),
    extras=("normalised", "rstd"),
    plain=plain_rms_norm,
    kernels={"cupy": cuda.rms_norm_forward},
    backward=lambda g, needs, normalised, rstd, weight, normalized_shape: _rms_norm_gradients[g.__class__](
        g, normalised, rstd, weight, needs, normalized_shape
    ),
)
