"""Pictures of models of text: embeddings, counted pairs, attention."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..nn.module import Module
from .attention_maps import attention_weights
from .figure import MAP, array_of, finish, new_figure, picture, shown_labels, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["attention", "bigrams", "embedding"]

Path = str | os.PathLike[str]


@picture
def embedding(
    run: Any,
    labels: Sequence[Any] | None = None,
    *,
    name: str | None = None,
    path: Path | None = None,
) -> Figure:
    """Embedding vectors as points in the plane, each with its label.

    How to read it: tokens that the model treats alike lie together: in a model of names, the vowels
    drift apart from the consonants. Of more than two dimensions the two with the most variance are
    shown (principal components); the axes say how much of the whole that is, and where it is little,
    points that look close need not be.

    Args:
        run: (V, D) vectors, D at least 2; or a Module, whose first ``nn.Embedding`` is taken.
        labels: V of them; default, the numbers of the rows.
        name: of the Module's embedding or parameter, if another is meant.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: the Module has no embedding or none of that name; the shape or the number of labels
            is wrong; a vector is not finite. ImportError: matplotlib is missing.
    """
    vectors = _matrix(run, name)
    if vectors.ndim != 2 or vectors.shape[1] < 2 or not len(vectors):
        raise ValueError(f"embedding: expected vectors of shape (V, D), D at least 2, got {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise ValueError("embedding: there are vectors that are not finite")
    words = shown_labels(labels, len(vectors), "row")
    axis_names = ["dimension 0", "dimension 1"]
    points = vectors
    if vectors.shape[1] > 2:
        centred = vectors - vectors.mean(0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        points = u[:, :2] * s[:2]
        share = s[:2] ** 2 / max(float((s**2).sum()), 1e-30)
        axis_names = [f"principal component {i + 1} ({100 * share[i]:.0f} % of the variance)" for i in range(2)]
    figure, (ax,) = new_figure(width=6.4, height=6.0)
    ax.grid(True, axis="both")
    if len(words) <= 120:
        ax.plot(points[:, 0], points[:, 1], "o", color="#cfe3f2", markeredgecolor="#0072B2", markersize=15)
        for (x, y), word in zip(points, words):
            ax.text(x, y, word, ha="center", va="center", fontsize=9 if len(word) < 3 else 7)
    else:
        ax.plot(points[:, 0], points[:, 1], "o", color="#0072B2", markersize=2)
    ax.margins(0.08)
    ax.set(title=f"Embedding of {len(words)} tokens, {vectors.shape[1]} dimensions")
    ax.set(xlabel=axis_names[0], ylabel=axis_names[1])
    return finish(figure, path)


def _matrix(run: Any, name: str | None) -> np.ndarray:
    if not isinstance(run, Module):
        return array_of(run, "embedding").astype(np.float64)
    known = dict(run.named_modules())
    if name is not None:
        parameters = dict(run.named_parameters())
        found = parameters.get(name, getattr(known.get(name), "weight", None))
        if found is None:
            raise ValueError(f"embedding: {type(run).__name__} has no embedding or parameter {name!r}")
        return array_of(found).astype(np.float64)
    for module in known.values():
        if type(module).__name__ == "Embedding":
            return array_of(module.weight).astype(np.float64)
    raise ValueError(f"embedding: {type(run).__name__} has no nn.Embedding: give the name of a parameter")


@picture
def bigrams(counts: Any, labels: Sequence[Any] | None = None, *, path: Path | None = None) -> Figure:
    """How often each token follows each other: a heat map with the counts written in it.

    How to read it: row a, column b has the pair "ab" and how often it came. Dark cells are the pairs
    that a counting model will write; an empty row is a token that nothing ever followed.

    Args:
        counts: (V, V) counts, or probabilities (rows that add up to 1, written as percentages).
        labels: V of them.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: the shape is not (V, V), a count is negative or not finite, or the number of labels is
            wrong. ImportError: matplotlib is missing.
    """
    numbers = array_of(counts, "counts")
    if numbers.ndim != 2 or numbers.shape[0] != numbers.shape[1] or not numbers.size:
        raise ValueError(f"bigrams: expected counts of shape (V, V), got {numbers.shape}")
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        raise ValueError("bigrams: counts must be finite and not negative")
    size = len(numbers)
    words = shown_labels(labels, size, "row")
    shares = numbers.dtype.kind == "f" and float(numbers.max()) <= 1.0
    inch = max(5.0, 0.48 * size) if size <= 60 else 8.0
    figure, (ax,) = new_figure(width=inch, height=inch)
    ax.imshow(np.sqrt(numbers), cmap=MAP, interpolation="nearest")  # the root, or a few pairs would be all one saw
    ax.grid(False)
    if size <= 60:
        half = math.sqrt(float(numbers.max())) / 2
        for i in range(size):
            for j in range(size):
                value = numbers[i, j]
                ink = "white" if math.sqrt(value) > half else "#1a1a1a"
                ax.text(j, i, words[i] + words[j], ha="center", va="bottom", color=ink, fontsize=7)
                number = f"{100 * value:.1f}" if shares else _short(float(value))
                ax.text(j, i, number, ha="center", va="top", color=ink, fontsize=6)
        ax.set_xticks(range(size), words)
        ax.set_yticks(range(size), words)
    ax.tick_params(length=0)
    total = "percent" if shares else f"{numbers.sum():,.0f} pairs"
    ax.set(title=f"Bigrams: row then column ({total})", xlabel="second token", ylabel="first token")
    return finish(figure, path)


def _short(count: float) -> str:
    return f"{count:.0f}" if count < 10000 else f"{count / 1000:.0f}k"


@picture
def attention(
    run: Any,
    *inputs: Any,
    labels: Sequence[Any] | None = None,
    queries: Sequence[Any] | None = None,
    example: int = 0,
    layer: int | None = None,
    path: Path | None = None,
) -> Figure:
    """Attention maps, one per head: how much each query (row) looks at each key (column).

    How to read it: each row adds up to 1; dark is where the head looks. A diagonal looks at the token
    itself, a line below it at the one before; a dark first column is a head at rest. In a causal model
    the triangle above the diagonal is empty: anything there would be a look into the future.

    Args:
        run: weights (T, S), (H, T, S) or (B, H, T, S); or a Module, which is run on ``inputs`` (in
            evaluation mode, nothing of it is changed): every attention in its graph is drawn, a
            row a layer.
        labels: S of them, the tokens that are looked at.
        queries: T of them, the tokens that look, where those are others (cross-attention).
        example: which of the batch.
        layer: only this one, counted from 0 in the order of computation.
        path: also write the picture there (.png, .svg, .pdf).

    Raises:
        ValueError: the Module has no attention in its graph, or no such layer or example; the weights'
            shape or the number of labels is wrong. ImportError: matplotlib is missing.
    """
    if isinstance(run, Module):
        found = attention_weights(run, *inputs)
        if not found:
            raise ValueError(
                f"attention: no attention was found in the graph of {type(run).__name__}: neither "
                "scaled_dot_product_attention nor a softmax whose result has the tokens in its last two dimensions"
            )
    else:
        weights = array_of(run, "attention")
        if not 2 <= weights.ndim <= 4:
            raise ValueError(f"attention: expected weights (T, S), (H, T, S) or (B, H, T, S), got {weights.shape}")
        found = [weights.reshape((1,) * (4 - weights.ndim) + weights.shape)]
    if layer is not None:
        if not -len(found) <= layer < len(found):
            raise ValueError(f"attention: there is no layer {layer}: there are {len(found)}")
        found = [found[layer]]
    if not 0 <= example < len(found[0]):
        raise ValueError(f"attention: there is no example {example}: the batch has {len(found[0])}")
    maps = [weights[example] for weights in found]
    columns = max(len(heads) for heads in maps)
    words = None if labels is None else [visible(str(label)) for label in labels]
    rows_words = words if queries is None else [visible(str(label)) for label in queries]
    size = min(2.6, 15.0 / columns)
    figure, axes = new_figure(
        len(maps), columns, width=max(4.0, size * columns), height=0.5 + (size + 0.35) * len(maps)
    )
    for row, heads in enumerate(maps):
        for head in range(columns):
            ax = axes[row * columns + head]
            ax.grid(False)
            if head >= len(heads):
                ax.set_axis_off()
                continue
            _one_map(ax, heads[head], words, rows_words)
            title = (
                ""
                if len(heads) == len(maps) == 1
                else f"head {head}"
                if len(maps) == 1
                else f"layer {row if layer is None else layer}, head {head}"
            )
            ax.set_title(title, fontsize=8)
    axes[0].set_ylabel("query")
    axes[(len(maps) - 1) * columns].set_xlabel("key")
    return finish(figure, path)


def _one_map(ax: Any, weights: np.ndarray, keys: list[str] | None, queries: list[str] | None) -> None:
    ax.imshow(
        weights, cmap=MAP, vmin=0, interpolation="nearest", aspect="auto" if len(weights) != len(weights[0]) else None
    )
    ax.tick_params(length=0, labelsize=6)
    for axis, count, words in ((ax.xaxis, weights.shape[1], keys), (ax.yaxis, weights.shape[0], queries)):
        if words is None:
            continue
        if count != len(words):
            raise ValueError(f"labels: expected {count}, one for each token, got {len(words)}")
        axis.set_ticks(range(count), words)
