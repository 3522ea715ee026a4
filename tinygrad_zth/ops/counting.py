"""Counting and placing values: unique, bincount, histograms, searchsorted. None of it has a
gradient.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..dtypes import of
from ..tensor import Tensor, from_array
from ..types import Array, Namespace, Number
from . import return_types
from .calling import by_host, torch_call
from .create import spaced
from .extremes import one_dim

__all__ = ["FUNCTIONS", "METHODS"]


# ---------------------------------------------------------------------------- unique


def _rows(array: Array, dim: int) -> Array:
    """The slices along ``dim`` as rows of a matrix."""
    xp = backend_of(array).xp
    return xp.moveaxis(array, dim, 0).reshape(array.shape[dim], array.size // (array.shape[dim] or 1))


def _runs(xp: Namespace, rows: Array, numbered: bool) -> tuple[Array | None, ...]:
    """Where runs of equal rows (elements) begin; the run that each is in; their lengths."""
    n = rows.shape[0]
    changed = rows[1:] != rows[:-1]
    if changed.ndim == 2:
        changed = changed.any(1)
    starts = xp.concatenate([xp.ones(min(n, 1), bool), changed])
    first = xp.flatnonzero(starts)
    run = xp.cumsum(starts, dtype=xp.int64) - 1
    counts = xp.diff(xp.concatenate([first, xp.asarray([n])])) if numbered else None
    return first, run, counts


def _answer(values: Array, inverse: Array, counts: Array) -> Tensor | tuple[Tensor, ...]:
    results = tuple(from_array(x) for x in (values, inverse, counts) if x is not None)
    return results[0] if len(results) == 1 else results


def _distinct(input: Tensor, dim: int | None, sort: bool, return_inverse: bool, return_counts: bool) -> Any:
    array = input._array
    xp = backend_of(array).xp
    if dim is None:
        rows = array.reshape(-1)
        place = xp.argsort(rows, kind="stable") if sort else None
    else:
        if array.ndim == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        dim = one_dim("unique", dim, array.ndim)
        if array.size == 0 and array.shape[dim]:
            raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
        rows = _rows(array, dim)
        place = xp.lexsort(rows.T[::-1]) if sort and rows.shape[1] else None
    ordered = rows if place is None else rows[place]
    first, run, counts = _runs(xp, ordered, return_counts)
    inverse: Any = None
    if return_inverse:
        inverse = run
        if place is not None:
            inverse = xp.empty_like(run)
            inverse[place] = run
        inverse = inverse.reshape(array.shape) if dim is None else inverse
    if dim is None:
        return _answer(ordered[first], inverse, counts)
    values = xp.take(array, first if place is None else place[first], dim)
    return _answer(values, inverse, counts)


@by_host
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """The distinct elements (slices, along ``dim``), in order.

    With ``return_inverse`` also the place of each element of the input among them, with
    ``return_counts`` also how often each occurs. ``sorted=False`` sorts too.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"_unique2(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    found: Tensor | tuple[Tensor, ...] = _distinct(input, dim, True, return_inverse, return_counts)
    return found


@by_host
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Elements (slices, along ``dim``) without those equal to the one before; see ``unique``."""
    found: Tensor | tuple[Tensor, ...] = _distinct(input, dim, False, return_inverse, return_counts)
    return found


# ---------------------------------------------------------------------------- counting


@torch_call
@by_host
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2 ... occurs in a vector of integers, or the sum of their
    ``weights``.

    The weighted sums are float32 for float32 weights, else float64. Raises RuntimeError for
    negative numbers, and for anything but a vector of integers.
    """
    array = input._array
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and int(array.min()) < 0):
        if array.dtype.kind not in "iu":
            raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{of(array.dtype).legacy}'")
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    xp = backend_of(array).xp
    if weights is None or not array.size:
        return from_array(xp.bincount(array, minlength=minlength).astype(np.int64))
    if weights._array.shape != array.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    sums = xp.bincount(array, weights._array, minlength)
    return from_array(sums.astype(np.float32) if weights._array.dtype == np.float32 else sums)


