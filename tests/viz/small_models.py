"""Small models that the tests of viz look at."""

from __future__ import annotations

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn


class Tagger(nn.Module):
    """Embedding, a causal mean over what came before, tanh layers, logits: a causal language model."""

    def __init__(self, vocabulary: int = 11, width: int = 16, depth: int = 2) -> None:
        super().__init__()
        self.emb = nn.Embedding(vocabulary, width)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(width, vocabulary)
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def mix(self, x: torch.Tensor) -> torch.Tensor:
        T = x.shape[1]
        weights = torch.tril(torch.ones(T, T)) / torch.arange(1, T + 1).view(T, 1)
        return weights @ x + x

    def forward(self, idx, targets=None):
        logits = self.head(self.layers(self.mix(self.emb(idx))))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


class Heads(nn.Module):
    """One layer of attention with ``heads`` heads, causal; fused, or written out by hand."""

    def __init__(self, width: int = 8, heads: int = 2, fused: bool = True) -> None:
        super().__init__()
        self.emb = nn.Embedding(7, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.heads, self.fused = heads, fused
        self.last: torch.Tensor | None = None

    def forward(self, idx):
        B, T = idx.shape
        q, k, v = (t.view(B, T, self.heads, -1).transpose(1, 2) for t in self.qkv(self.emb(idx)).chunk(3, -1))
        scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(torch.tril(torch.ones(T, T)) == 0, -1e30)
        self.last = F.softmax(scores, -1)
        if self.fused:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.last @ v


def batch(examples: int = 6, length: int = 5, vocabulary: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, and each token plus one: a task that can be learnt."""
    x = torch.randint(0, vocabulary, (examples, length))
    return x, (x + 1) % vocabulary
