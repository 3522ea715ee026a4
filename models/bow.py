"""A causal bag of words: each position sees the average of those up to it.

What it adds to the MLP: a context of any length in one vector, and all positions of a name at once.
What it lacks: the average forgets the order, and weighs every character alike. Attention, in
:mod:`models.transformer`, learns the weights; here they are those of a softmax over nothing learned.

    python -m models.bow train
    python -m models.bow sample

After makemore's BoW (A. Karpathy, 2022); the idea of averaged embeddings is that of Iyyer et al.,
"Deep Unordered Composition Rivals Syntactic Methods for Text Classification", 2015.
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
from .tasks.names import NamesTask

# B: batch, T: positions, C: channels (n_embd), V: vocabulary.


@dataclass(frozen=True)
class BowConfig(Settings):
    """The size of a bag of words."""

    vocab_size: int = setting(27, "different characters", at_least=2, hidden=True)
    block_size: int = setting(16, "longest context", at_least=1, hidden=True)
    n_embd: int = setting(64, "numbers that a character is embedded in", at_least=1)
    n_hidden: int = setting(64, "channels of the hidden layer", at_least=1)


class CausalAverage(nn.Module):
    """Position t becomes the mean of positions 0 to t: (B, T, C) -> (B, T, C). Nothing is learned.

    The weights are a softmax over zeros, and minus infinity for what is later: uniform over the rest.
    """

    weights: torch.Tensor

    def __init__(self, block_size: int) -> None:
        super().__init__()
        later = torch.full((block_size, block_size), float("-inf")).triu(1)
        self.register_buffer("weights", F.softmax(later, dim=1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        T = x.shape[1]
        return self.weights[:T, :T] @ x


class BagOfWords(nn.Module):
    """Embeddings of character and place, averaged over the past, then an MLP; both are residual."""

    def __init__(self, config: BowConfig) -> None:
        super().__init__()
        self.config = config
        self.characters = nn.Embedding(config.vocab_size, config.n_embd)
        self.places = nn.Embedding(config.block_size, config.n_embd)
        self.average = CausalAverage(config.block_size)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, config.n_hidden), nn.Tanh(), nn.Linear(config.n_hidden, config.n_embd)
        )
        self.head = nn.Linear(config.n_embd, config.vocab_size)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        A target of -1 does not count.

        Raises:
            ValueError: ``x`` is not (B, T), or longer than the block.
        """
        if x.ndim != 2 or not 1 <= x.shape[1] <= self.config.block_size:
            raise ValueError(
                f"BagOfWords: expected characters of shape (B, T) with T from 1 to {self.config.block_size}, "
                f"got {tuple(x.shape)}"
            )
        h = self.characters(x) + self.places(torch.arange(x.shape[1], device=x.device))  # (B, T, C)
        h = h + self.average(h)
        h = h + self.mlp(h)
        logits = self.head(h)  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1), ignore_index=-1)


PRESETS = {
    "makemore": Preset(
        "64 channels, as makemore's",
        {"n_embd": 64, "n_hidden": 64},
        {"max_iters": 5000, "batch_size": 64, "lr": 5e-3, "min_lr": 2.5e-4, "weight_decay": 0.01, "eval_interval": 500},
    ),
}

SPEC = ModelSpec(
    name="bow",
    about=__doc__ or "",
    config=BowConfig,
    build=BagOfWords,
    task=NamesTask(sequences=True),
    presets=PRESETS,
    preset="makemore",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
