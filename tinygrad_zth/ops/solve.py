"""Linear systems: solve, inverse, determinant, least squares. LAPACK does the work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import HOST, Kernels, backend_of
from ..dtypes import of
from ..operation import Applied, op
from ..tensor import Tensor, from_array, new_tensor
from ..types import Array, Namespace, Value
from . import return_types
from .calling import by_host, torch_call
from .compare import where
from .matmul import bmm_of

__all__ = ["FUNCTIONS", "METHODS", "LinAlgError", "inv", "lstsq", "pinv", "solve"]


class LinAlgError(RuntimeError):
    """A matrix that cannot be factorised or inverted: ``torch.linalg.LinAlgError``."""


def raw_of(x: Value) -> Array:
    """The array in ``x``, which may be a Tensor or an array."""
    return x._array if isinstance(x, Tensor) else x


def mt(x: Value) -> Value:
    """The matrices transposed."""
    return x.swapaxes(-1, -2)


def at_least_2d(name: str, A: Tensor) -> None:
    """Raise RuntimeError unless ``A`` is a batch of matrices."""
    if A._array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")


def batch_of_matrices(name: str, A: Tensor) -> None:
    """Raise RuntimeError unless ``A`` is a batch of matrices of a dtype that LAPACK knows."""
    at_least_2d(name, A)
    if A._array.dtype.kind != "f":
        got = of(A._array.dtype).legacy
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {got}")
    if A._array.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {of(A._array.dtype).legacy}")


def square(name: str, A: Tensor, lapack: bool = True) -> None:
    """Raise RuntimeError unless ``A`` is a batch of square matrices (of a dtype that ``lapack``
    knows).
    """
    (batch_of_matrices if lapack else at_least_2d)(name, A)
    m, n = A._array.shape[-2:]
    if m != n:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices")


def _first_singular(array: Array) -> str:
    """Which of a batch is singular, and where its elimination stops, in PyTorch's words."""
    for place in np.ndindex(array.shape[:-2]):
        values = np.linalg.svd(array[place], compute_uv=False)
        if not values.size or values[-1] > 0 and np.linalg.slogdet(array[place])[0] != 0:
            continue
        return f"(Batch element {np.ravel_multi_index(place, array.shape[:-2])}): " if place else ""
    return ""


# ---------------------------------------------------------------------------- inverse, solve


inv_of = op(
    lambda xp, x: xp.linalg.inv(x), name="linalg_inv", kernels=HOST, grad_name="LinalgInvExBackward0",
    x=lambda g, out: -bmm_of(bmm_of(mt(out), g), mt(out)),
)  # fmt: skip
solve_of: Applied = op(
    lambda xp, a, b: xp.linalg.solve(a, b), name="linalg_solve", kernels=HOST, grad_name="LinalgSolveExBackward0",
    a=lambda g, a, out: -bmm_of(solve_of(mt(a), g), mt(out)),
    b=lambda g, a: solve_of(mt(a), g),
)  # fmt: skip


@torch_call
@by_host
def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices. Raises LinAlgError, a RuntimeError, for a singular one."""
    square("linalg.inv", A)
    try:
        return inv_of(A)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"linalg.inv: {_first_singular(A._array)}The inversion could not be completed "
            "because the input "
            "matrix is singular."
        ) from None


def _inverse_or_inf(xp: Namespace, x: Array) -> Array:
    """The inverses; inf for the singular ones of a batch."""
    try:
        return xp.linalg.inv(x)
    except np.linalg.LinAlgError:
        bad = (xp.linalg.slogdet(x)[0] == 0)[..., None, None]
        eye = xp.eye(x.shape[-1], dtype=x.dtype)
        return xp.where(bad, x.dtype.type(np.inf), xp.linalg.inv(xp.where(bad, eye, x)))


inverse_or_inf = op(
    _inverse_or_inf,
    kernels=HOST,
    grad_name="LinalgInvExBackward0",
    x=lambda g, out: -bmm_of(bmm_of(mt(out), g), mt(out)),
)


@torch_call
@by_host
def inv_ex(A: Tensor, *, check_errors: bool = False) -> return_types.linalg_inv_ex:
    """The named tuple (inverse, info): for a singular matrix, info is not 0 and the inverse is inf."""
    square("linalg.inv_ex", A)
    found = inv(A) if check_errors else inverse_or_inf(A)
    bad = from_array(backend_of(A._array).xp.linalg.slogdet(A._array)[0])._array == 0
    return return_types.linalg_inv_ex(found, from_array(bad.astype(np.int32)))


def _is_vector(a: Array, b: Array) -> bool:
    """Whether a right-hand side is a batch of vectors rather than of matrices (PyTorch's rule)."""
    return bool(b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1]))


