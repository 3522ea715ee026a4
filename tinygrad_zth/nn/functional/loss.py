"""Losses over classes, probabilities and distances. Those with a margin are in ``margins``."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ...backends import backend_of
from ...dtypes import of
from ...fused.cross_entropy import cross_entropy as _cross_entropy
from ...graph import no_grad
from ...operation import op
from ...ops.arithmetic import add
from ...ops.bounds import maximum, minimum
from ...ops.calling import shown_as
from ...ops.compare import where
from ...ops.elementwise import sigmoid
from ...ops.powers import exp, log
from ...refusal import on_one_device
from ...tensor import Tensor, new_tensor
from ...types import Array, Namespace, Value
from .activations import logsigmoid
from .reduction import reduced, reduction_of

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_nll_loss", "huber_loss",
    "kl_div", "l1_loss", "mse_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
]  # fmt: skip

INT64, UINT8 = np.dtype("int64"), np.dtype("uint8")


def _difference(name: str, input: Tensor, target: Tensor) -> Tensor:
    """input - target, with a warning where their shapes differ. Raises NotImplementedError for integers."""
    _warn_of_shapes(input, target)
    d = input - target
    if d._array.dtype.kind != "f":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{of(d._array.dtype).legacy}'")
    return d


def _warn_of_shapes(input: Tensor, target: Tensor) -> None:
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
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class. Logits (C,), (N, C) or (N, C, d1, ...).

    target: class indices (without the class dimension), or probabilities of the input's shape.
    weight: (C,). Rows with target ``ignore_index`` count for nothing; "mean" divides by the weights
    of the others. Raises IndexError for a target out of range, ValueError or RuntimeError for shapes.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"cross_entropy_loss(): arguments must be Tensors, not {type(input).__name__} and {type(target).__name__}"
        )
    if input._array.dtype.kind != "f":
        kind = of(input._array.dtype).legacy
        raise NotImplementedError(f"\"log_softmax_lastdim_kernel_impl\" not implemented for '{kind}'")
    if label_smoothing < 0 or label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    shape, wanted = input._array.shape, target._array.shape
    if shape != wanted or not shape:
        if weight is not None or len(shape) != 2 or wanted != shape[:1] or target._array.dtype is not INT64:
            _check_nll(input, target, weight)  # else there is nothing wrong
    elif target._array.dtype.kind != "f":
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {of(target._array.dtype).legacy}"
        )
    if weight is not None:
        on_one_device("cross_entropy", input._array, target._array, weight._array)
    return _cross_entropy(input, target, weight, ignore_index, label_smoothing, reduction)


@shown_as(lambda input, *_, **__: f"NllLoss{'2D' * (input.dim() > 2)}Backward0")
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class; input holds log-probabilities (C,), (N, C) or (N, C, d1, ...)."""
    reduction = reduction_of(reduction, size_average, reduce)
    shape, wanted = input.shape, target.shape
    _check_nll(input, target, weight)
    on_one_device("nll_loss", input._array, target._array, None if weight is None else weight._array)
    if len(shape) == 1 and len(wanted) == 1:  # one sample, in PyTorch's eyes, too
        target = target.squeeze(0)
    axis = 1 if len(shape) > 1 else 0
    kept = target != ignore_index
    index = target.masked_fill(~kept, 0)
    array, classes = index._array, shape[axis]
    backend_of(array).check_range(array, classes, "Target {} is out of bounds.")
    row = kept.to(input.dtype) if weight is None else weight[index] * kept.to(input.dtype)
    picked = input.gather(axis, index.unsqueeze(axis)).squeeze(axis)
    losses = where(kept, -picked * row, new_tensor(picked._array.dtype.type(0).reshape(())))
    return losses.sum() / row.sum() if reduction == "mean" else reduced(losses, reduction)


