"""``torch.linalg``: linear algebra over the last two dimensions, everything before them a batch.

The functions are defined, with their gradients, in ``ops``: norms, linalg, solve and decompose.
"""

from __future__ import annotations

from .absent import explanation
from .ops.decompose import cholesky, eigh, eigvalsh, qr, svdvals
from .ops.decompose import linalg_svd as svd
from .ops.householder import householder_product
from .ops.linalg import (
    cond,
    matrix_norm,
    matrix_power,
    matrix_rank,
    multi_dot,
    norm,
    vecdot,
)
from .ops.linalg import linalg_diagonal as diagonal
from .ops.lu import lu, lu_factor, lu_factor_ex, lu_solve
from .ops.matmul import matmul
from .ops.norms import vector_norm
from .ops.solve import LinAlgError, det, inv, inv_ex, lstsq, pinv, solve, solve_triangular
from .ops.solve import linalg_slogdet as slogdet
from .ops.systems import cholesky_ex, matrix_exp, solve_ex, tensorinv, tensorsolve
from .ops.systems import linalg_cross as cross
from .ops.systems import linalg_vander as vander

__all__ = [
    "cholesky_ex", "cross", "matrix_exp", "solve_ex", "tensorinv", "tensorsolve", "vander",
    "LinAlgError", "cholesky", "cond", "det", "diagonal", "eigh", "eigvalsh", "householder_product", "inv", "inv_ex",
    "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv",
    "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise AttributeError(explanation(name) or f"module 'torch.linalg' has no attribute {name!r}")
