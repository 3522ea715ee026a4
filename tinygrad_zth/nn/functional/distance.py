"""Distances between vectors, and their cosines."""

from __future__ import annotations

import math

import numpy as np

from ...dtypes import of
from ...graph import no_grad
from ...ops.calling import shown_as
from ...ops.norms import norm
from ...tensor import Tensor, new_tensor

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension: (*, D) and (*, D), broadcast -> (*)."""
    d = x1 - x2 + eps
    return norm(d, p, -1, keepdim) if d.dim() else d.abs()


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 over the product of their lengths, each held above ``eps``, along ``dim``; x1, x2 broadcast.

    Raises RuntimeError for integers, IndexError for a dimension that is not there.
    """
    for position, (name, x) in enumerate((("x1", x1), ("x2", x2)), 1):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"cosine_similarity(): argument '{name}' (position {position}) must be Tensor, not {type(x).__name__}"
            )
    one, other = x1 + x2.new_zeros(()), x2 + x1.new_zeros(())
    kind = one._array.dtype
    if kind.kind != "f":
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {of(kind).legacy}")
    shape = np.broadcast_shapes(one._array.shape, other._array.shape) if _fit(one, other) else ()
    one, other = one.expand(shape), other.expand(shape)
    lengths = [norm(x, 2, dim, keepdim=True).clone() for x in (one, other)]
    with no_grad():  # the gradient is as if they had not been held
        for length in lengths:
            length.clamp_(min=eps)
    return ((one / lengths[0]) * (other / lengths[1])).sum(dim)


def _fit(a: Tensor, b: Tensor) -> bool:
    """Whether a and b broadcast. Raises RuntimeError, in PyTorch's words, if not."""
    try:
        np.broadcast_shapes(a._array.shape, b._array.shape)
    except ValueError:
        a + b  # raises, naming the sizes
    return True


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """Divided by its p-norm along ``dim``, or by ``eps`` where that is larger."""
    lengths = norm(input, p, dim, keepdim=True).clamp_min(eps)
    result = input / lengths.expand_as(input)
    if out is None:
        return result
    from ...inplace import write_out

    return write_out(out, result, "normalize")


@shown_as("PdistBackward0")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between all pairs of rows i < j: (N, D) -> (N (N - 1) / 2,).

    Raises RuntimeError for another number of dimensions, integers, or a negative p.
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if input._array.dtype.kind != "f":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(input.shape[0], 1)
    d = input[new_tensor(first)] - input[new_tensor(second)]
    if not d._array.size:
        return d.sum(1)
    return (d != 0).sum(1).to(input.dtype) if p == 0 else norm(d, math.inf if p == math.inf else p, 1)
