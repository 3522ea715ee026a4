"""act(x + b) on a CUDA device: the launches of ``bias_activation.cu``, one each way."""

from __future__ import annotations

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous
from ..types import Array

__all__ = ["bias_activation_backward", "bias_activation_forward"]

SOURCE = CudaSource(__file__, "bias_activation.cu", before=["gelu.cuh"])
FORMS = {"relu": 0, "none": 1, "tanh": 2}
_THREADS = 256


def bias_activation_forward(x: Array, bias: Array, form: str) -> Array:
    """(..., C), (C,) -> (..., C)."""
    xp = backend_of(x).xp
    x, bias = contiguous(x), contiguous(bias)
    y = xp.empty(x.shape, x.dtype)
    arguments = (x, bias, y, np.int64(x.size), np.int64(bias.size), np.int32(FORMS[form]))
    SOURCE.launch(xp, "bias_activation_forward", x.dtype.char, (-(-x.size // _THREADS),), _THREADS, arguments)
    return y


def bias_activation_backward(g: Array, x: Array, bias: Array, form: str) -> tuple[Array, Array]:
    """The gradients of x and of the bias."""
    xp = backend_of(g).xp
    g, x, bias = contiguous(g), contiguous(x), contiguous(bias)
    gx, gb = xp.empty(x.shape, x.dtype), xp.empty(bias.shape, bias.dtype)
    columns = bias.size
    rows = x.size // columns if columns else 0
    arguments = (g, x, bias, gx, gb, np.int64(rows), np.int64(columns), np.int32(FORMS[form]))
    SOURCE.launch(xp, "bias_activation_backward", x.dtype.char, (-(-columns // 32),), _THREADS, arguments)
    return gx, gb
