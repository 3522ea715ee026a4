"""Losses: each a formula per element or per sample, and one of three reductions of it."""

from __future__ import annotations

import math
import warnings

from ...dtypes import of
from ...fused.cross_entropy import cross_entropy as _cross_entropy
from ...ops.arithmetic import add
from ...ops.bounds import maximum
from ...ops.compare import where
from ...ops.powers import exp, log
from ...tensor import Tensor, new_tensor
from .activations import logsigmoid, softplus

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cross_entropy",
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss",
    "mse_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss",
    "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip


def _reduction(reduction: str, size_average, reduce) -> str:
    """The reduction, also from PyTorch's two retired arguments."""
    if size_average is None and reduce is None:
        return reduction
    warnings.warn("size_average and reduce args will be deprecated, please use reduction instead.", stacklevel=4)
    if reduce is False:
        return "none"
    return "mean" if size_average is None or size_average else "sum"


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _same_size(name: str, input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=4,
        )


# ---------------------------------------------------------------------------- classes


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class. Logits (C,), (N, C) or (N, C, d1, ...).

    target: class indices (without the class dimension), or probabilities of the input's shape.
    weight: (C,). Rows with target ``ignore_index`` count for nothing; "mean" divides by the weights
    of the others. Raises IndexError for a target out of range, ValueError or RuntimeError for shapes.
    """
    reduction = _reduction(reduction, size_average, reduce)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"cross_entropy_loss(): arguments must be Tensors, not {type(input).__name__} and {type(target).__name__}"
        )
    return _cross_entropy(input, target, weight, ignore_index, label_smoothing, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class; input holds log-probabilities (C,), (N, C) or (N, C, d1, ...)."""
    reduction = _reduction(reduction, size_average, reduce)
    if input.dim() == 0 or input.dim() > 1 and (input.shape[0] != target.shape[0] if target.dim() else True):
        raise ValueError(
            f"Expected input batch_size ({input.shape[0] if input.dim() else 0}) to match target batch_size "
            f"({target.shape[0] if target.dim() else 0})."
        )
    if target._array.dtype.kind != "i":
        raise RuntimeError(f"expected scalar type Long but found {of(target._array.dtype).legacy}")
    axis = 1 if input.dim() > 1 else 0
    kept = target != ignore_index
    index = target.masked_fill(~kept, 0)
    array, classes = index._array, input.shape[axis]
    if array.size and (array.min() < 0 or array.max() >= classes):
        raise IndexError(f"Target {int(array.max() if array.max() >= classes else array.min())} is out of bounds.")
    row = kept.to(input.dtype) if weight is None else weight[index] * kept.to(input.dtype)
    picked = input.gather(axis, index.unsqueeze(axis)).squeeze(axis)
    losses = where(kept, -picked * row, new_tensor(picked._array.dtype.type(0).reshape(())))
    if reduction == "mean":
        return losses.sum() / row.sum()
    return _reduced(losses, reduction)


def kl_div(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log target - input), input being log-probabilities; "batchmean" divides by the batch size."""
    losses = exp(target) * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        return losses.sum() / (input.shape[0] if input.dim() else 1)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    return _reduced(losses, _reduction(reduction, size_average, reduce))


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, size_average=None,
    reduce=None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over other classes of max(0, margin - x[y] + x[i]) ** p; (N, C) or (C,)."""
    rows = input if input.dim() == 2 else input.unsqueeze(0)
    index = target.reshape(-1, 1)
    gaps = (rows - rows.gather(1, index) + margin).clamp(min=0) ** p
    if weight is not None:
        gaps = gaps * weight[index]
    losses = gaps.scatter(1, index, 0.0).sum(1) / rows.shape[1]
    return _reduced(losses if input.dim() == 2 else losses.squeeze(0), _reduction(reduction, size_average, reduce))


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """Hinge between each target class (up to the first -1) and each other class; (N, C) or (C,)."""
    rows, wanted = (input, target) if input.dim() == 2 else (input.unsqueeze(0), target.unsqueeze(0))
    losses = []
    for x, y in zip(rows, wanted, strict=True):
        labels = y.tolist()
        labels = labels[: labels.index(-1)] if -1 in labels else labels
        others = [i for i in range(x.shape[0]) if i not in labels]
        total = x.sum() * 0
        for label in labels:
            total = total + (1 - x[label] + x[others]).clamp(min=0).sum()
        losses.append(total / x.shape[0])
    from ...ops.join import stack

    out = stack(losses)
    return _reduced(out if input.dim() == 2 else out.squeeze(0), _reduction(reduction, size_average, reduce))


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """Mean over classes of the logistic loss of each label; (N, C)."""
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    losses = losses if weight is None else losses * weight
    return _reduced(losses.sum(-1) / input.shape[-1], _reduction(reduction, size_average, reduce))


