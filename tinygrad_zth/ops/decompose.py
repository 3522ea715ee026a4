"""Factorisations of matrices, over LAPACK: eigh, svd, qr, cholesky.

A factorisation has several results, and a gradient through each. It is computed once, raw
(``found``), and every result is an operation that takes its part of it; a gradient formula asks the
sibling operations for the other parts, so that formulas are polymorphic and have gradients too.
References: Giles, "Collected matrix derivative results for forward and reverse mode AD" (2008);
Townsend, "Differentiating the singular value decomposition" (2016); Murray, "Differentiation of the
Cholesky decomposition" (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import HOST, backend_of
from ..operation import Applied, op
from ..tensor import Tensor, from_array
from ..types import Array, Namespace, Value
from . import return_types
from .calling import by_host, torch_call
from .matmul import bmm_of
from .solve import LinAlgError, batch_of_matrices, mt, raw_of, solve_of, square

__all__ = ["FUNCTIONS", "METHODS", "cholesky", "eigh", "eigvalsh", "qr", "svd", "svdvals"]


def _columns(x: Value, factors: Value) -> Value:
    """``x`` with its columns scaled."""
    return x * factors[..., None, :]


def _rows(factors: Value, x: Value) -> Value:
    """``x`` with its rows scaled."""
    return x * factors[..., :, None]


def _eye(x: Value) -> Array:
    """The unit matrix of x's last size and dtype, raw, so that it mixes with arrays and Tensors."""
    raw = raw_of(x)
    return backend_of(raw).xp.eye(raw.shape[-1], dtype=raw.dtype)


def _differences(values: Value) -> Value:
    """value_j - value_i, and inf on the diagonal."""
    return values[..., None, :] - values[..., :, None] + _infinite_diagonal(values)


def _infinite_diagonal(x: Value) -> Array:
    raw = raw_of(x)
    xp = backend_of(raw).xp
    return xp.diag(xp.full(raw.shape[-1], np.inf, raw.dtype))


def _lower(x: Value, k: int = 0) -> Value:
    """The lower triangle, by a mask."""
    raw = raw_of(x)
    return x * backend_of(raw).xp.tri(raw.shape[-1], k=k, dtype=raw.dtype)


# ---------------------------------------------------------------------------- eigh


def _eigh(array: Array, uplo: str) -> tuple[Array, ...]:
    return tuple(backend_of(array).xp.linalg.eigh(array, uplo))


def _eigenvectors_gradient(g: Value, x: Value, out: Value, found: tuple[Array, ...]) -> Value:
    values = eigenvalues_of(x, found)
    inner = bmm_of(mt(out), g)
    turned = (inner - mt(inner)) * 0.5 / _differences(values)
    return bmm_of(bmm_of(out, turned), mt(out))


def _eigenvalues_gradient(g: Value, x: Value, found: tuple[Array, ...]) -> Value:
    vectors = eigenvectors_of(x, found)
    return bmm_of(_columns(vectors, g), mt(vectors))


eigenvalues_of = op(
    lambda x, found: found[0],
    name="eigenvalues",
    grad_name="LinalgEighBackward0",
    x=_eigenvalues_gradient,
)
eigenvectors_of = op(
    lambda x, found: found[1],
    name="eigenvectors",
    grad_name="LinalgEighBackward0",
    x=_eigenvectors_gradient,
)


