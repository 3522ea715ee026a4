"""The same elements in other places: flips, rolls, rotations; and differences of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from ..backends import backend_of
from ..broadcasting import sum_to
from ..dtypes import int64
from ..operation import Applied, op
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace, Sizes
from .index import getitem
from .join import broadcast_tensors, cat
from .view import dim_of, sizes_of, transpose

__all__ = ["FUNCTIONS", "METHODS", "flip", "roll"]


def _flip(xp: Namespace, x: Array, dims: tuple[int, ...]) -> Array:
    return xp.array(xp.flip(x, dims), order="C")


_flip_op: Applied = op(_flip, x=lambda g, dims: _flip_op(g, dims))


@overload
def flip(input: Tensor, dims: Sequence[int]) -> Tensor: ...
@overload
def flip(input: Tensor, *dims: int) -> Tensor: ...
def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """A copy with the order of elements reversed along ``dims``."""
    if "dims" in named and not dims and len(named) == 1:
        dims = (named["dims"],)
    elif named:
        raise TypeError(f"flip() got an unexpected keyword argument '{next(iter(named))}'")
    ndim = input._array.ndim
    axes = tuple(dim_of(d, ndim) for d in sizes_of(dims))
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"dim {max(axes, key=axes.count)} appears multiple times in the list of dims")
    return _flip_op(input, axes if ndim else ())


def _flip_function(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """A copy with the order of the named dimensions reversed. Raises as the method does."""
    return flip(input, *((dims,) if isinstance(dims, int) else dims))


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order."""
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order."""
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def _roll(xp: Namespace, x: Array, shifts: tuple[int, ...], dims: tuple[int, ...] | None) -> Array:
    return xp.roll(x, shifts if dims is not None else shifts[0], dims)


_roll_op: Applied = op(_roll, x=lambda g, shifts, dims: _roll_op(g, tuple(-s for s in shifts), dims))


def roll(input: Tensor, shifts: Sizes, dims: Sizes | None = None) -> Tensor:
    """Elements moved on along ``dims`` (None: along the flattened tensor); what falls off comes in again."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None or dims == ():
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        return _roll_op(input, shifts, None)
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if not input._array.ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    return _roll_op(input, shifts, tuple(dim_of(d, input._array.ndim) for d in dims))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k quarters in the plane of two dimensions, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    a, b = (dim_of(d, ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return flip(input, a, b)
    return transpose(flip(input, b), a, b) if k == 1 else flip(transpose(input, a, b), b)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along ``dim``, n times over."""
    if input._array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    d = dim_of(dim, input._array.ndim)
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    out = cat(parts, d) if len(parts) > 1 else input
    head = (slice(None),) * d
    for _ in range(n):
        later, earlier = getitem(out, (*head, slice(1, None))), getitem(out, (*head, slice(None, -1)))
        out = later ^ earlier if out._array.dtype.kind == "b" else later - earlier
    return out


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along a dimension of size 3 (the first such, if none is given)."""
    a, b = broadcast_tensors(input, other)
    if dim is None:
        found = [i for i, n in enumerate(a.shape) if n == 3]
        if not found:
            raise RuntimeError("no dimension of size 3 in input")
        dim = found[0]
    d = dim_of(dim, a._array.ndim)
    if a.shape[d] != 3:
        raise RuntimeError(f"inputs dimension {dim} must have length 3. Got {a.shape[d]} and {b.shape[d]}")
    return roll(a, -1, d) * roll(b, -2, d) - roll(a, -2, d) * roll(b, -1, d)


def unravel_index(indices: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Places in a flattened tensor of ``shape`` as one index tensor per dimension."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if indices._array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    xp = backend_of(indices._array).xp
    places = xp.unravel_index(indices._array, shape)
    return tuple(new_tensor(xp.asarray(p, np.int64)) for p in places)


@overload
def sum_to_size(self: Tensor, size: Sequence[int], /) -> Tensor: ...
@overload
def sum_to_size(self: Tensor, *size: int) -> Tensor: ...
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed to a shape that broadcasts to this one. Raises RuntimeError for any other."""
    size = tuple(sizes_of(size))
    try:
        fits = np.broadcast_shapes(size, self._array.shape) == self._array.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"size {{{list(size)}}} is not expandable to size {{{list(self.shape)}}}.")
    if not size:
        return self.sum()
    if size == self._array.shape:
        return self
    return sum_to(self if self._array.dtype.kind == "f" else self.to(int64), size)


FUNCTIONS = {
    "cross": cross, "diff": diff, "flip": _flip_function, "fliplr": fliplr, "flipud": flipud, "roll": roll,
    "rot90": rot90, "unravel_index": unravel_index,
}  # fmt: skip
METHODS = {
    "cross": cross, "diff": diff, "flip": flip, "fliplr": fliplr, "flipud": flipud, "roll": roll, "rot90": rot90,
    "sum_to_size": sum_to_size,
}  # fmt: skip
