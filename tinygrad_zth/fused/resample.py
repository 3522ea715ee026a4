"""resample: one dimension of a tensor through a matrix of weights.

    out[..., i, ...] = sum_j matrix[i, j] x[..., j, ...]

Interpolation and adaptive averages are this, dimension after dimension; the matrix says which. It is
a constant (float64, cast to x's dtype), so that the gradient is the same with the matrix transposed.
"""

from __future__ import annotations

from ..operation import Applied, op
from ..types import Array, Namespace
from .rows import widened

__all__ = ["resample"]


def _resample(xp: Namespace, x: Array, matrix: Array, dim: int) -> Array:
    """x (..., n, ...), n at ``dim``; matrix (m, n), a NumPy array -> (..., m, ...)."""
    work = widened(x)
    weights = xp.asarray(matrix, dtype=work.dtype)
    if dim == x.ndim - 1:
        out = work @ weights.T
    elif dim == x.ndim - 2:
        out = weights @ work
    else:
        out = xp.moveaxis(xp.moveaxis(work, dim, -1) @ weights.T, -1, dim)
    return out.astype(x.dtype, copy=False)


resample: Applied = op(_resample, x=lambda g, matrix, dim: resample(g, matrix.T, dim))
