"""The GPT lecture, step by step: from averages of the past to a Transformer, each step a switch.

What it adds to the bigram language model: tokens that look at each other. First four ways to average
over the past (:func:`average_by_loop`, ``_matmul``, ``_softmax``, ``_attention``), which are equal;
the fourth, with weights that depend on the data, is a head of self-attention. Then the steps, each
of which lowers the loss of the one before:

    python -m models.gpt_lecture train --step head          # one head of self-attention
    python -m models.gpt_lecture train --step multi_head    # four smaller ones, side by side
    python -m models.gpt_lecture train --step feed_forward  # each token thinks about what it saw
    python -m models.gpt_lecture train --step residual      # blocks, several deep, added to a stream
    python -m models.gpt_lecture train --step norm          # LayerNorm before each part (pre-norm)
    python -m models.gpt_lecture train --step dropout       # the lecture's last word

:mod:`models.gpt` is the last step once more, with all heads in one operation.

A. Karpathy, "Let's build GPT: from scratch, in code, spelled out", 2023; Vaswani et al., "Attention
Is All You Need", 2017; Ba et al., "Layer Normalization", 2016; Srivastava et al., "Dropout", 2014.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .tasks.text import TextTask

# B: batch, T: positions, C: channels (n_embd), hs: channels of a head (C / n_head), V: vocabulary.

STEPS = ("head", "multi_head", "feed_forward", "residual", "norm", "dropout")


@dataclass(frozen=True)
class LectureConfig(Settings):
    """How far the lecture has come, and the size.

    Raises:
        ValueError, TypeError: a setting is out of its range, or n_head does not divide n_embd.
    """

    vocab_size: int = setting(65, "different tokens", at_least=1, hidden=True)
    step: str = setting("dropout", "how far the lecture has come", choices=STEPS)
    block_size: int = setting(32, "longest context, in tokens", at_least=1)
    n_embd: int = setting(64, "channels", at_least=1)
    n_head: int = setting(4, "heads of an attention, from multi_head on", at_least=1)
    n_layer: int = setting(4, "blocks, from residual on", at_least=1)
    dropout: float = setting(0.1, "share that is dropped in training, in the last step", at_least=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd: the {self.n_embd} channels cannot be shared evenly by {self.n_head} heads")

    def has(self, step: str) -> bool:
        """Whether the lecture has come to that step."""
        return STEPS.index(step) <= STEPS.index(self.step)


# ---- four ways to average over the past, (B, T, C) -> (B, T, C): out[:, t] = mean(x[:, : t + 1]) ----


def average_by_loop(x: torch.Tensor) -> torch.Tensor:
    """Version 1: in so many words."""
    return torch.stack([x[:, : t + 1].mean(1) for t in range(x.shape[1])], dim=1)


def average_by_matmul(x: torch.Tensor) -> torch.Tensor:
    """Version 2: row t of a matrix has t + 1 equal weights; one product does all sums."""
    weights = torch.ones(x.shape[1], x.shape[1], dtype=x.dtype).tril()
    return (weights / weights.sum(1, keepdim=True)) @ x


def average_by_softmax(x: torch.Tensor) -> torch.Tensor:
    """Version 3: affinities of zero, minus infinity for the future; a softmax makes them weights."""
    T = x.shape[1]
    past = torch.ones(T, T, dtype=torch.bool).tril()
    return F.softmax(torch.zeros(T, T, dtype=x.dtype).masked_fill(~past, float("-inf")), dim=-1) @ x


def average_by_attention(x: torch.Tensor) -> torch.Tensor:
    """Version 4: affinities are products of queries and keys. Here all queries are zero, so all are alike."""
    return F.scaled_dot_product_attention(torch.zeros_like(x), x, x, is_causal=True)


# ---- the parts ----------------------------------------------------------------------------------


class Head(nn.Module):
    """One head of attention: queries of ``x`` meet keys of ``memory``, and take its values, weighed.

    causal: a position sees those up to it (a decoder); False: all of them (an encoder). With another
    sequence as memory it is cross-attention, which has no order between the two, and is not causal.
    """

    def __init__(self, config: LectureConfig, size: int, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.key = nn.Linear(config.n_embd, size, bias=False)
        self.query = nn.Linear(config.n_embd, size, bias=False)
        self.value = nn.Linear(config.n_embd, size, bias=False)
        # A buffer: part of the module, moved and saved with it, but nothing that is learned.
        self.register_buffer("past", torch.ones(config.block_size, config.block_size, dtype=torch.bool).tril())
        self.dropout = nn.Dropout(config.dropout if config.has("dropout") else 0.0)

    def weights(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """How much each position of ``x`` (B, T, C) takes of each of ``memory`` (B, S, C): (B, T, S)."""
        memory = x if memory is None else memory
        q, k = self.query(x), self.key(memory)  # (B, T, hs), (B, S, hs)
        # Divided by the root of hs their variance is one, and the softmax is not a single spike.
        affinity = q @ k.transpose(1, 2) * k.shape[-1] ** -0.5
        if self.causal:
            T, S = affinity.shape[1:]
            affinity = affinity.masked_fill(~self.past[:T, :S], float("-inf"))
        return F.softmax(affinity, dim=-1)

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """x (B, T, C), memory (B, S, C) or x itself: (B, T, hs)."""
        return self.dropout(self.weights(x, memory)) @ self.value(x if memory is None else memory)


class MultiHead(nn.Module):
    """Several heads side by side, (B, T, C) -> (B, T, C); projected back into the stream from residual on."""

    def __init__(self, config: LectureConfig, causal: bool = True) -> None:
        super().__init__()
        n = config.n_head if config.has("multi_head") else 1
        self.heads = nn.ModuleList([Head(config, config.n_embd // n, causal) for _ in range(n)])
        self.proj = nn.Linear(config.n_embd, config.n_embd) if config.has("residual") else nn.Identity()
        self.dropout = nn.Dropout(config.dropout if config.has("dropout") else 0.0)

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        return self.dropout(self.proj(torch.cat([head(x, memory) for head in self.heads], dim=-1)))


class FeedForward(nn.Module):
    """Each position by itself: a layer and a ReLU; four times as wide and back from residual on."""

    def __init__(self, config: LectureConfig) -> None:
        super().__init__()
        C = config.n_embd
        layers = [nn.Linear(C, C), nn.ReLU()]
        if config.has("residual"):
            layers = [nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C)]
        self.net = nn.Sequential(*layers, nn.Dropout(config.dropout if config.has("dropout") else 0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Block(nn.Module):
    """Communication, then computation; as far as the step goes, added to the stream and normalised."""

    def __init__(self, config: LectureConfig) -> None:
        super().__init__()
        self.residual = config.has("residual")
        self.attention = MultiHead(config)
        self.feed_forward = FeedForward(config) if config.has("feed_forward") else nn.Identity()
        self.norms = nn.ModuleList([nn.LayerNorm(config.n_embd) if config.has("norm") else nn.Identity() for _ in "af"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.residual:
            return self.feed_forward(self.attention(x))
        x = x + self.attention(self.norms[0](x))  # (B, T, C)
        return x + self.feed_forward(self.norms[1](x))


class LectureGPT(nn.Module):
    """The lecture's model, as far as ``config.step`` says."""

    def __init__(self, config: LectureConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions = nn.Embedding(config.block_size, config.n_embd)
        depth = config.n_layer if config.has("residual") else 1
        self.blocks = nn.Sequential(*[Block(config) for _ in range(depth)])
        self.norm = nn.LayerNorm(config.n_embd) if config.has("norm") else nn.Identity()
        self.head = nn.Linear(config.n_embd, config.vocab_size)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        Raises:
            ValueError: ``x`` is not two-dimensional, or longer than the block.
        """
        if x.ndim != 2 or not 1 <= x.shape[1] <= self.config.block_size:
            raise ValueError(
                f"LectureGPT: expected tokens of shape (B, T) with T from 1 to the block size, "
                f"{self.config.block_size}, got {tuple(x.shape)}"
            )
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))  # (B, T, C)
        logits = self.head(self.norm(self.blocks(h)))  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1))


TRAINING = {"batch_size": 16, "lr": 1e-3, "min_lr": 1e-4, "weight_decay": 0.01, "eval_interval": 500}
PRESETS = {
    "lecture": Preset(
        "4 layers, 4 heads, 64 channels, block 32, batches of 16: the lecture's small size",
        {"step": "dropout", "dropout": 0.0},
        TRAINING | {"max_iters": 5000},
    ),
    "early": Preset(
        "block 8, 32 channels, batches of 32, for --step head to feed_forward: the lecture's first sizes",
        {"step": "head", "block_size": 8, "n_embd": 32},
        TRAINING | {"max_iters": 5000, "batch_size": 32},
    ),
}

SPEC = ModelSpec(
    name="gpt_lecture",
    about=__doc__ or "",
    config=LectureConfig,
    build=LectureGPT,
    task=TextTask(),
    presets=PRESETS,
    preset="lecture",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