def _check_nll(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    shape, wanted = input._array.shape, target._array.shape
    if not shape:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if len(shape) == 1:
        if len(wanted) > 1 or wanted not in ((), (1,)):
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {list(wanted)}")
    elif not wanted or shape[0] != wanted[0]:
        raise ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({wanted[0] if wanted else 0})."
        )
    elif wanted[1:] != shape[2:]:
        raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(wanted)}")
    kind = target._array.dtype
    if kind not in (INT64, UINT8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {of(kind).legacy}")
    classes = shape[1] if len(shape) > 1 else shape[0]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight.shape)}"
        )


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log target - input), input being log-probabilities; "batchmean" divides by the batch size."""
    how = reduction_of(reduction, size_average, reduce, "batchmean")
    if input._array.dtype.kind != "f" or target._array.dtype.kind != "f":
        raise RuntimeError("kl_div: Integral inputs not supported.")
    losses = exp(target) * (target - input) if log_target else target.xlogy(target) - target * input
    if how == "batchmean":
        return losses.sum() / (input.shape[0] if input.dim() else 1)
    if how == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.'mean' will be changed to behave the "
            "same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    return reduced(losses, how)


# ---------------------------------------------------------------------------- probabilities


def _log_held(xp: Namespace, x: Array) -> Array:
    """log x, held above -100."""
    return xp.maximum(xp.log(x), -100)


def _bce(xp: Namespace, x: Array, y: Array) -> Array:
    log_1x = xp.maximum(xp.log1p(-x), -100)
    return (y - 1) * log_1x - y * _log_held(xp, x)


_ABOVE_ONE = math.nextafter(1.0, 2.0)
_bce_op = op(
    _bce,
    name="binary_cross_entropy",
    x=lambda g, x, y: g * (x - y) / maximum(x * (1 - x), 1e-12),
    y=lambda g, x: g * (log(1 - x) - log(x)),  # not clamped, as in PyTorch
)


@shown_as("BinaryCrossEntropyBackward0")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(y log x + (1 - y) log(1 - x)), each log held above -100; x and y in [0, 1].

    Raises ValueError for different shapes, RuntimeError for another dtype or elements outside [0, 1].
    """
    how = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    kind = input._array.dtype
    if kind.kind != "f":
        raise NotImplementedError(f"\"binary_cross_entropy\" not implemented for '{of(kind).legacy}'")
    if target._array.dtype != kind:
        raise RuntimeError(f"Found dtype {of(target._array.dtype).legacy} but expected {of(kind).legacy}")
    for name, array in (("input", input._array), ("target", target._array)):
        message = f"all elements of {name} should be between 0 and 1"
        backend_of(array).check_range(array, _ABOVE_ONE, message, RuntimeError)
    return reduced(_weighted(_bce_op(input, target), weight), how)


