"""Loss curves, smoothed; and the sweep that finds a learning rate."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn.module import Module
from ..ops.random import get_rng_state, set_rng_state
from ..optim import SGD
from ..tensor import Tensor
from .figure import array_of, finish, finite_part, line_style, new_figure, picture
from .recorder import first_loss
from .recording import Recording
from .runs import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..optim.optimizer import Optimizer

__all__ = ["Sweep", "learning_rate_sweep", "losses", "smoothed", "sweep"]

Path = str | os.PathLike[str]


def smoothed(values: Any, weight: float = 0.9) -> np.ndarray:
    """The exponential moving average of a series, corrected for its start (Kingma and Ba, 2015).

    Args:
        values: (N,) numbers; one that is not finite repeats the average before it.
        weight: of what was before; 0 changes nothing.

    Raises:
        ValueError: weight is not from 0 to below 1.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothed: weight: expected a number from 0 to below 1, got {weight}")
    mean = total = 0.0
    out = []
    for value in array_of(values, "values").ravel().tolist():
        if math.isfinite(value):
            mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        out.append(mean / total if total else math.nan)
    return np.array(out)


@picture
def losses(
    run: Any,
    *,
    smooth: float | None = None,
    initial: float | None = None,
    log_scale: bool = False,
    path: Path | None = None,
) -> Figure:
    """Loss curves: each series as it is, faintly, and smoothed on top of that.

    How to read it: the steep start is the model learning how often each answer comes; the long slope
    is what training is for. A gap that opens between train and val is overfitting; spikes are a
    learning rate at its limit; a start far above the dashed line (log of the number of classes: the
    loss of guessing) is a bad initialisation. Steps whose loss was NaN are marked by crosses.

    Args:
        run: a Recording, a run's folder, a series of numbers, or several: name to series, or name to
            (steps, values).
        smooth: weight of the past in the moving average, 0 for none; default, by the series' length: none
            up to 30 values, 0.98 for thousands.
        initial: where to draw the dashed line.
        log_scale: of the loss.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: a series is empty, or no value in it is finite. FileNotFoundError: no such run.
        ImportError: matplotlib is missing.
    """
    series = _series_of(run)
    figure, (ax,) = new_figure(height=4.2)
    notes = []
    for i, (name, (steps, values)) in enumerate(series.items()):
        good, bad = finite_part(values, f"losses: {name}")
        style = line_style(i)
        weight = min(max(0.0, 1 - 30 / len(values)), 0.98) if smooth is None else smooth
        if weight:
            ax.plot(steps, values, color=style["color"], linewidth=0.6, alpha=0.35)
            ax.plot(steps, smoothed(values, weight), label=f"{name} (smoothed)", **style)
        else:
            ax.plot(steps, values, label=name, **line_style(i, marks=True))
        if bad.size:
            top = float(good.max())
            ax.plot(steps[bad], np.full(bad.size, top), "x", color=style["color"], markersize=5)
            notes.append(f"{name}: {bad.size} of {len(values)} not finite, first at step {steps[bad[0]]:g}")
    if initial is not None:
        ax.axhline(initial, color="#1a1a1a", linestyle=(0, (4, 4)), linewidth=1)
        ax.annotate(
            f"guessing: {initial:.3g}", (1, initial), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    if log_scale:
        ax.set_yscale("log")
    ax.set(title="; ".join(["Loss", *notes]), xlabel="step", ylabel="loss")
    ax.legend()
    return finish(figure, path)


def _series_of(run: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if isinstance(run, Recording):
        steps, values = zip(*run.losses) if run.losses else ((), ())
        run = {"train": (steps, values)}
    elif isinstance(run, (str, os.PathLike)):
        rows = read_metrics(run)
        found = {}
        for name in ("train_loss", "val_loss"):
            points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
            if points:
                found[name.removesuffix("_loss")] = tuple(zip(*points))
        if not found:
            raise ValueError(f"losses: there is nothing to draw: {os.fspath(run)} has no losses yet")
        run = found
    elif isinstance(run, Module):
        raise TypeError("losses: needs a recorded run or its losses, got a Module: it has no history")
    if not isinstance(run, Mapping):
        run = {"loss": run}
    if not run:
        raise ValueError("losses: there is nothing to draw: no series was given")
    series = {}
    for name, value in run.items():
        if isinstance(value, tuple) and len(value) == 2 and np.ndim(value[0]) == 1:
            steps_, values_ = array_of(value[0], "steps"), array_of(value[1], name)
        else:
            values_ = array_of(value, name).ravel()
            steps_ = np.arange(values_.size)
        if steps_.shape != values_.shape:
            raise ValueError(f"losses: {name}: {values_.size} values at {steps_.size} steps")
        series[str(name)] = (steps_, values_.astype(np.float64))
    return series


# ---- the learning-rate sweep -------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """What :func:`sweep` found: the rates (N,), the loss at each, its smoothed form, the suggestion."""

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    suggested: float


def sweep(
    model: Module,
    batches: Iterable[Any] | Callable[[], Any],
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    loss: Callable[[Any, Any], Tensor] | None = None,
    optimizer: Callable[[Any], Optimizer] | None = None,
    smooth: float = 0.9,
) -> Sweep:
    """Train a copy of ``model`` while the learning rate rises from ``low`` to ``high``, evenly in its log.

    The suggested rate is where the smoothed loss falls most steeply, taken before its minimum (L. Smith,
    "Cyclical Learning Rates for Training Neural Networks", 2017). The sweep ends early once the loss is
    four times its best or not finite. The model, and the default random stream, stay as they are.

    Args:
        batches: a function that gives a batch, or an iterable of them (gone through again as needed).
            A batch is a tuple of arguments of the model.
        loss: of (output, last element of the batch), for a model whose ``forward`` returns no loss; the
            model is then given the batch without its last element.
        optimizer: makes one of the parameters; default SGD.

    Raises:
        ValueError: not 0 < low < high, fewer than 10 steps, no batches, or not 5 finite losses.
    """
    if not 0 < low < high:
        raise ValueError(f"sweep: expected 0 < low < high, got low={low}, high={high}")
    if steps < 10:
        raise ValueError(f"sweep: steps: expected at least 10, got {steps}")
    twin, state = copy.deepcopy(model), get_rng_state()
    twin.train()
    trained = (optimizer or (lambda p: SGD(p, lr=low)))(list(twin.parameters()))
    source = batches if callable(batches) else _again_and_again(batches)
    rates: list[float] = []
    seen: list[float] = []
    try:
        for rate in np.geomspace(low, high, steps).tolist():
            value = loss_of(twin, source(), loss)
            number = float(value.detach())
            if not math.isfinite(number) or (len(seen) > 10 and number > 4 * min(seen)):
                break
            rates.append(rate)
            seen.append(number)
            for group in trained.param_groups:
                group["lr"] = rate
            trained.zero_grad()
            value.backward()
            trained.step()
    finally:
        set_rng_state(state)
    if len(seen) < 5:
        raise ValueError(f"sweep: only {len(seen)} finite losses: begin with a lower rate than {low:g}")
    even = smoothed(seen, smooth)
    best = max(int(np.argmin(even)), 2)
    return Sweep(np.array(rates), np.array(seen), even, _steepest(np.log(rates), np.array(seen), best))


def _steepest(x: np.ndarray, y: np.ndarray, end: int) -> float:
    """exp(x) where a line through a tenth of the points falls most steeply, before the ``end``-th."""
    half = max(2, len(x) // 20)
    best, place = math.inf, float(x[min(end, len(x) - 1)])
    for i in range(half, max(end, half + 1)):
        part = slice(i - half, i + half + 1)
        slope = float(np.polyfit(x[part], y[part], 1)[0]) if len(x[part]) > 2 else math.inf
        if slope < best:
            best, place = slope, float(x[i])
    return math.exp(place)


def loss_of(model: Any, batch: Any, loss: Callable[[Any, Any], Tensor] | None) -> Tensor:
    """The loss of ``model`` on ``batch``: its own, or ``loss(model(*inputs), targets)``.

    Raises:
        ValueError: the model returns no loss and none was given.
    """
    batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    if loss is not None:
        return loss(model(*batch[:-1]), batch[-1])
    found = first_loss(model(*batch))
    if found is None:
        raise ValueError(f"{type(model).__name__} returns no 0-d loss: give loss=, a function of (output, targets)")
    return found


def _again_and_again(batches: Iterable[Any]) -> Callable[[], Any]:
    kept = batches if hasattr(batches, "__len__") else list(batches)
    iterator = iter(kept)

    def following() -> Any:
        nonlocal iterator
        try:
            return next(iterator)
        except StopIteration:
            iterator = iter(kept)
        try:
            return next(iterator)
        except StopIteration:
            raise ValueError("sweep: there are no batches") from None

    return following


@picture
def learning_rate_sweep(
    run: Sweep | Module,
    batches: Iterable[Any] | Callable[[], Any] | None = None,
    *,
    path: Path | None = None,
    **options: Any,
) -> Figure:
    """The loss while the learning rate rises, and the suggested rate.

    How to read it: on the left nothing happens, the rate is too low; then the loss falls; on the right
    it explodes. The suggestion, marked, is where it falls most steeply: a good rate to begin with,
    with room before the minimum, from which on it is too high.

    Args:
        run: a :class:`Sweep`, or a Module with its ``batches`` and the ``options`` of :func:`sweep`.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        as :func:`sweep`; TypeError: a Module without batches. ImportError: matplotlib is missing.
    """
    if isinstance(run, Module):
        if batches is None:
            raise TypeError("learning_rate_sweep: a Module needs batches to be trained on")
        run = sweep(run, batches, **options)
    figure, (ax,) = new_figure(height=4.2)
    ax.plot(run.rates, run.losses, color="#56B4E9", linewidth=0.7, alpha=0.8)
    ax.plot(run.rates, run.smooth, label="loss (smoothed)", **line_style(0))
    at = int(np.argmin(np.abs(run.rates - run.suggested)))
    ax.axvline(run.suggested, color="#1a1a1a", linestyle="--", linewidth=1)
    ax.plot(run.suggested, run.smooth[at], "o", color="#D55E00", markersize=7)
    ax.annotate(
        f"suggested: {run.suggested:.2g}", (run.suggested, run.smooth[at]), xytext=(8, 8), textcoords="offset points"
    )
    ax.set_xscale("log")
    top = float(np.nanmax(run.smooth[: max(5, len(run.smooth) // 2)]))
    low = float(np.nanmin(run.smooth))
    ax.set_ylim(low - 0.1 * (top - low + 1e-12), top + 0.6 * (top - low + 1e-12))
    ax.set(title="Learning-rate sweep", xlabel="learning rate", ylabel="loss")
    ax.legend()
    return finish(figure, path)
