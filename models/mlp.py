"""A neural probabilistic language model: three characters of context, an embedding, one hidden layer.

What it adds to the bigram: characters become vectors, learned with the rest, so that those that behave
alike come to lie together, and a context of several characters can be looked at without a table of all
contexts. The embedding is a row of C, taken by indexing or by a product with one-hot vectors; the vectors
of a context are joined into one by a view, by cat, or by unbind and cat. All of these are the same
numbers; they differ in what they cost.

    python -m models.mlp find-lr --low 0.001 --high 1 --out runs/mlp    # the learning-rate sweep: lr.png
    python -m models.mlp train --out runs/mlp                           # embedding.png shows the characters
    python -m models.mlp train --preset plane --out runs/plane          # two channels: nothing is projected
    python -m models.mlp sample --out runs/mlp

Bengio, Ducharme, Vincent and Jauvin, "A Neural Probabilistic Language Model", JMLR 2003; the sizes are
those of A. Karpathy's makemore, part 2.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.names_training import LECTURE_TRAINING, NAMES_TRAINING
from .shared.observer import Observer
from .shared.pictures import have_matplotlib, save_figure
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.names import NamesTask

# B: examples, T: characters of context (block_size), C: channels of a character (n_embd), H: hidden
# units, V: characters (27).


@dataclass(frozen=True)
class MLPConfig(Settings):
    """The size of the network, and which of the equal ways it goes."""

    vocab_size: int = setting(27, "different characters", at_least=1, hidden=True)
    block_size: int = setting(3, "characters of context", at_least=1)
    n_embd: int = setting(10, "channels of a character", at_least=1)
    n_hidden: int = setting(200, "hidden units", at_least=1)
    lookup: str = setting("index", "how characters become vectors", choices=("index", "one_hot"))
    join: str = setting("view", "how a context's vectors become one", choices=("view", "cat", "unbind"))


def embed(table: torch.Tensor, x: torch.Tensor, how: str = "index") -> torch.Tensor:
    """Characters ``x`` (B, T) to their rows of ``table`` (V, C): (B, T, C)."""
    if how == "index":
        return table[x]
    return F.one_hot(x, len(table)).to(table.dtype) @ table


def join(emb: torch.Tensor, how: str = "view") -> torch.Tensor:
    """A context's vectors (B, T, C) end to end: (B, T * C)."""
    if how == "view":  # nothing is moved
        return emb.view(emb.shape[0], -1)
    if how == "cat":  # for T of one's choice only
        return torch.cat([emb[:, t, :] for t in range(emb.shape[1])], 1)
    return torch.cat(torch.unbind(emb, 1), 1)


class MLP(nn.Module):
    """Embedding, tanh layer, linear layer."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        fan_in, H, V = config.block_size * config.n_embd, config.n_hidden, config.vocab_size
        self.C = nn.Parameter(torch.randn(V, config.n_embd))
        # Scaled by 1 / sqrt(fan in), as models/mlp_bn.py explains: unit normal weights begin at a loss of 27.
        self.W1 = nn.Parameter(torch.randn(fan_in, H) * (5 / 3) / fan_in**0.5)
        self.b1 = nn.Parameter(torch.randn(H) * 0.01)
        self.W2 = nn.Parameter(torch.randn(H, V) * 0.01)
        self.b2 = nn.Parameter(torch.zeros(V))

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Contexts (B, T) to logits (B, V) of the next character, and the mean loss with ``y`` (B,)."""
        emb = embed(self.C, x, self.config.lookup)  # (B, T, C)
        h = torch.tanh(join(emb, self.config.join) @ self.W1 + self.b1)  # (B, H)
        logits = h @ self.W2 + self.b2  # (B, V)
        return logits, None if y is None else F.cross_entropy(logits, y)


# ---- the picture of the embedding ----------------------------------------------------------------


def to_plane(table: torch.Tensor) -> torch.Tensor:
    """The rows of a table (V, C) as points (V, 2): themselves, or their two principal components."""
    if table.shape[1] <= 2:
        return F.pad(table, (0, 2 - table.shape[1]))
    centred = table - table.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False)[2]
    return centred @ axes[:2].T


class EmbeddingPicture(Observer):
    """Draws where the characters have come to lie as embedding.png."""

    def end(self, trainer: Trainer) -> None:
        if trainer.run is not None and have_matplotlib():
            points = to_plane(trainer.model.C.detach())
            draw_embedding(points, trainer.characters, trainer.run.path / "embedding.png")


def draw_embedding(points: torch.Tensor, characters: list[str], path: Path) -> None:
    """Each character at its point (V, 2)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), layout="constrained")
    axes = figure.subplots()
    axes.scatter(points[:, 0].tolist(), points[:, 1].tolist(), s=200)
    for (x, y), character in zip(points.tolist(), characters):
        axes.text(x, y, character, ha="center", va="center", color="white")
    axes.grid(alpha=0.3)
    axes.set_title("the characters in the embedding")
    save_figure(figure, path)


PRESETS = {
    "large": Preset(
        "10 channels, 200 hidden units",
        {"n_embd": 10, "n_hidden": 200},
        NAMES_TRAINING | {"batch_size": 256, "max_iters": 20000, "lr": 5e-3, "min_lr": 5e-5, "warmup_iters": 100},
    ),
    "lecture": Preset(
        "the same, trained as in the lecture: SGD, a batch of 32, the rate divided by ten halfway",
        {"n_embd": 10, "n_hidden": 200},
        LECTURE_TRAINING,
    ),
    "plane": Preset(
        "2 channels, to be looked at; 100 hidden units",
        {"n_embd": 2, "n_hidden": 100},
        NAMES_TRAINING | {"batch_size": 256, "max_iters": 5000, "lr": 5e-3, "min_lr": 1e-4, "warmup_iters": 100},
    ),
}

SPEC = ModelSpec(
    name="mlp",
    about=__doc__ or "",
    config=MLPConfig,
    build=MLP,
    task=NamesTask(),
    presets=PRESETS,
    preset="large",
    observers=lambda: [EmbeddingPicture()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
