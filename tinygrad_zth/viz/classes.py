"""What a model decides: the confusion matrix, and tables of samples."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import no_grad
from ..nn.module import Module
from .attention_maps import tensors_in
from .figure import MAP, array_of, finish, new_figure, picture, shown_labels
from .recording import Recording
from .runs import read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion", "samples"]

Path = str | os.PathLike[str]


@picture
def confusion(
    run: Any,
    targets: Any,
    *,
    inputs: Any = None,
    labels: Sequence[Any] | None = None,
    path: Path | None = None,
) -> Figure:
    """The confusion matrix: how often class a (row) was taken for class b (column).

    How to read it: the diagonal is what is right. A dark cell off it is a pair of classes that the model
    does not tell apart; the shade is the share of its row, so that rare classes show as well.

    Args:
        run: the predicted classes (N,), their logits (N, C), or a Module, run on ``inputs`` in
            evaluation mode without gradients.
        targets: (N,) the right classes, integers.
        labels: one a class.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: there are no targets, shapes do not fit, or a class is negative.
        TypeError: targets are not integers. ImportError: matplotlib is missing.
    """
    right = array_of(targets, "targets").ravel()
    predicted = _predicted(run, inputs)
    if right.dtype.kind not in "iu":
        raise TypeError(f"confusion: targets: expected integers, got {right.dtype}")
    if not right.size:
        raise ValueError("confusion: there is nothing to draw: no targets")
    if predicted.shape != right.shape:
        raise ValueError(f"confusion: {predicted.size} predictions for {right.size} targets")
    if min(right.min(), predicted.min()) < 0:
        raise ValueError("confusion: classes are numbered from 0 up, got a negative one")
    count = len(labels) if labels is not None else int(max(right.max(), predicted.max())) + 1
    if max(right.max(), predicted.max()) >= count:
        raise ValueError(
            f"labels: expected {int(max(right.max(), predicted.max())) + 1}, one for each class, got {count}"
        )
    words = shown_labels(labels, count, "class")
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (right, predicted), 1)
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    inch = min(max(4.2, 0.5 * count), 12.0)
    figure, (ax,) = new_figure(width=inch, height=inch)
    ax.imshow(share, cmap=MAP, vmin=0, vmax=1, interpolation="nearest")
    ax.grid(False)
    ax.tick_params(length=0)
    if count <= 40:
        ax.set_xticks(range(count), words, rotation=90 if max(map(len, words)) > 3 else 0)
        ax.set_yticks(range(count), words)
        for i, j in zip(*np.nonzero(table)):
            ink = "white" if share[i, j] > 0.55 else "#1a1a1a"
            ax.text(j, i, f"{table[i, j]}", ha="center", va="center", color=ink, fontsize=8 if count <= 15 else 6)
    accuracy = 100 * float((right == predicted).mean())
    ax.set(title=f"Confusion: {accuracy:.1f} % of {right.size} right", xlabel="predicted", ylabel="target")
    return finish(figure, path)


def _predicted(run: Any, inputs: Any) -> np.ndarray:
    if isinstance(run, Module):
        if inputs is None:
            raise ValueError("confusion: a model is looked at while it works: give inputs=, too")
        was_training = [(m, m.training) for m in run.modules()]
        run.eval()
        try:
            with no_grad():
                output = run(*inputs) if isinstance(inputs, tuple) else run(inputs)
        finally:
            for module, training in was_training:
                module.training = training
        run = tensors_in(output)[0]
    values = array_of(run, "run")
    if values.ndim > 1:
        values = values.reshape(-1, values.shape[-1]).argmax(-1)
    elif values.dtype.kind not in "iu":
        raise TypeError(
            f"confusion: predictions: expected integers (N,) or logits (N, C), got {values.dtype} {values.shape}"
        )
    return values


@picture
def samples(
    run: Any,
    *,
    columns: Sequence[str] | None = None,
    title: str = "Samples",
    width: int = 64,
    most: int = 24,
    path: Path | None = None,
) -> Figure:
    """A table of samples: what a model wrote as it learned, or inputs beside predictions.

    How to read it: of a run, from top to bottom, noise becomes letters, words, sentences. Of predictions,
    a row that ends in an x is one where the last two columns, predicted and right, differ.

    Args:
        run: a Recording or a run's folder (its samples, by step); a mapping from column names to
            columns; or rows, sequences of equal length, with ``columns`` as their names.
        width: characters in a line; longer texts are wrapped.
        most: rows shown; of more, some are taken at even distances.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: there are no rows, or they are not of equal length. ImportError: matplotlib is missing.
    """
    names, rows = _table_of(run, columns)
    if not rows:
        raise ValueError("samples: there is nothing to draw: no samples")
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"samples: expected {len(names)} cells in every row: {', '.join(names)}")
    if len(rows) > most:
        rows = [rows[i] for i in sorted({round(i * (len(rows) - 1) / (most - 1)) for i in range(most)})]
    if tuple(names[-2:]) == ("predicted", "target"):
        names, rows = [*names, ""], [[*row, "" if row[-1] == row[-2] else "x"] for row in rows]
    each = max(8, width // len(names)) if len(names) != 2 else width
    cells = [[_wrapped(str(cell), each) for cell in row] for row in rows]
    lines = [max(cell.count("\n") + 1 for cell in row) for row in cells]
    spans = [max(len(name), *(max(map(len, row[i].split("\n"))) for row in cells)) + 2 for i, name in enumerate(names)]
    height = 0.142 * (sum(lines) + 0.7 * len(lines) + 3)
    figure, (ax,) = new_figure(width=max(3.5, 0.085 * sum(spans)), height=max(1.2, height))
    ax.set_axis_off()
    ax.set(xlim=(0, sum(spans)), ylim=(sum(lines) + 0.7 * len(lines) + 1.4, 0), title=title)
    left = np.concatenate([[0], np.cumsum(spans)[:-1]])
    for x, name in zip(left, names):
        ax.text(x, 0.4, name, va="top", fontsize=8, fontweight="bold", family="monospace")
    y = 1.7
    for row, count in zip(cells, lines):
        ax.axhline(y - 0.2, color="#bbbbbb", linewidth=0.6)
        for x, cell in zip(left, row):
            ax.text(x, y, cell, va="top", fontsize=8, family="monospace", linespacing=1.12)
        y += count + 0.7
    return finish(figure, path)


def _table_of(run: Any, columns: Sequence[str] | None) -> tuple[list[str], list[list[Any]]]:
    if isinstance(run, Recording):
        return ["step", "sample"], [[step, text] for step, text in run.samples]
    if isinstance(run, (str, os.PathLike)):
        return ["step", "sample"], [[step, text] for step, text in read_run(run).samples]
    if isinstance(run, Mapping):
        if len({len(column) for column in run.values()}) > 1:
            raise ValueError("samples: the columns are not of equal length")
        return [str(name) for name in run], [list(row) for row in zip(*run.values())]
    rows = [list(row) if isinstance(row, (tuple, list)) else [row] for row in run]
    names = list(columns) if columns is not None else [f"column {i}" for i in range(len(rows[0]) if rows else 0)]
    return names, rows


def _wrapped(text: str, width: int) -> str:
    """Lines of at most ``width`` characters; control characters made harmless; at most eight lines."""
    text = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text.strip("\n"))
    # matplotlib reads a pair of dollar signs as mathematics.
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, width) or [""]]
    kept = lines[:8] + (["..."] if len(lines) > 8 else [])
    return "\n".join(kept).replace("$", r"\$")
