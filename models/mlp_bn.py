"""The MLP with its activations, gradients and normalisation looked after.

What it adds to the MLP: a start that is not wrong by a factor of ten (the loss of the first step is that of
guessing, log 27), weights scaled by the gain of what follows over the square root of the fan in (Kaiming),
batch normalisation written from Tensors, and the pictures by which one sees whether a network is well: the
distribution of activations, of their gradients, of the weights' gradients, and the size of the updates
relative to the weights. The deep preset is six layers of it.

    python -m models.mlp_bn train --out runs/mlp_bn               # saturation.png: dead units are white columns
    python -m models.mlp_bn train --preset deep --out runs/deep   # the four pictures: diagnostics.png
    python -m models.mlp_bn train --init unscaled --no-batch-norm --max-iters 100 --out runs/bad
    python -m models.mlp_bn sample --out runs/mlp_bn

He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", 2015; Ioffe and Szegedy, "Batch Normalization",
2015. The sizes are those of A. Karpathy's makemore, part 3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tinygrad_zth import nn

from .shared.command_line import main
from .shared.names_training import LECTURE_TRAINING, NAMES_TRAINING
from .shared.observer import Observer
from .shared.pictures import have_matplotlib, save_figure
from .shared.sampling import evaluating
from .shared.settings import Preset, Settings, setting
from .shared.spec import ModelSpec
from .shared.trainer import Trainer
from .tasks.names import NamesTask
from .tasks.task import Batch

# B: examples, T: characters of context, C: channels of a character, H: hidden units, V: characters (27).

SATURATED = 0.97  # |tanh| beyond this lets through less than 6 % of the gradient


@dataclass(frozen=True)
class MLPBNConfig(Settings):
    """The size of the network, and how it begins."""

    vocab_size: int = setting(27, "different characters", at_least=1, hidden=True)
    block_size: int = setting(3, "characters of context", at_least=1)
    n_embd: int = setting(10, "channels of a character", at_least=1)
    n_hidden: int = setting(200, "hidden units of a layer", at_least=1)
    n_layer: int = setting(1, "hidden layers", at_least=1)
    init: str = setting("kaiming", "scale of the weights at the start", choices=("kaiming", "unscaled"))
    batch_norm: bool = setting(True, "normalise each layer's preactivations over the batch")
    norm: str = setting("own", "whose batch normalisation", choices=("own", "nn"))


class OwnBatchNorm1d(nn.Module):
    """Batch normalisation over the first dimension of (B, H), written from Tensors.

    In training a unit's mean and variance are the batch's, and move the running ones by ``momentum``; in
    evaluation they are the running ones. The variance that normalises divides by B, the running one by
    B - 1 (Bessel's correction), as in PyTorch.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H) to (B, H). Raises ValueError for another shape, or for a batch of one in training."""
        if x.dim() != 2:
            raise ValueError(f"OwnBatchNorm1d: expected (B, H), got {tuple(x.shape)}")
        if self.training:
            if len(x) < 2:
                raise ValueError(f"OwnBatchNorm1d: expected more than one example in training, got {tuple(x.shape)}")
            mean = x.mean(0, keepdim=True)  # (1, H)
            var = ((x - mean) ** 2).mean(0, keepdim=True)
            with torch.no_grad():
                self.running_mean += self.momentum * (mean[0] - self.running_mean)
                self.running_var += self.momentum * (var[0] * len(x) / (len(x) - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


class MLPBN(nn.Module):
    """Embedding; n_layer times linear, batch normalisation, tanh; linear."""

    def __init__(self, config: MLPBNConfig) -> None:
        super().__init__()
        self.config = config
        self.C = nn.Parameter(torch.randn(config.vocab_size, config.n_embd))
        normed = config.batch_norm
        norm = OwnBatchNorm1d if config.norm == "own" else nn.BatchNorm1d
        layers: list[nn.Module] = []
        width = config.block_size * config.n_embd
        for _ in range(config.n_layer):
            linear = nn.Linear(width, config.n_hidden, bias=not normed)  # the norm would take a bias away again
            if config.init == "kaiming":  # tanh squeezes: its gain is 5/3
                nn.init.kaiming_normal_(linear.weight, nonlinearity="tanh")
            else:
                nn.init.normal_(linear.weight)
            layers += [linear, *([norm(config.n_hidden)] if normed else []), nn.Tanh()]
            width = config.n_hidden
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width, config.vocab_size)
        if config.init == "kaiming":  # the last layer begins unsure: nearly equal logits
            nn.init.normal_(self.head.weight, std=0.01)
        else:
            nn.init.normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Contexts (B, T) to logits (B, V) of the next character, and the mean loss with ``y`` (B,)."""
        emb = self.C[x].view(len(x), -1)  # (B, T * C)
        logits = self.head(self.hidden(emb))  # (B, V)
        return logits, None if y is None else F.cross_entropy(logits, y)

    def norms(self) -> list[nn.Module]:
        """Its batch normalisations, in order."""
        return [module for module in self.hidden if isinstance(module, (OwnBatchNorm1d, nn.BatchNorm1d))]


# ---- looking after it ------------------------------------------------------------------------------


def activations(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """What each tanh gives for the contexts ``x`` (B, T): n_layer tensors (B, H), in the model's mode."""
    found: list[torch.Tensor] = []
    h = model.C[x].view(len(x), -1)
    for module in model.hidden:
        h = module(h)
        if isinstance(module, nn.Tanh):
            found.append(h)
    return found


def saturation(h: torch.Tensor) -> float:
    """The share of the activations (B, H) of a tanh that are saturated."""
    return (h.abs() > SATURATED).float().mean().item()


def dead_units(h: torch.Tensor) -> list[int]:
    """The units of (B, H) that are saturated for every example: no gradient reaches their weights."""
    dead: list[int] = torch.nonzero((h.abs() > SATURATED).all(0)).flatten().tolist()
    return dead


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Batch]) -> None:
    """Sets every running mean and variance to those of all the training data.

    As the lecture does before inference, where running statistics are not kept. Layer after layer: what
    a layer sees depends on the statistics of those before it.
    """
    contexts = torch.cat([batch[0] for batch in batches])
    h = model.C[contexts].view(len(contexts), -1)
    with evaluating(model):
        for module in model.hidden:
            if isinstance(module, (OwnBatchNorm1d, nn.BatchNorm1d)):
                module.running_mean.copy_(h.mean(0))
                module.running_var.copy_(h.var(0))
            h = module(h)


