"""Orthogonal matrices as products of reflections, which is how LAPACK's QR keeps them.

Q = H_1 H_2 ... H_k with H_i = 1 - tau_i v_i v_i^T, where v_i is the i-th column below its diagonal 1.
"""

from __future__ import annotations

import numpy as np

from ..backends import backend_of
from ..tensor import Tensor, from_array
from . import return_types
from .calling import by_host, torch_call
from .matmul import matmul
from .solve import batch_of_matrices, mt

__all__ = ["FUNCTIONS", "METHODS", "householder_product"]


@torch_call
@by_host
def geqrf(input: Tensor) -> return_types.geqrf:
    """The named tuple (a, tau): R on and above the diagonal, the reflections' vectors below it, and their factors."""
    batch_of_matrices("geqrf", input)
    found = np.linalg.qr(input._array, mode="raw")
    return return_types.geqrf(from_array(np.ascontiguousarray(found[0].swapaxes(-1, -2))), from_array(found[1]))


def _reflected(A: Tensor, tau: Tensor, other: Tensor, backwards: bool) -> Tensor:
    """H_1 ... H_k ``other``, or H_k ... H_1 ``other`` (the transpose of the product)."""
    m, k = A._array.shape[-2], tau._array.shape[-1]
    eye = from_array(np.eye(m, A._array.shape[-1], dtype=A._array.dtype))
    vectors = A.tril(-1) + eye
    for i in range(k) if backwards else reversed(range(k)):
        v = vectors[..., :, i : i + 1]
        other = other - tau[..., i : i + 1].unsqueeze(-1) * matmul(v, matmul(mt(v), other))
    return other


@torch_call
@by_host
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of Q, (..., m, n), from reflections as ``geqrf`` gives them: A (..., m, n), tau (..., k <= n).

    Raises RuntimeError if A is wider than high, or tau longer than A is wide.
    """
    batch_of_matrices("torch.linalg.householder_product", A)
    m, n = A._array.shape[-2:]
    if m < n:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if n < tau._array.shape[-1]:
        raise RuntimeError(
            "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    xp = backend_of(A._array).xp
    eye = from_array(xp.eye(m, n, dtype=A._array.dtype)).expand(A._array.shape)
    return _reflected(A, tau, eye, False)


@torch_call
@by_host
def ormqr(input: Tensor, input2: Tensor, input3: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Q ``input3`` (``input3`` Q, without ``left``; Q^T for Q, with ``transpose``), Q the whole product of reflections,
    which ``input`` and ``input2`` hold as ``geqrf`` gives them.
    """
    batch_of_matrices("torch.ormqr", input)
    if left:
        return _reflected(input, input2, input3, transpose)
    turned: Tensor = mt(_reflected(input, input2, mt(input3), not transpose))
    return turned


def _orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """``linalg.householder_product``."""
    return householder_product(input, input2)


FUNCTIONS = {"geqrf": geqrf, "orgqr": torch_call(_orgqr), "ormqr": ormqr}
METHODS = {"geqrf": geqrf, "orgqr": _orgqr, "ormqr": ormqr}
