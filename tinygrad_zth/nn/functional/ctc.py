"""Connectionist temporal classification: the loss of a labelling whose alignment with the input is not known."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...dtypes import of
from ...ops.calling import by_host, shown_as
from ...ops.compare import where
from ...ops.join import cat, stack
from ...ops.powers import exp
from ...tensor import Tensor, new_tensor
from .reduction import reduction_of

__all__ = ["ctc_loss"]


def _lengths(name: str, lengths: Any, batch: int) -> np.ndarray:
    array = np.atleast_1d(lengths._array if isinstance(lengths, Tensor) else np.asarray(lengths, np.int64))
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"{name} must be integral")
    if array.shape != (batch,):
        raise RuntimeError(f"{name} must be of size batch_size")
    return array.astype(np.int64)


def _labels(targets: Tensor, lengths: np.ndarray, classes: int, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """Every target with blanks around its labels, (N, 2 S + 1), and where a blank may be skipped."""
    array, longest = targets._array.astype(np.int64), int(lengths.max(initial=0))
    where_ = "(while checking arguments for ctc_loss_allocate_outputs)"
    if array.ndim == 1:
        if array.size != lengths.sum():
            raise RuntimeError(
                f"Expected tensor to have size {lengths.sum()} at dimension 0, but got size {array.size} for argument #2 "
                f"'targets' {where_}"
            )
        rows = np.full((len(lengths), longest), blank)
        rows[np.arange(longest) < lengths[:, None]] = array
    else:
        if array.shape[1] < longest:
            raise RuntimeError(
                f"Expected tensor to have size at least {longest} at dimension 1, but got size {array.shape[1]} for "
                f"argument #2 'targets' {where_}"
            )
        rows = np.where(np.arange(longest) < lengths[:, None], array[:, :longest], blank)
    if rows.size and (rows.min() < 0 or rows.max() >= classes):
        raise RuntimeError(f"ctc_loss: targets must be classes, 0 to {classes - 1}, got {rows.min()} to {rows.max()}")
    labels = np.full((len(lengths), 2 * longest + 1), blank)
    labels[:, 1::2] = rows
    skips = np.zeros(labels.shape, bool)
    skips[:, 3::2] = rows[:, 1:] != rows[:, :-1]
    return labels, skips


def _added(logs: list[Tensor], floor: float) -> Tensor:
    """log(exp a + exp b + ...), of numbers no smaller than ``floor``, which stands for log 0."""
    terms = stack(logs)
    top = terms.detach().amax(0)
    total = exp(terms - top).sum(0).log() + top
    return where(top <= floor, floor, total)


@shown_as("CtcLossBackward0")
# The recursion goes step by step, over lengths that the host must know: PyTorch takes labels and lengths from anywhere.
@partial(by_host, one_device=False)
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all alignments of ``targets`` with ``log_probs`` (T, N, C) or (T, C).

    The forward variables of Graves et al., Connectionist Temporal Classification (2006), in logarithms, one step of
    time after the other. An alignment repeats labels and puts blanks between them.

    Args:
        targets: (N, S) padded, or all labels in a row, (sum of target_lengths).
        input_lengths, target_lengths: integers, (N,).
        reduction: "mean" divides each loss by its target's length, and averages.
        zero_infinity: a target that has no alignment costs 0, not infinity, and has no gradient.

    As in PyTorch the gradient is that for ``log_probs`` that are a log_softmax: it is exp(log_probs) minus the
    expected share of each class. Raises RuntimeError for lengths that do not fit.
    """
    how = reduction_of(reduction)
    kind = log_probs._array.dtype
    if kind.kind != "f" or kind.itemsize < 4:
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{of(kind).legacy}'")
    batched = log_probs.dim() == 3
    if not batched:
        log_probs, targets = log_probs.unsqueeze(1), targets.unsqueeze(0) if targets.dim() == 1 else targets
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    lengths = _lengths("input_lengths", input_lengths, batch)
    sizes = _lengths("target_lengths", target_lengths, batch)
    if lengths.max(initial=0) > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {lengths.max()} "
            "(while checking arguments for ctc_loss_allocate_outputs)"
        )
    labels, skips = _labels(targets, sizes, classes, blank)
    losses = _losses(log_probs, labels, skips, lengths, sizes)
    if zero_infinity:
        losses = losses.masked_fill(losses == np.inf, 0)
    if how == "mean":
        result: Tensor = (losses / new_tensor(np.maximum(sizes, 1).astype(kind))).mean()
        return result
    return losses.sum() if how == "sum" else losses if batched else losses.squeeze(0)


def _losses(log_probs: Tensor, labels: np.ndarray, skips: np.ndarray, lengths: np.ndarray, sizes: np.ndarray) -> Tensor:
    """One loss a sample, (N,)."""
    (steps, batch, _), (_, states) = log_probs.shape, labels.shape
    kind = log_probs._array.dtype
    floor = float(np.finfo(kind).min) / 4  # so that sums of it stay finite
    emitted = log_probs.gather(2, new_tensor(np.broadcast_to(labels, (steps, batch, states)).copy())).clamp_min(floor)
    nothing = new_tensor(np.full((batch, 2), floor, kind))
    # Before the first step only "nothing said yet" is possible: what follows it are the first blank and the first label.
    first = np.full((batch, states), floor, kind)
    first[:, :1] = 0
    alpha = new_tensor(first)
    forbidden = new_tensor(~skips)
    for t in range(int(lengths.max(initial=0))):
        one = cat([nothing[:, :1], alpha[:, :-1]], 1)
        two = cat([nothing, alpha[:, :-2]], 1)[:, :states].masked_fill(forbidden, floor)
        grown = _added([alpha, one] if t == 0 else [alpha, one, two], floor)
        grown = (grown + emitted[t]).clamp_min(floor)
        alpha = grown if t < lengths.min() else where(new_tensor((t < lengths)[:, None]), grown, alpha)
    ends = np.stack([2 * sizes, np.maximum(2 * sizes - 1, 0)], 1)
    last = alpha.gather(1, new_tensor(ends)).masked_fill(new_tensor((sizes == 0)[:, None] & [False, True]), floor)
    last = last.masked_fill(new_tensor((lengths == 0) & (sizes > 0))[:, None], floor)
    total = _added([last[:, 0], last[:, 1]], floor)
    inside = new_tensor((np.arange(steps)[:, None] < lengths).astype(kind)[..., None])
    share = (exp(log_probs) * inside).sum((0, 2))
    return where(total <= floor / 2, np.inf, -total + (share - share.detach()))
