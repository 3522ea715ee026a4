"""Cross-entropy of logits against class indices or class probabilities: forward and backward.

loss = -sum_c t_c w_c log softmax(x)_c. Against indices the log-probabilities are never written
out: the forward needs one exp of the logits, their row sums and the target's own logit, and keeps
the exponentials, which the backward scales into p - t. Smoothing follows Szegedy et al., Rethinking
the Inception Architecture (2016), section 7; the denominators of `mean` follow PyTorch: the weights
of the targets that count for indices, the number of rows for probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends import PLAIN, Kernels, backend_of
from ..backends.kept import kept
from ..backends.parallel import in_blocks
from ..backends.sums import total as total_of
from ..operation import op
from ..tensor import Tensor, new_tensor
from ..types import Array
from . import cross_entropy_cuda as cuda
from .rows import narrowed, widened
from .softmax import exp_rows, log_normaliser, plain_log_softmax

__all__ = [
    "SavedIndices",
    "SavedProbabilities",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "cross_entropy_probabilities_backward",
    "cross_entropy_probabilities_forward",
]

FLOAT64, INTP, UINTP = np.dtype(np.float64), np.dtype(np.intp), np.dtype(np.uintp)
_PASS_NS = 0.1
_new_tuple: Callable[..., Any] = tuple.__new__
_REDUCTIONS = ("none", "mean", "sum")


class SavedIndices(NamedTuple):
    """What the backward of the index form needs."""

    e: np.ndarray  # (rows, C): exp(logits - shift)
    at: np.ndarray  # (rows,): where the target's element is in the flattened (rows, C)
    sums: np.ndarray  # (rows,): its row sums
    index: np.ndarray  # type: ignore[assignment]  # (rows,): class indices, 0 where ignored
    counted: np.ndarray | None  # (rows,) bool, False where ignored; None: all count
    weight: np.ndarray | None  # (C,), in the dtype of e
    denominator: float
    label_smoothing: float
    shape: tuple[int, ...]
    dtype: np.dtype


class SavedProbabilities(NamedTuple):
    """What the backward of the probability form needs."""

    log_p: np.ndarray  # (rows, C)
    target: np.ndarray  # (rows, C): the targets, smoothed and weighted
    weight: np.ndarray | None
    denominator: float
    label_smoothing: float
    shape: tuple[int, ...]
    dtype: np.dtype
    target_dtype: np.dtype


def cross_entropy_forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[np.ndarray, SavedIndices]:
    """Loss of logits against class indices, and what the backward needs.

    x: `(C,)`, `(N, C)` or `(N, C, d1, …)`, floating. target: `()`, `(N,)` or `(N, d1, …)`, integer.
    weight: `(C,)` or None. The loss has the dtype of `x`; shape of `target` for "none", else 0-d.
    Rows whose target is `ignore_index` count for nothing; "mean" over none at all is NaN.

    Raises IndexError for a target outside 0 … C-1, ValueError or RuntimeError for shapes that do
    not match.
    """
    check(x, weight, label_smoothing, reduction)
    shape = check_target(x, target)
    rows = _class_rows(x)
    count, classes = rows.shape
    index, counted = _valid_indices(target if target.ndim == 1 else target.reshape(-1), classes, ignore_index)
    if weight is not None:
        weight = weight.astype(rows.dtype, copy=False)
    if count:
        e, sums, shift = exp_rows(rows)
        # In float64, (rows,) only: log-probabilities near 0 lose nothing of what the logits still show.
        losses = np.log(sums.astype(FLOAT64))
        at = _row_starts[count, classes] + index
        picked = rows.take(at)
        losses -= (picked if shift is None else picked - shift).astype(FLOAT64)
    else:
        e, sums, losses = rows, np.empty(0, rows.dtype), np.empty(0, np.float64)
        at = index
    denominator = float(count)
    if weight is not None:
        row_weight = weight[index]
        losses *= row_weight
        if counted is not None:
            row_weight *= counted
        denominator = float(np.add.reduce(row_weight))
    elif counted is not None:
        denominator = float(np.count_nonzero(counted))
    if label_smoothing and count:
        losses *= 1.0 - label_smoothing
        high, low = log_normaliser(sums, shift)
        log_p = rows - high[:, None]
        log_p -= low[:, None]
        smooth = np.add.reduce(log_p, 1) if weight is None else log_p @ weight
        smooth *= label_smoothing / classes
        losses -= smooth
    if counted is not None:
        losses[~counted] = 0  # not a product: an ignored row may hold infinities
    if reduction != "mean":
        denominator = 1.0
    saved = _new_tuple(  # what SavedIndices(...) does, in a third of its time
        SavedIndices, (e, at, sums, index, counted, weight, denominator, label_smoothing, x.shape, x.dtype)
    )
    return _reduced(losses, reduction, denominator, shape, x.dtype), saved


def cross_entropy_backward(g: np.ndarray, saved: SavedIndices) -> np.ndarray:
    """Gradient for the logits, their shape and dtype: (softmax - target) weighted, times `g`.

    g: the loss's gradient, 0-d, or of the targets' shape for "none".
    """
    e, index, eps = saved.e, saved.index, saved.label_smoothing
    count, classes = e.shape
    if e.size == 0:
        return np.zeros(saved.shape, saved.dtype)
    g = _row_gradients(g, saved.denominator, e.dtype)
    if saved.counted is not None:
        g = np.where(saved.counted, g, e.dtype.type(0))
    hard = g if saved.weight is None else g * saved.weight[index]
    soft = hard
    if eps:
        mean_weight = 1.0 if saved.weight is None else float(saved.weight.mean())
        hard = hard * (1.0 - eps)
        soft = hard + g * (eps * mean_weight)
    gx = in_blocks(np.multiply, _PASS_NS, e, (soft / saved.sums)[:, None])
    if eps:
        part = np.broadcast_to(g * (eps / classes), (count,))[:, None]
        gx -= part if saved.weight is None else part * saved.weight
    gx.reshape(-1)[saved.at] -= hard
    if saved.counted is not None:
        gx[~saved.counted] = 0
    return narrowed(_from_class_rows(gx, saved.shape), saved.dtype)


def cross_entropy_probabilities_forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[np.ndarray, SavedProbabilities]:
    """Loss of logits against class probabilities, and what the backward needs.

    x and target: `(C,)`, `(N, C)` or `(N, C, d1, …)`, both floating and of one shape. weight:
    `(C,)` or None. The loss has the dtype of `x`; shape of `x` without the class axis for "none",
    else 0-d. "mean" divides by the number of rows. Raises RuntimeError for mismatched shapes.
    """
    check(x, weight, label_smoothing, reduction)
    if target.shape != x.shape:
        raise RuntimeError(
            f"cross_entropy: expected class probabilities of shape {list(x.shape)}, the logits', "
            f"got {list(target.shape)}"
        )
    rows = _class_rows(x)
    count, classes = rows.shape
    mass = _class_rows(target.astype(rows.dtype, copy=False))
    if label_smoothing:
        mass = mass * (1.0 - label_smoothing)
        mass += label_smoothing / max(classes, 1)
    if weight is not None:
        weight = weight.astype(rows.dtype, copy=False)
        mass = mass * weight
    log_p = np.empty_like(rows)
    if rows.size:
        _, sums, shift = exp_rows(rows)
        high, low = log_normaliser(sums, shift)
        np.subtract(rows, high[:, None], out=log_p)
        np.subtract(log_p, low[:, None], out=log_p)
    losses = -np.vecdot(log_p, mass)
    shape = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    denominator = float(count) if reduction == "mean" else 1.0
    saved = SavedProbabilities(log_p, mass, weight, denominator, label_smoothing, x.shape, x.dtype, target.dtype)
    return _reduced(losses, reduction, denominator, shape, x.dtype), saved


def cross_entropy_probabilities_backward(
    g: np.ndarray, saved: SavedProbabilities, needs: tuple[bool, bool] = (True, True)
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gradients for the logits and for the target, each None unless `needs` says otherwise."""
    log_p, mass = saved.log_p, saved.target
    if log_p.size == 0:
        return (
            np.zeros(saved.shape, saved.dtype) if needs[0] else None,
            np.zeros(saved.shape, saved.target_dtype) if needs[1] else None,
        )
    g = np.broadcast_to(_row_gradients(g, saved.denominator, log_p.dtype), (len(log_p),))
    gx = g_target = None
    if needs[0]:
        gx = np.exp(log_p)
        gx *= np.add.reduce(mass, 1)[:, None]
        gx -= mass
        gx *= g[:, None]
        gx = _from_class_rows(gx, saved.shape).astype(saved.dtype, copy=False)
    if needs[1]:
        g_target = log_p * (g * (saved.label_smoothing - 1.0))[:, None]
        if saved.weight is not None:
            g_target *= saved.weight
        g_target = _from_class_rows(g_target, saved.shape).astype(saved.target_dtype, copy=False)
    return gx, g_target


