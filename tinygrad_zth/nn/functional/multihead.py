"""Multi-head attention (Vaswani et al. 2017, section 3.2.2), with all of PyTorch's arguments."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...fused.softmax import softmax
from ...ops.create import zeros, zeros_like
from ...ops.join import cat
from ...ops.matmul import matmul
from ...tensor import Tensor
from .affine import linear
from .attention import scaled_dot_product_attention
from .dropout import dropout
from .padding import pad

__all__ = ["multi_head_attention_forward"]


def canonical_mask(
    mask: Tensor | None, mask_name: str, other: Tensor | None, other_name: str, like: Tensor
) -> Tensor | None:
    """A mask to be added to the scores: -inf where a boolean mask is True. Floating masks stay.

    Raises AssertionError for other dtypes; warns where two masks of different dtypes meet.
    """
    if mask is None:
        return None
    boolean = str(mask.dtype) == "torch.bool"
    if not boolean and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if other is not None and mask.dtype != other.dtype:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    return zeros_like(mask, dtype=like.dtype).masked_fill(mask, -math.inf) if boolean else mask


def _is_batched(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor")
    kind = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D "
            "tensors respectively"
        )
    if padding is not None and padding.dim() != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found {padding.dim()}-D "
            "tensor instead"
        )
    if mask is not None:
        if mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor "
                "instead"
            )
        expected = (heads, query.shape[0], key.shape[0])
        if n == 2 and mask.dim() == 3 and tuple(mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {mask.shape}")
    return n == 3


def _expect(good: bool, message: str) -> None:
    if not good:
        raise AssertionError(message)


def _projected(query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Tensor | None) -> tuple[Tensor, ...]:
    """Query, key and value through their projections: (L, B, E), (S, B, E), (S, B, E)."""
    dim = query.shape[-1]
    if isinstance(weights, Tensor):
        if query is key and key is value:
            return linear(query, weights, bias).chunk(3, -1)
        if key is value:
            w_q, w_kv = weights.split([dim, 2 * dim])
            b_q, b_kv = (None, None) if bias is None else bias.split([dim, 2 * dim])
            return linear(query, w_q, b_q), *linear(key, w_kv, b_kv).chunk(2, -1)
        weights = weights.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    names = ("query", "key", "value")
    for name, x, w, b in zip(names, (query, key, value), weights, biases, strict=True):
        expected = (dim, x.shape[-1])
        _expect(tuple(w.shape) == expected, f"expecting {name} weights shape of {expected}, but got {w.shape}")
        _expect(
            b is None or tuple(b.shape) == (dim,),
            f"expecting {name} bias shape of {(dim,)}, but got {b is not None and b.shape}",
        )
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def _heads(x: Tensor, heads: int) -> Tensor:
    """(L, B, E) -> (B, heads, L, E / heads)."""
    length, batch, dim = x.shape
    return x.reshape(length, batch, heads, dim // heads).permute(1, 2, 0, 3)


def _static(x: Tensor, name: str, batch: int, heads: int, head_dim: int) -> Tensor:
    """A key or value that is given instead of projected: (B * heads, S, E / heads)."""
    _expect(x.shape[0] == batch * heads, f"expecting {name}.size(0) of {batch * heads}, but got {x.shape[0]}")
    _expect(x.shape[2] == head_dim, f"expecting {name}.size(2) of {head_dim}, but got {x.shape[2]}")
    return x.reshape(batch, heads, x.shape[1], head_dim)


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention in several heads: query (L, B, E), key and value (S, B, *) -> (L, B, E), and the weights.

    B may be left out throughout. attn_mask (L, S) or (B * heads, L, S) and key_padding_mask (B, S) are
    boolean, True for what is not to be looked at, or added to the scores. bias_k, bias_v and
    add_zero_attn add a key and a value to each sequence. With need_weights the weights are returned,
    (B, L, S), or by head (B, heads, L, S); and a row that may look nowhere is NaN, not zero. is_causal
    says that attn_mask is the causal one. See :class:`torch.nn.MultiheadAttention`.

    Raises:
        AssertionError: for numbers of dimensions and sizes that do not fit; RuntimeError: for a mask
            of the wrong shape, or is_causal without attn_mask.
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_key, same_value = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same_key else key.unsqueeze(1)
        value = key if same_value else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, dim = query.shape
    padding = canonical_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    by_hint = is_causal and padding is None and not need_weights
    mask = None if by_hint else canonical_mask(attn_mask, "attn_mask", None, "", query)
    _expect(dim == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but got {dim}")
    head_dim = dim // num_heads
    _expect(head_dim * num_heads == dim, f"embed_dim {dim} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        _expect(
            key.shape[:2] == value.shape[:2],
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}",
        )
        weights: object = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, w in zip("qkv", (q_proj_weight, k_proj_weight, v_proj_weight), strict=True):
            _expect(w is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
    else:
        _expect(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")
        _expect(in_proj_weight is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        weights = in_proj_weight
    q, k, v = _projected(query, key, value, weights, in_proj_bias)
    if mask is not None:
        mask = _mask_by_head(mask, (length, key.shape[0]), batch, num_heads)

    more = 0  # keys beyond the given ones
    if bias_k is not None and bias_v is not None:
        _expect(static_k is None, "bias cannot be added to static key.")
        _expect(static_v is None, "bias cannot be added to static value.")
        k, v = cat([k, bias_k.expand(1, batch, dim)]), cat([v, bias_v.expand(1, batch, dim)])
        more += 1
    else:
        _expect(bias_k is None, "bias_k is set but bias_v is None")
        _expect(bias_v is None, "bias_v is set but bias_k is None")
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else _static(static_k, "static_k", batch, num_heads, head_dim)
    v = _heads(v, num_heads) if static_v is None else _static(static_v, "static_v", batch, num_heads, head_dim)
    if add_zero_attn:
        nothing = zeros(batch, num_heads, 1, head_dim, dtype=k.dtype, device=k.device)
        k, v = cat([k, nothing], 2), cat([v, nothing], 2)
        more += 1
    keys = k.shape[2]
    if more:
        mask = None if mask is None else pad(mask, (0, more))
        padding = None if padding is None else pad(padding, (0, more))
    if padding is not None:
        _expect(
            padding.shape[0] == batch, f"Expected key_padded_mask.shape[0] to be {batch}, but got {padding.shape[0]}"
        )
        _expect(padding.shape[1] == keys, f"Expected key_padded_mask.shape[1] to be {keys}, but got {padding.shape[1]}")
        padding = padding.reshape(batch, 1, 1, keys)
        mask = padding if mask is None else mask + padding
    p = dropout_p if training else 0.0
    if not need_weights:
        if mask is not None and mask.requires_grad:
            mask = mask.expand(batch, num_heads, length, keys)
        out = scaled_dot_product_attention(q, k, v, mask, p, by_hint)
        probabilities = None
    else:
        scores = matmul(q * math.sqrt(1.0 / head_dim), k.transpose(-2, -1))
        if mask is not None:
            scores = scores + mask
        probabilities = softmax(scores, -1)
        if p > 0.0:
            probabilities = dropout(probabilities, p)
        out = matmul(probabilities, v)
    # The heads joined; as rows of steps, not of sequences, which is how PyTorch lays them out.
    out = out.permute(2, 0, 1, 3).reshape(length * batch, dim)
    out = linear(out, out_proj_weight, out_proj_bias)
    out = out.reshape(length, batch, out.shape[1])
    if probabilities is not None and average_attn_weights:
        probabilities = probabilities.mean(1)
    if batched:
        return out, probabilities
    return out.squeeze(1), None if probabilities is None else probabilities.squeeze(0)


def _mask_by_head(mask: Tensor, expected: tuple[int, int], batch: int, heads: int) -> Tensor:
    """(L, S) or (B * heads, L, S), broadcastable to (B, heads, L, S). Raises RuntimeError for others."""
    if mask.dim() == 2:
        if tuple(mask.shape) != expected:
            raise RuntimeError(f"The shape of the 2D attn_mask is {mask.shape}, but should be {expected}.")
        return mask
    if tuple(mask.shape) != (batch * heads, *expected):
        raise RuntimeError(
            f"The shape of the 3D attn_mask is {mask.shape}, but should be {(batch * heads, *expected)}."
        )
    return mask.reshape(batch, heads, *expected)
