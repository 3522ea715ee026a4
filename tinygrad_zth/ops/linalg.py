"""Norms, ranks and powers of matrices, and chains of products: what is made of the other rooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..backends import backend_of
from ..dtypes import dtype
from ..tensor import Tensor, from_array
from .addmm import nothing
from .calling import by_host, torch_call
from .decompose import eigvalsh, svdvals
from .extremes import amax, amin
from .matmul import bmm_of, matmul
from .norms import vector_norm
from .reduce import accumulable, sum
from .solve import at_least_2d, batch_of_matrices, inv, square, tolerance
from .strides import diagonal
from .view import dim_of, reshape, unsqueeze

__all__ = [
    "FUNCTIONS",
    "METHODS",
    "cond",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
]


def _two_dims(dim: Any, ndim: int) -> tuple[int, int]:
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim if isinstance(dim, int) else list(dim)}"
        )
    a, b = (dim_of(d, ndim) for d in dim)
    if a == b:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    return a, b


@torch_call
def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> Tensor:
    """A norm of matrices, which lie in the two dimensions ``dim``.

    "fro": the root of the sum of squares; "nuc": the sum of singular values; 2, -2: the largest,
    smallest of them; 1, -1: the largest, smallest sum of magnitudes of a column; inf, -inf: of a
    row.
    """
    at_least_2d("linalg.matrix_norm", A)
    if dtype is not None:
        A = accumulable(A, dtype)
    rows, columns = _two_dims(dim, A._array.ndim)
    shape = A._array.shape
    nothing = 0 in (shape[rows], shape[columns]) and (ord == "nuc" or not isinstance(ord, str) and ord > 0)
    if ord == "fro" or nothing:
        return vector_norm(A, 2, (rows, columns), keepdim)
    largest = amax if isinstance(ord, str) or ord > 0 else amin
    if ord in (1, -1, math.inf, -math.inf):
        summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
        kept = largest(vector_norm(A, 1, summed, True), compared, True)
    elif ord in ("nuc", 2, -2):
        values = svdvals(A.movedim((rows, columns), (-2, -1)))
        single = sum(values, -1) if ord == "nuc" else largest(values, -1)
        kept = single.unsqueeze(-1).unsqueeze(-1).movedim((-2, -1), (rows, columns))
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    return kept if keepdim else kept.squeeze((rows, columns))


@torch_call
def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
) -> Tensor:
    """A norm of vectors (one ``dim``) or matrices (two); of all elements, if neither is given."""
    ndim = A._array.ndim
    if dim is not None and not isinstance(dim, int):
        dim = tuple(dim)
        if len(dim) == 1:
            dim = dim[0]
    if isinstance(ord, str):
        if dim is None and ndim != 2:
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D."
            )
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None:
        if ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {ndim}D."
            )
        dim = 0 if ndim == 1 else (0, 1)
    if isinstance(dim, int):
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    return matrix_norm(A, ord, dim, keepdim, dtype=dtype)


@torch_call
@by_host
def cond(A: Tensor, p: int | None = None) -> Tensor:
    """The condition numbers: the norm times the norm of the inverse, of the singular values for 2
    (default).

    inf for a singular matrix.
    """
    batch_of_matrices("linalg.cond", A)
    if 0 in A._array.shape[-2:]:
        return vector_norm(A, 2, (-2, -1))
    if p in (None, 2, -2):
        values = svdvals(A)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    square(f"linalg.cond(ord={p})", A)
    try:
        inverse = inv(A)
    except RuntimeError:
        if A._array.ndim == 2:
            return from_array(backend_of(A._array).xp.full((), math.inf, A._array.dtype))
        from .join import stack

        return stack([cond(a, p) for a in A])
    return matrix_norm(A, p) * matrix_norm(inverse, p)


@torch_call
@by_host
def matrix_rank(A: Tensor, tol: Any = None, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    """How many singular values exceed max(``atol``, ``rtol`` times the largest), as int64."""
    batch_of_matrices("linalg.matrix_rank", A)
    array = A._array
    if tol is not None:
        atol, rtol = tol, 0.0
    values = backend_of(array).xp.abs(eigvalsh(A)._array) if hermitian else svdvals(A)._array
    return from_array((values > tolerance(array, atol, rtol)).sum(-1))


@torch_call
def matrix_power(A: Tensor, n: int) -> Tensor:
    """The product of ``n`` factors A; of its inverse, for negative n; the unit matrix for 0."""
    square("linalg.matrix_power", A, lapack=n < 0)
    if n == 0:
        xp = backend_of(A._array).xp
        eye = xp.eye(A._array.shape[-1], dtype=A._array.dtype)
        return nothing(A) + from_array(eye)
    base, n = (A, n) if n > 0 else (inv(A), -n)
    result: Any = None
    while True:
        if n & 1:
            result = base if result is None else bmm_of(result, base)
        n >>= 1
        if not n:
            return result.clone() if result is A else result
        base = bmm_of(base, base)


def _best_order(sizes: list[int]) -> dict[tuple[int, int], int]:
    """For every stretch (i, j) of a chain of matrices, where to split it (dynamic programming)."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return split


@torch_call
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors: a row, a column.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0]._array.ndim, tensors[-1]._array.ndim
    for n, t in enumerate(tensors):
        ndim, end = t._array.ndim, n in (0, len(tensors) - 1)
        if ndim != 2 and not (end and ndim == 1):
            which = "the first tensor" if n == 0 else "the last tensor" if end else f"tensor {n}"
            raise RuntimeError(f"multi_dot(): {which} must be {'1D or 2D' if end else '2D'} but got {ndim}D")
    if first == 1:
        tensors[0] = unsqueeze(tensors[0], 0)
    if last == 1:
        tensors[-1] = unsqueeze(tensors[-1], 1)
    split = _best_order([tensors[0]._array.shape[0], *(t._array.shape[1] for t in tensors)])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return tensors[i]
        return matmul(product(i, split[i, j]), product(split[i, j] + 1, j))

    result = product(0, len(tensors) - 1)
    if first == 1 or last == 1:
        shape = result._array.shape
        result = reshape(result, shape[first == 1 : 2 - (last == 1)])
    return result


@torch_call
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of the vectors that lie along ``dim``."""
    return sum(x * y, dim)


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view."""
    return diagonal(A, offset, dim1, dim2)


FUNCTIONS = {"matrix_power": matrix_power}
METHODS = dict(FUNCTIONS)
