"""max_pool: the largest element of each window of (N, C, *spatial).

The forward remembers in which *tap* (see ``windows``) each maximum was found, in one byte a window where
that is enough. The gradient of a window goes to that element: ``spread_taps`` writes it there and
``take_taps`` reads it, and each is the other's derivative. Among equal elements the first wins, and
NaN wins over everything, as in PyTorch.

``take_places`` and ``spread_places`` do the same for positions in the flattened spatial plane: what
adaptive pooling finds and what unpooling is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Kernels, backend_of
from ..backends.cuda_source import cuda_kernel
from ..backends.parallel import run_blocks
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Namespace
from . import pooling_cuda
from .windows import Geometry, inside, padded

__all__ = [
    "lowest", "max_pool1d", "max_pool2d", "max_pool3d", "max_pool_places", "plain", "spread_places", "spread_taps",
    "take_places", "take_taps",
]  # fmt: skip

_NS_PER_ELEMENT = 3.0


def lowest(dtype: np.dtype[Any]) -> float:
    """The identity of the maximum in ``dtype``."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _tap_dtype(geometry: Geometry) -> type:
    """Room for one number more than there are taps."""
    taps = math.prod(geometry.kernel)
    return np.uint8 if taps < 255 else np.uint16 if taps < 65535 else np.int64


def _planes(xp: Namespace, x: Array, width: int, work: Callable[..., Any]) -> None:
    """``work(planes)`` for slices of the N C planes of x, in blocks that stay in the cache."""
    if xp is np:
        run_blocks(lambda a, b: work(slice(a, b)), x.shape[0] * x.shape[1], max(width, 1), _NS_PER_ELEMENT)
    else:
        work(slice(None))


def _flat(x: Array) -> Array:
    """(N, C, *spatial) as (N C, 1, *spatial)."""
    return x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[2:])


def _first(xp: Namespace, whole: Array, geometry: Geometry, best: Array, place: Array) -> None:
    """For each window the first tap that holds the maximum, which is written into ``best``."""
    slices = [seen for _, seen in geometry.taps()]
    xp.copyto(best, whole[(..., *slices[0])])
    for seen in slices[1:]:
        xp.maximum(best, whole[(..., *seen)], out=best)
    missed = xp.ones(best.shape, bool)
    place[...] = 0
    for seen in slices:  # the taps before the first that is equal are counted
        missed &= whole[(..., *seen)] != best
        place += missed


def _walked(xp: Namespace, x: Array, geometry: Geometry, best: Array, place: Array) -> None:
    """As ``_first`` for windows with NaN, whose last NaN is meant, or with no element above -inf."""
    best[...] = lowest(x.dtype)
    found = xp.zeros(best.shape, bool)
    whole = padded(xp, x, geometry, lowest(x.dtype))
    real = padded(xp, xp.ones((1, 1, *x.shape[2:]), bool), geometry, False)
    for t, (_, seen) in enumerate(geometry.taps()):
        tap = whole[(..., *seen)]
        better = ((tap > best) | (tap != tap) | ~found) & real[(..., *seen)]
        xp.copyto(best, tap, where=better)
        place[better] = t
        found |= better


def _max_pool(xp: Namespace, x: Array, geometry: Any) -> tuple[Array, ...]:
    """(N, C, *spatial) -> the maxima (N, C, *out), and for each its tap."""
    flat, shape = _flat(x), (*x.shape[:2], *geometry.out)
    best = xp.empty((len(flat), 1, *geometry.out), x.dtype)
    place = xp.empty(best.shape, _tap_dtype(geometry))
    taps, guarded = math.prod(geometry.kernel), any(geometry.padding) or geometry.reach() != x.shape[2:]

    def work(planes: slice) -> None:
        part, b, p = flat[planes], best[planes], place[planes]
        _first(xp, padded(xp, part, geometry, lowest(x.dtype)), geometry, b, p)
        if b.size and (int(p.max()) == taps or guarded and b.min() == lowest(x.dtype)):
            _walked(xp, part, geometry, b, p)

    _planes(xp, x, math.prod(x.shape[2:]), work)
    return best.reshape(shape), place.reshape(shape)


@cuda_kernel
def _cuda_max_pool(x: Array, geometry: Geometry) -> tuple[Array, ...]:
    """``_max_pool`` by the CUDA kernel, which has no need to ask whether there was a NaN; integers by array calls."""
    if x.dtype.kind == "f" and len(geometry.out) <= 3:
        best, place = pooling_cuda.max_pool(x, geometry, _tap_dtype(geometry))
    else:
        best, place = _max_pool(backend_of(x).xp, x, geometry)
    return best, place


maxima = Kernels(_max_pool, {"cupy": _cuda_max_pool})


def _take_taps(xp: Namespace, x: Array, place: Array, geometry: Any) -> Array:
    """The element at tap ``place`` of each window: (N, C, *spatial) -> (N, C, *out)."""
    flat, place = _flat(x), _flat(place)
    out = xp.zeros(place.shape, x.dtype)

    def work(planes: slice) -> None:
        whole = padded(xp, flat[planes], geometry)
        for t, (_, seen) in enumerate(geometry.taps()):
            xp.copyto(out[planes], whole[(..., *seen)], where=place[planes] == t)

    _planes(xp, x, math.prod(x.shape[2:]), work)
    return out.reshape(*x.shape[:2], *geometry.out)


