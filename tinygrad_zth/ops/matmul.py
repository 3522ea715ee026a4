"""Products of vectors, matrices and batches of them.

The primitives are the three that BLAS has (dot, mv, mm) and the batched product; everything else
brings its operands into their form.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backends import Kernels, products
from ..dtypes import dtype, of
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Value
from .calling import torch_call
from .view import reshape

__all__ = ["FUNCTIONS", "METHODS", "c_name", "matmul", "matrix_product", "product", "refuse_operands"]

FLOAT16, FLOAT32 = np.dtype("float16"), np.dtype("float32")
_matmul = np.matmul


def product(x: Array, y: Array) -> Array:
    if x.dtype is FLOAT16:  # accumulated in float32, as PyTorch does, and much faster
        return _matmul(x.astype(FLOAT32), y.astype(FLOAT32)).astype(FLOAT16)
    return _large[x.__class__](x, y) if x.ndim > 1 < y.ndim else _matmul(x, y)


_large = Kernels(products.matmul, {"cupy": _matmul})


def _rows_product(x: Array, y: Array) -> Array:
    """(..., n) times (n, m) as one product of matrices, where the rows lie as one in memory."""
    if not x.flags.c_contiguous or x.size == 0:
        return product(x, y)
    r = matrix_product(x.reshape(-1, x.shape[-1]), y)
    return r.reshape(*x.shape[:-1], y.shape[1])


def _flat(x: Value) -> Value:
    return reshape(x, (-1, x.shape[-1]))


def _rows_gradient(g: Value, x: Value) -> Value:
    """The gradient of the matrix: the sum of the rows' outer products, one product again."""
    if 0 in x.shape or 0 in g.shape:
        return bmm_of(x.swapaxes(-1, -2), g)
    return mm_of(_flat(x).swapaxes(0, 1), _flat(g))


def matrix_product(x: Array, y: Array) -> Array:
    """The product of two matrices: that of ``dot``, with less ado around it, unless it is so large that the zeros that
    ``dot`` fills it with first are worth more."""
    if x.dtype is FLOAT16:
        return product(x, y)
    return x.dot(y) if len(x) * y.size <= products.SHORT else _large[x.__class__](x, y)


mm_of: Applied = op(
    matrix_product, name="mm",
    x=lambda g, y: mm_of(g, y.swapaxes(0, 1)),
    y=lambda g, x: mm_of(x.swapaxes(0, 1), g),
)  # fmt: skip
rows_of: Applied = op(
    _rows_product, name="rows_mm", grad_name="UnsafeViewBackward0",
    x=lambda g, y: rows_of(g, y.swapaxes(0, 1)),
    y=_rows_gradient,
)  # fmt: skip
bmm_of: Applied = op(
    product, name="bmm", grad_name="UnsafeViewBackward0",  # of matmul, which is where most of them are from
    x=lambda g, y: bmm_of(g, y.swapaxes(-1, -2)),
    y=lambda g, x: bmm_of(x.swapaxes(-1, -2), g),
)  # fmt: skip
dot_of = op(product, name="dot", x=lambda g, y: g * y, y=lambda g, x: g * x)
mv_of: Applied = op(
    product, name="mv",
    x=lambda g, y: outer_of(g, y),
    y=lambda g, x: mv_of(x.swapaxes(0, 1), g),
)  # fmt: skip
outer_of: Applied = op(
    lambda x, y: x.reshape(-1, 1) * y, name="outer", grad_name="MulBackward0",
    x=lambda g, y: mv_of(g, y),
    y=lambda g, x: mv_of(g.swapaxes(0, 1), x),
)  # fmt: skip


def refuse_operands(name: str, a: Any, b: Any) -> None:
    """Raise as PyTorch does if two operands cannot be multiplied, whatever their sizes."""
    for i, t in enumerate((a, b)):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}(): argument {('input', 'other')[i]!r} (position {i + 1}) must be Tensor, "
                f"not {type(t).__name__}"
            )
    x, y = a._array, b._array
    if name == "matmul" and (x.ndim == 0 or y.ndim == 0):
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D")
    if x.dtype != y.dtype:
        one, two = of(x.dtype), of(y.dtype)
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {c_name(one)} != {c_name(two)}")


def c_name(kind: dtype) -> str:
    return {
        "float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long int",
        "int32": "int", "int16": "short", "int8": "signed char", "uint8": "unsigned char",
    }.get(kind.name, kind.name)  # fmt: skip


