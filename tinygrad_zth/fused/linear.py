"""linear: y = x W^T + b, the product of lecture 3's ``Linear`` and of every Transformer.

W is (out_features, in_features), b (out_features,) or None, x (..., in_features). All leading
dimensions of x are one: a single gemm, however many there are.
"""

from __future__ import annotations

import math

import numpy as np

from ..backends import Kernels
from ..backends.products import FEW, times_transposed
from ..dtypes import of
from ..graph import Node
from ..operation import op
from ..ops.matmul import matmul, matrix_product, product
from ..tensor import Tensor
from ..types import Array
from .rows import column_sums

__all__ = ["linear"]

FLOAT32 = np.dtype("float32")


def linear_forward(x: Array, weight: Array, bias: Array) -> Array:
    """(..., in), (out, in), (out,) or None -> (..., out). Raises RuntimeError where they do not fit."""
    if x.dtype is not weight.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {of(x.dtype).legacy} and {of(weight.dtype).legacy}"
        )
    if x.ndim == 0 or weight.ndim not in (1, 2):
        raise RuntimeError(
            f"linear(): expected an input of at least 1 dimension and a weight of 1 or 2, got {x.ndim} and {weight.ndim}"
        )
    if x.shape[-1] != weight.shape[-1]:
        rows = math.prod(x.shape[:-1])
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{weight.shape[-1]}x{weight.shape[0] if weight.ndim == 2 else 1})"
        )
    if weight.ndim == 1 or x.ndim == 1:
        out = product(x, weight.T)
    elif x.ndim == 2:
        out = _product_by_rows(x, weight)
    else:
        out = _product_by_rows(x.reshape(-1, x.shape[-1]), weight).reshape(*x.shape[:-1], weight.shape[0])
    if bias is None:
        return out
    if bias.dtype is not out.dtype:
        raise RuntimeError(
            f"self and mat2 must have the same dtype, but got {of(bias.dtype).legacy} and {of(out.dtype).legacy}"
        )
    if not out.ndim or bias.shape not in ((out.shape[-1],), (1,), ()):
        wide = bias.shape[::-1]
        if len(wide) > out.ndim or any(b not in (1, n) for b, n in zip(wide, out.shape[::-1])):
            raise RuntimeError(
                f"linear(): a bias of shape {list(bias.shape)} does not fit a result of shape {list(out.shape)}"
            )
        return out + bias
    out += bias
    return out


def _product_by_rows(x: Array, weight: Array) -> Array:
    """x W^T for x (n, in)."""
    if 1 < len(x) <= FEW and x.dtype is FLOAT32 and x.flags.c_contiguous and weight.flags.c_contiguous:
        return _of_few_rows[x.__class__](x, weight)
    return matrix_product(x, weight.T)


_of_few_rows = Kernels(times_transposed, {"cupy": lambda x, weight: matrix_product(x, weight.T)})


def linear_backward(g: Array, needs: tuple[bool, ...], x: Array, weight: Array) -> tuple[Array | None, ...]:
    """Gradients of x, weight and bias for g (..., out)."""
    if weight.ndim == 1:
        g, weight2 = g[..., None], weight[None]
    else:
        weight2 = weight
    rows = math.prod(g.shape[:-1])  # -1 says nothing where a size is 0
    g2 = g.reshape(rows, g.shape[-1])
    dx = dw = db = None
    if needs[0]:
        dx = matrix_product(g2, weight2).reshape(x.shape)
    if needs[1]:
        dw = matrix_product(g2.T, x.reshape(rows, x.shape[-1])).reshape(weight.shape)
    if needs[2]:
        db = column_sums[g2.__class__](g2) if weight.ndim == 2 else g2.reshape(g.shape[:-1])
    return dx, dw, db


def plain(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The definition: x @ W^T + b."""
    product = matmul(x, weight.t())
    return product if bias is None else product + bias


def _shown(node: Node) -> str:
    """PyTorch's name: it has matrix products with and without a bias, and lays rows out as one matrix first."""
    biased = node.edges[2] is not None or bool(node.saved and node.saved[linear.op.saves.index("bias")] is not None)
    if len(node.shape) == 2:
        return "AddmmBackward0" if biased else "MmBackward0"
    return "ViewBackward0" if biased else "SqueezeBackward4" if len(node.shape) == 1 else "UnsafeViewBackward0"


linear = op(
    linear_forward,
    name="linear",
    grad_name="AddmmBackward0",
    inputs=("x", "weight", "bias"),
    backward=linear_backward,
    plain=plain,
)
linear.op.shown = _shown
