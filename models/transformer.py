"""makemore's Transformer: GPT on names, each of them a sequence of its own.

What it adds to the bag of words: the weights of the average are computed from the characters (queries
and keys), many such averages side by side (heads), and several layers of them. What it adds to GPT
is nothing, and that is the point: the same stack of blocks (:class:`models.gpt.Transformer`) learns
plays in windows and names in rows. Only the ends differ. Names are padded, and what is padded does
not count; embedding and output are two matrices; weights are drawn as PyTorch draws them.

    python -m models.transformer train
    python -m models.transformer sample

After makemore's Transformer (A. Karpathy, 2022); Vaswani et al., "Attention Is All You Need", 2017;
Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from . import gpt
from .shared.command_line import main
from .shared.settings import Preset, setting
from .shared.spec import ModelSpec
from .tasks.names import NamesTask


@dataclass(frozen=True)
class TransformerConfig(gpt.GPTConfig):
    """The size of the stack; makemore's is 4 layers of 4 heads and 64 channels."""

    vocab_size: int = setting(27, "different characters", at_least=2, hidden=True)
    block_size: int = setting(16, "longest context", at_least=1, hidden=True)
    n_embd: int = setting(64, "channels of the residual stream", at_least=1)
    bias: bool = setting(True, "biases in the linear layers and LayerNorms")
    tie_weights: bool = setting(False, "as in GPT; here always two matrices", hidden=True)


class Transformer(nn.Module):
    """GPT's blocks and a linear layer that predicts the next character."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = gpt.Transformer(config)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        A target of -1 does not count.

        Raises:
            ValueError: ``x`` is not (B, T), or longer than the block.
        """
        if x.ndim != 2 or not 1 <= x.shape[1] <= self.config.block_size:
            raise ValueError(
                f"Transformer: expected characters of shape (B, T) with T from 1 to {self.config.block_size}, "
                f"got {tuple(x.shape)}"
            )
        logits = self.head(self.transformer(x))  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1), ignore_index=-1)


PRESETS = {
    "makemore": Preset(
        "4 layers, 4 heads, 64 channels: makemore's size",
        {"n_layer": 4, "n_head": 4, "n_embd": 64, "dropout": 0.1},
        {"max_iters": 6000, "batch_size": 64, "lr": 2e-3, "min_lr": 1e-4, "weight_decay": 0.1, "eval_interval": 500},
    ),
}

SPEC = ModelSpec(
    name="transformer",
    about=__doc__ or "",
    config=TransformerConfig,
    build=Transformer,
    task=NamesTask(sequences=True),
    presets=PRESETS,
    preset="makemore",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
