"""Products of matrices, einsum, and linear algebra. The oracle is written with loops, or defines the
result by the equation it solves.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

import tinygrad_zth as torch

from .case import Case
from .source import Source


def _product(x, y):
    """The product of (batches of) matrices, by its definition."""
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x = x + np.zeros((*batch, *x.shape[-2:]))
    y = y + np.zeros((*batch, *y.shape[-2:]))
    out = np.zeros((*batch, x.shape[-2], y.shape[-1]))
    for place in np.ndindex(*out.shape):
        *b, i, j = place
        out[place] = math.fsum(p * q for p, q in zip(x[(*b, i)], y[(*b, slice(None), j)], strict=True))
    return out


def _two(*choices):
    def arguments(s: Source):
        a, b = s.choose(choices)
        return s.floats(a), s.floats(b)

    return arguments


_CONTRACTIONS = (
    ("ij,jk->ik", (2, 3), (3, 2)), ("ij,kj->ik", (2, 3), (2, 3)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 1)), ("i,j->ij", (2,), (3,)),
    ("ij,ij->ij", (2, 3), (2, 3)), ("i,i->", (3,), (3,)), ("bi,bi->b", (2, 3), (2, 3)), ("ij,jk->ki", (2, 3), (3, 2)),
    ("ij,j->i", (0, 3), (3,)), ("abc,bd->adc", (2, 3, 1), (3, 2)),
)  # fmt: skip


def _contract_arguments(s: Source):
    equation, one, two = s.choose(_CONTRACTIONS)
    left, c = equation.split("->")
    a, b = left.split(",")
    label = {letter: i for i, letter in enumerate(sorted(set(a + b)))}
    return s.floats(one), s.floats(two), *(tuple(label[i] for i in letters) for letters in (a, b, c))


def _contract(x, y, a, b, c):
    size = dict(zip((*a, *b), (*x.shape, *y.shape), strict=True))
    out = np.zeros([size[i] for i in c])
    for values in itertools.product(*(range(n) for n in size.values())):
        at = dict(zip(size, values, strict=True))
        out[tuple(at[i] for i in c)] += x[tuple(at[i] for i in a)] * y[tuple(at[i] for i in b)]
    return out


# ---------------------------------------------------------------------------- well-conditioned matrices


def _rotation(s: Source, n: int) -> np.ndarray:
    return np.linalg.qr(s.rng.standard_normal((n, n)))[0]


def _with_values(s: Source, m: int, n: int, lead=()) -> np.ndarray:
    """Matrices whose singular values are well apart: near 1, 1.7, 2.4, ..."""
    out = np.zeros((*lead, m, n))
    for place in np.ndindex(*lead):
        k = min(m, n)
        values = 1 + 0.7 * np.arange(k) + s.floats((k,), -0.1, 0.1)
        out[place] = _rotation(s, m)[:, :k] @ np.diag(values) @ _rotation(s, n)[:k]
    return out


def _square(s: Source) -> tuple:
    lead, n = s.choose((((), 2), ((), 3), ((2,), 2), ((), 1)))
    return (_with_values(s, n, n, lead),)


def _tall_or_wide(s: Source) -> tuple:
    return (_with_values(s, *s.choose(((2, 2), (3, 2), (2, 3), (1, 2)))),)


def _tall(s: Source) -> tuple:
    return (_with_values(s, *s.choose(((2, 2), (3, 2), (3, 3)))),)


def _det(x):
    """Leibniz's sum over permutations."""
    n = x.shape[-1]
    total = np.zeros(x.shape[:-2])
    for order in itertools.permutations(range(n)):
        swaps = sum(a > b for a, b in itertools.combinations(order, 2))
        total = total + (-1) ** swaps * np.prod([x[..., i, j] for i, j in enumerate(order)], axis=0)
    return np.asarray(total)


def _adjugate(x):
    out = np.empty(x.shape)
    for i, j in np.ndindex(*x.shape[-2:]):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        out[..., i, j] = (-1) ** (i + j) * (_det(minor) if minor.shape[-1] else 1.0)
    return out


def _inverse(x):
    return np.asarray(np.swapaxes(_adjugate(x), -1, -2) / _det(x)[..., None, None])


def _symmetric(A):
    return (A + A.swapaxes(-1, -2)) / 2


