"""Scaled dot-product attention (Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1).

    softmax(scale * Q K^T + mask) V

Queries go in blocks. Under a causal mask a block looks only at the keys up to its end, so nearly
half of the score matrix is never computed, and no mask is built but the small one on the diagonal.
The backward pass recomputes each block's weights from one number per row, the log of its
normaliser, instead of keeping them (Dao et al. 2022, "FlashAttention", algorithm 4): memory is
linear in the sequence, as PyTorch's kernel has it.

A row whose keys are all masked gives zeros, as in PyTorch.

This file has the definition and the kernel for any backend; ``attention_numpy`` has NumPy's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import cuda_kernel
from ..dtypes import of
from ..graph import mode
from ..operation import op
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace
from . import attention_cuda, attention_numpy
from .dropout import made

__all__ = ["attention"]

BLOCK = 64  # queries at a time


def _check(q: Array, k: Array, v: Array, mask: Array) -> None:
    if not q.dtype == k.dtype == v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{of(q.dtype).name} key.dtype: {of(k.dtype).name} and value.dtype: {of(v.dtype).name} instead."
        )
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError("scaled_dot_product_attention: query, key and value need at least 2 dimensions")
    if not attention_numpy.fits(q, k, v):
        raise RuntimeError(
            f"scaled_dot_product_attention: query {q.shape}, key {k.shape} and value {v.shape} do not fit: query and "
            "key must agree in the last dimension, key and value in the last but one"
        )
    if mask is not None and mask.dtype != bool and mask.dtype != q.dtype:
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{of(mask.dtype).name} and  query.dtype: {of(q.dtype).name} instead."
        )


def _scores(xp: Namespace, q: Any, kt: Any, mask: Array, causal: bool, scale: float, a: int, b: int, end: int) -> Any:
    """scale * Q K^T + mask for queries a to b and the keys before ``end``, a fresh array."""
    s = (q[..., a:b, :] * scale) @ kt[..., :end]
    if mask is not None:
        part = mask[..., a:b, :end]
        s = xp.where(part, s, -math.inf) if mask.dtype == bool else s + part
    if causal and end > a:
        rows, columns = s.shape[-2], end - a
        s[..., a:] += xp.triu(xp.full((rows, columns), -math.inf, s.dtype), 1)
    return s


def _blocks(length: int, keys: int, causal: bool) -> Iterator[Any]:
    step = BLOCK if causal else max(length, 1)
    for a in range(0, length, step):
        b = min(a + step, length)
        yield a, b, min(b, keys) if causal else keys


def _written_out(mask: Any, L: int, S: int) -> Any:
    """The mask with its last two dimensions (L, S), where one of them was 1 or missing."""
    if mask is None or mask.shape[-2:] == (L, S):
        return mask
    try:
        return backend_of(mask).xp.broadcast_to(mask, (*mask.shape[:-2], L, S))
    except ValueError:
        raise RuntimeError(
            f"The size of tensor a ({[L, S]}) must match the size of tensor b ({list(mask.shape[-2:])}): attn_mask "
            "does not broadcast to the scores"
        ) from None


def attention_forward(xp: Namespace, q: Any, k: Any, v: Any, mask: Array, noise: Any, causal: Any, scale: Any) -> Any:
    """(..., L, E), (..., S, E), (..., S, F) -> (..., L, F), and per row the log of the normaliser.

    mask: bool (True = look) or additive, broadcastable to (..., L, S); noise: dropout's scaled
    mask of the weights, (..., L, S), or how to make it (``CountedMask``); each may be None.
    """
    _check(q, k, v, mask)
    noise = made(noise, q)
    L, S = q.shape[-2], k.shape[-2]
    mask = _written_out(mask, L, S)
    kt = k.swapaxes(-1, -2)
    lead = q.shape[:-2]
    if lead != k.shape[:-2] or lead != v.shape[:-2] or (mask is not None and mask.ndim > 2):
        lead = np.broadcast_shapes(lead, k.shape[:-2], v.shape[:-2], () if mask is None else mask.shape[:-2])
    if len(lead) == 2:  # (B, H, L, F) laid out as (B, L, H, F): joining the heads again costs no copy
        out = xp.empty((lead[0], L, lead[1], v.shape[-1]), q.dtype).swapaxes(1, 2)
    else:
        out = xp.empty((*lead, L, v.shape[-1]), q.dtype)
    norm = xp.empty((*lead, L), q.dtype)
    for a, b, end in _blocks(L, S, causal):
        s = _scores(xp, q, kt, mask, causal, scale, a, b, end)
        if end == 0:
            out[..., a:b, :] = 0
            norm[..., a:b] = 0
            continue
        top = s.max(-1, keepdims=True)
        top = xp.where(top == -math.inf, top.dtype.type(0), top)
        s -= top
        e = xp.exp(s, out=s)
        total = e.sum(-1, keepdims=True)
        empty = total == 0
        total = xp.where(empty, total.dtype.type(1), total)
        norm[..., a:b] = (top + xp.log(total))[..., 0]
        if noise is not None:
            e = e * noise[..., a:b, :end]
        out[..., a:b, :] = (e @ v[..., :end, :]) / total
    return out, norm


def attention_backward(
    g: Array,
    needs: tuple[bool, bool, bool, bool],
    q: Array,
    k: Array,
    v: Array,
    mask: Array,
    noise: Array,
    causal: bool,
    scale: float,
    out: Array,
    norm: Any,
) -> tuple[Array | None, ...]:
    """Gradients of q, k, v and an additive mask for g (..., L, F)."""
    if isinstance(norm, attention_cuda.Saved):
        return attention_cuda.attention_backward(g, q, k, v, mask, noise, out, norm, causal, scale, needs[3])
    noise = made(noise, q)
    if isinstance(norm, attention_numpy.Saved):
        return attention_numpy.attention_backward(g, q, k, v, out, norm, mask, noise, causal, scale, needs)
    xp = backend_of(g).xp
    L, S = q.shape[-2], k.shape[-2]
    mask = _written_out(mask, L, S)
    kt, vt = k.swapaxes(-1, -2), v.swapaxes(-1, -2)
    lead = out.shape[:-2]
    dq = xp.empty((*lead, L, q.shape[-1]), q.dtype)
    dk = xp.zeros((*lead, S, k.shape[-1]), q.dtype)
    dv = xp.zeros((*lead, S, v.shape[-1]), q.dtype)
    dmask = xp.zeros((*lead, L, S), q.dtype) if needs[3] else None
    inner = (g * out).sum(-1, keepdims=True)
    for a, b, end in _blocks(L, S, causal):
        if end == 0:
            dq[..., a:b, :] = 0
            continue
        p = _scores(xp, q, kt, mask, causal, scale, a, b, end)
        p -= norm[..., a:b, None]
        p = xp.exp(p, out=p)
        gb = g[..., a:b, :]
        kept = p if noise is None else p * noise[..., a:b, :end]
        dv[..., :end, :] += kept.swapaxes(-1, -2) @ gb
        ds = gb @ vt[..., :end]
        if noise is not None:
            ds *= noise[..., a:b, :end]
        ds -= inner[..., a:b, :]
        ds *= p
        if dmask is not None:
            dmask[..., a:b, :end] = ds
        ds *= scale
        dq[..., a:b, :] = ds @ k[..., :end, :]
        dk[..., :end, :] += ds.swapaxes(-1, -2) @ q[..., a:b, :]
    return dq, dk, dv, dmask


def _numpy_forward(
    q: Array, k: Array, v: Array, mask: Array, noise: Array, causal: bool, scale: float
) -> tuple[Any, ...]:
    """``attention_forward`` by NumPy's own kernel, which keeps more if there will be a backward."""
    _check(q, k, v, mask)
    alone = q.shape[-2] == 1 and mask is None and noise is None and not causal
    if alone and q.size and k.size and q.dtype.char in "fd" and not mode.recording:
        out = attention_numpy.one_query(q, k, v, scale)
        if out is not None:
            return out, None
    return attention_numpy.attention_forward(q, k, v, mask, made(noise, q), causal, scale, keep=mode.recording)


