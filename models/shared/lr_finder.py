"""The learning-rate finder: training steps at rates that grow exponentially, and the loss at each.

A good rate lies where the loss falls fastest, well before it rises. L. Smith, "Cyclical Learning Rates
for Training Neural Networks", 2017; the sweep and its picture are those of the MLP lecture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from .diagnosis import NotFiniteError
from .pictures import have_matplotlib, save_figure
from .trainer import Trainer


def sweep(trainer: Trainer, low: float, high: float, steps: int) -> list[tuple[float, float]]:
    """(rate, loss) of ``steps`` steps at rates from ``low`` to ``high``, equal factors apart.

    It ends early where the loss is no longer a number, or ten times the lowest. The model is spent.

    Raises:
        ValueError: not 0 < low < high, or steps below 2.
    """
    if not 0 < low < high or steps < 2:
        raise ValueError(f"find-lr: expected 0 < low < high and at least 2 steps, got {low:g}, {high:g} and {steps}")
    factor = math.log(high / low) / (steps - 1)
    rates = [low * math.exp(factor * i) for i in range(steps)]
    trainer.schedule = rates.__getitem__
    points: list[tuple[float, float]] = []
    for rate in rates:
        try:
            loss, _ = trainer.train_step()
        except NotFiniteError:
            break
        points.append((rate, loss))
        if loss > 10 * min(value for _, value in points):
            break
    return points


def draw_sweep(points: Sequence[tuple[float, float]], path: Path) -> bool:
    """The picture of a sweep: loss over the exponent of the rate. False without matplotlib."""
    if not have_matplotlib():
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([rate for rate, _ in points], [loss for _, loss in points], linewidth=0.8)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss (nats)", title="learning-rate sweep")
    axes.grid(alpha=0.3)
    save_figure(figure, path)
    return True