@torch_call
@by_host
def eigh(A: Tensor, UPLO: str = "L") -> return_types.linalg_eigh:
    """The named tuple (eigenvalues, ascending, and eigenvectors, in columns) of symmetric matrices.

    Only the lower triangle (the upper, with ``UPLO="U"``) is read. The gradient of the vectors is
    finite only where the eigenvalues are distinct.
    """
    square("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    found = _eigh(A._array, UPLO.upper())
    return return_types.linalg_eigh(eigenvalues_of(A, found), eigenvectors_of(A, found))


@torch_call
@by_host
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending; see ``eigh``."""
    result: Tensor = eigh(A, UPLO).eigenvalues
    return result


# ---------------------------------------------------------------------------- svd


def _svd(array: Array, full: bool) -> tuple[Array, ...]:
    return tuple(backend_of(array).xp.linalg.svd(array, full_matrices=full))


def _skew_over(x: Value, s: Value) -> Value:
    """(x - x^T)_ij / (s_j^2 - s_i^2): how fast singular vectors turn into each other."""
    return (x - mt(x)) / _differences(s * s)


def _svd_parts(x: Value, found: tuple[Array, ...]) -> tuple[Any, ...]:
    """The reduced factors U, S, Vh, from those found (which may be full)."""
    s = singular_values_of(x, found)
    k = raw_of(s).shape[-1]
    return left_vectors_of(x, found)[..., :, :k], s, right_vectors_of(x, found)[..., :k, :]


def _left_gradient(g: Value, x: Value, out: Value, found: tuple[Array, ...]) -> Value:
    u, s, vh = _svd_parts(x, found)
    m, k = raw_of(u).shape[-2:]
    g = g[..., :, :k]
    inner = bmm_of(mt(u), g)
    turned = bmm_of(bmm_of(u, _columns(_skew_over(inner, s), s)), vh)
    if m == k:
        return turned
    outside = g - bmm_of(u, inner)
    return turned + bmm_of(_columns(outside, 1 / s), vh)


def _right_gradient(g: Value, x: Value, out: Value, found: tuple[Array, ...]) -> Value:
    u, s, vh = _svd_parts(x, found)
    k, n = raw_of(vh).shape[-2:]
    g = g[..., :k, :]
    inner = bmm_of(vh, mt(g))
    turned = bmm_of(bmm_of(u, _rows(s, _skew_over(inner, s))), vh)
    if n == k:
        return turned
    outside = g - bmm_of(mt(inner), vh)
    return turned + bmm_of(u, _rows(1 / s, outside))


def _singular_values_gradient(g: Value, x: Value, found: tuple[Array, ...]) -> Value:
    u, _, vh = _svd_parts(x, found)
    return bmm_of(_columns(u, g), vh)


def _part(position: int, name: str, formula: Callable[..., Any]) -> Applied:
    return op(lambda x, found: found[position], name=name, grad_name="LinalgSvdBackward0", x=formula)


left_vectors_of = _part(0, "left_singular_vectors", _left_gradient)
singular_values_of = _part(1, "singular_values", _singular_values_gradient)
right_vectors_of = _part(2, "right_singular_vectors", _right_gradient)


def _svd_tensors(A: Tensor, full: bool, name: str = "linalg.svd") -> tuple[Tensor, ...]:
    batch_of_matrices(name, A)
    found = _svd(A._array, full)
    return left_vectors_of(A, found), singular_values_of(A, found), right_vectors_of(A, found)


@torch_call
@by_host
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> return_types.linalg_svd:
    """The named tuple (U, S, Vh) with A = U diag(S) Vh, the singular values S descending.

    Gradients through U and Vh are finite only where the singular values are distinct.
    """
    return return_types.linalg_svd(*_svd_tensors(A, full_matrices))


@torch_call
@by_host
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> return_types.svd:
    """The named tuple (U, S, V) with input = U diag(S) V^T; reduced factors if ``some``."""
    u, s, vh = _svd_tensors(input, not some)
    if not compute_uv:  # U and V are zeros then
        u, vh = (from_array(np.zeros(t._array.shape, t._array.dtype)) for t in (u, vh))
    return return_types.svd(u, s, vh.mT)


@torch_call
@by_host
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    return _svd_tensors(A, False, "linalg.svdvals")[1]


# ---------------------------------------------------------------------------- qr


def _qr_gradient(inner: Value, outer: Value, q: Value, r: Value) -> Value:
    """(outer + q sym(inner)) r^-T, where sym mirrors the lower triangle."""
    mirrored = _lower(inner) + mt(_lower(inner, -1))
    whole = bmm_of(q, mirrored)
    whole = whole if outer is None else outer + whole
    return mt(solve_of(r, mt(whole)))


def _q_gradient(g: Value, x: Value, out: Value, found: tuple[Array, ...]) -> Value:
    r = r_of(x, found)
    return _qr_gradient(-bmm_of(mt(g), out), g, out, r)


def _r_gradient(g: Value, x: Value, out: Value, found: tuple[Array, ...]) -> Value:
    q = q_of(x, found)
    return _qr_gradient(bmm_of(out, mt(g)), None, q, out)


q_of = op(lambda x, found: found[0], name="qr_q", grad_name="LinalgQrBackward0", x=_q_gradient)
r_of = op(lambda x, found: found[1], name="qr_r", grad_name="LinalgQrBackward0", x=_r_gradient)


@torch_call
@by_host
def qr(A: Tensor, mode: str = "reduced") -> return_types.linalg_qr:
    """The named tuple (Q, R): orthonormal columns times an upper triangle.

    ``mode``: "reduced"; "complete" for a square Q; "r" for R alone. Raises RuntimeError for other
    modes, and in the backward pass of "complete" for tall matrices and of "r", which have no
    gradient.
    """
    batch_of_matrices("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    array = A._array
    m, n = array.shape[-2:]
    numpy_qr = backend_of(array).xp.linalg.qr
    if mode == "r":
        text = (
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
            "Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
        r = no_gradient(A, numpy_qr(array, mode="r"), text)
        return return_types.linalg_qr(from_array(np.zeros(0, array.dtype)), r)
    if mode == "complete" and m > n:
        text = "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        return return_types.linalg_qr(*(no_gradient(A, part, text) for part in numpy_qr(array, mode="complete")))
    if m >= n:
        found = tuple(numpy_qr(array))
        return return_types.linalg_qr(q_of(A, found), r_of(A, found))
    # A wide matrix: the factors of its square part, which turn the rest.
    from .join import cat

    left = A[..., :, :m]
    found = tuple(numpy_qr(left._array))
    q = q_of(left, found)
    return return_types.linalg_qr(q, cat([r_of(left, found), bmm_of(mt(q), A[..., :, m:])], -1))


def _refuse_gradient(g: Any, text: Any) -> None:
    raise RuntimeError(text)


no_gradient = op(lambda x, result, text: result, name="linalg_qr", x=_refuse_gradient)


# ---------------------------------------------------------------------------- cholesky


def _cholesky(xp: Namespace, x: Array) -> Array:
    return xp.linalg.cholesky(x)


def _cholesky_gradient(g: Value, out: Value) -> Value:
    inner = bmm_of(mt(out), g)
    inner = _lower(inner) - inner * _eye(inner) * 0.5
    half = solve_of(mt(out), mt(solve_of(mt(out), inner)))
    return (half + mt(half)) * 0.5


cholesky_of = op(
    _cholesky, name="linalg_cholesky", kernels=HOST, grad_name="LinalgCholeskyExBackward0", x=_cholesky_gradient
)


def _first_bad_minor(array: Array) -> tuple[tuple[Any, ...], int]:
    """Which matrix is not positive-definite: its place in the batch, the order of the minor."""
    for place in np.ndindex(array.shape[:-2]):
        for k in range(1, array.shape[-1] + 1):
            try:
                np.linalg.cholesky(array[place][:k, :k])
            except np.linalg.LinAlgError:
                return place, k
    return (), 0


@torch_call
@by_host
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangle L with A = L L^T (its transpose, with ``upper``) of positive-definite
    matrices.

    Raises LinAlgError, a RuntimeError, for others.
    """
    square("linalg.cholesky", A)
    try:
        factor = cholesky_of(mt(A) if upper else A)
    except np.linalg.LinAlgError:
        place, order = _first_bad_minor(A._array)
        batch = f"(Batch element {np.ravel_multi_index(place, A._array.shape[:-2])}): " if place else ""
        raise LinAlgError(
            f"linalg.cholesky: {batch}The factorization could not be completed because the input "
            "is not "
            f"positive-definite (the leading minor of order {order} is not positive-definite)."
        ) from None
    return mt(factor) if upper else factor


def _cholesky_function(input: Tensor, upper: bool = False) -> Tensor:
    """``linalg.cholesky`` under its older name. Raises LinAlgError if a matrix is not positive-definite."""
    return cholesky(input, upper=upper)


def _qr_function(input: Tensor, some: bool = True) -> return_types.qr:
    """``linalg.qr`` under its older name and arguments: (..., m, n) to the named tuple (Q, R); ``some=False``, a full Q."""
    return return_types.qr(*qr(input, "reduced" if some else "complete"))


FUNCTIONS = {"cholesky": _cholesky_function, "qr": _qr_function, "svd": svd}
METHODS = dict(FUNCTIONS)
