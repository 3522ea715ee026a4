"""The LU factorisation with partial pivoting, A = P L U, and what is solved with it.

NumPy's LAPACK solves systems by it and does not show it, so the elimination is here, one column after the other for a
whole batch (Golub & Van Loan, Matrix Computations, algorithm 3.4.1). The gradients of L and U are those of the matrix with
its rows in the order found: dA = L^-T (tril(L^T dL, -1) + triu(dU U^T)) U^-T.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import backend_of
from ..operation import Applied, op
from ..tensor import Tensor, from_array, new_tensor
from ..types import Array, Value
from . import return_types
from .calling import by_host, torch_call
from .join import cat
from .matmul import bmm_of, matmul
from .solve import LinAlgError, batch_of_matrices, mt, raw_of, solve_of, solve_triangular, square

__all__ = ["FUNCTIONS", "METHODS", "lu", "lu_factor", "lu_factor_ex", "lu_solve"]


def _eliminated(array: Array, pivot: bool) -> tuple[Array, Array]:
    """L (below the diagonal) and U in one matrix, (..., m, n), and the row each step swapped with, counted from 1."""
    a = array.reshape(-1, *array.shape[-2:]).copy()
    count, m, n = a.shape
    k = min(m, n)
    swaps = np.broadcast_to(np.arange(1, k + 1, dtype=np.int32), (count, k)).copy()
    which = np.arange(count)
    for j in range(k):
        if pivot:
            row = j + abs(a[:, j:, j]).argmax(1)
            swaps[:, j] = row + 1
            a[which, j], a[which, row] = a[which, row], a[which, j].copy()
        below = a[:, j + 1 :, j]
        below /= np.where(a[:, j, j] == 0, 1, a[:, j, j])[:, None]
        a[:, j + 1 :, j + 1 :] -= below[:, :, None] * a[:, None, j, j + 1 :]
    return a.reshape(array.shape), swaps.reshape(*array.shape[:-2], k)


def _order(swaps: Array, m: int) -> Array:
    """The rows' order after all swaps, (..., m): the row that comes to each place."""
    flat = swaps.reshape(-1, swaps.shape[-1])
    order = np.broadcast_to(np.arange(m), (len(flat), m)).copy()
    which = np.arange(len(flat))
    for j in range(flat.shape[1]):
        row = flat[:, j] - 1
        order[which, j], order[which, row] = order[which, row], order[which, j].copy()
    return order.reshape(*swaps.shape[:-1], m)


def _permutation(order: Array, kind: Any) -> Tensor:
    """P with A = P (A in that order)."""
    return from_array((np.arange(order.shape[-1])[:, None] == order[..., None, :]).astype(kind))


def _masked(x: Value, k: int) -> Value:
    raw = raw_of(x)
    return x * backend_of(raw).xp.tri(raw.shape[-1], k=k, dtype=raw.dtype)


def _unwound(inner: Value, lower: Value, upper: Value) -> Value:
    """L^-T inner U^-T."""
    return mt(solve_of(upper, mt(solve_of(mt(lower), inner))))


def _lower_gradient(g: Value, x: Value, out: Value, found: Any) -> Value:
    return _unwound(_masked(bmm_of(mt(out), g), -1), out, upper_of(x, found))


def _upper_gradient(g: Value, x: Value, out: Value, found: Any) -> Value:
    inner = bmm_of(g, mt(out))
    return _unwound(inner - _masked(inner, -1), lower_of(x, found), out)


# Of a square matrix whose rows are in the order found.
lower_of: Applied = op(lambda x, found: found[0], name="lu_lower", grad_name="LinalgLuBackward0", x=_lower_gradient)
upper_of: Applied = op(lambda x, found: found[1], name="lu_upper", grad_name="LinalgLuBackward0", x=_upper_gradient)


def _parts(compact: Array) -> tuple[Array, Array]:
    m, n = compact.shape[-2:]
    k = min(m, n)
    eye = np.eye(m, k, dtype=compact.dtype)
    return np.tril(compact[..., :, :k], -1) + eye, np.triu(compact[..., :k, :])


def _factors(A: Tensor, pivot: bool) -> tuple[Tensor, Tensor, Array, Array]:
    """L and U, recorded; the compact form and the swaps, raw."""
    compact, swaps = _eliminated(A._array, pivot)
    lower, upper = _parts(compact)
    m, n = compact.shape[-2:]
    k = min(m, n)
    ordered = A.take_along_dim(new_tensor(_order(swaps, m)[..., None]), -2) if m and n else A
    found = (lower[..., :k, :], upper[..., :, :k])
    core = ordered[..., :k, :k]
    L, U = lower_of(core, found), upper_of(core, found)
    if m > n:
        L = cat([L, mt(solve_of(mt(U), mt(ordered[..., k:, :])))], -2)
    elif n > m:
        U = cat([U, solve_of(L, ordered[..., :, k:])], -1)
    return L, U, compact, swaps


def _check(name: str, A: Tensor, pivot: bool) -> None:
    batch_of_matrices(name, A)
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


