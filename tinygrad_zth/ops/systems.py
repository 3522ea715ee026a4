"""Linear algebra made of the rooms before it: factors without exceptions, systems of tensors, the exponential."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import backend_of
from ..tensor import Tensor, from_array, new_tensor
from . import return_types
from .calling import by_host, torch_call
from .decompose import cholesky
from .matmul import matmul
from .rearrange import cross
from .solve import inv, mt, solve, solve_triangular, square

__all__ = [
    "FUNCTIONS", "METHODS", "cholesky_ex", "cholesky_inverse", "cholesky_solve", "linalg_cross", "linalg_vander",
    "matrix_exp", "solve_ex", "tensorinv", "tensorsolve",
]  # fmt: skip


@torch_call
@by_host
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> return_types.linalg_cholesky_ex:
    """The named tuple (L, info): where ``info`` is not 0, that leading minor is not positive definite.

    Raises LinAlgError only with ``check_errors``; L is not defined for a matrix that failed.
    """
    square("linalg.cholesky_ex", A)
    array = A._array
    batch = array.shape[:-2]
    info = np.zeros(batch, np.int32)
    for place in np.ndindex(batch):
        one = np.tril(array[place])
        whole = one + np.tril(one, -1).T
        for order in range(1, whole.shape[-1] + 1):
            try:
                np.linalg.cholesky(whole[:order, :order])
            except np.linalg.LinAlgError:
                info[place] = order
                break
    if check_errors or not info.any():
        return return_types.linalg_cholesky_ex(cholesky(A, upper=upper), from_array(info))
    good = from_array((info == 0)[..., None, None])
    eye = from_array(np.eye(array.shape[-1], dtype=array.dtype))
    factors = cholesky(A.where(good, eye), upper=upper)
    return return_types.linalg_cholesky_ex(factors.where(good, A.tril()), from_array(info))


@torch_call
@by_host
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> return_types.linalg_solve_ex:
    """The named tuple (result, info) of ``solve``; ``info`` is not 0 where the matrix is singular."""
    square("linalg.solve_ex", A)
    bad = np.asarray(np.linalg.slogdet(A._array)[0] == 0)
    if check_errors or not bad.any():
        return return_types.linalg_solve_ex(solve(A, B, left=left), from_array(bad.astype(np.int32)))
    eye = from_array(np.eye(A._array.shape[-1], dtype=A._array.dtype))
    result = solve(eye.where(from_array(bad[..., None, None]), A), B, left=left)
    return return_types.linalg_solve_ex(result, from_array(bad.astype(np.int32)))


@torch_call
@by_host
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = ``input``, from A's Cholesky factor ``L``."""
    lower = mt(L) if upper else L
    return solve_triangular(mt(lower), solve_triangular(lower, input, upper=False), upper=True)


@torch_call
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, from its Cholesky factor ``L``."""
    square("cholesky_inverse", L)
    lower = mt(L) if upper else L
    eye = from_array(backend_of(L._array).xp.eye(L._array.shape[-1], dtype=L._array.dtype))
    half = solve_triangular(lower, eye.expand(L._array.shape), upper=False)
    return matmul(mt(half), half)


def matrix_exp(A: Tensor) -> Tensor:
    """exp(A) = 1 + A + A A / 2 + ..., by scaling, a Taylor polynomial, and squaring.

    The matrices are divided by a power of two until their norm is below 1/2, where 18 terms are exact
    to float64's last digits (Moler & Van Loan, Nineteen Dubious Ways, 2003).
    """
    square("linalg.matrix_exp", A)
    array = A._array
    xp = backend_of(array).xp
    if array.size == 0:
        return A.clone()
    norm = float(xp.abs(array).sum(-1).max())
    halvings = max(0, math.ceil(math.log2(norm * 2))) if norm and math.isfinite(norm) else 0
    x = A / 2.0**halvings
    eye = new_tensor(xp.eye(array.shape[-1], dtype=array.dtype))
    result = eye + x / 18
    for k in range(17, 0, -1):
        result = eye + matmul(x, result) / k
    for _ in range(halvings):
        result = matmul(result, result)
    return result


@torch_call
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along ``dim``, of size 3. Raises RuntimeError for any other size."""
    if input._array.ndim != other._array.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    n, m = input._array.shape[dim], other._array.shape[dim]
    if n != 3 or m != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}")
    return cross(input, other, dim)


def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0, 1, ... N - 1 of the elements along the last dimension, as a new last dimension."""
    if N is not None and N <= 1:
        raise RuntimeError("N must be greater than 1.")
    if N is None and x._array.ndim == 0:
        raise RuntimeError("linalg.vander: a 0-d tensor needs N")
    x = x.reshape(1) if x._array.ndim == 0 else x
    if x._array.dtype.kind == "b":
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    n = x._array.shape[-1] if N is None else N
    ones = (x**0).unsqueeze(-1)
    repeated = x.unsqueeze(-1).expand(*x._array.shape, max(n - 1, 0))
    from .join import cat

    return cat([ones, repeated.cumprod(-1)], -1)


@torch_call
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with ``tensordot(A, X, X.ndim) = B``: A's first dimensions are B's, the others X's."""
    if dims is not None:
        dims = (dims,) if isinstance(dims, int) else tuple(dims)
        A = A.movedim(dims, tuple(range(A._array.ndim - len(dims), A._array.ndim)))
    shape = A._array.shape[B._array.ndim :]
    size, given = math.prod(shape), math.prod(A._array.shape[: B._array.ndim])
    if size != given:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {size} != {given}"
        )
    return solve(A.reshape(size, size), B.reshape(-1)).reshape(shape)


@torch_call
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse under ``tensordot``: of A as a matrix from its last dimensions to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = A._array.shape[:ind], A._array.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {math.prod(last)} != {math.prod(first)}"
        )
    return inv(A.reshape(math.prod(first), -1)).reshape((*last, *first))


FUNCTIONS = {"cholesky_inverse": cholesky_inverse, "cholesky_solve": cholesky_solve, "matrix_exp": matrix_exp}
METHODS = dict(FUNCTIONS)
