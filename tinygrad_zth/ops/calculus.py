"""Numerical calculus on samples: areas under curves, slopes; covariance of variables."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backends import backend_of
from ..dtypes import get_default_dtype
from ..tensor import Tensor, from_array, new_tensor
from ..types import Sizes
from .index import narrow
from .join import cat, stack
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "corrcoef", "cov", "cumulative_trapezoid", "gradient", "trapezoid"]


def _panels(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor, int]:
    """The areas between neighbouring samples, and the dimension."""
    d = dim_of(dim, y._array.ndim)
    n = y._array.shape[d]
    if n == 0:
        return y, d
    if y._array.dtype.kind == "b":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    pairs = narrow(y, d, 1, n - 1) + narrow(y, d, 0, n - 1)
    if x is None:
        return pairs * dx / 2.0, d
    if x._array.ndim == 1 or x._array.ndim < y._array.ndim:
        size = x._array.shape[-1]
        if x._array.ndim == 1 and size != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        steps = x.diff(dim=-1)
        if x._array.ndim == 1:
            steps = steps.reshape([-1 if i == d else 1 for i in range(y._array.ndim)])
    else:
        steps = x.diff(dim=d)
    return pairs * steps / 2.0, d


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | Tensor = 1, dim: int = -1) -> Tensor:
    """The area under samples along ``dim``, by straight lines between them, at ``x`` or ``dx`` apart."""
    if y._array.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if y._array.shape[dim_of(dim, y._array.ndim)] == 0:
        return y.sum(dim).to(y.dtype)
    areas, d = _panels("trapezoid", y, x, dx, dim)
    return areas.sum(d)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | Tensor = 1, dim: int = -1) -> Tensor:
    """The areas from the first sample up to each of the others."""
    areas, d = _panels("cumulative_trapezoid", y, x, dx, dim)
    return areas.cumsum(d)


def gradient(
    input: Tensor,
    *,
    spacing: float | Tensor | Sequence[float] | Sequence[Tensor] = 1,
    dim: Sizes | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The slopes of samples along each of ``dim``: from both neighbours, at the ends from one side.

    ``spacing`` is a number, one number per dimension, or per dimension a 1-D tensor of coordinates.
    ``edge_order`` 2 takes three samples at the ends. Raises RuntimeError for too few samples.
    """
    ndim = input._array.ndim
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = tuple(range(ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    dims = tuple(dim_of(d, ndim) for d in dims)
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {max(dims, key=dims.count)} appears multiple times in the list of dims")
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (list, tuple)):
        if len(spacing) != len(dims):
            raise RuntimeError(
                f"torch.gradient expected spacing to be unspecified, a scalar or a list of length {len(dims)}, "
                f"but got a list of length {len(spacing)}"
            )
        steps = list(spacing)
    else:
        steps = [spacing] * len(dims)
    return tuple(_slope(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))


def _slope(t: Tensor, d: int, spacing: Any, edge_order: int) -> Tensor:
    n = t._array.shape[d]
    if n <= edge_order:
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    coordinates = isinstance(spacing, Tensor) and spacing._array.ndim == 1
    left: Any
    right: Any
    if coordinates:
        widths = spacing.diff().reshape([-1 if i == d else 1 for i in range(t._array.ndim)])
        left, right = narrow(widths, d, 0, n - 2), narrow(widths, d, 1, n - 2)
    else:
        left = right = spacing
    before, here, after = (narrow(t, d, k, n - 2) for k in range(3))
    if coordinates:
        inner = (
            before * (-right / (left * (left + right)))
            + here * ((right - left) / (left * right))
            + after * (left / (right * (left + right)))
        )
    else:
        inner = (after - before) / (spacing * 2)
    ends = [_end(t, d, 0, spacing if not coordinates else widths, edge_order, coordinates)]
    ends.append(_end(t, d, n - 1, spacing if not coordinates else widths, edge_order, coordinates))
    return cat([ends[0], inner, ends[1]], d)


def _end(t: Tensor, d: int, at: int, widths: Any, edge_order: int, coordinates: bool) -> Tensor:
    inward = 1 if at == 0 else -1
    samples = [narrow(t, d, at + inward * k, 1) for k in range(edge_order + 1)]
    if coordinates:
        last = widths._array.shape[d] - 1
        first, second = (narrow(widths, d, k if at == 0 else last - k, 1) for k in (0, min(1, last)))
    else:
        first = second = widths
    if edge_order == 1:
        return (samples[1] - samples[0]) * inward / first
    a = -(first * 2 + second) / (first * (first + second))
    b = (first + second) / (first * second)
    c = -first / (second * (first + second))
    return (samples[0] * a + samples[1] * b + samples[2] * c) * inward


# ---------------------------------------------------------------------------- covariance


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables (rows), each observed in the columns.

    ``fweights``: how often each observation counts (integers); ``aweights``: how much. The sum of
    products is divided by the sum of weights less ``correction``. Raises RuntimeError for more than two
    dimensions and for weights that do not fit.
    """
    if input._array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input._array.ndim} dimensions"
        )
    if input._array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input._array.ndim < 2 else input
    observations = x._array.shape[1]
    for name, w, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if w is None:
            continue
        if w._array.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w._array.ndim} dimensions"
            )
        if w._array.dtype.kind not in kinds:
            kind = "integral" if kinds == "iu" else "floating point"
            raise RuntimeError(
                f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype.legacy} dtype"
            )
        if w._array.size != observations:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got {w._array.size} != {observations}"
            )
        if w._array.size and w._array.min() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if not x.is_floating_point():
        x = x.to(get_default_dtype())
    weights = fweights.to(x.dtype) if fweights is not None else None
    if aweights is not None:
        weights = aweights.to(x.dtype) if weights is None else weights * aweights.to(x.dtype)
    if weights is None:
        total, mean = observations, x.mean(1, keepdim=True) if observations else x.sum(1, keepdim=True) / 0
        freedom = total - correction
    else:
        weights = weights.reshape(-1)
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
        spread = total if aweights is None else (weights * aweights.reshape(-1)).sum() / total
        freedom = total - correction * (1 if aweights is None else spread)
        if aweights is None:
            freedom = total - correction
    if float(freedom) <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.",
            stacklevel=2,
        )
        freedom = (freedom * 0).abs() if isinstance(freedom, Tensor) else 0
    centred = x - mean
    right = centred if weights is None else centred * weights
    freedom = (
        freedom
        if isinstance(freedom, Tensor)
        else new_tensor(backend_of(x._array).xp.full((), freedom, x._array.dtype))
    )
    return (right @ centred.t() / freedom).squeeze()


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables (rows): covariances over the standard deviations."""
    if input._array.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input._array.ndim} dimensions"
        )
    c = cov(input)
    if c._array.ndim == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    scaled = c / deviation.unsqueeze(-1) / deviation.unsqueeze(0)
    return scaled.clamp(-1, 1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of a vector's elements as columns, the highest first unless ``increasing``."""
    if x._array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x._array.size if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    ones = x**0
    powers = [ones]
    for _ in range(1, n):
        powers.append(powers[-1] * x)
    if n == 0:
        return from_array(
            backend_of(x._array).xp.zeros(
                (x._array.size, 0), x._array.dtype if x._array.dtype.kind != "b" else np.int64
            )
        )
    return stack(powers if increasing else powers[::-1], -1)


FUNCTIONS = {
    "corrcoef": corrcoef, "cov": cov, "cumulative_trapezoid": cumulative_trapezoid, "gradient": gradient,
    "trapezoid": trapezoid, "trapz": trapezoid, "vander": vander,
}  # fmt: skip
METHODS = {"corrcoef": corrcoef, "cov": cov}
