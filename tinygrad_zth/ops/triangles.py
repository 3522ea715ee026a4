"""Triangles of matrices, and diagonals: taken out, and put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..inplace import write_back
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Namespace
from .create import _finish

__all__ = ["FUNCTIONS", "METHODS", "diag_embed", "tril", "triu"]


def _tril(xp: Namespace, x: Array, diagonal: int) -> Array:
    return xp.tril(x, diagonal)


def _triu(xp: Namespace, x: Array, diagonal: int) -> Array:
    return xp.triu(x, diagonal)


_tril_op: Applied = op(_tril, ordered=True, x=lambda g, diagonal: _tril_op(g, diagonal))
_triu_op: Applied = op(_triu, ordered=True, x=lambda g, diagonal: _triu_op(g, diagonal))


def _matrix(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    def function(input: Tensor, diagonal: int = 0, *, out: Any = None) -> Tensor:
        if input._array.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return _finish(name, apply(input, diagonal), out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The {'lower' if name == 'tril' else 'upper'} triangle of the last two dimensions, zeros elsewhere."
    )
    return function


tril, triu = _matrix("tril", _tril_op), _matrix("triu", _triu_op)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of ``input`` on the diagonal of two new dimensions."""
    from .strides import diagonal_of, embed_in
    from .view import dim_of

    ndim = input._array.ndim + 1
    a, b = dim_of(dim1, ndim), dim_of(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input._array.shape[-1] + abs(offset)
    rest = iter(input._array.shape[:-1])
    shape = tuple(n if d in (a, b) else next(rest) for d in range(ndim))
    result: Tensor = embed_in(shape, input, ((diagonal_of, (offset, a, b)),))
    return result


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix (a copy), or a matrix with a vector on its diagonal."""
    if input._array.ndim == 1:
        return diag_embed(input, diagonal)
    if input._array.ndim == 2:
        return input.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input._array.ndim}D")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of ``input`` on its diagonal."""
    return diag_embed(input.reshape(-1), offset)


FUNCTIONS = {"diag": diag, "diag_embed": diag_embed, "diagflat": diagflat, "tril": tril, "triu": triu}
METHODS = {**FUNCTIONS, "tril_": write_back("tril_", tril), "triu_": write_back("triu_", triu)}