@torch_call
@by_host
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (X A = B, with ``left=False``), for square matrices A.

    B is a batch of matrices, or of vectors if its shape is A's without the last dimension.
    Raises LinAlgError, a RuntimeError, if a matrix is singular.
    """
    square("linalg.solve", A)
    a, b = A._array, B._array
    if a.dtype is not b.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{of(a.dtype)} and B of "
            f"type {of(b.dtype)} instead"
        )
    vector = _is_vector(a, b)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    right = B.unsqueeze(-1) if vector else B
    rows = right._array.shape[-2 if left else -1]
    if rows != a.shape[-1]:
        shape = right._array.shape
        raise RuntimeError(
            "linalg.solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} "
            f"({a.shape[-2]}x{a.shape[-1]} and {shape[-2]}x{shape[-1]})"
        )
    try:
        found = solve_of(A, right) if left else mt(solve_of(mt(A), mt(right)))
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"torch.linalg.solve: {_first_singular(a)}The solver failed because the input matrix is singular."
        ) from None
    return found.squeeze(-1) if vector else found


@torch_call
@by_host
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B, for triangular A, of which the other triangle is not looked at."""
    square("linalg.solve_triangular", A)
    array = A._array
    xp = backend_of(array).xp
    n = array.shape[-1]
    mask = xp.tri(n, k=-1 if unitriangular else 0, dtype=array.dtype)
    triangle = A * from_array(mask.T if upper else mask)
    if unitriangular:
        triangle = triangle + from_array(xp.eye(n, dtype=array.dtype))
    rows = B._array.shape[-2 if left else -1] if B._array.ndim > 1 else None
    if rows != n:
        raise RuntimeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({n}x{n} and "
            f"{'x'.join(map(str, B._array.shape[-2:]))})"
        )
    return solve_of(triangle, B) if left else mt(solve_of(mt(triangle), mt(B)))


# ---------------------------------------------------------------------------- determinant


def _cofactors(xp: Namespace, x: Array) -> Array:
    """The derivative of the determinant, also where that is 0: from the products of singular
    values.
    """
    u, s, vh = xp.linalg.svd(x)
    others = xp.stack(
        [xp.prod(xp.delete(s, i, -1), -1) for i in range(s.shape[-1])], -1
    ) if s.shape[-1] else s  # fmt: skip
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return xp.matmul(u * (others * sign[..., None])[..., None, :], vh)


cofactors = op(_cofactors, kernels=HOST)


def _det_gradient(g: Value, x: Value, out: Value) -> Value:
    if bool((out == 0).any()):
        return g[..., None, None] * cofactors(x)
    return (g * out)[..., None, None] * mt(inv_of(x))


def _log_gradient(g: Value, x: Value) -> Value:
    return g[..., None, None] * mt(inverse_or_inf(x))


det_of = op(
    lambda xp, x: xp.linalg.det(x),
    name="linalg_det",
    kernels=HOST,
    grad_name="LinalgDetBackward0",
    x=_det_gradient,
)
logabsdet_of = op(
    lambda xp, x: xp.linalg.slogdet(x)[1],
    name="linalg_slogdet",
    kernels=HOST,
    grad_name="LinalgSlogdetBackward0",
    x=_log_gradient,
)


