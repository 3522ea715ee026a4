"""LayerNorm and RMSNorm on a CUDA device: the launches of ``layer_norm.cu``.

What is kept for the backward is the input, as it is, and two numbers a row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number, threads_for

__all__ = ["layer_norm_backward", "layer_norm_forward", "rms_norm_backward", "rms_norm_forward"]

SOURCE = CudaSource(__file__, "layer_norm.cu")
_NONE = np.uintp(0)  # a null pointer
_COLUMNS = 32  # of the weight's gradient in a block


def _forward(
    x: Any, normalized_shape: tuple[Any, ...], weight: Any, bias: Any, eps: float, centred: bool
) -> tuple[Any, ...]:
    from .layer_norm import check_shape

    check_shape(x, normalized_shape, weight, bias)
    xp = backend_of(x).xp
    x = contiguous(x)
    n = math.prod(normalized_shape)
    rows = math.prod(x.shape[: x.ndim - len(normalized_shape)])
    out = xp.empty(x.shape, x.dtype)
    kind = np.float32 if x.dtype.char == "e" else x.dtype
    means, rstds = xp.empty(rows, kind), xp.empty(rows, kind)
    if out.size:
        parameters = [_NONE if p is None else contiguous(p.astype(x.dtype, copy=False)) for p in (weight, bias)]
        arguments = (
            x, *parameters, out, means, rstds, np.int64(n), number(eps, x.dtype.char), np.int32(centred)
        )  # fmt: skip
        SOURCE.launch(xp, "layer_norm_forward", x.dtype.char, (rows,), threads_for(n), arguments)
    return out, (x, means), rstds


@cuda_kernel
def layer_norm_forward(
    x: Any, normalized_shape: tuple[Any, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> tuple[Any, ...]:
    """The result, and for the backward (x, means) and the reciprocal standard deviations, one a row."""
    return _forward(x, normalized_shape, weight, bias, eps, True)


@cuda_kernel
def rms_norm_forward(
    x: Any, normalized_shape: tuple[Any, ...], weight: Any = None, eps: float | None = None
) -> tuple[Any, ...]:
    """As ``layer_norm_forward``, without mean and bias."""
    if eps is None:
        eps = float(np.finfo(np.float32 if x.dtype.char == "e" else x.dtype).eps)
    return _forward(x, normalized_shape, weight, None, eps, False)


def _backward(
    g: Any,
    kept: tuple[Any, ...],
    rstds: Any,
    weight: Any,
    needs: tuple[Any, ...],
    shape: tuple[Any, ...],
    centred: bool,
) -> tuple[Any, ...]:
    x, means = kept
    xp = backend_of(g).xp
    g = contiguous(g)
    rows, n = rstds.size, math.prod(shape)
    need_columns = needs[1] or needs[2]
    gx = xp.empty(x.shape, x.dtype) if needs[0] else None
    gw, gb = (xp.empty(shape, g.dtype) if need else None for need in needs[1:])
    if not x.size:
        return gx, *(None if p is None else xp.zeros_like(p) for p in (gw, gb))
    places = [_NONE if p is None else p for p in (gx, gw, gb)]
    w = _NONE if weight is None else contiguous(weight.astype(x.dtype, copy=False))
    arguments = (g, x, w, means, rstds, *places, np.int64(rows), np.int64(n), np.int32(centred))
    grid = (rows + (-(-n // _COLUMNS) if need_columns else 0),)
    SOURCE.launch(xp, "layer_norm_backward", x.dtype.char, grid, max(threads_for(n), 256), arguments)
    return gx, gw, gb


def layer_norm_backward(
    g: Any, kept: tuple[Any, ...], rstds: Any, weight: Any, needs: tuple[Any, ...], normalized_shape: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Gradients for x, weight and bias; None for those that ``needs`` leaves out."""
    return _backward(g, kept, rstds, weight, needs, normalized_shape, True)


def rms_norm_backward(
    g: Any, kept: tuple[Any, ...], rstds: Any, weight: Any, needs: tuple[Any, ...], normalized_shape: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Gradients for x and weight."""
    return _backward(g, kept, rstds, weight, (*needs, False), normalized_shape, False)[:2]
