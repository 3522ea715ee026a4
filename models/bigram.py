"""Bigrams: the next character of a name from the one before it, once by counting, once by learning.

The first model of the makemore lectures. Counting: a table N of how often each character follows each,
smoothed by adding k, and divided by its rows' sums. Learning: a table W of logits, softmax, and the
gradient of the mean negative log-likelihood; weight decay on W does what adding k did to N. Both end at
the same table of probabilities: what a neural network of one layer can learn here is to count.

    python -m models.bigram train --preset counts --out runs/counts   # the table of all names
    python -m models.bigram train --preset neural --out runs/bigram   # 200 steps of gradient descent
    python -m models.bigram sample --out runs/bigram --samples 10

After A. Karpathy's makemore, part 1; add-k smoothing is Laplace's rule of succession.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.observer import Observer
from .shared.pictures import have_matplotlib, save_figure
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.names import NamesTask
from .tasks.task import Batch

# B: examples, V: characters (27).


@dataclass(frozen=True)
class BigramConfig(Settings):
    """How the table comes about."""

    vocab_size: int = setting(27, "different characters", at_least=1, hidden=True)
    block_size: int = setting(1, "characters of context: one", at_least=1, below=2, hidden=True)
    kind: str = setting("neural", "how the table is made", choices=("counts", "neural"))
    smoothing: float = setting(0.0, "counts: added to every count", at_least=0)
    part: str = setting("train", "counts: which names are counted", choices=("train", "all"))
    lookup: str = setting("row", "neural: how a row of W is taken", choices=("row", "one_hot"))
    softmax: str = setting("fused", "neural: what makes the loss", choices=("fused", "by_hand"))
    l2: float = setting(0.0, "neural: weight of the mean square of W in the loss", at_least=0)


def bigram_counts(x: torch.Tensor, y: torch.Tensor, vocab_size: int) -> torch.Tensor:
    """How often ``y[i]`` follows ``x[i]``: (V, V), int64, a row for each character before."""
    ones = torch.ones_like(y)
    return torch.zeros(vocab_size, vocab_size, dtype=torch.int64).index_put_((x, y), ones, accumulate=True)


def probabilities(counts: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Each row divided by its sum; a row without counts is uniform.

    The sum is (V, 1), by ``keepdim``: it is broadcast along its row. Without it the sum is (V,), which
    broadcasting takes for a row: every *column* would be divided, without any error.
    """
    p = counts.double() + smoothing
    total = p.sum(1, keepdim=True)  # (V, 1)
    return torch.where(total > 0, p / total, 1 / p.shape[1])


class CountingBigram(nn.Module):
    """Knows what it has counted; nothing in it is learned by gradients."""

    def __init__(self, config: BigramConfig) -> None:
        super().__init__()
        self.config = config
        self.counts: torch.Tensor
        self.register_buffer("counts", torch.zeros(config.vocab_size, config.vocab_size, dtype=torch.int64))

    def count(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Add the examples ``x`` (B, 1) and ``y`` (B,) to the table."""
        self.counts += bigram_counts(x[:, 0], y, self.config.vocab_size)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, 1) to log-probabilities (B, V) of the next, and their mean negative log-likelihood."""
        logp = probabilities(self.counts, self.config.smoothing).log()[x[:, 0]]
        return logp, None if y is None else -logp[torch.arange(len(y)), y].mean()


class NeuralBigram(nn.Module):
    """A layer without bias: logits = one_hot(x) @ W, which is a row of W."""

    def __init__(self, config: BigramConfig) -> None:
        super().__init__()
        self.config = config
        self.W = nn.Parameter(torch.randn(config.vocab_size, config.vocab_size))

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Characters (B, 1) to logits (B, V), and the mean loss with ``y`` (B,), regularised in training."""
        x = x[:, 0]
        if self.config.lookup == "row":
            logits = self.W[x]
        else:
            logits = F.one_hot(x, self.config.vocab_size).to(self.W.dtype) @ self.W
        if y is None:
            return logits, None
        if self.config.softmax == "fused":
            loss = F.cross_entropy(logits, y)
        else:
            counts = logits.exp()  # what N was, now of real numbers
            p = counts / counts.sum(1, keepdim=True)
            loss = -p[torch.arange(len(y)), y].log().mean()
        if self.training and self.config.l2:
            loss = loss + self.config.l2 * (self.W**2).mean()
        return logits, loss


def build(config: BigramConfig) -> nn.Module:
    """The untrained model."""
    return CountingBigram(config) if config.kind == "counts" else NeuralBigram(config)


class BigramTrainer(Trainer):
    """As every trainer, but that a counting model learns in one step: it counts."""

    def train_step(self) -> tuple[float, float]:
        model = self.model
        if not isinstance(model, CountingBigram):
            return super().train_step()
        batches: list[Batch] = list(self.data.whole(model.config.part))
        for x, y in batches:
            model.count(x, y)
        self._tokens = sum(len(y) for _, y in batches)
        self.step += 1
        losses = [(model(x, y)[1], len(y)) for x, y in batches]
        total = sum(loss.item() * n for loss, n in losses if loss is not None)
        return total / self._tokens, 0.0


def table(model: nn.Module) -> torch.Tensor:
    """The (V, V) probabilities that a bigram model has come to."""
    everything = torch.arange(model.config.vocab_size)[:, None]
    with torch.no_grad():
        return F.softmax(model(everything)[0], dim=1)


class TablePicture(Observer):
    """Draws the table of probabilities as table.png at the end."""

    def end(self, trainer: Trainer) -> None:
        if trainer.run is None or not have_matplotlib():
            return
        draw_table(table(trainer.model), trainer.characters, trainer.run.path / "table.png")


def draw_table(p: torch.Tensor, characters: list[str], path: Path) -> None:
    """The probabilities as blues, each with its two characters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 12), layout="constrained")
    axes = figure.subplots()
    axes.imshow(p.tolist(), cmap="Blues")
    for i, before in enumerate(characters):
        for j, after in enumerate(characters):
            axes.text(j, i, f"{before}{after}", ha="center", va="bottom", color="gray", fontsize=7)
            axes.text(j, i, f"{p[i, j].item():.2f}", ha="center", va="top", color="gray", fontsize=5)
    axes.axis("off")
    save_figure(figure, path)


FULL_BATCH = {"batch_size": 0, "eval_iters": 0, "schedule": "constant", "warmup_iters": 0, "grad_clip": 0.0}
PRESETS = {
    "neural": Preset(
        "200 steps of gradient descent over all the training names",
        {"kind": "neural"},
        FULL_BATCH | {"max_iters": 200, "optimizer": "sgd", "lr": 50.0, "weight_decay": 0.0, "eval_interval": 50},
    ),
    "counts": Preset(
        "the table of all names, without smoothing",
        {"kind": "counts", "part": "all"},
        FULL_BATCH | {"max_iters": 1},
    ),
    "smoothed": Preset(
        "the table of the training names, one added to every count",
        {"kind": "counts", "smoothing": 1.0},
        FULL_BATCH | {"max_iters": 1},
    ),
}

SPEC = ModelSpec(
    name="bigram",
    about=__doc__ or "",
    config=BigramConfig,
    build=build,
    task=NamesTask(),
    presets=PRESETS,
    preset="neural",
    trainer=BigramTrainer,
    observers=lambda: [TablePicture()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
