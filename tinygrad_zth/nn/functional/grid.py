"""Spatial transformers (Jaderberg et al. 2015): a grid of places, and what an image has there."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...dtypes import of
from ...fused.pooling import take_places
from ...ops.calling import shown_as
from ...tensor import Tensor, new_tensor
from ...types import Array
from .dropout import beside

__all__ = ["affine_grid", "grid_sample"]

_DEFAULT = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


@shown_as("AffineGridGeneratorBackward0")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places, in [-1, 1], that affine maps take a regular grid to.

    theta: (N, 2, 3) for a size (N, C, H, W), result (N, H, W, 2); (N, 3, 4) for (N, C, D, H, W), result
    (N, D, H, W, 3). The last dimension is (x, y, z). align_corners: whether -1 and 1 are the centres of the
    outermost elements or their outer edges.

    Raises ValueError for shapes or dtypes that do not fit, NotImplementedError for another number of sizes.
    """
    if align_corners is None:
        warnings.warn(_DEFAULT, stacklevel=2)
    if theta._array.dtype.kind != "f":
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    if align_corners and 1 in size[2:]:
        warnings.warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This is "
            "not an intended use case of affine_grid. See the documentation of affine_grid for details.",
            stacklevel=2,
        )
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != (n, n + 1):
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(f"Expected a batch of {size[0]} affine matrices, got {theta.shape[0]}")
    axes = []
    for s in size[2:]:
        at = np.linspace(-1, 1, s) if s > 1 else np.zeros(1)
        axes.append(at if align_corners else at * (s - 1) / s)
    points = np.stack([*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(tuple(size[2:]))], -1)
    points = points.reshape(1, -1, n + 1).astype(theta._array.dtype)
    base = beside(theta, points)
    return (base @ theta.transpose(1, 2)).reshape(size[0], *size[2:], n)


@shown_as(lambda input, *_, **__: f"GridSampler{input.dim() - 2}DBackward0")
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """The input at the places of a grid: (N, C, H, W) at (N, h, w, 2) -> (N, C, h, w); or with three dimensions.

    Args:
        grid: (x, y[, z]) in the last dimension; -1 and 1 are the borders (see :func:`affine_grid`).
        mode: "bilinear" (trilinear for 5-D input), "nearest", "bicubic" (4-D only).
        padding_mode: what is outside: "zeros", "border" (the nearest element), "reflection".

    Raises ValueError for another mode, RuntimeError for shapes or dtypes that do not fit.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_DEFAULT, stacklevel=2)
    align = bool(align_corners)
    size = _checked(input, grid, mode)
    n = len(size)
    at = []  # coordinates in elements, as the input's dimensions are ordered
    for i, s in enumerate(size):
        g = grid[..., n - 1 - i]
        at.append((g + 1) * ((s - 1) / 2) if align else ((g + 1) * s - 1) / 2)
    zeros = padding_mode == "zeros"
    if mode == "bicubic":
        return _bicubic(input, at, padding_mode, align)
    at = [_held(x, s, padding_mode, align) for x, s in zip(at, size)]
    if mode == "nearest":
        zero = grid.sum(-1) * 0  # the grid has a gradient, and it is zero
        return _read(input, [np.rint(x._array).astype(np.int64) for x in at], zeros) + zero.unsqueeze(1)
    first = [np.floor(x._array) for x in at]
    share = [x - new_tensor(f) for x, f in zip(at, first)]
    total: Any = None
    for corner in itertools.product((0, 1), repeat=n):
        weight: Any = math.prod(s if c else 1 - s for s, c in zip(share, corner))
        part = _read(input, [f.astype(np.int64) + c for f, c in zip(first, corner)], zeros) * weight.unsqueeze(1)
        total = part if total is None else total + part
    result: Tensor = total
    return result


def _checked(input: Tensor, grid: Tensor, mode: str) -> tuple[int, ...]:
    """The input's spatial sizes; raises where input and grid do not fit."""
    n = input.dim() - 2
    if n not in (2, 3) or grid.dim() != n + 2:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != n:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {n} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {list(input.shape)}"
        )
    if mode == "bicubic" and n == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input._array.dtype != grid._array.dtype:
        raise RuntimeError(
            f"expected scalar type {of(input._array.dtype).legacy} but found {of(grid._array.dtype).legacy}"
        )
    return tuple(input.shape[2:])


def _held(x: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """The coordinate brought into the input, unless zeros are outside."""
    if padding_mode == "reflection":
        low, span = (0.0, float(size - 1)) if align else (-0.5, float(size))
        if span == 0:
            return x * 0
        away = (x - low).abs()
        flips = np.floor(away._array / span)
        rest = away - new_tensor(flips * span)
        odd = new_tensor(flips % 2)
        x = rest * (1 - 2 * odd) + odd * span + low
    return x if padding_mode == "zeros" else x.clamp(0, size - 1)


def _read(input: Tensor, at: list[Array], zeros_outside: bool) -> Tensor:
    """The elements at whole coordinates (N, *out), one array a dimension; outside, zeros or the nearest. (N, C, *out)."""
    size, channels = input.shape[2:], input.shape[1]
    inside: Any = True
    flat: Any = 0
    for x, s in zip(at, size):
        inside = ((x >= 0) & (x < s)) & inside
        flat = x.clip(0, s - 1) + flat * s
    places = np.repeat(flat[:, None], channels, 1)
    found = take_places(input, new_tensor(places))
    return found.masked_fill(new_tensor(~inside[:, None]), 0) if zeros_outside else found


def _coefficients(t: Tensor) -> list[Tensor]:
    """Keys's cubic kernel, a = -0.75, at the distances of the four neighbours of a place t beyond the second."""
    a = -0.75

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _bicubic(input: Tensor, at: list[Tensor], padding_mode: str, align: bool) -> Tensor:
    size = input.shape[2:]
    first = [np.floor(x._array) for x in at]
    weights = [_coefficients(x - new_tensor(f)) for x, f in zip(at, first)]
    total: Any = None
    for i, j in itertools.product(range(4), repeat=2):
        places = []
        for f, k, s in zip(first, (i, j), size):
            place = _held(new_tensor(f + (k - 1)), s, padding_mode, align)._array
            places.append(place.astype(np.int64))
        part = _read(input, places, padding_mode == "zeros") * (weights[0][i] * weights[1][j]).unsqueeze(1)
        total = part if total is None else total + part
    result: Tensor = total
    return result
