"""WaveNet in two readings: the lecture's tree that fuses neighbours, and the paper's dilated convolutions.

What it adds to the MLP with BatchNorm: the context is not squashed into one layer at once. Level by
level, neighbours are fused in pairs, then pairs of pairs, so that 8 characters take three layers.

    python -m models.wavenet train --preset tree     # (a) the lecture: contexts of 8 characters
    python -m models.wavenet train --preset dilated  # (b) the paper: whole names, causal convolutions
    python -m models.wavenet sample

(a) :class:`Tree` predicts one character from a context. :class:`FlattenConsecutive` lays n
neighbours side by side for a Linear layer. BatchNorm then meets (B, T, C), and the lecture's, which
took means over the first dimension alone, kept separate statistics for each of the T places: a bug
that broadcasting hides. :class:`BatchNormLast` is the fix: one mean a channel, over all else.

(b) :class:`WaveNet` sees that the tree is a convolution: sliding it along the name repeats most of
its work. Causal convolutions of kernel 2, dilated by 1, 2, 4, ..., compute all positions at once;
gated activations, residual and skip connections are the paper's.

A. Karpathy, "Building makemore, part 5", 2022; van den Oord et al., "WaveNet: A Generative Model for
Raw Audio", 2016.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from data import CharTokenizer
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.sampling import NextLogits
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .tasks.examples import Examples
from .tasks.names import NamesCorpus, NamesTask, read_names

# B: batch, T: positions, C: channels, V: vocabulary.


@dataclass(frozen=True)
class WaveNetConfig(Settings):
    """The kind and the size.

    Raises:
        ValueError, TypeError: a setting is out of its range, or a tree's block_size is no power of 2.
    """

    vocab_size: int = setting(27, "different characters", at_least=2, hidden=True)
    kind: str = setting("tree", "the lecture's tree or the paper's convolutions", choices=("tree", "dilated"))
    block_size: int = setting(8, "characters of context; tree: a power of 2", at_least=2)
    n_embd: int = setting(24, "numbers that a character is embedded in", at_least=1)
    n_hidden: int = setting(128, "channels of a hidden layer", at_least=1)
    n_skip: int = setting(128, "dilated: channels of the skip connections", at_least=1)
    n_stack: int = setting(2, "dilated: how often the dilations 1, 2, 4 ... are gone through", at_least=1)
    dropout: float = setting(0.0, "share that is dropped in training", at_least=0, below=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "tree" and self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size: a tree that fuses pairs needs a power of 2, got {self.block_size}")


# ---- (a) the lecture's tree ---------------------------------------------------------------------


class FlattenConsecutive(nn.Module):
    """Lays each n neighbours side by side: (B, T, C) -> (B, T / n, n C), or (B, n C) where T is n."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.shape
        if T % self.n:
            raise ValueError(f"FlattenConsecutive: {T} positions cannot be grouped by {self.n}: {tuple(x.shape)}")
        return x.view(B, T // self.n, self.n * C).squeeze(1)

    def extra_repr(self) -> str:
        return str(self.n)


class BatchNormLast(nn.BatchNorm1d):
    """BatchNorm1d over the last dimension of (B, C) or (B, T, C): a channel has one mean over B and T.

    ``nn.BatchNorm1d`` itself takes (B, C, T), channels first, and refuses (B, T, C) where T is not C.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)


class Tree(nn.Module):
    """Contexts of 2^k characters, fused in pairs, k times."""

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [nn.Embedding(config.vocab_size, config.n_embd)]
        width = config.n_embd
        for _ in range(config.block_size.bit_length() - 1):
            layers += [
                FlattenConsecutive(2),  # (B, T, C) -> (B, T / 2, 2 C)
                nn.Linear(2 * width, config.n_hidden, bias=False),  # BatchNorm has one
                BatchNormLast(config.n_hidden),
                nn.Tanh(),
                nn.Dropout(config.dropout),
            ]
            width = config.n_hidden
        self.layers = nn.Sequential(*layers)  # ends as (B, n_hidden)
        self.head = nn.Linear(width, config.vocab_size)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="tanh")
        with torch.no_grad():
            self.head.weight.mul_(0.1)  # unsure at first: the loss begins at log(V)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Contexts (B, block_size) to the logits (B, V) of the next character; the loss with ``y`` (B,)."""
        if x.ndim != 2 or x.shape[1] != self.config.block_size:
            raise ValueError(f"Tree: expected contexts of shape (B, {self.config.block_size}), got {tuple(x.shape)}")
        logits = self.head(self.layers(x))
        return logits, None if y is None else F.cross_entropy(logits, y)


# ---- (b) the paper's dilated convolutions -------------------------------------------------------


class CausalConv1d(nn.Conv1d):
    """A convolution that sees no later input: (B, C, T) -> (B, C', T), padded on the left alone."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)
        self.left = (kernel_size - 1) * dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.pad(x, (self.left, 0)))


class GatedBlock(nn.Module):
    """One dilated layer: z = tanh(filter * x) sigmoid(gate * x); x + residual(z) goes up, skip(z) out."""

    def __init__(self, config: WaveNetConfig, dilation: int) -> None:
        super().__init__()
        self.filter_gate = CausalConv1d(config.n_hidden, 2 * config.n_hidden, 2, dilation)
        self.residual = nn.Conv1d(config.n_hidden, config.n_hidden, 1)
        self.skip = nn.Conv1d(config.n_hidden, config.n_skip, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.filter_gate(x).chunk(2, dim=1)  # (B, C, T) each
        z = self.dropout(a.tanh() * b.sigmoid())
        return x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    """All positions of a sequence at once; position t sees itself and ``field - 1`` characters before it.

    field: 1 + 1 + 2 + 4 + ... with one stack: the power of 2 from block_size up; each more adds its dilations.
    """

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_hidden)
        dilations = [2**i for i in range((config.block_size - 1).bit_length())] * config.n_stack
        self.field = 1 + sum(dilations)
        self.blocks = nn.ModuleList([GatedBlock(config, d) for d in dilations])
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(config.n_skip, config.n_skip, 1),
            nn.ReLU(),
            nn.Conv1d(config.n_skip, config.vocab_size, 1),
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, T) to the logits (B, T, V) of the one after each; the loss with ``y`` (B, T).

        A target of -1 does not count.
        """
        if x.ndim != 2:
            raise ValueError(f"WaveNet: expected characters of shape (B, T), got {tuple(x.shape)}")
        h = self.embed(x).transpose(1, 2)  # (B, C, T)
        skips = []
        for block in self.blocks:
            h, skip = block(h)
            skips.append(skip)
        logits = self.head(sum(skips[1:], skips[0])).transpose(1, 2)  # (B, T, V)
        if y is None:
            return logits, None
        return logits, F.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1), ignore_index=-1)


