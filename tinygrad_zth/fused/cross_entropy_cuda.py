"""Cross-entropy against class indices on a CUDA device: the launches of ``cross_entropy.cu``.

The denominator of the mean stays on the device: neither pass waits for it. A target out of range is found by the kernel,
and raises IndexError when a result of the device is next looked at.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..backends import backend_of
from ..backends.cuda_source import CudaSource, contiguous, cuda_kernel, number, threads_for

__all__ = ["Saved", "cross_entropy_backward", "cross_entropy_forward"]

SOURCE = CudaSource(__file__, "cross_entropy.cu")
_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
_NONE = np.uintp(0)


class Saved(NamedTuple):
    """What the backward needs: the logits as they are, and a number a row."""

    x: Any
    target: Any
    weight: Any
    norms: Any
    totals: Any
    ignore_index: int
    label_smoothing: float


def _extents(x: Any) -> tuple[int, int, int]:
    """Logits as (outer, classes, inner)."""
    return (1, x.shape[0], 1) if x.ndim == 1 else (x.shape[0], x.shape[1], math.prod(x.shape[2:]))


@cuda_kernel
def cross_entropy_forward(
    x: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float, reduction: str
) -> tuple[Any, Saved]:
    """Loss of logits against class indices, and what the backward needs. Shapes and errors as the NumPy kernel's."""
    from .cross_entropy import check, check_target

    check(x, weight, label_smoothing, reduction)
    shape = check_target(x, target)
    backend = backend_of(x)
    xp = backend.xp
    x = contiguous(x)
    outer, classes, inner = _extents(x)
    rows = outer * inner
    target = contiguous(target.astype(np.int64, copy=False))
    weight = None if weight is None else contiguous(weight.astype(x.dtype, copy=False))
    kind = np.dtype(np.float32) if x.dtype.char == "e" else x.dtype
    losses, norms, weights = xp.empty(rows, kind), xp.empty(rows, kind), xp.empty(rows, kind)
    totals, ticket = xp.empty((), kind), xp.zeros((), np.int32)
    if rows:
        loss = xp.empty(shape if reduction == "none" else (), x.dtype)
        c = x.dtype.char
        arguments = (
            x, target, _NONE if weight is None else weight, losses, norms, weights, loss, totals, ticket,
            np.int64(rows), np.int64(classes), np.int64(inner), np.int64(ignore_index), number(label_smoothing, c),
            np.int32(_REDUCTIONS[reduction]), backend.faults.address, backend.faults.code("Target {} is out of bounds."),
        )  # fmt: skip
        SOURCE.launch(xp, "cross_entropy_forward", c, (rows,), threads_for(classes, 512), arguments)
    else:
        nothing = {"none": 0.0, "mean": math.nan, "sum": 0.0}[reduction]
        loss = xp.full(shape if reduction == "none" else (), nothing, x.dtype)
    return loss, Saved(x, target, weight, norms, totals, ignore_index, label_smoothing)


def cross_entropy_backward(g: Any, saved: Saved) -> Any:
    """Gradient for the logits: (softmax - target) weighted, times ``g``."""
    xp = backend_of(g).xp
    x = saved.x
    outer, classes, inner = _extents(x)
    gx = xp.empty(x.shape, x.dtype)
    if not x.size:
        return gx
    g = contiguous(g)
    rows = outer * inner
    arguments = (
        g, np.int32(g.size != rows or g.ndim == 0), x, saved.target, _NONE if saved.weight is None else saved.weight,
        saved.norms, saved.totals, gx, np.int64(classes), np.int64(inner), np.int64(saved.ignore_index),
        number(saved.label_smoothing, x.dtype.char),
    )  # fmt: skip
    SOURCE.launch(xp, "cross_entropy_backward", x.dtype.char, (rows,), threads_for(classes, 512), arguments)
    return gx