# The sign is flat where it is defined; it carries no gradient on, but PyTorch's requires one.
sign_of = op(
    lambda xp, x: xp.linalg.slogdet(x)[0],
    name="slogdet_sign",
    kernels=HOST,
    grad_name="LinalgSlogdetBackward0",
    x=lambda g, x: x * 0,
)


@torch_call
@by_host
def det(A: Tensor) -> Tensor:
    """The determinants of square matrices."""
    square("linalg.det", A)
    return det_of(A)


@torch_call
@by_host
def logdet(input: Tensor) -> Tensor:
    """The logarithms of determinants; nan where one is negative, -inf where it is 0."""
    square("logdet", input)
    sign = from_array(backend_of(input._array).xp.linalg.slogdet(input._array)[0])
    result: Tensor = where(sign < 0, math.nan, logabsdet_of(input))
    return result


def _slogdet(A: Tensor, pair: type) -> Any:
    square("linalg.slogdet", A)
    return pair(sign_of(A), logabsdet_of(A))


@torch_call
@by_host
def slogdet(input: Tensor) -> return_types.slogdet:
    """The named tuple (sign, logabsdet) of determinants."""
    result: return_types.slogdet = _slogdet(input, return_types.slogdet)
    return result


@torch_call
@by_host
def linalg_slogdet(A: Tensor) -> return_types.linalg_slogdet:
    """The named tuple (sign, logabsdet) of determinants."""
    found: return_types.linalg_slogdet = _slogdet(A, return_types.linalg_slogdet)
    return found


# ---------------------------------------------------------------------------- pseudo-inverse


def _pinv(xp: Namespace, x: Array, rcond: Array) -> Array:
    """Singular values below ``rcond`` times the largest count as 0."""
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    kept = s > rcond
    inverse = xp.where(kept, x.dtype.type(1) / xp.where(kept, s, x.dtype.type(1)), x.dtype.type(0))
    return xp.matmul(mt(vh) * inverse[..., None, :], mt(u))


def _pinv_gradient(g: Value, x: Value, out: Value) -> Value:
    m, n = raw_of(x).shape[-2:]
    t, p = mt(g), mt(out)
    if m <= n:
        k = bmm_of(t, out)
        kp = bmm_of(k, p)
        return (
            -mt(bmm_of(out, k)) + kp - bmm_of(bmm_of(x, out), kp)
            + bmm_of(bmm_of(p, out), t - bmm_of(k, x))
        )  # fmt: skip
    k = bmm_of(out, t)
    pk = bmm_of(p, k)
    return -mt(bmm_of(k, out)) + bmm_of(bmm_of(t - bmm_of(x, k), out), p) + pk - bmm_of(bmm_of(pk, out), x)


pinv_of = op(_pinv, name="linalg_pinv", kernels=HOST, x=_pinv_gradient)


_largest_singular_value = Kernels(lambda x: np.linalg.svd(x, compute_uv=False)[..., :1], HOST)


def tolerance(array: Array, atol: Any, rtol: float | None) -> Array:
    """What counts as 0 among singular values, per matrix: max(atol, rtol * the largest), as an
    array.
    """
    xp = backend_of(array).xp
    largest = _largest_singular_value[array.__class__](array)
    if rtol is None:
        rtol = 0.0 if atol is not None and _positive(atol) else max(array.shape[-2:]) * float(np.finfo(array.dtype).eps)
    floor = raw_of(0.0 if atol is None else atol)
    share = raw_of(rtol)
    return xp.maximum(_column(floor), _column(share) * largest).astype(array.dtype)


def _column(x: Value) -> Value:
    return x[..., None] if getattr(x, "ndim", 0) else x


def _positive(x: Any) -> bool:
    return bool((raw_of(x) > 0) if not isinstance(x, Tensor) else (x._array > 0).any())