@cuda_kernel
def _cuda_forward(q: Any, k: Any, v: Any, mask: Any, noise: Any, causal: Any, scale: Any) -> Any:
    """``attention_forward`` by the CUDA kernel, where it serves."""
    _check(q, k, v, mask)
    if attention_cuda.serves(q, k, v, mask, noise):
        return attention_cuda.attention_forward(q, k, v, mask, noise, causal, scale)
    return attention_forward(backend_of(q).xp, q, k, v, mask, noise, causal, scale)


def plain(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, noise: Tensor | None, causal: bool, scale: float
) -> Tensor:
    """The definition, a composition of primitives."""
    from ..ops.matmul import matmul

    _check(q._array, k._array, v._array, None if mask is None else mask._array)
    scores = matmul(q, k.transpose(-2, -1)) * scale
    xp = backend_of(q._array).xp
    hidden = None
    if causal:
        hidden = ~xp.tri(q.shape[-2], k.shape[-2], dtype=bool)
    if mask is not None:
        if mask._array.dtype == bool:
            hidden = ~mask._array
        else:
            scores = scores + mask
    if hidden is not None:
        scores = scores.masked_fill(new_tensor(hidden), -math.inf)
    empty = scores.detach().amax(-1, keepdim=True) == -math.inf
    top = scores.detach().amax(-1, keepdim=True).masked_fill(empty, 0)
    e = (scores - top).exp()
    weights = e / e.sum(-1, keepdim=True).masked_fill(empty, 1)
    noise = made(noise, q._array)
    if noise is not None:
        weights = weights * (noise if isinstance(noise, Tensor) else new_tensor(noise))
    return matmul(weights, v)


attention = op(
    attention_forward,
    name="scaled_dot_product_attention",
    grad_name="ScaledDotProductFlashAttentionForCpuBackward0",
    tensors=("noise",),
    inputs=("q", "k", "v", "mask"),
    extras=("norm",),
    backward=attention_backward,
    plain=plain,
    kernels={"numpy": _numpy_forward, "cupy": _cuda_forward},
)
# PyTorch has the kernel for four dimensions, and composes the others.
attention.op.shown = lambda node: attention.op.grad_name if len(node.shape) == 4 else "UnsafeViewBackward0"