def _spread_taps(xp: Namespace, y: Array, place: Array, size: tuple[int, ...], geometry: Any) -> Array:
    """The adjoint: each value added to the element it was taken from, (N, C, *out) -> (N, C, *size)."""
    flat, place = _flat(y), _flat(place)
    result = xp.empty((len(flat), 1, *size), y.dtype)
    apart = all(s >= d * (k - 1) + 1 for s, d, k in zip(geometry.stride, geometry.dilation, geometry.kernel))
    zero = y.dtype.type(0)
    fits = geometry.reach() == tuple(size) and not any(geometry.padding)

    def work(planes: slice) -> None:
        part, at = flat[planes], place[planes]
        whole = result[planes] if fits else xp.empty((len(part), 1, *geometry.reach()), y.dtype)
        whole[...] = 0
        for t, (_, seen) in enumerate(geometry.taps()):
            tap = whole[(..., *seen)]
            if apart:
                xp.copyto(tap, part, where=at == t)
            else:
                tap += xp.where(at == t, part, zero)
        if not fits:
            inner, outer = inside(tuple(size), geometry)
            result[planes] = 0
            result[planes][(..., *outer)] = whole[(..., *inner)]

    _planes(xp, result, math.prod(size), work)
    return result.reshape(*y.shape[:2], *size)


take_taps = op(
    _take_taps,
    name="max_pool_gather",
    tensors=("place",),
    x=lambda g, place, x_shape, geometry: spread_taps(g, place, x_shape[2:], geometry),
)
spread_taps: Applied = op(
    _spread_taps,
    name="max_pool_scatter",
    tensors=("place",),
    y=lambda g, place, geometry: take_taps(g, place, geometry),
)


def plain(x: Tensor, geometry: Any) -> Tensor:
    """The definition: the maximum over the windows' elements, padding being -inf."""
    from ..ops.extremes import max as maximum_along

    windows = _padded_windows(x, geometry)
    result: Tensor = maximum_along(windows, 2)[0].reshape(*x.shape[:2], *geometry.out)
    return result


def _padded_windows(x: Tensor, geometry: Geometry) -> Tensor:
    """(N, C, taps, windows) as Tensors; what lies outside the input is as low as can be."""
    from ..ops.compare import where
    from ..tensor import new_tensor
    from .windows import unfold_windows

    n, c = x.shape[:2]
    xp = backend_of(x._array).xp
    ones = new_tensor(xp.ones((1, 1, *x.shape[2:]), x._array.dtype))
    real = unfold_windows(ones, geometry)._array.reshape(1, 1, math.prod(geometry.kernel), math.prod(geometry.out)) > 0
    taken = unfold_windows(x, geometry).reshape(n, c, *real.shape[2:])
    lowest_of_all = new_tensor(xp.full((), lowest(x._array.dtype), x._array.dtype))
    result: Tensor = where(new_tensor(real), taken, lowest_of_all)
    return result


def _entry(n: int) -> Applied:
    return op(
        _max_pool,
        name=f"max_pool{n}d",
        grad_name="SqueezeBackward1" if n == 1 else f"MaxPool{n}DWithIndicesBackward0",
        extras=("place",),
        plain=plain,
        kernels={"cupy": _cuda_max_pool},
        x=lambda g, place, x_shape, geometry: spread_taps(g, place, x_shape[2:], geometry),
    )


max_pool1d, max_pool2d, max_pool3d = _entry(1), _entry(2), _entry(3)


def max_pool_places(xp: Namespace, x: Array, geometry: Any) -> tuple[Array, ...]:
    """For raw arrays: the maxima, their taps, and their positions in the flattened spatial plane, int64."""
    best, place = maxima[x.__class__](x, geometry)
    position = xp.zeros(place.shape, np.int64)
    tap = place.astype(np.int64)
    within: list[Array] = []
    for k in reversed(geometry.kernel):  # CuPy's unravel_index waits for the device
        within.insert(0, tap % k)
        tap = tap // k
    for i, (n, s, d, p) in enumerate(zip(x.shape[2:], geometry.stride, geometry.dilation, geometry.padding)):
        start = (xp.arange(geometry.out[i]) * s - p).reshape(-1, *(1,) * (len(geometry.out) - 1 - i))
        position = position * n + (start + within[i] * d)
    return best, place, position


# ---------------------------------------------------------------------------- positions in the plane


def _take_places(xp: Namespace, x: Array, position: Array) -> Array:
    """x (N, C, *spatial) at ``position`` (N, C, *out), counted in the flattened plane -> (N, C, *out)."""
    n, c = x.shape[:2]
    taken = xp.take_along_axis(
        x.reshape(n, c, math.prod(x.shape[2:])), position.reshape(n, c, math.prod(position.shape[2:])), 2
    )
    return taken.reshape(position.shape)


def _spread_places(xp: Namespace, y: Array, position: Array, size: tuple[int, ...]) -> Array:
    """The adjoint: y (N, C, *out) added to zeros (N, C, *size) at ``position``."""
    n, c = y.shape[:2]
    plane = math.prod(size)
    offsets = (xp.arange(n * c) * plane).reshape(n, c, *(1,) * (y.ndim - 2))
    flat = (position + offsets).reshape(-1)
    if y.dtype.itemsize == 8 and xp is np:
        result = np.bincount(flat, y.reshape(-1), n * c * plane)
    else:
        result = xp.zeros(n * c * plane, y.dtype)
        xp.add.at(result, flat, y.reshape(-1))
    return result.reshape(n, c, *size)


take_places = op(
    _take_places,
    name="take_places",
    tensors=("position",),
    x=lambda g, position, x_shape: spread_places(g, position, x_shape[2:]),
)
spread_places: Applied = op(
    _spread_places,
    name="spread_places",
    tensors=("position",),
    y=lambda g, position: take_places(g, position),
)