# ---------------------------------------------------------------------------- probabilities


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """-(y log x + (1 - y) log(1 - x)), each log held above -100; x in [0, 1].

    Raises ValueError for different shapes, RuntimeError for an input outside [0, 1].
    """
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    array = input._array
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    losses = -(target * log(input).clamp(min=-100) + (1 - target) * log(1 - input).clamp(min=-100))
    return _reduced(losses if weight is None else losses * weight, _reduction(reduction, size_average, reduce))


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average=None, reduce=None,
    reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``binary_cross_entropy(sigmoid(input), target)``, without overflow; pos_weight scales the positives."""
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    positive = target if pos_weight is None else target * pos_weight
    losses = -(positive * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return _reduced(losses if weight is None else losses * weight, _reduction(reduction, size_average, reduce))


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (input - target)^2 / var) / 2, var held above eps; ``full`` adds log(2 pi) / 2."""
    if not isinstance(var, Tensor):
        var = input * 0 + var
    if (var._array < 0).any():
        raise ValueError("var has negative entry/entries")
    held = maximum(var.detach(), new_tensor(var._array * 0 + eps)) - var.detach() + var
    losses = 0.5 * (log(held) + (input - target) ** 2 / held)
    return _reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average=None, eps: float = 1e-8,
    reduce=None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(input) - target * input (or input - target log(input + eps)); ``full`` adds Stirling's term."""
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        losses = add(losses, stirling.masked_fill(target <= 1, 0))
    return _reduced(losses, _reduction(reduction, size_average, reduce))


# ---------------------------------------------------------------------------- distances


def mse_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(input - target)^2."""
    _same_size("mse_loss", input, target)
    losses = (input - target) ** 2
    return _reduced(losses if weight is None else losses * weight, _reduction(reduction, size_average, reduce))


def l1_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|input - target|."""
    _same_size("l1_loss", input, target)
    losses = (input - target).abs()
    return _reduced(losses if weight is None else losses * weight, _reduction(reduction, size_average, reduce))


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) for |d| < beta, else |d| - beta / 2 (Girshick 2015)."""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _same_size("smooth_l1_loss", input, target)
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    d = input - target
    size = d.abs()
    losses = where(size < beta, d * d * (0.5 / beta), size - 0.5 * beta)
    return _reduced(losses, _reduction(reduction, size_average, reduce))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2) (Huber 1964)."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _same_size("huber_loss", input, target)
    d = input - target
    size = d.abs()
    losses = where(size <= delta, d * d * 0.5, delta * (size - 0.5 * delta))
    return _reduced(losses if weight is None else losses * weight, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y x)), y being 1 or -1."""
    return _reduced(softplus(-target * input, threshold=1e30), _reduction(reduction, size_average, reduce))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """x where y is 1, max(0, margin - x) where it is -1."""
    nothing = new_tensor(input._array.dtype.type(0).reshape(()))
    losses = where(target != 1, (margin - input).clamp(min=0), nothing) + where(target != -1, input, nothing)
    return _reduced(losses, _reduction(reduction, size_average, reduce))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average=None, reduce=None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin - y (x1 - x2))."""
    return _reduced((-target * (input1 - input2) + margin).clamp(min=0), _reduction(reduction, size_average, reduce))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average=None, reduce=None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where y is 1, max(0, cos - margin) where it is -1; over the last dimension."""
    products = (input1 * input2).sum(-1)
    lengths = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cos = products / lengths.sqrt()
    nothing = cos * 0
    losses = where(target == 1, 1 - cos, nothing) + where(target == -1, (cos - margin).clamp(min=0), nothing)
    return _reduced(losses, _reduction(reduction, size_average, reduce))


def _distance(a: Tensor, b: Tensor, p: float = 2.0, eps: float = 1e-6) -> Tensor:
    return (a - b + eps).norm(p, -1)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average=None, reduce=None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, p) - d(a, n) + margin), d the p-norm distance over the last dimension."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: _distance(a, b, p, eps), margin=margin, swap=swap,
        reduction=_reduction(reduction, size_average, reduce),
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function=None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``triplet_margin_loss`` with a distance of the caller's."""
    distance = distance_function or _distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduced((near - far + margin).clamp(min=0), reduction)
