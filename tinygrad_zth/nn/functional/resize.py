"""Resizing images and signals: nearest elements, linear and cubic interpolation, means of areas.

All but the nearest are linear maps along one dimension after the other, each a small matrix of weights
(``fused.resample``). A weight of zero times an infinite element is NaN: infinities spread along a dimension.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...dtypes import of
from ...fused.resample import resample
from ...ops.calling import shown_as
from ...tensor import Tensor
from ...types import Array
from .dropout import beside
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_SMOOTH = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5, "lanczos": 4}  # and how many dimensions they need
_MODES = ("nearest", "linear", "bilinear", "bicubic", "trilinear", "lanczos", "area", "nearest-exact")


def _shown(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *_: Any, **more: Any
) -> str:
    """PyTorch's name for the gradient."""
    kind = {"nearest-exact": "NearestExact", "area": "AdaptiveAvg"}.get(mode, mode.capitalize())
    n = input.dim() - 2
    if mode == "area":
        return "SqueezeBackward1" if n == 1 else f"AdaptiveAvgPool{n}DBackward0"
    return f"Upsample{kind}{n}D{'Aa' * bool(more.get('antialias'))}Backward0"


@shown_as(_shown)
def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """(N, C, *spatial), one to three spatial dimensions, with other sizes.

    Args:
        size: the new sizes, an int or one a dimension; or else
        scale_factor: by what to multiply them, a number or one a dimension.
        mode: "nearest", "nearest-exact", "linear" (3-D input), "bilinear", "bicubic" (4-D), "trilinear" (5-D),
            "area", "lanczos" (with antialias).
        align_corners: whether the first and the last elements, not the corners of their areas, are where they were.
        recompute_scale_factor: whether the scale is computed from the sizes that ``scale_factor`` led to.
        antialias: widen the kernel when shrinking ("bilinear", "bicubic" and "lanczos").

    Raises ValueError for arguments that exclude each other or have another length, NotImplementedError for a mode
    that does not go with the input, RuntimeError for an empty result.
    """
    shape, ndim = tuple(input.shape), input.dim()
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    align = bool(align_corners)
    sizes, scales = _sizes(shape, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if ndim not in (3, 4, 5) or mode not in _MODES or (mode == "lanczos" and not antialias):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the modes: "
            f"{' | '.join(_MODES)} (got {mode})"
        )
    if mode in _SMOOTH and _SMOOTH[mode] != ndim:
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {_SMOOTH[mode]}D input")
    if mode == "area":
        result: Tensor = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[ndim - 3](input, sizes)
        return result
    if min((*shape[2:], *sizes)) <= 0 or shape[1] == 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(shape)} output {list(sizes)}"
        )
    kind = input._array.dtype
    if kind.kind != "f" and not (kind == np.uint8 and mode not in _SMOOTH):
        raise NotImplementedError(f"\"upsample_{mode}{ndim - 2}d\" not implemented for '{of(kind).legacy}'")
    for i, (n, m, scale) in enumerate(zip(shape[2:], sizes, scales, strict=True)):
        if mode in _SMOOTH:
            input = resample(input, _weights(mode, n, m, scale, align, antialias), i + 2)
        else:
            input = input.index_select(i + 2, beside(input, _nearest(n, m, scale, mode)))
    return input


def _sizes(
    shape: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The new sizes, and the scales that were asked for (None where the sizes say them)."""
    spatial = shape[2:]
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = _each(size, spatial, "output size")
        if any(not isinstance(s, numbers.Integral) for s in sizes):
            raise TypeError(f"interpolate(): size must be an int or a sequence of ints, not {size!r}")
        return tuple(int(s) for s in sizes), (None,) * len(spatial)
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    scales = _each(scale_factor, spatial, "scale_factor")
    if any(not isinstance(s, numbers.Real) for s in scales):
        raise TypeError(f"interpolate(): scale_factor must be a number or a sequence of numbers, not {scale_factor!r}")
    sizes = tuple(math.floor(n * float(s)) for n, s in zip(spatial, scales, strict=True))
    return sizes, (None,) * len(spatial) if recompute else tuple(float(s) for s in scales)


def _each(value: Any, spatial: tuple[int, ...], what: str) -> tuple[Any, ...]:
    if isinstance(value, Tensor):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (value,) * len(spatial)
    if len(value) != len(spatial):
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(spatial)} and {what} of {tuple(value)}. Please provide input tensor in (N, C, d1, d2, ...,dK) "
            "format and one value for each dK."
        )
    return tuple(value)


# ---------------------------------------------------------------------------- one dimension


def _nearest(n: int, m: int, scale: float | None, mode: str) -> Array:
    """Where each of m elements is taken from; in float32, as PyTorch computes it, where rounding decides."""
    step = np.float32(1.0 / scale) if scale else np.float32(n) / np.float32(m)
    at = np.arange(m, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)
    return np.minimum(np.floor(at * step).astype(np.int64), n - 1)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's kernel (1981)."""
    x = abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _weights(mode: str, n: int, m: int, scale: float | None, align: bool, antialias: bool) -> Array:
    """The matrix (m, n) that takes n elements to m."""
    if align:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
        at = np.arange(m) * step
    else:
        step = 1 / scale if scale else n / m
        at = (np.arange(m) + 0.5) * step - 0.5
    if antialias:
        return _smoothed(mode, n, m, step)
    matrix = np.zeros((m, n))
    rows = np.arange(m)
    if mode == "bicubic":
        first = np.floor(at).astype(np.int64)
        for k in range(-1, 3):  # beyond the border the border's element counts
            np.add.at(matrix, (rows, (first + k).clip(0, n - 1)), _cubic(at - first - k, -0.75))
        return matrix
    at = at.clip(0)
    first = np.minimum(at.astype(np.int64), n - 1)
    share = at - first
    np.add.at(matrix, (rows, first), 1 - share)
    np.add.at(matrix, (rows, np.minimum(first + 1, n - 1)), share)
    return matrix


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


_KERNELS: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "bilinear": (1.0, lambda x: (1 - abs(x)).clip(0)),
    "bicubic": (2.0, lambda x: _cubic(x, -0.5)),
    "lanczos": (3.0, _lanczos),
}


def _smoothed(mode: str, n: int, m: int, step: float) -> Array:
    """Weights of a kernel that is stretched by the step, and sums to one within the input."""
    reach, kernel = _KERNELS[mode]
    stretch = max(step, 1.0)
    centre = (np.arange(m) + 0.5) * step
    first = np.maximum((centre - reach * stretch + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach * stretch + 0.5).astype(np.int64), n)
    place = np.arange(n)
    matrix = kernel((place - centre[:, None] + 0.5) / stretch)
    matrix *= (place >= first[:, None]) & (place < last[:, None])
    return matrix / matrix.sum(1, keepdims=True)


# ---------------------------------------------------------------------------- the older names


def _retired(name: str) -> None:
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """:func:`interpolate`, with a warning."""
    _retired("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate` by nearest elements, with a warning."""
    _retired("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """:func:`interpolate`, bilinear with aligned corners, with a warning."""
    _retired("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