def _definite(A):
    return A @ A.swapaxes(-1, -2)


def _fixed_sign(v):
    """Eigenvectors are defined up to sign: the first component of each is made positive."""
    return v * (v[..., :1, :].detach() / v[..., :1, :].detach().abs())


def _eigh(A):
    return torch.linalg.eigh(_symmetric(A))


def _spectrum(x):
    return np.sort(np.linalg.eigvals((x + np.swapaxes(x, -1, -2)) / 2).real, -1)


def _projector(vectors):
    """What does not depend on signs: v v^T of the first and twice the second column."""
    weights = torch.tensor([1.0, 2.0, 4.0][: vectors.shape[-1]], dtype=vectors.dtype)
    return (vectors * weights) @ vectors.swapaxes(-1, -2)


def _np_projector(v):
    return (v * np.array([1.0, 2.0, 4.0])[: v.shape[-1]]) @ np.swapaxes(v, -1, -2)


def _np_eigenvectors(x):
    values, vectors = np.linalg.eig((x + np.swapaxes(x, -1, -2)) / 2)
    order = np.argsort(values.real, -1)
    return np.take_along_axis(vectors.real, order[..., None, :], -1)


def _svd(part):
    return lambda A: torch.linalg.svd(A, full_matrices=False)[part]


def _by_eigenvectors(of_rows):
    """Singular vectors as the eigenvectors of A A^T or A^T A, largest value first."""

    def oracle(x):
        gram = x @ np.swapaxes(x, -1, -2) if of_rows else np.swapaxes(x, -1, -2) @ x
        return _np_projector(_np_eigenvectors(gram)[..., ::-1][..., : min(x.shape[-2:])])

    return oracle


def _gram_schmidt(x):
    """Q and R with the signs of LAPACK's: the diagonal of R is not made positive."""
    q, r = np.linalg.qr(x)
    out, triangle = np.zeros(x.shape), np.zeros(r.shape)
    for j in range(x.shape[-1]):
        v = x[:, j].copy()
        for i in range(j):
            triangle[i, j] = out[:, i] @ x[:, j]
            v -= triangle[i, j] * out[:, i]
        triangle[j, j] = math.copysign(math.sqrt(v @ v), r[j, j])
        out[:, j] = v / triangle[j, j]
    return out, triangle


def _cholesky(x):
    """Banachiewicz's recurrence."""
    a = x @ np.swapaxes(x, -1, -2)
    out = np.zeros(a.shape)
    for i in range(a.shape[-1]):
        for j in range(i + 1):
            rest = a[..., i, j] - (out[..., i, :j] * out[..., j, :j]).sum(-1)
            out[..., i, j] = np.sqrt(rest) if i == j else rest / out[..., j, j]
    return out


def _pseudo_inverse(x):
    t = np.swapaxes(x, -1, -2)
    return _inverse(t @ x) @ t if x.shape[-2] >= x.shape[-1] else t @ _inverse(x @ t)


def _doolittle(x):
    """L and U row by row, the row of the largest element of each column first."""
    if x.ndim > 2:
        return tuple(np.stack(part) for part in zip(*map(_doolittle, x)))
    a, n = [list(map(float, row)) for row in x], len(x)
    low = [[0.0] * n for _ in range(n)]
    for j in range(n):
        p = max(range(j, n), key=lambda i: abs(a[i][j]))
        a[j], a[p], low[j], low[p] = a[p], a[j], low[p], low[j]
        low[j][j] = 1.0
        for i in range(j + 1, n):
            low[i][j] = a[i][j] / a[j][j]
            a[i] = [v - low[i][j] * w for v, w in zip(a[i], a[j])]
    return np.array(low).reshape(x.shape), np.triu(np.array(a).reshape(x.shape))


def _with_right_side(matrices):
    def arguments(s: Source):
        (a,) = matrices(s)
        return a, s.floats((*a.shape[:-1], 2))

    return arguments


