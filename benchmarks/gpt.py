"""The GPT that the benchmarks train, in the torch-shaped API: pre-norm, causal attention, GELU.

As a user would write it from nanoGPT's description; `models/gpt.py` is the one to read and to use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """Layers, heads, channels, length of the context, vocabulary."""

    layers: int
    heads: int
    channels: int
    block: int
    vocab: int = 65

    def flops_per_token(self) -> float:
        """Floating-point operations of forward and backward per token, counted as in PaLM's appendix B:
        6 for each weight that multiplies, and 12 x layers x channels x block for attention (all of the
        square, as the mask is no part of the model)."""
        weights = self.layers * 12 * self.channels**2 + self.channels * self.vocab
        return 6 * weights + 12 * self.layers * self.channels * self.block


def GPT(torch: Any, size: Size, written_out: bool = False) -> Any:
    """A GPT of the framework ``torch``: ``model(idx, targets)`` is the loss, ``model(idx)`` the logits.

    written_out: attention as a product, a mask, a softmax and a product, not the fused function.
    """
    nn, F = torch.nn, torch.nn.functional

    class Attention(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(size.channels, 3 * size.channels)
            self.out = nn.Linear(size.channels, size.channels)
            self.register_buffer("mask", torch.tril(torch.ones(size.block, size.block)).view(1, 1, size.block, -1))

        def forward(self, x: Any, past: list[Any] | None = None) -> Any:
            B, T, C = x.shape
            q, k, v = self.qkv(x).split(C, dim=2)
            q, k, v = (t.view(B, T, size.heads, C // size.heads).transpose(1, 2) for t in (q, k, v))
            if past is not None:
                if past:
                    k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
                past[:] = [k, v]
            if written_out:
                att = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
                att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
                y = F.softmax(att, dim=-1) @ v
            else:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
            return self.out(y.transpose(1, 2).contiguous().view(B, T, C))

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.attention = nn.LayerNorm(size.channels), Attention()
            self.norm2 = nn.LayerNorm(size.channels)
            self.up, self.down = (
                nn.Linear(size.channels, 4 * size.channels),
                nn.Linear(4 * size.channels, size.channels),
            )

        def forward(self, x: Any, past: list[Any] | None = None) -> Any:
            x = x + self.attention(self.norm1(x), past)
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class Model(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(size.vocab, size.channels)
            self.places = nn.Embedding(size.block, size.channels)
            self.blocks = nn.ModuleList([Block() for _ in range(size.layers)])
            self.norm = nn.LayerNorm(size.channels)
            self.head = nn.Linear(size.channels, size.vocab, bias=False)

        def forward(self, idx: Any, targets: Any = None, pasts: list[list[Any]] | None = None) -> Any:
            begin = pasts[0][0].shape[2] if pasts and pasts[0] else 0
            x = self.tokens(idx) + self.places(torch.arange(begin, begin + idx.shape[1]))
            for i, block in enumerate(self.blocks):
                x = block(x, pasts[i] if pasts is not None else None)
            logits = self.head(self.norm(x))
            if targets is None:
                return logits
            return F.cross_entropy(logits.view(-1, size.vocab), targets.reshape(-1))

    return Model()


def greedy(torch: Any, model: Any, idx: Any, new: int, cache: bool) -> Any:
    """``idx``, (B, T), continued by ``new`` tokens, each the most probable one."""
    pasts: list[list[Any]] | None = [[] for _ in model.blocks] if cache else None
    with torch.no_grad():
        fresh = idx
        for _ in range(new):
            logits = model(fresh if cache else idx, pasts=pasts)[:, -1, :]
            fresh = logits.argmax(dim=-1, keepdim=True)
            idx = torch.cat((idx, fresh), dim=1)
    return idx