def build(config: WaveNetConfig) -> Tree | WaveNet:
    """The model of the settings' kind."""
    return Tree(config) if config.kind == "tree" else WaveNet(config)


class _Corpus(NamesCorpus):
    """Names as the kind of network wants them: contexts for the tree, sequences for the convolutions."""

    def batches(self, config: WaveNetConfig, batch_size: int) -> Examples:
        self.sequences = config.kind == "dilated"
        return super().batches(config, batch_size)


class WaveNetTask(NamesTask):
    """Contexts of names or whole names: the model's settings say which."""

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> NamesCorpus:
        tokenizer = None if vocabulary is None else CharTokenizer.from_json(vocabulary)
        return _Corpus(read_names(source), tokenizer, device)

    def next_logits(self, model: nn.Module, use_cache: bool = True) -> NextLogits:
        return NamesTask(sequences=model.config.kind == "dilated").next_logits(model, use_cache)


PRESETS = {
    "tree": Preset(
        "the lecture's tree: contexts of 8, three levels",
        {"kind": "tree", "block_size": 8, "n_hidden": 200, "dropout": 0.1},
        {
            "max_iters": 20_000,
            "batch_size": 128,
            "lr": 3e-3,
            "min_lr": 1.5e-4,
            "weight_decay": 0.05,
            "eval_interval": 1000,
        },
    ),
    "dilated": Preset(
        "the paper's convolutions: two stacks of four, 64 channels",
        {"kind": "dilated", "block_size": 16, "n_hidden": 64, "dropout": 0.1},
        {"max_iters": 4000, "batch_size": 64, "lr": 3e-3, "min_lr": 1.5e-4, "weight_decay": 0.05, "eval_interval": 500},
    ),
}

SPEC = ModelSpec(
    name="wavenet",
    about=__doc__ or "",
    config=WaveNetConfig,
    build=build,
    task=WaveNetTask(),
    presets=PRESETS,
    preset="tree",
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
