"""batch_norm on a CUDA device: the launches of ``batch_norm.cu``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number, threads_for

__all__ = ["batch_norm_backward", "batch_norm_forward"]

SOURCE = CudaSource(__file__, "batch_norm.cu")
_NONE = np.uintp(0)


def _extents(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[0], shape[1], math.prod(shape[2:])


@cuda_kernel
def batch_norm_forward(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> tuple[Any, ...]:
    """The result, and for the backward (x, means) and the reciprocal standard deviations, one a channel."""
    xp = backend_of(x).xp
    x = contiguous(x)
    batch, channels, inner = _extents(x.shape)
    out = xp.empty(x.shape, x.dtype)
    kind = np.dtype(np.float32) if x.dtype.char == "e" else x.dtype
    means, rstds = xp.empty(channels, kind), xp.empty(channels, kind)
    if out.size:
        affine = [_NONE if p is None else contiguous(p.astype(x.dtype, copy=False)) for p in (weight, bias)]
        given = [_NONE if p is None else contiguous(p.astype(kind, copy=False)) for p in (mean, var)]
        arguments = (
            x, *affine, *given, out, means, rstds, np.int64(batch), np.int64(channels), np.int64(inner),
            number(eps, x.dtype.char),
        )  # fmt: skip
        SOURCE.launch(xp, "batch_norm_forward", x.dtype.char, (channels,), threads_for(batch * inner, 512), arguments)
    return out, means, rstds


def batch_norm_backward(
    g: Any, needs: tuple[Any, ...], x: Any, weight: Any, own: bool, means: Any, rstds: Any
) -> tuple[Any, ...]:
    """Gradients of x, weight and bias. ``own``: the statistics were the batch's."""
    xp = backend_of(g).xp
    g, x = contiguous(g), contiguous(x)
    batch, channels, inner = _extents(x.shape)
    gx = xp.empty(x.shape, x.dtype) if needs[0] else None
    gw, gb = xp.zeros(channels, rstds.dtype), xp.zeros(channels, rstds.dtype)
    if x.size:
        w = _NONE if weight is None else contiguous(weight.astype(x.dtype, copy=False))
        arguments = (
            g, x, w, means, rstds, _NONE if gx is None else gx, gw, gb, np.int64(batch), np.int64(channels),
            np.int64(inner), np.int32(own),
        )  # fmt: skip
        SOURCE.launch(xp, "batch_norm_backward", x.dtype.char, (channels,), threads_for(batch * inner, 512), arguments)
    return gx, gw if needs[1] else None, gb if needs[2] else None
