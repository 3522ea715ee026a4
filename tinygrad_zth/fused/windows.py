"""Windows that slide over the spatial dimensions of (N, C, *spatial): seen, and added back.

A *tap* is one position inside the window. The elements that all windows see at one tap are a strided
slice of the padded input; so taking windows apart and adding them back is a loop over taps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..backends import backend_of
from ..operation import Applied, op
from ..storage import data_ptr
from ..types import Array, Namespace

__all__ = ["Geometry", "fold_windows", "padded", "spread_windows", "sum_windows", "unfold_windows"]


class Geometry(NamedTuple):
    """How windows lie on the spatial dimensions; each a tuple with one int per dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]  # zeros before; after, as many as the last window reaches
    dilation: tuple[int, ...]
    out: tuple[int, ...]  # how many windows there are

    def reach(self) -> tuple[int, ...]:
        """The size of the padded input that the windows cover."""
        return tuple(
            (n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(self.out, self.stride, self.dilation, self.kernel)
        )

    def taps(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Per tap its place in the window, and the slices of the padded input it sees."""
        for place in itertools.product(*map(range, self.kernel)):
            yield (
                place,
                tuple(
                    slice(i * d, i * d + (n - 1) * s + 1, s)
                    for i, d, n, s in zip(place, self.dilation, self.out, self.stride)
                ),
            )


def inside(size: tuple[int, ...], geometry: Geometry) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The part of the input that windows reach, in the padded array and in the input."""
    inner, outer = [], []
    for n, p, reach in zip(size, geometry.padding, geometry.reach()):
        count = max(min(n, reach - p), 0)
        inner.append(slice(p, p + count))
        outer.append(slice(0, count))
    return tuple(inner), tuple(outer)


def padded(xp: Namespace, x: Array, geometry: Geometry, value: float = 0) -> Array:
    """``x`` with its padding around it, exactly as far as the windows reach (x itself if it fits)."""
    size, reach = x.shape[2:], geometry.reach()
    if not any(geometry.padding):
        if size == reach:
            return x
        if all(n >= r for n, r in zip(size, reach)):
            return x[(..., *(slice(0, r) for r in reach))]
    whole = xp.full((*x.shape[:2], *reach), value, x.dtype)
    inner, outer = inside(size, geometry)
    whole[(..., *inner)] = x[(..., *outer)]
    return whole


def windows_of(whole: Array, geometry: Geometry) -> Array:
    """A view (C, *kernel, N, *out) of the padded (N, C, *reach): nothing is copied."""
    n, c, *space = whole.strides
    return backend_of(whole).as_strided(
        whole,
        (whole.shape[1], *geometry.kernel, whole.shape[0], *geometry.out),
        (
            c,
            *(s * d for s, d in zip(space, geometry.dilation)),
            n,
            *(s * t for s, t in zip(space, geometry.stride)),
        ),
    )


def add_windows(xp: Namespace, windows: Array, size: tuple[int, ...], geometry: Geometry) -> Array:
    """The adjoint of padding and taking windows: (C, *kernel, N, *out) added up to (N, C, *size)."""
    d = len(size)
    channels, samples = windows.shape[0], windows.shape[1 + d]
    whole = xp.zeros((samples, channels, *geometry.reach()), windows.dtype)
    for place, seen in geometry.taps():
        whole[(..., *seen)] += windows[(slice(None), *place)].swapaxes(0, 1)
    if size == whole.shape[2:] and not any(geometry.padding):
        return whole
    inner, outer = inside(size, geometry)
    result = xp.zeros((samples, channels, *size), windows.dtype)
    result[(..., *outer)] = whole[(..., *inner)]
    return result


# ---------------------------------------------------------------------------- as operations


def _unfold(xp: Namespace, x: Array, geometry: Any) -> Array:
    """(N, C, *spatial) to columns (N, C * taps, windows)."""
    windows = windows_of(padded(xp, x, geometry), geometry)
    d = len(geometry.kernel)
    columns = xp.ascontiguousarray(windows.transpose(1 + d, *range(1 + d), *range(2 + d, 2 + 2 * d)))
    if math.prod(columns.shape) and data_ptr(columns) == data_ptr(x):  # windows of one element: no copy was needed
        columns = columns.copy()
    taps, count = math.prod(geometry.kernel), math.prod(geometry.out)
    return columns.reshape(x.shape[0], x.shape[1] * taps, count)


def _fold(xp: Namespace, columns: Array, size: tuple[int, ...], geometry: Any) -> Array:
    """Columns (N, C * taps, windows) added up to (N, C, *size)."""
    d = len(size)
    n, taps = columns.shape[0], math.prod(geometry.kernel)
    windows = columns.reshape(n, columns.shape[1] // taps, *geometry.kernel, *geometry.out)
    windows = windows.transpose(*range(1, 2 + d), 0, *range(2 + d, 2 + 2 * d))
    return add_windows(xp, windows, tuple(size), geometry)


def _sum_windows(xp: Namespace, x: Array, geometry: Any) -> Array:
    """The sum of each window: (N, C, *spatial) to (N, C, *out)."""
    whole = padded(xp, x, geometry)
    total = None
    for _, seen in geometry.taps():
        part = whole[(..., *seen)]
        if total is None:
            total = part.copy()
        else:
            total += part
    return total


def _spread_windows(xp: Namespace, y: Array, size: tuple[int, ...], geometry: Any) -> Array:
    """Each value added to all elements of its window: (N, C, *out) to (N, C, *size)."""
    whole = xp.zeros((*y.shape[:2], *geometry.reach()), y.dtype)
    for _, seen in geometry.taps():
        whole[(..., *seen)] += y
    if tuple(size) == whole.shape[2:] and not any(geometry.padding):
        return whole
    inner, outer = inside(tuple(size), geometry)
    result = xp.zeros((*y.shape[:2], *size), y.dtype)
    result[(..., *outer)] = whole[(..., *inner)]
    return result


unfold_windows = op(_unfold, name="im2col", x=lambda g, x_shape, geometry: fold_windows(g, x_shape[2:], geometry))
fold_windows: Applied = op(_fold, name="col2im", columns=lambda g, geometry: unfold_windows(g, geometry))
sum_windows = op(
    _sum_windows,
    name="sum_pool",
    x=lambda g, x_shape, geometry: spread_windows(g, x_shape[2:], geometry),
)
spread_windows: Applied = op(_spread_windows, name="sum_pool_transpose", y=lambda g, geometry: sum_windows(g, geometry))
