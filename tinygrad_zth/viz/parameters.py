"""How the parameters are moved: their gradients and updates against their size."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn.module import Module
from ..tensor import Tensor
from .figure import FAINT, finish, legend_below, line_style, new_figure, picture
from .recorder import recording_of
from .recording import Snapshot, WeightFigures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["parameter_gradients", "update_ratios"]

Path = str | os.PathLike[str]
MOST = 10
GOOD_RATIO = 1e-3  # A. Karpathy, "Building makemore part 3": updates of a thousandth of the data's size


@picture
def parameter_gradients(
    run: Any,
    *inputs: Any,
    step: int = -1,
    parameters: Sequence[str] | None = None,
    loss: Callable[[Any], Tensor] | None = None,
    path: Path | None = None,
) -> Figure:
    """Histograms of the parameters' gradients, with mean, std and the ratio grad:data.

    How to read it: on the right, grad:data is the std of the gradient over that of the parameter: how
    fast plain SGD with a learning rate of 1 would change it. One bar far to the right of the others is
    a layer that SGD trains faster than the rest (often the last one); Adam evens that out.

    Args:
        run: a Recording, a run's folder, or a Module: one with gradients is shown as it is, and
            given ``inputs`` it is run on them (a copy of it).
        step: the recorded step; the last by default.
        parameters: which; by default the matrices, as their names are in ``named_parameters``.
        loss: makes the loss of a Module's output where ``forward`` returns none.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: nothing was recorded, no such parameter, or none has a gradient.
        ImportError: matplotlib is missing.
    """
    snapshot = (
        _of_gradients(run) if isinstance(run, Module) and not inputs else recording_of(run, inputs, loss).at(step)
    )
    chosen = {name: w for name, w in _chosen(snapshot, parameters).items() if w.gradient is not None}
    if not chosen:
        raise ValueError("parameter_gradients: no parameter has a gradient: call backward() first")
    figure, (left, right) = new_figure(1, 2, width=9.0, height=1.6 + max(3.0, 0.26 * len(chosen)), width_ratios=[3, 2])
    for i, name in enumerate(_some(list(chosen))):
        g = chosen[name].gradient or {}
        if not g["counts"] or not sum(g["counts"]) or not g["std"] > 0:
            continue
        edges = np.linspace(g["low"], g["high"], len(g["counts"]) + 1)
        # Each in units of its own std, or the one with the smallest would be a needle.
        density = np.asarray(g["counts"]) / (sum(g["counts"]) * (edges[1] - edges[0])) * g["std"]
        left.plot((edges[1:] + edges[:-1]) / 2 / g["std"], density, label=name, **line_style(i))
    left.set(title=f"Gradients at step {snapshot.step}", xlabel="gradient / its std", ylabel="density", xlim=(-6, 6))
    left.set_yscale("log")
    left.set_ylim(1e-3, None)
    legend_below(figure, left, most=0)

    names = list(chosen)
    ratios = np.array([chosen[name].grad_ratio for name in names])
    places = np.arange(len(names))[::-1]
    shown = np.where(np.isfinite(ratios) & (ratios > 0), ratios, np.nan)
    right.set_xscale("log")
    right.hlines(places, np.nanmin(shown) / 3 if np.isfinite(shown).any() else 1e-3, shown, color=FAINT, linewidth=1)
    right.plot(shown, places, "o", color="#0072B2", markersize=5)
    for place, name, ratio in zip(places, names, ratios):
        g = chosen[name].gradient or {}
        text = f"{g['mean']:+.1e} ± {g['std']:.1e}" + ("" if math.isfinite(ratio) else "  (no ratio)")
        right.annotate(
            text,
            (0.02, place),
            xycoords=("axes fraction", "data"),
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=7,
        )
    right.set_yticks(places, names, fontsize=7)
    right.set(title="grad:data, and mean ± std", xlabel="std(gradient) / std(data)", ylim=(-0.6, len(names) - 0.3))
    return finish(figure, path)


@picture
def update_ratios(
    run: Any,
    *,
    parameters: Sequence[str] | None = None,
    path: Path | None = None,
) -> Figure:
    """The size of the updates against that of the parameters, over time, and the line at 1e-3.

    How to read it: update:data is the std of what a step added over the std of what was there. About
    1e-3 is right. Far below it (1e-5) a parameter hardly learns: raise the learning rate. Far above
    (1e-1) it is thrown about: lower it. One line apart from the others is a layer whose scale is off.

    Args:
        run: a Recording or a run's folder.
        parameters: which; by default the matrices.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        TypeError: a Module, which has no history. ValueError: no updates were recorded, or no such
            parameter. ImportError: matplotlib is missing.
    """
    if isinstance(run, Module):
        raise TypeError("update_ratios: needs a recorded run (viz.record), got a Module: it has no history")
    recording = recording_of(run)
    last = recording.at()
    lines: dict[str, list[tuple[int, float]]] = {}
    for name in _chosen(last, parameters):
        points = [(s.step, s.weights[name].update_ratio) for s in recording.snapshots if name in s.weights]
        points = [(at, ratio) for at, ratio in points if math.isfinite(ratio) and ratio > 0]
        if points:
            lines[name] = points
    if not lines:
        raise ValueError("update_ratios: no update was recorded: did the optimiser step inside the block?")
    figure, (ax,) = new_figure(height=4.2 + 0.05 * len(lines))
    for i, name in enumerate(_some(list(lines))):
        ax.plot(*zip(*lines[name]), label=name, **line_style(i, marks=True))
    ax.axhline(GOOD_RATIO, color="#1a1a1a", linewidth=2.0)
    ax.annotate(
        "1e-3", (1.0, GOOD_RATIO), xycoords=("axes fraction", "data"), xytext=(3, -3), textcoords="offset points"
    )
    ax.set_yscale("log")
    ax.set(title="update:data", xlabel="step", ylabel="std(update) / std(data)")
    legend_below(figure, ax)
    return finish(figure, path)


def _of_gradients(model: Module) -> Snapshot:
    """A model's parameters and gradients as they are."""
    from .recorder import _Watched

    watched = _Watched(model, {}, 0)
    for name, p in model.named_parameters():
        watched._on_gradient(name)(p)
    return watched.finish()


def _chosen(snapshot: Snapshot, names: Sequence[str] | None) -> dict[str, WeightFigures]:
    known = snapshot.weights
    if names is not None:
        for name in names:
            if name not in known:
                raise ValueError(f"parameters: there is no {name!r}; there are {', '.join(known)}")
        return {name: known[name] for name in names}
    matrices = {name: w for name, w in known.items() if len(w.shape) > 1}
    return matrices or known


def _some(names: list[str]) -> list[str]:
    """All of them, or MOST at even distances: more lines than that cannot be told apart."""
    if len(names) <= MOST:
        return names
    return [names[i] for i in sorted({round(i * (len(names) - 1) / (MOST - 1)) for i in range(MOST)})]
