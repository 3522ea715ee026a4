"""embedding on a CUDA device: the launches of ``embedding.cu``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel

__all__ = ["embedding_backward", "embedding_forward"]

SOURCE = CudaSource(__file__, "embedding.cu", "typedef long long I;\n")
_THREADS = 256


def _blocks(n: int) -> tuple[int]:
    return (-(-n // _THREADS),)


@cuda_kernel
def embedding_forward(weight: Any, indices: Any, padding_idx: int | None) -> Any:
    """(V, C), integers of any shape -> (*indices.shape, C). An index out of range raises when the result is looked at."""
    backend = backend_of(weight)
    xp = backend.xp
    weight, indices = contiguous(weight), contiguous(indices.astype(np.int64, copy=False))
    width = math.prod(weight.shape[1:])
    out = xp.empty((*indices.shape, *weight.shape[1:]), weight.dtype)
    arguments = (
        weight, indices, out, np.int64(indices.size), np.int64(weight.shape[0]), np.int64(width),
        backend.faults.address, backend.faults.code("index out of range in self"),
    )  # fmt: skip
    SOURCE.launch(xp, "embedding_forward", weight.dtype.char, _blocks(out.size), _THREADS, arguments)
    return out


def embedding_backward(
    g: Any, needs: tuple[Any, ...], indices: Any, weight_shape: tuple[Any, ...], padding_idx: int | None
) -> tuple[Any, ...]:
    """g (*indices.shape, C) added up into (V, C)."""
    xp = backend_of(g).xp
    g, indices = contiguous(g), contiguous(indices.astype(np.int64, copy=False))
    whole = xp.zeros(weight_shape, g.dtype)
    padding = -1 if padding_idx is None else padding_idx % weight_shape[0]
    arguments = (
        g, indices, whole, np.int64(indices.size), np.int64(weight_shape[0]), np.int64(math.prod(weight_shape[1:])),
        np.int64(padding),
    )  # fmt: skip
    SOURCE.launch(xp, "embedding_backward", g.dtype.char, _blocks(g.size), _THREADS, arguments)
    return (whole,)