def _mat_sizes(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    return f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"


@torch_call
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; a vector stands for a row on the left, for a column on the right.

    Dimensions before the last two are a batch and broadcast. Raises RuntimeError for shapes that do
    not fit and for operands of two dtypes.
    """
    return _matmul_tensors(input, other)


def _matmul_tensors(input: Tensor, other: Tensor) -> Tensor:
    try:
        x, y = input._array, other._array
    except AttributeError:
        refuse_operands("matmul", input, other)
        raise
    n, m = x.ndim, y.ndim
    if x.dtype is not y.dtype or n == 0 or m == 0:
        refuse_operands("matmul", input, other)
    a, b = x.shape, y.shape
    if n == 2 and m == 2:
        if a[1] != b[0]:
            raise RuntimeError(_mat_sizes(a, b))
        return mm_of(input, other)
    if m == 1:
        if a[-1] != b[0]:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have "
                "the same number "
                f"of elements, but got {a[0]} and {b[0]} elements respectively"
                if n == 1
                else f"size mismatch, got input ({_rows(a)}), mat ({_rows(a)}x{a[-1]}), vec ({b[0]})"
            )
        if n == 1:
            return dot_of(input, other)
        if n == 2:
            return mv_of(input, other)
        result: Tensor = reshape(rows_of(input, reshape(other, (b[0], 1))), a[:-1])
        return result
    if n == 1:
        if a[0] != b[-2]:
            raise RuntimeError(_mat_sizes((1, a[0]), b[-2:]))
        return _matmul_tensors(reshape(input, (1, a[0])), other).squeeze(-2)
    if m == 2:
        if a[-1] != b[0]:
            raise RuntimeError(_mat_sizes((_rows(a), a[-1]), b))
        return rows_of(input, other)
    for d in range(-3, -min(n, m) - 1, -1):
        if a[d] != b[d] and a[d] != 1 and b[d] != 1:
            raise RuntimeError(
                f"The size of tensor a ({a[d]}) must match the size of tensor b ({b[d]}) at "
                "non-singleton "
                f"dimension {max(n, m) + d}"
            )
    if a[-1] != b[-2]:
        batch = math.prod(np.broadcast_shapes(a[:-2], b[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a[-1]}] "
            "but got: "
            f"[{batch}, {b[-2]}]."
        )
    return bmm_of(input, other)


def _rows(shape: tuple[int, ...]) -> int:
    return math.prod(shape[:-1])


def _operator(self: Tensor, other: Tensor) -> Tensor:
    return _matmul_tensors(self, other) if isinstance(other, Tensor) else NotImplemented


def _reflected(self: Tensor, other: Any) -> Tensor:
    return _matmul_tensors(other, self) if isinstance(other, Tensor) else NotImplemented


# ---------------------------------------------------------------------------- by their own names


def _ranked(name: str, ranks: tuple[Any, ...], *tensors: Tensor) -> None:
    """Raise RuntimeError unless each tensor has the number of dimensions asked for."""
    for t, (argument, rank, kind) in zip(tensors, ranks, strict=True):
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): argument {argument!r} must be Tensor, not {type(t).__name__}")
        if t._array.ndim != rank:
            raise RuntimeError(f"{argument} must be a {kind}")


@torch_call
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Raises RuntimeError for other ranks and unfit sizes."""
    _ranked("mm", (("self", 2, "matrix"), ("mat2", 2, "matrix")), input, mat2)
    return _matmul_tensors(input, mat2)


@torch_call
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of (b, n, m) and (b, m, p), one for each of b: (b, n, p)."""
    _ranked("bmm", (("batch1", 3, "3D tensor"), ("batch2", 3, "3D tensor")), input, mat2)
    a, b = input._array.shape, mat2._array.shape
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] "
            "but got: "
            f"[{b[0]}, {b[1]}]."
        )
    refuse_operands("bmm", input, mat2)
    return bmm_of(input, mat2)


@torch_call
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"mv(): argument 'vec' (position 2) must be Tensor, not {type(vec).__name__}")
    a, b = input._array.shape, vec._array.shape
    if len(a) != 2 or len(b) != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {len(a)}, {len(b)}")
    refuse_operands("mv", input, vec)
    if a[1] != b[0]:
        raise RuntimeError(f"size mismatch, got input ({a[0]}), mat ({a[0]}x{a[1]}), vec ({b[0]})")
    return mv_of(input, vec)


@torch_call
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements."""
    a, b = input._array, tensor._array
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {of(a.dtype).legacy} and {of(b.dtype).legacy}"
        )
    return _matmul_tensors(input, tensor)


@torch_call
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """``dot``: for real vectors, the same."""
    return dot(input, other)


@torch_call
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of an element of one vector with one of the other: a matrix."""
    for argument, t in (("self", input), ("vec2", vec2)):
        if t._array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {argument}, but got {t._array.ndim}-D")
    if input._array.dtype is not vec2._array.dtype:
        return reshape(input, (-1, 1)) * vec2
    return outer_of(input, vec2)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications."""
    from .linalg import multi_dot

    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    if len(matrices) == 1:
        return matrices[0]
    return multi_dot(matrices)


FUNCTIONS = {
    "bmm": bmm, "chain_matmul": chain_matmul, "dot": dot, "ger": outer, "matmul": matmul, "mm": mm,
    "mv": mv, "outer": outer, "vdot": vdot,
}  # fmt: skip
METHODS = {**FUNCTIONS, "__matmul__": _operator, "__rmatmul__": _reflected}
del METHODS["chain_matmul"]
