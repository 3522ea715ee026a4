"""What the layers give out and get back: histograms of activations and of their gradients, dead units."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor
from .figure import FAINT, INK, empty_figure, finish, legend_below, line_style, new_figure, picture, short_names
from .recorder import recording_of
from .recording import LayerFigures, Snapshot
from .statistics import SATURATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["activations", "dead_units", "gradients"]

Path = str | os.PathLike[str]
MOST = 10  # lines in a histogram; of more layers, some are taken at even distances


@picture
def activations(
    run: Any,
    *inputs: Any,
    step: int = -1,
    layers: Sequence[str] | None = None,
    loss: Callable[[Any], Tensor] | None = None,
    path: Path | None = None,
) -> Figure:
    """Histograms of what each layer gives out, with its mean, std and share of saturated elements.

    How to read it: above, one line a layer. For tanh layers the mass should lie between the ends: a
    tower at -1 or 1 is a layer that no gradient passes. Below, mean +- std by depth (they should neither
    shrink nor grow from layer to layer), and the saturated share as bars: for tanh, 5 % is fine and
    40 % is not; a relu is at 0 for about half of its inputs, and that is as it should be.

    Args:
        run: a Recording, a run's folder, or a Module, which is run once on ``inputs``.
        step: the recorded step; the last by default.
        layers: which; by default the nonlinearities if there are two or more, else all.
        loss: for a Module whose output is no loss, makes it (only gradients need one).
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: nothing was recorded, no such layer, or a Module without inputs.
        ImportError: matplotlib is missing.
    """
    snapshot = recording_of(run, inputs, loss).at(step)
    chosen = _chosen(snapshot, layers)
    figure = _histograms(
        {name: layer.output for name, layer in chosen.items()},
        {name: layer.kind for name, layer in chosen.items()},
        f"Activations at step {snapshot.step}",
        "output",
    )
    return finish(figure, path)


@picture
def gradients(
    run: Any,
    *inputs: Any,
    step: int = -1,
    layers: Sequence[str] | None = None,
    loss: Callable[[Any], Tensor] | None = None,
    path: Path | None = None,
) -> Figure:
    """Histograms of the gradient with respect to what each layer gave out.

    How to read it: the widths should be about the same at all depths. Lines that grow narrower
    towards the first layer are a gradient that vanishes; the other way round, one that explodes.

    Arguments and what is raised: as :func:`activations`; ValueError also if no gradient was recorded.
    """
    snapshot = recording_of(run, inputs, loss).at(step)
    chosen = {n: layer for n, layer in _chosen(snapshot, layers).items() if layer.gradient is not None}
    if not chosen:
        raise ValueError(
            "gradients: no gradient reached the layers at that step; a Module needs targets among its inputs, or loss="
        )
    figure = _histograms(
        {name: layer.gradient or {} for name, layer in chosen.items()},
        dict.fromkeys(chosen, ""),
        f"Gradients of the layers' outputs at step {snapshot.step}",
        "gradient",
    )
    return finish(figure, path)


@picture
def dead_units(
    run: Any,
    *inputs: Any,
    step: int = -1,
    layers: Sequence[str] | None = None,
    path: Path | None = None,
) -> Figure:
    """Which units are saturated for which examples: dark is saturated.

    How to read it: a row is an example, a column a unit. A column that is dark from top to bottom is
    a unit that no example of the batch moves: no gradient reaches its weights, it is dead. The title
    counts them over the whole batch. Dark specks all over are normal (for a relu, half the map).

    Arguments and what is raised: as :func:`activations`; ValueError also if no layer saturates.
    """
    snapshot = recording_of(run, inputs).at(step)
    if layers is not None:
        _chosen(snapshot, layers)
    chosen = {
        name: layer
        for name, layer in snapshot.layers.items()
        if layer.output["map"] is not None and (layers is None or name in layers)
    }
    if not chosen:
        kinds = ", ".join(sorted(SATURATION))
        raise ValueError(f"dead_units: no layer with a map of its units at that step; those that saturate: {kinds}")
    figure, axes = new_figure(len(chosen), width=7.0, height=0.6 + 1.5 * len(chosen))
    for ax, (name, layer) in zip(axes, chosen.items()):
        flags, units = np.asarray(layer.output["map"], bool), np.asarray(layer.output["units"])
        dead = int((units >= 1).sum())
        ax.imshow(flags, cmap="gray_r", aspect="auto", interpolation="nearest", vmin=0, vmax=1)
        ax.set_title(
            f"{_label(name, layer.kind)}: {dead} of {units.size} units dead, {_percent(units.mean())} saturated"
        )
        ax.set(ylabel="example")
        ax.grid(False)
        for column in np.flatnonzero(units[: flags.shape[1]] >= 1):
            ax.plot(column, -0.7, marker="v", color="#D55E00", markersize=4, clip_on=False)
    axes[-1].set_xlabel("unit (a mark above it: dead in the whole batch)")
    return finish(figure, path)


def _chosen(snapshot: Snapshot, layers: Sequence[str] | None) -> dict[str, LayerFigures]:
    known = snapshot.layers
    if not known:
        raise ValueError(f"no layer gave out a floating tensor at step {snapshot.step}: there is nothing to draw")
    if layers is not None:
        for name in layers:
            if name not in known:
                raise ValueError(f"layers: {name!r} was not recorded; these were: {', '.join(known)}")
        return {name: known[name] for name in layers}
    bending = {name: layer for name, layer in known.items() if layer.kind in SATURATION}
    chosen = bending if len(bending) > 1 else known
    if len(chosen) > MOST:
        kept = sorted({round(i * (len(chosen) - 1) / (MOST - 1)) for i in range(MOST)})
        names = list(chosen)
        chosen = {names[i]: chosen[names[i]] for i in kept}
    return chosen


def _histograms(series: dict[str, dict[str, Any]], kinds: dict[str, str], title: str, what: str) -> Figure:
    drawn = {name: f for name, f in series.items() if f["counts"] is not None and sum(f["counts"])}
    if not drawn:
        raise ValueError(f"{what}: there is nothing to draw: no finite value, or a step whose histograms were not kept")
    with_bars = {name: f["saturated"] for name, f in series.items() if f.get("saturated") is not None}
    figure = empty_figure(7.4 if with_bars else 7.0, 5.6)
    rows = [["above", "above"], ["below", "share"]] if with_bars else [["above"], ["below"]]
    axes: dict[str, Any] = figure.subplot_mosaic(rows, height_ratios=[3, 2], width_ratios=[3, 2] if with_bars else [1])
    above, below = axes["above"], axes["below"]
    for i, (name, f) in enumerate(drawn.items()):
        edges = np.linspace(f["low"], f["high"], len(f["counts"]) + 1)
        density = np.asarray(f["counts"]) / (sum(f["counts"]) * (edges[1] - edges[0]))
        bad = f", {f['not_finite']} not finite" if f["not_finite"] else ""
        above.plot((edges[1:] + edges[:-1]) / 2, density, label=f"{_label(name, kinds[name])}{bad}", **line_style(i))
    above.set(title=title, xlabel=what, ylabel="density")
    above.set_xlim(*_middle(drawn))
    legend_below(figure, above)

    places = np.arange(len(series))
    means = np.array([f["mean"] for f in series.values()], float)
    stds = np.array([f["std"] for f in series.values()], float)
    below.errorbar(places, means, yerr=stds, fmt="o", color=INK, capsize=4, markersize=4, linewidth=1.2)
    below.axhline(0, color=FAINT, linewidth=0.8)
    labels = short_names(list(series))
    crowded = sum(map(len, labels)) > (36 if with_bars else 64)
    below.set_xticks(places, labels, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    below.tick_params(axis="x", labelsize=7)
    below.set(ylabel="mean ± std", xlim=(-0.6, len(series) - 0.4))
    for place, mean, std in zip(places, means, stds):
        below.annotate(
            f"{mean:+.2g}\n±{std:.2g}", (place, mean), xytext=(6, -4), textcoords="offset points", fontsize=7
        )
    if with_bars:
        share, down = axes["share"], np.arange(len(with_bars))[::-1]
        bars = share.barh(down, [100 * v for v in with_bars.values()], height=0.6, color="#56B4E9", edgecolor=INK)
        share.bar_label(bars, [_percent(v) for v in with_bars.values()], fontsize=7, padding=2)
        share.set_yticks(down, short_names(list(with_bars)), fontsize=7)
        share.set(xlabel="% saturated", xlim=(0, 108))
        share.grid(False)
    return figure


def _middle(series: dict[str, dict[str, Any]]) -> tuple[float, float]:
    """The range that shows every line, but not the outliers of the widest."""
    low = min(max(f["low"], f["mean"] - 6 * f["std"]) for f in series.values())
    high = max(min(f["high"], f["mean"] + 6 * f["std"]) for f in series.values())
    return (low, high) if high > low and math.isfinite(high - low) else (low - 1, high + 1)


def _label(name: str, kind: str) -> str:
    return f"{name} ({kind})" if kind and kind != name else name


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
