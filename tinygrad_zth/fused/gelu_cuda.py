"""GELU on a CUDA device: the launches of ``gelu.cu``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel

__all__ = ["gelu_backward", "gelu_forward"]

SOURCE = CudaSource(__file__, "gelu.cu", before=["gelu.cuh"])
_THREADS = 256


def _launch(name: str, arrays: list[Any], approximate: str) -> Any:
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    xp = backend_of(arrays[0]).xp
    arrays = [contiguous(a) for a in arrays]
    x = arrays[-1]
    out = xp.empty(x.shape, x.dtype)
    arguments = (*arrays, out, np.int64(x.size), np.int32(approximate == "tanh"))
    SOURCE.launch(xp, name, x.dtype.char, (-(-x.size // _THREADS),), _THREADS, arguments)
    return out


@cuda_kernel
def gelu_forward(x: Any, approximate: str) -> tuple[Any, ...]:
    """The result; nothing else need be kept."""
    return _launch("gelu_forward", [x], approximate), None


def gelu_backward(g: Any, x: Any, approximate: str) -> Any:
    """g times the slope."""
    return _launch("gelu_backward", [g, x], approximate)
