"""Losses with a margin: hinges of scores, of cosines and of distances."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...backends import backend_of
from ...dtypes import of
from ...ops.calling import shown_as
from ...ops.compare import where
from ...refusal import on_one_device
from ...tensor import Tensor, new_tensor
from .activations import logsigmoid, softplus
from .distance import pairwise_distance
from .dropout import beside
from .reduction import reduced, reduction_of

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_margin_loss", "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def _zero(like: Tensor) -> Tensor:
    return new_tensor(backend_of(like._array).xp.zeros((), like._array.dtype))


def _hinge(x: Tensor) -> Tensor:
    return x.clamp_min(0)


# ---------------------------------------------------------------------------- classes


def _rows(input: Tensor) -> Tensor:
    """The input as (N, C). Raises RuntimeError for another number of dimensions, or no class."""
    shape = input.shape
    if len(shape) > 2 or 0 in shape[-1:]:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(shape)}"
        )
    return input if len(shape) == 2 else input.reshape(1, -1)


@shown_as("MultiMarginLossBackward0")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over other classes of max(0, margin - x[y] + x[i]) ** p, p being 1 or 2; (N, C) or (C,).

    Raises ValueError for another p, RuntimeError for shapes, dtypes or targets that do not fit.
    """
    how = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    rows = _rows(input)
    n, classes = rows.shape
    if target.numel() != n or target.dim() > 1:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{n}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    places = target._array
    if places.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {of(places.dtype).legacy}")
    if places.size and (places.min() < 0 or places.max() >= classes):
        raise RuntimeError("target out of range")
    index = target.reshape(-1, 1)
    gaps = _hinge(rows - rows.gather(1, index) + margin)
    gaps = gaps if p == 1 else gaps * gaps
    if weight is not None:
        gaps = gaps * weight[index]
    losses = gaps.scatter(1, index, 0.0).sum(1) / classes
    return reduced(losses if input.dim() == 2 else losses.squeeze(0), how)


@shown_as("MultilabelMarginLossBackward0")
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Hinge between each target class (up to the first -1) and each other class; (N, C) or (C,).

    Raises RuntimeError for shapes, dtypes or targets that do not fit.
    """
    how = reduction_of(reduction, size_average, reduce)
    rows = _rows(input)
    if target.shape != input.shape and not (input.dim() < 2 and target.dim() < 2 and target.numel() == input.numel()):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    on_one_device("multilabel_margin_loss", input._array, target._array)
    labels = backend_of(target._array).to_numpy(target._array).reshape(rows.shape)  # the host finds what is compared
    if labels.dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {of(labels.dtype).legacy}")
    classes = rows.shape[1]
    if labels.size and (labels.min() < -1 or labels.max() >= classes):
        raise RuntimeError("argument #2 'target' is out of range")
    counted = np.logical_and.accumulate(labels >= 0, 1)
    labels = np.where(counted, labels, 0)
    own = np.zeros(labels.shape, bool)
    np.put_along_axis(own, labels, counted, 1)  # a place counted first may be written False by a 0 put in above
    np.logical_or.at(own, (np.arange(len(own))[:, None], labels), counted)
    pairs = (counted[:, :, None] & ~own[:, None, :]).astype(rows._array.dtype)
    wanted = rows.gather(1, beside(rows, labels)).unsqueeze(2)
    gaps = _hinge(1 - wanted + rows.unsqueeze(1)) * beside(rows, pairs)
    losses = gaps.sum((1, 2)) / classes
    return reduced(losses if input.dim() == 2 else losses.squeeze(0), how)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over classes of the logistic loss of each label; (N, C)."""
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    losses = losses if weight is None else losses * weight
    losses = losses.sum(input.dim() - 1) / input.shape[-1]
    return reduced(losses, reduction_of(reduction, size_average, reduce))


# ---------------------------------------------------------------------------- signs


@shown_as("SoftMarginLossBackward0")
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + exp(-y x)), y being 1 or -1."""
    how = reduction_of(reduction, size_average, reduce)
    return reduced(softplus(-target * input, threshold=1e30), how)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """x where y is 1, max(0, margin - x) where it is -1."""
    how = reduction_of(reduction, size_average, reduce)
    nothing = _zero(input)
    apart = where(target != 1, _hinge(margin - input), nothing)
    return reduced(apart + where(target != -1, input, nothing), how)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin - y (x1 - x2)). Raises RuntimeError unless all have the same number of dimensions."""
    how = reduction_of(reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced(_hinge(-target * (input1 - input2) + margin), how)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where y is 1, max(0, cos - margin) where it is -1; (N, D) and y (N,), or (D,) and y ().

    Raises RuntimeError for other numbers of dimensions.
    """
    how = reduction_of(reduction, size_average, reduce)
    d = target.dim()
    if d > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != d + 1 or input2.dim() != d + 1:
        raise RuntimeError(
            f"{d}D target tensor expects {d + 1}D input tensors, but found inputs with sizes {list(input1.shape)} and "
            f"{list(input2.shape)}."
        )
    products = (input1 * input2).sum(-1)
    lengths = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cos = products / lengths.sqrt()
    nothing = _zero(cos)
    losses = where(target == 1, 1 - cos, nothing) + where(target == -1, _hinge(cos - margin), nothing)
    return reduced(losses, how)


# ---------------------------------------------------------------------------- triplets


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, p) - d(a, n) + margin), d the p-norm distance over the last dimension (Balntas et al. 2016).

    swap: d(p, n) is taken where it is smaller than d(a, n). Raises ValueError unless the margin is positive,
    RuntimeError for different numbers of dimensions.
    """
    how = reduction_of(reduction, size_average, reduce)
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps), margin=margin,
        swap=swap, reduction=how,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0, swap: bool = False,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``triplet_margin_loss`` with a distance of the caller's; default, ``pairwise_distance``."""
    how = reduction_of(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = [t.dim() for t in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced(_hinge(near - far + margin), how)