class Calibration(Observer):
    """At the end: the loss with the running statistics, and with those of all the training data."""

    def end(self, trainer: Trainer) -> None:
        model = trainer.model
        if trainer.stop or not model.norms():
            return
        running = trainer.evaluate_whole("val")
        kept = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in model.norms()]
        calibrate(model, trainer.data.whole("train"))
        calibrated = trainer.evaluate_whole("val")
        for norm, (mean, var) in zip(model.norms(), kept):  # the model stays what was trained
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
        if running is not None and calibrated is not None:
            trainer.say(f"val loss with running statistics {running:.4f}, with calibrated ones {calibrated:.4f}")


class Diagnostics(Observer):
    """The four pictures of the deep network, as diagnostics.png, and saturation.png.

    Activations and their gradients are those of the last step; the ratio of updates to weights is kept
    for each step (thinned to some hundred points).
    """

    def __init__(self) -> None:
        self.ratios: list[tuple[int, list[float]]] = []
        self.outputs: list[torch.Tensor] = []
        self.before: list[torch.Tensor] = []

    def begin(self, trainer: Trainer) -> None:
        self.every = max(1, trainer.settings.max_iters // 200)
        self.at_start = self._looked_at(trainer)

    def _looked_at(self, trainer: Trainer) -> list[torch.Tensor]:
        """Activations of a batch that is always the same one, in training mode, without a trace of it."""
        x = next(trainer.data.whole("val"))[0][:128]
        kept = [buffer.clone() for buffer in trainer.model.buffers()]
        with torch.no_grad():
            found = activations(trainer.model, x)
            for buffer, value in zip(trainer.model.buffers(), kept):
                buffer.copy_(value)
        return found

    def matrices(self, trainer: Trainer) -> list[tuple[str, torch.Tensor]]:
        """The weights that are looked at."""
        return [(name, p) for name, p in trainer.model.named_parameters() if p.dim() == 2]

    def backward(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self.before = [p.detach().clone() for _, p in self.matrices(trainer)]

    def after_step(self, trainer: Trainer, figures: dict[str, Any]) -> None:
        if not self.before:
            return
        pairs = zip(self.matrices(trainer), self.before)
        ratio = [((p.detach() - old).std() / old.std()).item() for (_, p), old in pairs]
        self.ratios.append((trainer.step, [math.log10(max(value, 1e-12)) for value in ratio]))
        self.before = []

    def end(self, trainer: Trainer) -> None:
        if trainer.run is None or not have_matplotlib() or not self.ratios:
            return
        draw_diagnostics(self, trainer, trainer.run.path / "diagnostics.png")
        draw_saturation([self.at_start[0], self._looked_at(trainer)[0]], trainer.run.path / "saturation.png")


def _gradients_of_activations(trainer: Trainer) -> list[torch.Tensor]:
    """The gradients that reach each tanh's output on one batch; the parameters' are left as they were."""
    model = trainer.model
    x, y = (t[:1024] for t in next(trainer.data.whole("val")))
    kept = [buffer.clone() for buffer in model.buffers()]
    outputs = activations(model, x)
    loss = F.cross_entropy(model.head(outputs[-1]), y)
    gradients = torch.autograd.grad(loss, outputs)
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), kept):
            buffer.copy_(value)
    return list(gradients)


