"""Scaled dot-product attention (Vaswani et al. 2017)."""

from __future__ import annotations

import math

import numpy as np

from ...fused.attention import attention
from ...fused.dropout import CountedMask
from ...tensor import Tensor
from .dropout import mask_to_make

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale * Q K^T + mask) V: (..., L, E), (..., S, E), (..., S, F) -> (..., L, F).

    attn_mask: bool (True = may look) or additive, broadcastable to (..., L, S). is_causal: query i
    looks at keys 0 ... i. scale: default 1 / sqrt(E). dropout_p: always applied if positive.
    enable_gqa: fewer heads in key and value, each shared by a group of the query's. A row that may
    look nowhere gives zeros.

    Raises RuntimeError where shapes or dtypes do not fit, or for both a mask and is_causal.
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    noise: Tensor | CountedMask | None = None
    if dropout_p > 0:
        shape = (*np.broadcast_shapes(query.shape[:-2], key.shape[:-2]), query.shape[-2], key.shape[-2])
        noise = query.new_zeros(shape) if dropout_p == 1 else mask_to_make(query, dropout_p, shape)
    if scale is None:
        scale = 1 / math.sqrt(query.size(-1) or 1)
    return attention(query, key, value, attn_mask, noise, is_causal, scale)
