"""Windows laid out as long runs of memory, for the columns of a convolution.

Copying windows one row of an image at a time costs more for the rows' beginnings than for their elements.
So the padded input is first taken apart into its *phases*, the elements whose distance modulo the stride is
the same, each a small image of width w. What all windows see at one tap is then a single run of ``rows * w``
elements of a phase, from an offset that is the tap's. Between two rows such a run holds the w - out elements
that no window begins at: their outputs are left out, and their gradients are zero.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..types import Array
from .windows import Geometry

__all__ = ["Runs", "add_runs", "kept", "laid_out", "run_columns", "runs_of"]

_WASTE = 1.3  # how much longer than the windows a run may be


class Runs(NamedTuple):
    """How the windows of one geometry on one size lie in the phases.

    Attributes:
        phase: the size of a phase; the last dimension but one has a row to spare.
        places: for each phase its slices, and those of the input that it holds.
        taps: for each tap its phase, its slices of the leading dimensions, and its run's offset.
        shape: the windows with what lies between rows, (*out[:-1], w); ``span`` elements in all.
        whole: whether the windows reach every element of the input.
    """

    phase: tuple[int, ...]
    places: tuple[tuple[tuple[slice, ...], tuple[slice, ...]], ...]
    taps: tuple[tuple[int, tuple[slice, ...], int], ...]
    shape: tuple[int, ...]
    span: int
    whole: bool


def _held(n: int, padding: int, stride: int, first: int, count: int) -> tuple[slice, slice]:
    """Of a dimension of size n: the part of the phase ``first`` that is no padding, and where it comes from."""
    a = max(0, -((first - padding) // stride))
    b = max(a, min(count, (n - 1 + padding - first) // stride + 1))
    begin = a * stride + first - padding
    return slice(a, b), slice(begin, begin + (b - a - 1) * stride + 1 if b > a else begin, stride)


@lru_cache(maxsize=512)
def runs_of(size: tuple[int, ...], geometry: Geometry) -> Runs | None:
    """The layout, or None where rows are so short, or spread so far, that it does not pay."""
    if math.prod(geometry.kernel) == 1:
        return None
    flat = len(size) == 1
    if flat:  # a signal is an image of one row
        size = (1, *size)
        geometry = Geometry(*(((v, *g)) for v, g in zip((1, 1, 0, 1, 1), geometry)))
    counts = tuple(-(-reach // s) for reach, s in zip(geometry.reach(), geometry.stride))
    width = counts[-1]
    if width > _WASTE * geometry.out[-1]:
        return None
    firsts = sorted(
        {tuple(i * d % s for i, d, s in zip(p, geometry.dilation, geometry.stride)) for p, _ in geometry.taps()}
    )
    places = []
    for first in firsts:
        held = [_held(*v) for v in zip(size, geometry.padding, geometry.stride, first, counts)]
        places.append((tuple(h[0] for h in held), tuple(h[1] for h in held)))
    taps = []
    for place in itertools.product(*map(range, geometry.kernel)):
        offset = [i * d for i, d in zip(place, geometry.dilation)]
        shift = [o // s for o, s in zip(offset, geometry.stride)]
        lead = tuple(slice(a, a + n) for a, n in zip(shift[:-2], geometry.out))
        phase = firsts.index(tuple(o % s for o, s in zip(offset, geometry.stride)))
        taps.append((phase, lead, shift[-2] * width + shift[-1]))
    covered = sum(math.prod(s.stop - s.start for s in inner) for inner, _ in places)
    shape = (*geometry.out[:-1], width)
    return Runs(
        (*counts[:-2], counts[-2] + 1, width), tuple(places), tuple(taps), shape[1:] if flat else shape,
        math.prod(shape), covered == math.prod(size),
    )  # fmt: skip


def _image(x: np.ndarray, runs: Runs) -> np.ndarray:
    """(n, C, L) as (n, C, 1, L); anything else as it is."""
    return x[:, :, None] if x.ndim == 3 and len(runs.phase) == 2 else x


def _run(runs: Runs) -> int:
    """The length of a run: all rows of the last two dimensions."""
    rows = runs.shape[-2] if len(runs.shape) > 1 else 1
    return rows * runs.shape[-1]


def run_columns(x: Array, runs: Runs) -> Array:
    """(n, C, *spatial) -> (C, taps, n, *leading, run)."""
    x = _image(x, runs)
    n, c = x.shape[:2]
    phases: Array = np.zeros((len(runs.places), c, n, *runs.phase), x.dtype)
    for phase, (inner, outer) in zip(phases, runs.places, strict=True):
        phase[(..., *inner)] = x[(..., *outer)].swapaxes(0, 1)
    lines = phases.reshape(*phases.shape[:-2], -1)
    run = _run(runs)
    columns = np.empty((c, len(runs.taps), n, *runs.shape[:-2], run), x.dtype)
    for t, (phase, lead, offset) in enumerate(runs.taps):
        columns[:, t] = lines[(phase, slice(None), slice(None), *lead, slice(offset, offset + run))]
    return columns


def add_runs(columns: np.ndarray, size: tuple[int, ...], runs: Runs, result: np.ndarray) -> None:
    """The adjoint of ``run_columns``: (C, taps, n * span) added up into ``result`` (n, C, *size), written over."""
    c, n = columns.shape[0], result.shape[0]
    run = _run(runs)
    columns = columns.reshape(c, len(runs.taps), n, *runs.shape[:-2], run)
    phases: Array = np.zeros((len(runs.places), c, n, *runs.phase), columns.dtype)
    lines = phases.reshape(*phases.shape[:-2], -1)
    for t, (phase, lead, offset) in enumerate(runs.taps):
        lines[(phase, slice(None), slice(None), *lead, slice(offset, offset + run))] += columns[:, t]
    image: Array = _image(result, runs)
    if not runs.whole:
        image[...] = 0
    for phase, (inner, outer) in zip(phases, runs.places, strict=True):
        image[(..., *outer)] = phase[(..., *inner)].swapaxes(0, 1)


def kept(product: Any, out: tuple[int, ...], runs: Runs) -> Any:
    """(..., n * span) without what lies between rows: (..., n, *out), a view."""
    shape = (*product.shape[:-1], product.shape[-1] // runs.span, *runs.shape)
    return product.reshape(shape)[..., : out[-1]]


def laid_out(y: np.ndarray, runs: Runs) -> np.ndarray:
    """(n, O, *out) -> (O, n * span), zero between rows."""
    n, o, *out = y.shape
    wide = np.empty((o, n, *runs.shape), y.dtype)
    wide[..., out[-1] :] = 0
    wide[..., : out[-1]] = y.swapaxes(0, 1)
    return wide.reshape(o, n * runs.span)
