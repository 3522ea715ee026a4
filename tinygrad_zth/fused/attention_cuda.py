"""Attention on a CUDA device: the launches of ``attention.cu``, and when they serve.

They serve causal attention and attention with a mask, with dropout or without, in float32, in float64, and in float16
(computed in float32), as far as two tiles fit the shared memory that every device gives: heads of up to 128 numbers in
float32. Beyond that, and where query, key and value have different leading dimensions, the array form in ``attention.py``
is taken, whose products are cuBLAS's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number
from .dropout import CountedMask

__all__ = ["Saved", "attention_backward", "attention_forward", "serves"]

SOURCE = CudaSource(__file__, "attention.cu", before=("philox.cuh",))
TILE, WIDEST, WARPS = 32, 128, 8
SHARED = 48 * 1024  # bytes of shared memory that a block may have on any device
_PAIRS = {
    kind: np.dtype(
        [("look", "u8"), ("more", "u8"), ("inner_heads", "i8"), ("outer", "i8"), ("inner", "i8"), ("row", "i8"), ("key", "i8"),
         ("noise", "u8"), ("seed", "u8"), ("offset", "u8"), ("kept", kind), ("threshold", "u4"), ("causal", "i4")],
        align=True,
    )
    for kind in "fd"
}  # fmt: skip


class Saved(NamedTuple):
    """What the backward needs beside the inputs and the result."""

    norms: Any


def serves(q: Any, k: Any, v: Any, mask: Any, noise: Any) -> bool:
    """Whether the kernels can take these."""
    pairs = (*q.shape[:-1], k.shape[-2])
    return (
        q.dtype.char in "fed"
        and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
        and 0 < q.shape[-1] <= WIDEST
        and 0 < v.shape[-1] <= WIDEST
        and _shared(q.dtype, q.shape[-1], v.shape[-1]) <= SHARED
        and k.shape[-2] > 0
        and (mask is None or _broadcasts(mask.shape, pairs))
        and (noise is None or noise.shape == pairs)
    )


def _broadcasts(shape: Sequence[int], whole: Sequence[int]) -> bool:
    return len(shape) <= len(whole) and all(a in (1, b) for a, b in zip(shape[::-1], whole[::-1], strict=False))


def _extents(q: Any, k: Any, v: Any) -> tuple[int, int, int, int, int]:
    return math.prod(q.shape[:-2]), q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]


def _kind(dtype: Any) -> str:
    """In what numbers of ``dtype`` are computed."""
    return "d" if dtype.char == "d" else "f"


def _shared(dtype: Any, e: int, f: int) -> int:
    """Bytes: two tiles, and for the backward a row."""
    return np.dtype(_kind(dtype)).itemsize * (TILE * (e + 1) + TILE * (f + 1) + TILE)


def _two_strides(mask: Any, lead: Sequence[int]) -> tuple[Any, int, int, int]:
    """The mask (*lead, L, S), and how head h, counted through ``lead``, finds its own: as h / n and h % n, n and the
    strides of both in bytes. Dimensions that lie behind one another are one; where that leaves more than two, the mask is
    copied.
    """
    found: list[tuple[int, int]] = []  # (size, stride), from the last dimension on
    for size, stride in zip(lead[::-1], mask.strides[:-2][::-1], strict=True):
        if found and stride == found[-1][0] * found[-1][1]:
            found[-1] = (size * found[-1][0], found[-1][1])
        elif size > 1:
            found.append((size, stride))
    if len(found) > 2:
        return _two_strides(mask.copy("C"), lead)
    (n, inner), (_, outer) = [*found, (1, 0), (1, 0)][:2]
    return mask, n, outer, inner


def _pairs(q: Any, keys: int, mask: Any, noise: Any, causal: bool) -> tuple[Any, tuple[Any, ...]]:
    """``attention.cu``'s Pairs, and the arrays that it points to."""
    if isinstance(mask, np.ndarray) or isinstance(noise, np.ndarray):
        raise TypeError("attention: an operand is in the host's memory")
    held: list[Any] = []
    table = np.zeros((), _PAIRS[_kind(q.dtype)])
    table["inner_heads"], table["causal"] = 1, causal
    if mask is not None:
        xp = backend_of(mask).xp
        mask, n, outer, inner = _two_strides(xp.broadcast_to(mask, (*q.shape[:-1], keys)), q.shape[:-2])
        held.append(mask)
        table["look" if mask.dtype == bool else "more"] = mask.data.ptr
        table["inner_heads"] = n
        for name, stride in zip(("outer", "inner", "row", "key"), (outer, inner, *mask.strides[-2:]), strict=True):
            table[name] = stride // mask.dtype.itemsize
    if isinstance(noise, CountedMask):
        table["seed"], table["offset"] = noise.seed, noise.offset
        table["threshold"], table["kept"] = noise.threshold, noise.kept
    elif noise is not None:
        held.append(contiguous(noise))
        table["noise"] = held[-1].data.ptr
    return table[()], tuple(held)


@cuda_kernel
def attention_forward(
    q: Any, k: Any, v: Any, mask: Any, noise: Any, causal: bool, scale: float
) -> tuple[Any, Saved]:  # fmt: skip
    """(..., L, E), (..., S, E), (..., S, F) -> (..., L, F). mask and noise as in ``attention.py``."""
    xp = backend_of(q).xp
    q, k, v = (contiguous(x) for x in (q, k, v))
    heads, queries, keys, e, f = _extents(q, k, v)
    out = xp.empty((*q.shape[:-1], f), q.dtype)
    norms = xp.empty(q.shape[:-1], _kind(q.dtype))
    pairs, _held = _pairs(q, keys, mask, noise, causal)
    arguments = (
        q, k, v, out, norms, np.int64(queries), np.int64(keys), np.int32(e), np.int32(f), number(scale, _kind(q.dtype)),
        pairs,
    )  # fmt: skip
    grid = (heads, -(-queries // WARPS))
    SOURCE.launch(xp, "attention_forward", q.dtype.char, grid, 32 * WARPS, arguments, _shared(q.dtype, e, f))
    return out, Saved(norms)


def attention_backward(
    g: Any, q: Any, k: Any, v: Any, mask: Any, noise: Any, out: Any, saved: Saved, causal: bool, scale: float, of_mask: bool
) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of q, k and v, and, if wanted (``of_mask``), what is due to an additive mask: (..., L, S)."""
    xp = backend_of(g).xp
    g, q, k, v, out = (contiguous(x) for x in (g, q, k, v, out))
    heads, queries, keys, e, f = _extents(q, k, v)
    dq, dk, dv = xp.empty_like(q), xp.empty_like(k), xp.empty_like(v)
    d_mask = xp.zeros((*q.shape[:-1], keys), q.dtype) if of_mask else None
    pairs, _held = _pairs(q, keys, mask, noise, causal)
    query_blocks = -(-queries // WARPS)
    arguments = (
        g, q, k, v, out, saved.norms, dq, dk, dv, np.uintp(0) if d_mask is None else d_mask, np.int64(queries),
        np.int64(keys), np.int32(e), np.int32(f), number(scale, _kind(q.dtype)), pairs, np.int32(query_blocks),
    )  # fmt: skip
    grid = (heads, query_blocks + -(-keys // WARPS))
    SOURCE.launch(xp, "attention_backward", q.dtype.char, grid, 32 * WARPS, arguments, _shared(q.dtype, e, f))
    return dq, dk, dv, d_mask