@torch_call
@by_host
def lu(A: Tensor, *, pivot: bool = True) -> return_types.linalg_lu:
    """The named tuple (P, L, U): a permutation, a lower triangle with ones on its diagonal, an upper triangle."""
    _check("linalg.lu", A, pivot)
    L, U, _, swaps = _factors(A, pivot)
    return return_types.linalg_lu(_permutation(_order(swaps, A._array.shape[-2]), A._array.dtype), L, U)


def _compact(A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L and U in one matrix, the swaps, and where U is singular."""
    L, U, compact, swaps = _factors(A, True)
    m, n = compact.shape[-2:]
    k = min(m, n)
    if L.requires_grad:
        below = L.tril(-1)
        rest = from_array(np.zeros((*compact.shape[:-2], m - k, n), compact.dtype))
        wide = from_array(np.zeros((*compact.shape[:-2], m, n - k), compact.dtype))
        both = cat([below, wide], -1) + cat([U, rest], -2)
    else:
        both = from_array(compact)
    zero = np.diagonal(compact, 0, -2, -1) == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1 if k else 0, 0).astype(np.int32)
    return both, from_array(swaps), from_array(np.asarray(info))


@torch_call
@by_host
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> return_types.linalg_lu_factor_ex:
    """The named tuple (LU, pivots, info): where info is not 0, that diagonal element of U is 0."""
    _check("linalg.lu_factor_ex", A, pivot)
    both, swaps, info = _compact(A)
    if check_errors and info._array.any():
        raise LinAlgError(f"linalg.lu_factor_ex: U[{int(info._array.max())},{int(info._array.max())}] is zero.")
    return return_types.linalg_lu_factor_ex(both, swaps, info)


@torch_call
@by_host
def lu_factor(A: Tensor, *, pivot: bool = True) -> return_types.linalg_lu_factor:
    """The named tuple (LU, pivots): L below the diagonal and U in one matrix, and the row each step swapped with.

    Raises LinAlgError, a RuntimeError, where U has a zero on its diagonal.
    """
    _check("linalg.lu_factor", A, pivot)
    both, swaps, info = _compact(A)
    if A._array.shape[-1] == A._array.shape[-2] and info._array.any():
        at = int(info._array.max())
        raise LinAlgError(
            f"torch.linalg.lu_factor: U[{at},{at}] is zero and using it on lu_solve would result in a division by zero. If "
            "you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, "
            "pivot)"
        )
    return return_types.linalg_lu_factor(both, swaps)


def _unpacked(LU: Tensor) -> tuple[Tensor, Tensor]:
    m, n = LU._array.shape[-2:]
    k = min(m, n)
    return LU[..., :, :k].tril(-1) + from_array(np.eye(m, k, dtype=LU._array.dtype)), LU[..., :k, :].triu()


@torch_call
@by_host
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B (X A = B, without ``left``; A^T for A, with ``adjoint``), from A's ``lu_factor``."""
    square("linalg.lu_solve", LU)
    L, U = _unpacked(LU)
    P = _permutation(_order(pivots._array, LU._array.shape[-1]), LU._array.dtype)
    if adjoint == left:  # U^T L^T P^T X = B, or X P L U = B transposed
        right = B if left else mt(B)
        found = solve_triangular(mt(U), right, upper=False)
        found = matmul(P, solve_triangular(mt(L), found, upper=True, unitriangular=True))
    else:
        right = B if left else mt(B)
        found = solve_triangular(L, matmul(mt(P), right), upper=False, unitriangular=True)
        found = solve_triangular(U, found, upper=True)
    return found if left else mt(found)


@by_host
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> return_types.lu_unpack:
    """The named tuple (P, L, U) of a factorisation in compact form; what is not asked for is empty."""
    if LU_pivots._array.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype."
            "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    nothing = from_array(np.zeros(0, LU_data._array.dtype))
    L, U = _unpacked(LU_data) if unpack_data else (nothing, nothing)
    order = _order(LU_pivots._array, LU_data._array.shape[-2]) if unpack_pivots else None
    return return_types.lu_unpack(nothing if order is None else _permutation(order, LU_data._array.dtype), L, U)


def _lu_function(A: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """The compact factorisation and the swaps, and, with ``get_infos``, where U is singular."""
    both, swaps, info = lu_factor_ex(A, pivot=pivot)
    return (both, swaps, info) if get_infos else (both, swaps)


def _lu_solve_function(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """``linalg.lu_solve`` with the right side first."""
    return lu_solve(LU_data, LU_pivots, input)


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> return_types.triangular_solve:
    """The named tuple (solution, cloned_coefficient): X with A X = input for triangular A (A^T, with ``transpose``)."""
    coefficient = mt(A) if transpose else A
    found = solve_triangular(coefficient, input, upper=upper != transpose, unitriangular=unitriangular)
    return return_types.triangular_solve(found, A.clone())


FUNCTIONS = {
    "triangular_solve": torch_call(triangular_solve), "lu": _lu_function, "lu_solve": torch_call(_lu_solve_function), "lu_unpack": torch_call(lu_unpack),
}  # fmt: skip
METHODS = {"triangular_solve": triangular_solve, "lu": _lu_function, "lu_solve": _lu_solve_function}
