"""Attention on a CUDA device: the launches of ``attention.cu``, and when they serve.

They serve plain and causal attention with heads of up to 128 numbers, in float32 and in float16 (computed in float32).
With a mask, with dropout, in float64 or with wider heads, the array form in ``attention.py`` is taken, whose products are
cuBLAS's.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number

__all__ = ["Saved", "attention_backward", "attention_forward", "serves"]

SOURCE = CudaSource(Path(__file__).with_name("attention.cu"))
TILE, WIDEST, WARPS = 32, 128, 8


class Saved(NamedTuple):
    """What the backward needs beside the inputs and the result."""

    norms: Any


def serves(q: Any, k: Any, v: Any, mask: Any, noise: Any) -> bool:
    """Whether the kernels can take these."""
    return (
        mask is None
        and noise is None
        and q.dtype.char in "fe"
        and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
        and 0 < q.shape[-1] <= WIDEST
        and 0 < v.shape[-1] <= WIDEST
        and k.shape[-2] > 0
    )


def _extents(q: Any, k: Any, v: Any) -> tuple[int, int, int, int, int]:
    return math.prod(q.shape[:-2]), q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]


def _shared(e: int, f: int, more: int = 0) -> int:
    return 4 * (TILE * (e + 1) + TILE * (f + 1) + more)


@cuda_kernel
def attention_forward(q: Any, k: Any, v: Any, causal: bool, scale: float) -> tuple[Any, Saved]:
    """(..., L, E), (..., S, E), (..., S, F) -> (..., L, F)."""
    xp = backend_of(q).xp
    q, k, v = (contiguous(x) for x in (q, k, v))
    heads, queries, keys, e, f = _extents(q, k, v)
    out = xp.empty((*q.shape[:-1], f), q.dtype)
    norms = xp.empty(q.shape[:-1], np.float32)
    arguments = (
        q, k, v, out, norms, np.int64(queries), np.int64(keys), np.int32(e), np.int32(f), number(scale, "f"),
        np.int32(causal),
    )  # fmt: skip
    grid = (-(-queries // WARPS), heads)
    SOURCE.launch(xp, "attention_forward", q.dtype.char, grid, 32 * WARPS, arguments, _shared(e, f))
    return out, Saved(norms)


def attention_backward(
    g: Any, q: Any, k: Any, v: Any, out: Any, saved: Saved, causal: bool, scale: float
) -> tuple[Any, ...]:
    """Gradients of q, k and v."""
    xp = backend_of(g).xp
    g, q, k, v, out = (contiguous(x) for x in (g, q, k, v, out))
    heads, queries, keys, e, f = _extents(q, k, v)
    dq, dk, dv = xp.empty_like(q), xp.empty_like(k), xp.empty_like(v)
    query_blocks = -(-queries // WARPS)
    arguments = (
        g, q, k, v, out, saved.norms, dq, dk, dv, np.int64(queries), np.int64(keys), np.int32(e), np.int32(f),
        number(scale, "f"), np.int32(causal), np.int32(query_blocks),
    )  # fmt: skip
    grid = (query_blocks + -(-keys // WARPS), heads)
    SOURCE.launch(xp, "attention_backward", q.dtype.char, grid, 32 * WARPS, arguments, _shared(e, f, TILE))
    return dq, dk, dv