def draw_diagnostics(seen: Diagnostics, trainer: Trainer, path: Path) -> None:
    """Activations, their gradients, the weights' gradients, and the updates relative to the weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9), layout="constrained")
    (one, two), (three, four) = figure.subplots(2, 2)
    for i, h in enumerate(seen._looked_at(trainer)):
        label = f"layer {i}: mean {h.mean():+.2f}, std {h.std():.2f}, saturated {saturation(h):.1%}"
        _density(one, h, label)
    one.set_title("activations (tanh)")
    for i, g in enumerate(_gradients_of_activations(trainer)):
        _density(two, g, f"layer {i}: mean {g.mean():+.1e}, std {g.std():.1e}")
    two.set_title("gradients of the activations")
    names = []
    for name, p in seen.matrices(trainer):
        names.append(name)
        if p.grad is not None:
            _density(three, p.grad, f"{name}: grad:data {(p.grad.std() / p.detach().std()).item():.1e}")
    three.set_title("gradients of the weights")
    steps = [step for step, _ in seen.ratios]
    for name, values in zip(names, zip(*(ratio for _, ratio in seen.ratios))):
        four.plot(steps, values, label=name, linewidth=0.8)
    four.axhline(-3, color="black", linewidth=1)
    four.set(title="update : data, log10 of their deviations; -3 is about right", xlabel="step")
    for axes in (one, two, three, four):
        axes.legend(fontsize=7)
    save_figure(figure, path)


def _density(axes: Any, t: torch.Tensor, label: str) -> None:
    values, edges = torch.histogram(t.detach().flatten(), bins=80, density=True)
    axes.plot(((edges[1:] + edges[:-1]) / 2).tolist(), values.tolist(), label=label, linewidth=0.9)


def draw_saturation(pictures: list[torch.Tensor], path: Path) -> None:
    """Where the activations (B, H) are saturated, white; a white column is a dead unit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4 * len(pictures)), layout="constrained")
    for axes, h, when in zip(figure.subplots(len(pictures), 1), pictures, ("at the start", "at the end")):
        axes.imshow((h.abs() > SATURATED).tolist(), cmap="gray", interpolation="nearest", aspect="auto", vmin=0, vmax=1)
        axes.set(xlabel="unit", ylabel="example")
        axes.set_title(f"{when}: |tanh| > {SATURATED}: {saturation(h):.1%}, dead units {len(dead_units(h))}")
    save_figure(figure, path)


PRESETS = {
    "large": Preset(
        "10 channels, 200 hidden units, batch normalisation",
        {"n_embd": 10, "n_hidden": 200},
        NAMES_TRAINING | {"batch_size": 256, "max_iters": 30_000, "lr": 5e-3, "min_lr": 5e-5, "warmup_iters": 100},
    ),
    "deep": Preset(
        "six layers of 100 units: for the pictures",
        {"n_embd": 10, "n_hidden": 100, "n_layer": 6},
        NAMES_TRAINING | {"batch_size": 256, "max_iters": 10_000, "lr": 3e-3, "min_lr": 3e-5, "warmup_iters": 100},
    ),
    "lecture": Preset(
        "as large, trained as in the lecture: SGD, a batch of 32, the rate divided by ten halfway",
        {"n_embd": 10, "n_hidden": 200},
        LECTURE_TRAINING,
    ),
}

SPEC = ModelSpec(
    name="mlp_bn",
    about=__doc__ or "",
    config=MLPBNConfig,
    build=MLPBN,
    task=NamesTask(),
    presets=PRESETS,
    preset="large",
    observers=lambda: [Diagnostics(), Calibration()],
)

if __name__ == "__main__":
    sys.exit(main(SPEC))
