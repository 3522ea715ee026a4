"""MultiheadAttention (Vaswani et al. 2017, section 3.2.2)."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from . import init
from .attention_backends import SDPBackend as SDPBackend
from .attention_backends import sdpa_kernel as sdpa_kernel
from .creation import empty_parameter
from .functional.multihead import canonical_mask
from .linear import Linear
from .module import Module

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear, by the name under which PyTorch prints an attention's last projection."""


class MultiheadAttention(Module):
    """Attention of queries (L, B, embed_dim) to keys and values (S, B, *), in ``num_heads`` heads.

    Args:
        embed_dim: of the queries and of the result; a multiple of ``num_heads``.
        dropout: with this probability, in training, a weight is zero.
        bias: whether the projections have biases.
        add_bias_kv: a learnt key and value are added to each sequence; add_zero_attn: zeros are.
        kdim, vdim: of the keys and the values; default, ``embed_dim``.
        batch_first: (B, L, *) instead of (L, B, *).

    Attributes:
        in_proj_weight: (3 * embed_dim, embed_dim), for queries, keys and values, Glorot uniform; with
            ``kdim`` or ``vdim``, q_proj_weight, k_proj_weight and v_proj_weight instead.
        in_proj_bias: (3 * embed_dim,), zero, or None. out_proj: the last projection, a Linear.
        bias_k, bias_v: (1, 1, embed_dim), Glorot normal, or None.

    Raises:
        ValueError: for sizes that are not positive; AssertionError: where ``num_heads`` does not divide.
    """

    bias_k: Any
    bias_v: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        widths = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = empty_parameter(3 * embed_dim, embed_dim, device=device, dtype=dtype)
            for name in widths:
                self.register_parameter(f"{name}_proj_weight", None)
        else:
            for name, width in widths.items():
                setattr(self, f"{name}_proj_weight", empty_parameter(embed_dim, width, device=device, dtype=dtype))
            self.register_parameter("in_proj_weight", None)
        self.register_parameter(
            "in_proj_bias", empty_parameter(3 * embed_dim, device=device, dtype=dtype) if bias else None
        )
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        if add_bias_kv:
            self.bias_k = empty_parameter(1, 1, embed_dim, device=device, dtype=dtype)
            self.bias_v = empty_parameter(1, 1, embed_dim, device=device, dtype=dtype)
        else:
            self.bias_k = self.bias_v = None
        self._reset_parameters()

    def _projections(self) -> list[Any]:
        return [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]

    def _reset_parameters(self) -> None:
        """Draw the parameters anew, but for ``out_proj.weight``."""
        for weight in [self.in_proj_weight] if self._qkv_same_embed_dim else self._projections():
            init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for b in (self.bias_k, self.bias_v):
            if b is not None:
                init.xavier_normal_(b)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result (L, B, embed_dim) and, with ``need_weights``, the weights: (B, L, S), the mean over
        heads, or (B, heads, L, S). See :func:`torch.nn.functional.multi_head_attention_forward`."""
        key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query)
        attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query)
        swap = self.batch_first and query.dim() == 3
        if swap:
            same_key, same_value = key is query, value is key
            query = query.transpose(0, 1)
            key = query if same_key else key.transpose(0, 1)
            value = key if same_value else value.transpose(0, 1)
        q_weight, k_weight, v_weight = self._projections()
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim, q_proj_weight=q_weight, k_proj_weight=k_weight,
            v_proj_weight=v_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (out.transpose(0, 1) if swap else out), weights
