"""The bigram model as a language model of text: the GPT lecture's starting point.

What it adds to :mod:`models.bigram`: windows of a long text, all positions of a window predicted at
once, and the interface that GPT has. What it lacks is everything else: each token looks up the logits
of the next in a table, V by V, and forgets the rest.

    python -m models.bigram_lm train
    python -m models.bigram_lm sample

:mod:`models.gpt_lecture` goes on from here, step by step.

A. Karpathy, "Let's build GPT: from scratch, in code, spelled out", 2023.
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


@dataclass(frozen=True)
class BigramConfig(Settings):
    """The vocabulary, and the windows it is trained on."""

    vocab_size: int = setting(65, "different tokens", at_least=1, hidden=True)
    block_size: int = setting(8, "tokens of a window (no more than one is looked at)", at_least=1)


class BigramLanguageModel(nn.Module):
    """A table: row i has the logits of what follows token i."""

    def __init__(self, config: BigramConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.vocab_size, config.vocab_size)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        Raises:
            ValueError: ``x`` is not two-dimensional.
        """
        if x.ndim != 2:
            raise ValueError(f"BigramLanguageModel: expected tokens of shape (B, T), got {tuple(x.shape)}")
        logits = self.table(x)  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1))


PRESETS = {
    "lecture": Preset(
        "windows of 8, batches of 32, AdamW at 1e-2: the lecture's",
        {"block_size": 8},
        {"max_iters": 5000, "batch_size": 32, "lr": 1e-2, "min_lr": 1e-3, "weight_decay": 0.0, "eval_interval": 500},
    ),
}

SPEC = ModelSpec(
    name="bigram_lm",
    about=__doc__ or "",
    config=BigramConfig,
    build=BigramLanguageModel,
    task=TextTask(),
    presets=PRESETS,
    preset="lecture",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
