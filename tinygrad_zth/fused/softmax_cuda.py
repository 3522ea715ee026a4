"""softmax and log_softmax on a CUDA device: the launches of ``softmax.cu``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, threads_for

__all__ = ["log_softmax_backward", "log_softmax_forward", "softmax_backward", "softmax_forward"]

SOURCE = CudaSource(__file__, "softmax.cu")


def _rows(x: Any, axis: int) -> tuple[int, int, int]:
    """How ``x`` is (outer, n, inner), n the length of the axis. A 0-d array is one row of one element."""
    shape = x.shape
    if not shape:
        return 1, 1, 1
    axis %= len(shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _launch(name: str, arrays: list[Any], axis: int, logarithm: bool) -> Any:
    xp = backend_of(arrays[0]).xp
    arrays = [contiguous(a) for a in arrays]
    out = xp.empty(arrays[-1].shape, arrays[-1].dtype)
    outer, n, inner = _rows(out, axis)
    if out.size:
        arguments = (*arrays, out, np.int64(n), np.int64(inner), np.int32(logarithm))
        SOURCE.launch(xp, name, out.dtype.char, (outer * inner,), threads_for(n), arguments)
    return out


@cuda_kernel
def softmax_forward(x: Any, axis: int) -> Any:
    """softmax along ``axis``."""
    return _launch("softmax_forward", [x], axis, False)


@cuda_kernel
def log_softmax_forward(x: Any, axis: int) -> Any:
    """log(softmax(x)) along ``axis``."""
    return _launch("softmax_forward", [x], axis, True)


@cuda_kernel
def softmax_backward(gy: Any, y: Any, axis: int) -> Any:
    """y * (gy - sum(gy * y))."""
    return _launch("softmax_backward", [gy, y], axis, False)


@cuda_kernel
def log_softmax_backward(gy: Any, y: Any, axis: int) -> Any:
    """gy - exp(y) * sum(gy)."""
    return _launch("softmax_backward", [gy, y], axis, True)