def _range_of(name: str, array: Array) -> tuple[float, float]:
    """The smallest and the largest element. Raises RuntimeError if one is not finite."""
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
    return low, high


def _require_floating(name: str, array: Array) -> None:
    if array.dtype.kind != "f":
        raise NotImplementedError(f"\"{name}\" not implemented for '{of(array.dtype).legacy}'")


def _require_bins(bins: int) -> None:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")


@torch_call
@by_host
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of ``bins`` equal intervals from ``min`` to ``max``.

    The range is the data's own where both are equal. Elements outside are not counted. Raises
    RuntimeError for no bins and for max < min, NotImplementedError for integers.
    """
    array = input._array
    _require_bins(bins)
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    _require_floating("histogram_cpu", array)
    low, high = float(min), float(max)
    if low == high and array.size:
        low, high = _range_of("torch.histc", array)
    if low == high:
        low, high = low - 1, high + 1
    xp = backend_of(array).xp
    edges = xp.linspace(low, high, bins + 1).astype(array.dtype)
    return from_array(_fill(xp, array.reshape(-1), edges, None).astype(array.dtype))


def _fill(xp: Namespace, values: Array, edges: Array, weights: Array) -> Array:
    """Sums of weights per interval of ``edges``; one holds its left edge, the last both."""
    n = edges.size - 1
    inside = (values >= edges[0]) & (values <= edges[-1])
    place = xp.minimum(xp.searchsorted(edges, values[inside], side="right") - 1, n - 1)
    return xp.bincount(place, None if weights is None else weights[inside], n)


def _equal_edges(array: Array, bins: int, range: tuple[float, ...] | None) -> Array:
    """The edges of ``bins`` equal intervals over ``range``, or over the data."""
    name = "torch.histogramdd"
    _require_bins(bins)
    if range is not None:
        low, high = map(float, range)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
        if low > high:
            raise RuntimeError(f"{name}: min should not exceed max, but got min {low:g} max {high:g} for dimension 0")
    _require_floating("histogram_cpu", array)
    if range is None:
        low, high = _range_of(name, array) if array.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = spaced(low, high, bins + 1, array.dtype)
    backend = backend_of(array)
    return backend.asarray(edges, None, backend.device_of(array))


@torch_call
@by_host
def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: tuple[float, ...] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> return_types.histogram:
    """The named tuple (hist, bin_edges).

    Args:
        bins: the number of equal intervals, or their edges as an increasing 1-D tensor.
        range: the (lowest, highest) edge, for a number of bins; default, those of the data.
        weight: what each element counts for; of the shape of ``input``.
        density: scale so that the sum of hist times the widths is 1.

    Raises RuntimeError for edges or a range that are none, NotImplementedError for integers.
    """
    array = input._array
    xp = backend_of(array).xp
    if isinstance(bins, Tensor):
        edges = bins._array
        if edges.dtype != array.dtype:
            raise RuntimeError("torch.histogramdd: input tensor and bins tensors should have the same dtype")
        if edges.ndim != 1:
            raise RuntimeError("torch.histogramdd: bins tensor should have one dimension")
        _require_floating("histogramdd", array)
    else:
        edges = _equal_edges(array, bins, range)
    if weight is not None and weight._array.shape != array.shape:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the "
            "input tensor excluding its innermost dimension"
        )
    weights = None if weight is None else weight._array.reshape(-1)
    hist = _fill(xp, array.reshape(-1), edges, weights).astype(array.dtype)
    if density:
        hist = hist / xp.diff(edges) / hist.sum()
    return return_types.histogram(from_array(hist), from_array(edges.copy()))


# ---------------------------------------------------------------------------- searching


@by_host
def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> return_types.histogramdd:
    """The named tuple (hist, bin_edges) of points (..., d) in a box: a count for each of its cells.

    bins: how many along each dimension, an int or d of them, or d tensors of edges. range: 2 d numbers, the least and the
    largest of each dimension. weight: what each point counts. density: divide by the total and the cells' volume.
    """
    array = input._array
    if array.ndim < 2:
        raise RuntimeError(f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {array.ndim}")
    _require_floating("histogramdd", array)
    points = array.reshape(-1, array.shape[-1])
    d = points.shape[1]
    bins = [bins] * d if isinstance(bins, (int, Tensor)) else list(bins)
    if len(bins) != d:
        raise RuntimeError(
            f"torch.histogramdd: expected {d} sequences of bin edges for a {d}-dimensional histogram but got {len(bins)}"
        )
    if range is not None and len(range) != 2 * d:
        raise RuntimeError(
            f"torch.histogramdd: for a {d}-dimensional histogram range should have {2 * d} elements, but got {len(range)}"
        )
    edges = []
    for i, b in enumerate(bins):
        if isinstance(b, Tensor):
            edges.append(b._array)
        else:
            _require_bins(b)
            edges.append(_equal_edges(points[:, i], b, None if range is None else range[2 * i : 2 * i + 2]))
    sizes = [len(e) - 1 for e in edges]
    inside = np.ones(len(points), bool)
    cell = np.zeros(len(points), np.int64)
    for x, e, n in zip(points.T, edges, sizes, strict=True):
        place = np.where(x == e[-1], n - 1, np.searchsorted(e, x, "right") - 1)
        inside &= (place >= 0) & (x <= e[-1])
        cell = cell * n + place
    counted = None if weight is None else weight._array.reshape(-1)[inside].astype(np.float64)
    hist = np.bincount(cell[inside], counted, math.prod(sizes)).reshape(sizes)
    if density:
        volume = functools.reduce(np.multiply.outer, [np.diff(e).astype(np.float64) for e in edges])
        hist = hist / hist.sum() / volume
    found: Any = tuple(from_array(np.array(e)) for e in edges)
    return return_types.histogramdd(from_array(hist.astype(array.dtype)), found)


@torch_call
@by_host
def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value would be inserted to keep the last dimension of ``sorted_sequence`` in
    order.

    ``right=False`` puts it before equal elements, True behind them. The dimensions before the last
    agree, or the sequence is a vector for all values. ``sorter`` holds the indices that sort it.
    """
    sequence = sorted_sequence._array
    xp = backend_of(sequence).xp
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    where = "right" if right or side == "right" else "left"
    values = input._array if isinstance(input, Tensor) else xp.asarray(input)
    if sequence.ndim == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension")
    if sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of "
            "boundaries tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(sequence.shape)} and input value tensor {list(values.shape)}"
        )
    if sorter is not None:
        if sorter._array.dtype != np.int64:
            raise RuntimeError(
                "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
                f"{of(sorter._array.dtype).legacy}"
            )
        if sorter._array.shape != sequence.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got "
                "boundary tensor "
                f"{list(sequence.shape)}and got sorter tensor {list(sorter._array.shape)}"
            )
        sequence = xp.take_along_axis(sequence, sorter._array, -1)
    if sequence.ndim == 1:
        found = xp.searchsorted(sequence, values, side=where)
    else:
        found = xp.empty(values.shape, np.int64)
        flat, rows = sequence.reshape(-1, sequence.shape[-1]), found.reshape(-1, values.shape[-1])
        for i, row in enumerate(values.reshape(rows.shape)):
            rows[i] = xp.searchsorted(flat[i], row, side=where)
    return from_array(xp.asarray(found, np.int32 if out_int32 else np.int64))


def bucketize(input: Tensor, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the interval between ``boundaries`` that each value lies in.

    An interval holds its upper boundary (its lower one, with ``right=True``).
    """
    if boundaries._array.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries._array.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


FUNCTIONS = {
    "bincount": bincount, "bucketize": bucketize, "histc": histc, "histogram": histogram, "histogramdd": histogramdd,
    "searchsorted": searchsorted, "unique": unique, "unique_consecutive": unique_consecutive,
}  # fmt: skip
METHODS = {name: f for name, f in FUNCTIONS.items() if name not in ("bucketize", "histogramdd", "searchsorted")}