CASES: dict[str, Case] = {
    "mm": Case(_two(((2, 3), (3, 2)), ((1, 3), (3, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 1))), _product),
    "rows_mm": Case(_two(((2, 2, 3), (3, 2)), ((1, 2, 3), (3, 1)), ((2, 0, 3), (3, 2)), ((2, 2, 0), (0, 2))), _product),
    "bmm": Case(_two(((2, 2, 3), (2, 3, 1)), ((2, 1, 2, 3), (2, 3, 2)), ((1, 2, 2), (3, 2, 2)), ((2, 0, 2), (2, 2, 1))), _product),
    "dot": Case(_two(((3,), (3,)), ((0,), (0,)), ((1,), (1,))), lambda x, y: np.asarray(math.fsum(x * y))),
    "mv": Case(_two(((2, 3), (3,)), ((0, 3), (3,)), ((1, 1), (1,))), lambda x, y: _product(x, y[:, None])[:, 0]),
    "outer": Case(_two(((2,), (3,)), ((1,), (2,)), ((0,), (2,))), lambda x, y: np.array([[p * q for q in y] for p in x]).reshape(x.size, y.size)),
    "contract": Case(_contract_arguments, _contract),
    "linalg_inv": Case(_square, _inverse, eps=1e-4), "inverse_or_inf": Case(_square, _inverse, eps=1e-4),
    "linalg_solve": Case(_with_right_side(_square), lambda a, b: _inverse(a) @ b, eps=1e-4),
    "slogdet_sign": Case(_square, lambda x: np.sign(_det(x))), "linalg_det": Case(_square, _det), "cofactors": Case(_square, _adjugate),
    "linalg_slogdet": Case(_square, lambda x: np.log(abs(_det(x))), eps=1e-4),
    "linalg_pinv": Case(
        _tall_or_wide, _pseudo_inverse, call=lambda A: torch.linalg.pinv(A), differentiable=(0,), eps=1e-4,
    ),
    "linalg_lstsq": Case(
        _with_right_side(_tall), lambda a, b: _pseudo_inverse(a) @ b, eps=1e-4,
    ),
    "eigenvalues": Case(_square, _spectrum, call=lambda A: _eigh(A)[0], differentiable=(0,), eps=1e-4),
    "eigenvectors": Case(
        lambda s: (_definite(*_square(s)),), lambda x: _np_projector(_np_eigenvectors(x)),
        call=lambda A: _projector(_eigh(A)[1]), differentiable=(0,), eps=1e-4, tolerance=(1e-6, 1e-5), single=1e-2,
    ),
    "singular_values": Case(
        _tall_or_wide, lambda x: np.sqrt(np.sort(np.linalg.eigvals(x @ x.T if len(x) < x.shape[1] else x.T @ x).real)[::-1]),
        call=_svd(1), differentiable=(0,), eps=1e-4,
    ),
    "left_singular_vectors": Case(
        _tall_or_wide, _by_eigenvectors(True), call=lambda A: _projector(_svd(0)(A)), differentiable=(0,), eps=1e-4,
        tolerance=(1e-6, 1e-5), single=1e-2,
    ),
    "right_singular_vectors": Case(
        _tall_or_wide, _by_eigenvectors(False), call=lambda A: _projector(_svd(2)(A).mT), differentiable=(0,), eps=1e-4,
        tolerance=(1e-6, 1e-5), single=1e-2,
    ),
    "qr_q": Case(_tall, lambda x: _gram_schmidt(x)[0], call=lambda A: torch.linalg.qr(A)[0], differentiable=(0,), eps=1e-4),
    "qr_r": Case(_tall, lambda x: _gram_schmidt(x)[1], call=lambda A: torch.linalg.qr(A)[1], differentiable=(0,), eps=1e-4),
    "linalg_qr": Case(
        _tall, lambda x: _gram_schmidt(x)[1], call=lambda A: torch.linalg.qr(A, mode="r")[1], differentiable=(),
        why="PyTorch refuses it: the gradient needs Q, which mode='r' does not compute",
    ),
    "lu_lower": Case(_square, lambda x: _doolittle(x)[0], call=lambda A: torch.linalg.lu(A)[1], differentiable=(0,), eps=1e-4),
    "lu_upper": Case(_square, lambda x: _doolittle(x)[1], call=lambda A: torch.linalg.lu(A)[2], differentiable=(0,), eps=1e-4),
    "linalg_cholesky": Case(
        _square, _cholesky, call=lambda A: torch.linalg.cholesky(_definite(A)), differentiable=(0,), eps=1e-4
    ),
}  # fmt: skip
