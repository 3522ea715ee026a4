"""Products added to something: beta * input + alpha * (product). With ``beta=0``, input is not
looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import of, promote_types
from ..inplace import write_result
from ..operation import op
from ..refusal import on_one_device
from ..tensor import Tensor
from .calling import torch_call
from .expand import broadcast_to
from .matmul import bmm, mm, mv, outer

__all__ = ["FUNCTIONS", "METHODS"]


nothing = op(lambda xp, x: xp.zeros(x.shape, x.dtype), name="nothing", x=lambda g: g * 0)


def _added(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    kind = product._array.dtype
    if input._array.dtype is not kind:
        raise RuntimeError(
            f"{name}(): self and the product must have the same dtype, got {of(input._array.dtype)} and {of(kind)}"
        )
    if kind.kind == "b":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if kind.kind != "f" and name != "addr":  # the others cut numbers off, as PyTorch's do
        beta, alpha = int(beta), int(alpha)
    if kind.kind != "f":
        for argument, number in (("beta", beta), ("alpha", alpha)):
            if isinstance(number, float):
                raise RuntimeError(
                    f"For integral input tensors, argument {argument} must not be a floating point number."
                )
    input = broadcast_to(input, product._array.shape)  # may grow to the product's shape, not beyond it
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        on_one_device(name, input._array, product._array)
        return nothing(input) + product if input.requires_grad else product
    return (input if beta == 1 else input * beta) + product


@torch_call
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2, for matrices; ``input`` broadcasts."""
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


@torch_call
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat @ vec, for a matrix and a vector."""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


@torch_call
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (the outer product of two vectors)."""
    if all(t._array.dtype.kind == "b" for t in (input, vec1, vec2)):
        product = outer(vec1, vec2) if alpha else outer(vec1, vec2) & False
        on_one_device("addr", input._array, product._array)
        return broadcast_to(input, product._array.shape) | product if beta else product
    product = outer(vec1, vec2)
    kind = promote_types(input.dtype, product.dtype)
    return _added("addr", input.to(kind), product.to(kind), beta, alpha)


@torch_call
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * batch1 @ batch2, for batches of matrices."""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@torch_call
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (the sum of batch1 @ batch2 over the batch)."""
    return _added("addbmm", input, bmm(batch1, batch2).sum(0, dtype=batch1.dtype), beta, alpha)


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__ + "_"

    def method(self: Tensor, *operands: Any, **options: Any) -> Tensor:
        return write_result(self, function(self, *operands, **options), name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of ``{function.__name__}``; returns the tensor itself."
    return method


FUNCTIONS = {"addbmm": addbmm, "addmm": addmm, "addmv": addmv, "addr": addr, "baddbmm": baddbmm}
METHODS = {**FUNCTIONS, **{f"{name}_": _in_place(function) for name, function in FUNCTIONS.items()}}
