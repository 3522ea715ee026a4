"""Fractional max pooling: windows whose places are drawn, so that an image shrinks by any factor (Graham 2014)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import sampling
from ...fused.pooling import take_places
from ...ops.calling import by_host, shown_as
from ...tensor import Tensor, new_tensor
from .conv import ints

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]  # fmt: skip


def _starts(samples: np.ndarray, size: int, out: int, kernel: int) -> np.ndarray:
    """Where the windows begin along one dimension: (planes, out), from a number in [0, 1) for each plane."""
    starts = np.full((len(samples), out), size - kernel)
    if out > 1:
        step = samples.dtype.type((size - kernel) / samples.dtype.type(out - 1))
        i = np.arange(out - 1)
        starts[:, :-1] = ((i + samples[:, None]) * step).astype(np.int64) - (samples * step).astype(np.int64)[:, None]
    return starts


@shown_as(lambda n, *_: f"FractionalMaxPool{n}DBackward0")
@by_host  # the places of the windows are drawn there
def _pooled(
    n: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, random_samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got: {list(input.shape)}")
    x = input if input.dim() == n + 2 else input.unsqueeze(0)
    size, kernel = x.shape[2:], ints(kernel_size, n, "kernel_size")
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
        if not all(0 < r < 1 for r in ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
        output_size = [int(s * r) for s, r in zip(size, ratio)]
    out = ints(output_size, n, "output_size")
    for s, o, k in zip(size, out, kernel):
        if o + k - 1 > s:
            raise RuntimeError(f"{name}(): pool {k} and output {o} are too large relative to input {s}")
    array, lead = x._array, x.shape[:2]
    planes = lead[0] * lead[1]
    if random_samples is None:
        samples = sampling.uniform_(np.empty((*lead, n), array.dtype))
    else:
        samples = random_samples._array
    samples = samples.reshape(planes, n)
    # PyTorch's samples are of width and height in two dimensions, of depth, height and width in three.
    order = (1, 0) if n == 2 else (0, 1, 2)
    at: Any = np.zeros((1,) * (2 * n + 1), np.int64)
    for i, (s, o, k) in enumerate(zip(size, out, kernel)):
        places = _starts(samples[:, order[i]], s, o, k)[:, :, None] + np.arange(k)  # (planes, out, kernel)
        shape = [planes, *(1,) * (2 * n)]
        shape[1 + i], shape[1 + n + i] = o, k
        at = at * s + places.reshape(shape)
    at = np.broadcast_to(at, (planes, *out, *kernel)).reshape(planes, *out, -1)
    flat = array.reshape(planes, -1)
    values = np.take_along_axis(flat, at.reshape(planes, -1), 1).reshape(at.shape)
    best = values.argmax(-1)[..., None]
    positions = new_tensor(np.take_along_axis(at, best, -1)[..., 0].reshape(*lead, *out))
    result = take_places(x, positions)
    return (result, positions) if x is input else (result.squeeze(0), positions.squeeze(0))


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(N, C, H, W) with maxima of windows that lie where the generator says, and where in the plane they were.

    output_size, or output_ratio in (0, 1). One number a plane and dimension is drawn, (N, C, 2), or given as
    ``_random_samples``. Raises ValueError without a size or for a ratio outside, RuntimeError for windows that do not fit.
    """
    return _pooled(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """:func:`fractional_max_pool2d_with_indices`, the indices only on request."""
    found = _pooled(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """:func:`fractional_max_pool2d_with_indices` in three dimensions."""
    return _pooled(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """:func:`fractional_max_pool3d_with_indices`, the indices only on request."""
    found = _pooled(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]