def _weighted(losses: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses
    result = losses * weight
    if result.shape != losses.shape:
        raise RuntimeError(
            f"output with shape {list(losses.shape)} doesn't match the broadcast shape {list(result.shape)}"
        )
    return result


def _bce_logits(xp: Namespace, x: Array, y: Array) -> Array:
    return xp.maximum(x, 0) - x * y + xp.log1p(xp.exp(-abs(x)))


_bce_logits_op = op(
    _bce_logits,
    name="binary_cross_entropy_with_logits",
    x=lambda g, x, y: g * (sigmoid(x) - y),
    y=lambda g, x: -g * x,
)


@shown_as("BinaryCrossEntropyWithLogitsBackward0")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``binary_cross_entropy(sigmoid(input), target)``, without overflow; pos_weight scales the positives.

    Raises ValueError for different shapes.
    """
    how = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if target._array.dtype.kind != "f":
        raise RuntimeError(
            f"result type {of(input._array.dtype).legacy} can't be cast to the desired output type "
            f"{of(target._array.dtype).legacy}"
        )
    if pos_weight is None and input._array.dtype is target._array.dtype:
        losses = _bce_logits_op(input, target)
    else:
        positive = _weighted(target, pos_weight)
        losses = -(positive * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(_weighted(losses, weight), how)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (input - target)^2 / var) / 2, var held above eps; ``full`` adds log(2 pi) / 2."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(input.shape, var)
    else:
        backend_of(var._array).check_range(var._array < 0, 1, "var has negative entry/entries", ValueError)
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.unsqueeze(-1)
        elif var.shape[:-1] != input.shape[:-1] or var.shape[-1:] != (1,):
            raise ValueError("var is of incorrect size")
    how = reduction_of(reduction)
    held = var.clone()
    with no_grad():  # the gradient of var is as if it had not been held
        held.clamp_(min=eps)
    losses = 0.5 * (log(held) + (input - target) ** 2 / held)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, how)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: bool | None = None, eps: float = 1e-8,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(input) - target * input (or input - target log(input + eps)); ``full`` adds Stirling's term."""
    how = reduction_of(reduction, size_average, reduce)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        losses = add(losses, stirling.masked_fill(target <= 1, 0))
    return reduced(losses, how)


# ---------------------------------------------------------------------------- distances


def _averaged(losses: Tensor, weight: Tensor | None, how: str, input: Tensor) -> Tensor:
    """The reduction; with weights the mean is a weighted one (but for ``huber_loss``)."""
    if weight is None:
        return reduced(losses, how)
    _same_weights(weight, input)
    losses = losses * weight
    return losses.sum() / weight.sum() if how == "mean" else reduced(losses, how)


def _same_weights(weight: Tensor, input: Tensor) -> None:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")


def _squared(xp: Namespace, x: Array, y: Array, how: str) -> Array:
    d = x - y
    d *= d
    # Not d.mean(), which warns of an empty one where it is NaN.
    return d if how == "none" else d.sum() / d.size if how == "mean" else d.sum()


def _squared_slope(g: Value, x: Value, y: Value, how: str) -> Value:
    """The gradient of ``x``; that of ``y`` is its negative."""
    slope = (x - y) * 2
    return slope * (g / max(math.prod(slope.shape), 1) if how == "mean" else g)


_squared_op = op(
    _squared, name="mse_loss",
    x=_squared_slope, y=lambda g, x, y, how: -_squared_slope(g, x, y, how),
)  # fmt: skip


def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """(input - target)^2. weight: of the input's shape; the mean is then divided by its sum."""
    how = reduction_of(reduction, size_average, reduce)
    if weight is None and input._array.dtype is target._array.dtype and input._array.dtype.kind == "f":
        _warn_of_shapes(input, target)
        result: Tensor = _squared_op(input, target, how)
        return result
    return _averaged(_difference("mse", input, target) ** 2, weight, how, input)


def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """|input - target|. weight: of the input's shape; the mean is then divided by its sum."""
    how = reduction_of(reduction, size_average, reduce)
    return _averaged(_difference("l1", input, target).abs(), weight, how, input)


def _huber(xp: Namespace, d: Array, delta: float) -> Array:
    size = abs(d)
    return xp.where(size <= delta, d * d * 0.5, (size - 0.5 * delta) * delta)


_huber_op = op(_huber, d=lambda g, d, delta: g * maximum(minimum(d, delta), -delta))


@shown_as("SmoothL1LossBackward0")
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """d^2 / (2 beta) for |d| < beta, else |d| - beta / 2 (Girshick 2015)."""
    d = _difference("smooth_l1", input, target)
    how = reduction_of(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if not beta:
        return reduced(d.abs(), how)
    return reduced(_huber_op(d, beta) / beta, how)


@shown_as("HuberLossBackward0")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2) (Huber 1964). weight: of the input's shape."""
    d = _difference("huber", input, target)
    how = reduction_of(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    losses = _huber_op(d, delta)
    if weight is not None:
        _same_weights(weight, input)
        losses = losses * weight
    return reduced(losses, how)
