"""The first singular values and vectors of a large matrix, by random projections.

Source: N. Halko, P.-G. Martinsson and J. Tropp, Finding structure with randomness, 2009, algorithms 4.4 and 5.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from .decompose import linalg_svd, qr
from .random import randn

__all__ = ["FUNCTIONS"]


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with A - M about U diag(S) V^T, for matrices ``(*, m, n)``: U ``(*, m, q)``, S ``(*, q)``, V ``(*, n, q)``.

    ``niter`` subspace iterations sharpen the random basis. Exact (but for rounding) where the rank is at most ``q``.
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    matrix = A if M is None else A - M
    wide = matrix.shape[-2] < matrix.shape[-1]
    matrix = matrix.mT if wide else matrix
    basis = qr(matrix @ randn(matrix.shape[-1], q, dtype=matrix.dtype, device=matrix.device))[0]
    for _ in range(niter):
        basis = qr(matrix @ qr(matrix.mT @ basis)[0])[0]
    u, s, vh = linalg_svd(basis.mT @ matrix, full_matrices=False)
    u, v = basis @ u, vh.mT
    return (v, s, u) if wide else (u, s, v)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) of the rows of ``A`` around their mean: V's columns are the principal directions; ``q`` is 6 or less by default.

    Raises ValueError for a ``q`` larger than the matrix, or a negative ``niter``.
    """
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


FUNCTIONS = {"pca_lowrank": pca_lowrank, "svd_lowrank": svd_lowrank}
METHODS: dict[str, Callable[..., Any]] = {}