def _pinv_hermitian(A: Tensor, atol: Any, rtol: Any) -> Tensor:
    """Of symmetric matrices, of which the lower triangles are looked at."""
    from .decompose import eigh

    square("linalg.pinv", A)
    values, vectors = eigh(A)
    largest = np.abs(values._array).max(-1, keepdims=True, initial=0)
    if rtol is None:
        rtol = 0.0 if atol is not None and _positive(atol) else A._array.shape[-1] * float(np.finfo(A._array.dtype).eps)
    kept = from_array(
        np.abs(values._array)
        > np.maximum(_column(raw_of(0.0 if atol is None else atol)), _column(raw_of(rtol)) * largest)
    )
    inverse = where(kept, 1 / where(kept, values, 1.0), 0.0)
    result: Tensor = bmm_of(vectors * inverse.unsqueeze(-2), mt(vectors))
    return result


@torch_call
@by_host
def pinv(
    A: Tensor, rcond: Any = None, *, atol: Any = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """The pseudo-inverses (Moore and Penrose).

    Singular values up to max(``atol``, ``rtol`` times the largest) count as 0; ``rtol`` is by
    default the larger size times the dtype's epsilon. ``rcond`` is an older name of ``rtol``.
    """
    batch_of_matrices("linalg.pinv", A)
    if hermitian:
        return _pinv_hermitian(A, atol, rcond if rtol is None else rtol)
    return pinv_of(A, tolerance(A._array, atol, rcond if rtol is None else rtol))


def _lstsq(xp: Namespace, a: Array, b: Array) -> Array:
    shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    found = xp.empty((*shape, a.shape[-1], b.shape[-1]), a.dtype)
    a = xp.broadcast_to(a, (*shape, *a.shape[-2:]))
    b = xp.broadcast_to(b, (*shape, *b.shape[-2:]))
    for place in np.ndindex(shape):
        found[place] = xp.linalg.lstsq(a[place], b[place], rcond=None)[0]
    return found


def _inverse_for(a: Value) -> Value:
    raw = raw_of(a)
    return pinv_of(a, tolerance(raw, None, None))


lstsq_of = op(
    _lstsq, name="linalg_lstsq", kernels=HOST,
    a=lambda g, a, b: _pinv_gradient(bmm_of(g, mt(b)), a, _inverse_for(a)),
    b=lambda g, a: bmm_of(mt(_inverse_for(a)), g),
)  # fmt: skip


@by_host
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> return_types.linalg_lstsq:
    """The named tuple (solution, residuals, rank, singular_values) of min |A X - B|.

    ``residuals`` are given where A is tall and of full rank, but not by the default driver "gelsy";
    ``singular_values`` by "gelsd" and "gelss" only. B may be a batch of vectors.
    """
    batch_of_matrices("linalg.lstsq", A)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    a, b = A._array, B._array
    if a.dtype is not b.dtype:
        raise RuntimeError("torch.linalg.lstsq: Expected input and other to have the same dtype")
    vector = _is_vector(a, b)
    right = B.unsqueeze(-1) if vector else B
    m, n = a.shape[-2:]
    if right._array.ndim < 2 or right._array.shape[-2] != m:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    found = lstsq_of(A, right)
    xp = backend_of(a).xp
    values = xp.linalg.svd(a, compute_uv=False)
    ranks = (values > tolerance(a, None, rcond)).sum(-1)
    nothing = np.zeros(0, a.dtype)
    residuals = from_array(nothing)
    if driver not in (None, "gelsy") and m > n and bool((ranks == n).all()):
        gap = bmm_of(A, found) - right
        residuals = (gap * gap).sum(-2)
    return return_types.linalg_lstsq(
        found.squeeze(-1) if vector else found,
        residuals,
        from_array(np.zeros(0, np.int64) if driver == "gels" else ranks),
        new_tensor(values if driver in ("gelsd", "gelss") else nothing),
    )


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudo-inverse; see ``linalg.pinv``."""
    return pinv(input, rtol=rcond)


FUNCTIONS = {"det": det, "inverse": inv, "logdet": logdet, "pinverse": pinverse, "slogdet": slogdet}
METHODS = dict(FUNCTIONS)