def check_target(x: np.ndarray, target: np.ndarray) -> tuple[int, ...]:
    """The shape of class indices for logits ``x``, which ``target`` must have."""
    shape = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if target.shape != shape:
        if x.ndim > 1 and target.ndim and target.shape[0] != x.shape[0]:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({target.shape[0]})."
            )
        raise RuntimeError(
            f"cross_entropy: expected target of shape {list(shape)} for logits of shape "
            f"{list(x.shape)}, got {list(target.shape)}"
        )
    return shape


def check(x: np.ndarray, weight: np.ndarray | None, label_smoothing: float, reduction: str) -> None:
    """Refuse what no kernel can work on."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if x.ndim < 1:
        raise RuntimeError(f"cross_entropy: expected logits (C,) or (N, C, …), got shape {x.shape}")
    classes = x.shape[1 if x.ndim > 1 else 0]
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all "
            f"{classes} classes or no classes but got weight tensor of shape: {list(weight.shape)}"
        )


def _class_rows(x: np.ndarray) -> np.ndarray:
    """`(N, C, d1, …)` or `(C,)` as a contiguous matrix `(rows, C)`, in the dtype it is computed in."""
    if x.ndim == 2 and x.itemsize > 2 and x.flags.c_contiguous:
        return x
    x = widened(x)
    if x.ndim > 2:
        x = np.moveaxis(x, 1, -1)
    classes = x.shape[-1]
    count = x.size // classes if classes else 0
    return np.ascontiguousarray(x.reshape(count, classes))


def _from_class_rows(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `_class_rows` for an array of `shape`: `rows` itself, or a view of it."""
    if rows.shape == shape:
        return rows
    if len(shape) <= 2:
        return rows.reshape(shape)
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


