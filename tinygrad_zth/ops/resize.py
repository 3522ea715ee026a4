"""Tensors of given strides, and changing the size of one in place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from .. import dtypes
from ..backends import backend_of
from ..dtypes import dtype
from ..inplace import check_writeable, write_back
from ..storage import buffer_of
from ..tensor import Tensor, current_node, new_tensor
from ..types import Array, Device
from .create import _made
from .strides import as_strided
from .view import sizes_of

__all__ = ["FUNCTIONS", "METHODS", "empty_strided"]


def _strided(size: tuple[int, ...], stride: tuple[int, ...], kind: np.dtype[Any]) -> Array:
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(n < 0 for n in size) or any(s < 0 for s in stride):
        raise RuntimeError(f"Trying to create tensor with negative dimension or stride: {list(size)}, {list(stride)}")
    held = 0 if 0 in size else 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    flat = np.empty(held, kind)
    return np.lib.stride_tricks.as_strided(flat, size, [s * flat.itemsize for s in stride])


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uninitialised memory of the given size and strides (in elements)."""
    kind = dtypes.to_numpy(dtype or dtypes.get_default_dtype())
    return _made(_strided(tuple(size), tuple(stride), kind), device, requires_grad)


def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], *, dtype: dtype | None=None, layout: Any=None, device: Device=None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uninitialised memory, dense, whose dimensions lie in memory in the order ``physical_layout``."""
    size, order = tuple(size), tuple(physical_layout)
    if len(size) != len(order):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    if sorted(order) != list(range(len(order))):
        raise RuntimeError("Duplicate dim not allowed, or dimension out of range, in physical_layout")
    kind = dtypes.to_numpy(dtype or dtypes.get_default_dtype())
    dense = np.empty([size[d] for d in order], kind)
    return _made(dense.transpose(np.argsort(order)), device, requires_grad)


def new_empty_strided(
    self: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """``empty_strided`` with this tensor's dtype and device unless others are given."""
    return empty_strided(
        size, stride, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


@overload
def resize_(self: Tensor, sizes: Sequence[int], /, *, memory_format: Any = None) -> Tensor: ...
@overload
def resize_(self: Tensor, *sizes: int, memory_format: Any = None) -> Tensor: ...
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Change the shape in place: the elements keep their places in memory, new ones are uninitialised.

    Raises RuntimeError for a tensor that requires grad, or shares its memory and would have to grow.
    """
    sizes = tuple(int(n) for n in sizes_of(sizes))
    if current_node(self) is not None:
        raise RuntimeError("cannot resize variables that require grad")
    check_writeable(self, "resize_")
    array, count = self._array, math.prod(sizes)
    buffer = buffer_of(array)
    start = self.storage_offset()
    if start + count <= buffer.size:
        flat = buffer.reshape(-1)[start : start + count]
    else:
        xp = backend_of(array).xp
        flat = xp.empty(count, array.dtype)
        kept = buffer.reshape(-1)[start:]
        flat[: kept.size] = kept
    self._array = flat.reshape(sizes)
    self._view = None
    return self


def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """``resize_`` to the shape of another tensor."""
    return resize_(self, tuple(the_template._array.shape))


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` written through the window that ``as_strided`` shows."""
    out = new_tensor(np.empty_like(input._array)) if not input.requires_grad else None
    out = input.clone() if out is None else out.copy_(input)
    as_strided(out, size, stride, storage_offset).copy_(src)
    return out


def fill_diagonal_(self: Tensor, fill_value: int, wrap: bool = False) -> Tensor:
    """Write a value along the main diagonal, in place (of a tall matrix, with ``wrap``, again and again)."""
    shape = self._array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) != 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    step = sum(self.stride())
    n = min(shape)
    view = as_strided(self, (n,), (step,))
    view.fill_(fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        rows, columns = shape
        for top in range(columns + 1, rows, columns + 1):
            count = min(rows - top, columns)
            offset = self.storage_offset() + top * self.stride(0)
            as_strided(self, (count,), (step,), offset).fill_(fill_value)
    return self


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along ``dim`` shrunk to have a p-norm of at most ``maxnorm``."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    others = [d for d in range(ndim) if d != dim % ndim]
    norm = input.norm(p, others, keepdim=True)
    factor = (maxnorm / (norm + 1e-7)).where(norm > maxnorm, norm.new_ones(()))
    return input * factor


FUNCTIONS = {
    "as_strided_scatter": as_strided_scatter, "empty_permuted": empty_permuted, "empty_strided": empty_strided,
    "renorm": renorm, "resize_as_": resize_as_,
}  # fmt: skip
METHODS = {
    "as_strided_scatter": as_strided_scatter, "fill_diagonal_": fill_diagonal_, "new_empty_strided": new_empty_strided,
    "renorm": renorm, "renorm_": write_back("renorm_", renorm), "resize_": resize_, "resize_as_": resize_as_,
}  # fmt: skip
