"""Max pooling on a CUDA device: the launch of ``max_pool.cu``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel
from .windows import Geometry

__all__ = ["max_pool"]

SOURCE = CudaSource(__file__, "max_pool.cu")
_THREADS = 256
_FIELDS = ("out", "kernel", "stride", "padding", "dilation")
_WINDOWS = np.dtype([(name, "i4", 3) for name in ("size", *_FIELDS)])


@cuda_kernel
def max_pool(x: Any, geometry: Geometry, place_dtype: Any) -> tuple[Any, Any]:
    """Floats (N, C, *spatial), up to three dimensions -> the maxima (N, C, *out), and for each its tap."""
    xp = backend_of(x).xp
    x = contiguous(x)
    shape = (*x.shape[:2], *geometry.out)
    best, place = xp.empty(shape, x.dtype), xp.empty(shape, place_dtype)
    windows = np.zeros((), _WINDOWS)
    given = {"size": x.shape[2:], **{name: getattr(geometry, name) for name in _FIELDS}}
    for name, numbers in given.items():  # dimensions that are not there go before: one element, one tap
        windows[name] = (*(0 if name == "padding" else 1,) * (3 - len(numbers)), *numbers)
    n = math.prod(shape)
    arguments = (x, best, place, np.int32(place.dtype.itemsize), np.int64(n), windows[()])
    SOURCE.launch(xp, "max_pool", x.dtype.char, (-(-n // _THREADS),), _THREADS, arguments)
    return best, place