@kept(16)
def _row_starts(count: int, classes: int) -> np.ndarray:
    """Where each row begins in a flattened (count, classes)."""
    return np.arange(0, count * classes, classes)


def _valid_indices(index: np.ndarray, classes: int, ignore_index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Class indices fit to index with, 0 where ignored, and which rows count (None: all do)."""
    if index.dtype is not INTP or not index.flags.c_contiguous:
        index = np.ascontiguousarray(index, INTP)
    if index.size == 0:
        return index, None
    # Seen as unsigned, a negative index is too large as well: one comparison finds both.
    unsigned = index.view(UINTP)
    inside = unsigned.item(unsigned.argmax()) < classes
    if inside and not 0 <= ignore_index < classes:
        return index, None
    counted = index != ignore_index
    if inside:
        return index, None if np.logical_and.reduce(counted) else counted
    wrong = index[counted & ((index < 0) | (index >= classes))]
    if wrong.size:
        raise IndexError(f"Target {wrong[0]} is out of bounds.")
    return np.where(counted, index, 0), counted


def _reduced(
    losses: np.ndarray, reduction: str, denominator: float, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    if reduction == "none":
        return losses.reshape(shape).astype(dtype, copy=False)
    total = total_of(losses, None, False)
    if reduction == "mean":
        total = total / denominator  # a NumPy number: NaN, not an exception, over no rows
    return np.array(total, dtype)


def _row_gradients(g: np.ndarray, denominator: float, dtype: np.dtype) -> Array:
    """The loss's gradient for each row, `(count,)`, or for all of them, `()`."""
    if g.ndim == 0:
        return np.array(g[()] / denominator, dtype)  # a NumPy number takes a Python one in a fifth of an array's time
    return np.asarray(g, dtype).reshape(-1) / dtype.type(denominator)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The loss of logits `input` against class indices, or, if `target` is floating, against class
    probabilities. Tensors; shapes and errors as of the two kernels above."""
    if target._array.dtype.kind == "f":
        return _of_probabilities(input, target, weight, label_smoothing, reduction)
    return _of_indices(input, target, weight, ignore_index, label_smoothing, reduction)


def _plain_mean(losses: Tensor, reduction: str, denominator: float) -> Tensor:
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / denominator


def plain_indices(
    x: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, label_smoothing: float, reduction: str
) -> Tensor:
    """The definition for class indices, a composition of primitives: -sum(c log p), with
    coefficients c that carry target, weight and smoothing."""
    logits, index = x._array, target._array
    xp = backend_of(logits).xp
    axis = 1 if logits.ndim > 1 else 0
    classes = logits.shape[axis]
    w = xp.ones(classes, logits.dtype) if weight is None else weight._array
    counted = index != ignore_index
    shape = [classes if d == axis else 1 for d in range(logits.ndim)]
    hard = xp.expand_dims(xp.where(counted, index, 0), axis) == xp.arange(classes).reshape(shape)
    by_class = w.reshape(shape)
    c = (hard * (1 - label_smoothing) + label_smoothing / max(classes, 1)) * by_class
    c = (c * xp.expand_dims(counted, axis)).astype(logits.dtype)
    total = float((hard * by_class * xp.expand_dims(counted, axis)).sum())
    log_p = plain_log_softmax(x, axis).masked_fill(new_tensor(c == 0), 0)
    return _plain_mean(-(log_p * new_tensor(c)).sum(axis), reduction, total)


def plain_probabilities(
    x: Tensor, target: Tensor, weight: Tensor | None, label_smoothing: float, reduction: str
) -> Tensor:
    """The definition for class probabilities, a composition of primitives."""
    axis = 1 if x.ndim > 1 else 0
    classes = x.shape[axis]
    mass = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    if weight is not None:
        mass = mass * weight.reshape([classes if d == axis else 1 for d in range(x.ndim)])
    losses = -(plain_log_softmax(x, axis) * mass).sum(axis)
    return _plain_mean(losses, reduction, losses.numel())


_gradient = Kernels(cross_entropy_backward, {"cupy": cuda.cross_entropy_backward})
_of_indices = op(
    cross_entropy_forward,
    name="cross_entropy",
    grad_name="NllLossBackward0",
    inputs=("x",),
    tensors=("target", "weight"),
    extras=("saved",),
    kernels={"cupy": cuda.cross_entropy_forward},
    backward=lambda g, needs, saved: (_gradient[g.__class__](g, saved),),
    plain=plain_indices,
)
_of_probabilities = op(
    cross_entropy_probabilities_forward,
    kernels={"cupy": PLAIN},
    name="cross_entropy_of_probabilities",
    grad_name="DivBackward1",
    inputs=("x", "target"),
    tensors=("weight",),
    extras=("saved",),
    backward=lambda g, needs, saved: cross_entropy_probabilities_backward(g, saved, needs),
    plain=plain_probabilities,
)
