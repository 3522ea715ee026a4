"""Two moons told apart by a multi-layer perceptron of scalars (`tinygrad_zth.value`).

A hundred points lie on two interleaved half circles. An MLP 2-16-16-1, all of its 337 parameters
single numbers, learns which point lies on which: a max-margin (SVM) loss, mean max(0, 1 - y f(x)),
with a little weight decay, and plain gradient descent over all the points at each step. In some
seconds it has every point right.

The gradients are those of the scalar engine, each a number; the trainer, the checkpoints and the
command line are those of all models, for which the 337 numbers are one tensor.

    python -m models.micrograd train                  # and boundary.png; neuron.svg, the graph of a loss
    python -m models.micrograd eval                   # accuracy on the training points and on new ones
    python -m models.micrograd sample                 # the plane as the model sees it
    python -m models.micrograd sample --prompt "0.5 0.2"

After the demo of A. Karpathy's micrograd; the loss is Cortes and Vapnik's, "Support-vector
networks", 1995.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tinygrad_zth as torch
from data.fetch import write_atomically
from tinygrad_zth import nn
from tinygrad_zth.value import MLP, Value, draw_dot, linear

from .shared.command_line import main
from .shared.observer import Observer
from .shared.pictures import have_matplotlib, save_figure
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.moons import SEEDS, X_RANGE, Y_RANGE, MoonsTask, Point, moons, scale, scores_of
from .tasks.task import Batch


@dataclass(frozen=True)
class MicrogradConfig(Settings):
    """The points, and the network."""

    points: int = setting(100, "points of each part", at_least=1)
    noise: float = setting(0.08, "their standard deviation from the half circles", at_least=0)
    width: int = setting(16, "neurons of a hidden layer", at_least=1)
    depth: int = setting(2, "hidden layers", at_least=0)
    nonlin: str = setting("relu", "of the hidden layers", choices=("relu", "tanh", "sigmoid"))
    l2: float = setting(1e-4, "weight of the squared parameters in the loss", at_least=0)


def loss_of(model: MLP, xs: Sequence[Point], ys: Sequence[int], l2: float) -> Value:
    """Mean max(0, 1 - y f(x)), plus `l2` times the sum of the squared parameters."""
    margins = [y * model(x) for x, y in zip(xs, ys)]
    data_loss = sum((1 - margin).relu() for margin in margins) / len(xs)
    parameters = model.parameters()
    loss: Value = data_loss + l2 * linear(parameters, parameters, Value(0.0))
    return loss


class Micrograd(nn.Module):
    """An MLP of Values. Their numbers are kept in one parameter, float64, from which they are read."""

    def __init__(self, config: MicrogradConfig) -> None:
        super().__init__()
        self.config = config
        random.seed(torch.initial_seed())
        self.mlp = MLP(2, [config.width] * config.depth + [1], config.nonlin)
        self.numbers = nn.Parameter(torch.tensor([p.data for p in self.mlp.parameters()], dtype=torch.float64))

    def values(self) -> MLP:
        """The MLP, its Values up to date, without gradients."""
        for p, number in zip(self.mlp.parameters(), self.numbers.tolist()):
            p.data, p.grad = number, 0.0
        return self.mlp

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Points (B, 2) to scores (B,), above 0 for the upper moon; and the loss with ``y`` (B,), 1 or 0.

        The results are numbers without a graph of tensors: see :class:`ByValue`. The loss is without
        the weight decay.
        """
        mlp = self.values()
        scores = torch.tensor([mlp(point).data for point in x.tolist()], dtype=torch.float64)
        return scores, None if y is None else (1 - (2 * y - 1) * scores).clamp(min=0).mean()


class ByValue(Trainer):
    """Gradients by the scalar engine."""

    def gradients(self, batch: Batch, share: float) -> torch.Tensor:
        """Adds ``share`` times the gradient of the loss on ``batch``; returns the loss, weight decay included."""
        model = self.model
        x, y = batch
        mlp = model.values()
        loss = loss_of(mlp, x.tolist(), (2 * y - 1).tolist(), model.config.l2)
        loss.backward()
        gradient = share * torch.tensor([p.grad for p in mlp.parameters()], dtype=torch.float64)
        before = model.numbers.grad
        model.numbers.grad = gradient if before is None else before + gradient
        return torch.tensor(loss.data, dtype=torch.float64)


# ---- pictures ----------------------------------------------------------------------------------


class Pictures(Observer):
    """At the end: the decision boundary as boundary.png, and the graph of a neuron's loss as neuron.svg."""

    def end(self, trainer: Trainer) -> None:
        if trainer.run is None:
            return
        neuron = MLP(2, [1], "tanh")
        graph = draw_dot(loss_of(neuron, [(0.5, 0.2)], [1], 0.0))
        write_atomically(trainer.run.path / "neuron.svg", graph.svg.encode())
        if have_matplotlib():
            draw_boundary(trainer.model, trainer.run.path / "boundary.png")


def draw_boundary(model: nn.Module, path: Path) -> None:
    """The training points, and the plane as the model sees it."""
    from matplotlib.figure import Figure

    xs, ys = moons(model.config.points, model.config.noise, SEEDS["train"])
    across, up = scale(X_RANGE, 81), scale(Y_RANGE, 51)
    scores = [scores_of(model)([(x, y) for x in across]) for y in up]
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    low, high = min(map(min, scores)), max(map(max, scores))
    if low < 0 < high:
        axes.contourf(across, up, scores, [low, 0, high], colors=["#f6c8b8", "#bcd4ee"])
        axes.contour(across, up, scores, [-1, 0, 1], colors="#555", linestyles=["--", "-", "--"])
    for label, colour in ((1, "#1f5fa8"), (-1, "#c1431b")):
        chosen = [x for x, y in zip(xs, ys) if y == label]
        axes.scatter([x for x, _ in chosen], [y for _, y in chosen], c=colour, edgecolors="white")
    axes.set_title("Two moons: the boundary, and the margins at ±1")
    save_figure(figure, path)


PRESETS = {
    "moons": Preset(
        "2-16-16-1, 200 steps over all points",
        {},
        {
            "batch_size": 0,
            "max_iters": 200,
            "optimizer": "sgd",
            "lr": 1.0,
            "min_lr": 0.1,
            "warmup_iters": 0,
            "weight_decay": 0.0,
            "grad_clip": 0.0,
            "eval_iters": 0,
            "eval_interval": 20,
        },
    ),
}

SPEC = ModelSpec(
    name="micrograd",
    about=__doc__ or "",
    config=MicrogradConfig,
    build=Micrograd,
    task=MoonsTask(),
    presets=PRESETS,
    preset="moons",
    trainer=ByValue,
    observers=lambda: [Pictures()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
