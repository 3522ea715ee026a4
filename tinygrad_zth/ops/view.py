"""Views: other windows on the same memory. Each gradient is the opposite window.

``view`` refuses what would need a copy; ``reshape`` copies then. Results share the input's storage
and version, so that writes through any of them are seen by all (``inplace.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any, overload

from .. import dtypes
from ..broadcasting import alias
from ..operation import Applied, op
from ..storage import is_window
from ..tensor import Size, Tensor, new_tensor, storage_of
from ..types import Array, Sizes, Value

__all__ = ["FUNCTIONS", "METHODS", "dim_of", "permute", "reshape", "sizes_of"]


def dim_of(dim: int, ndim: int) -> int:
    """``dim`` counted from the front. Raises IndexError as PyTorch does."""
    if -ndim <= dim < ndim:
        return dim + ndim if dim < 0 else dim
    n = ndim or 1
    if -n <= dim < n:
        return 0
    raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")


def sizes_of(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """``(2, 3)`` from either ``f(2, 3)`` or ``f((2, 3))``."""
    only: Any = sizes[0] if len(sizes) == 1 else 0
    many = only.__class__ is tuple or (only.__class__ is not int and isinstance(only, Sequence))
    return tuple(only) if many else sizes


def named_sizes(name: str, keyword: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Sizes or dimensions given by their keyword: ``x.permute(dims=(1, 0))``. Raises TypeError for another keyword."""
    if keyword not in named or len(named) > 1 or given:
        wrong = next((k for k in named if k != keyword), keyword)
        raise TypeError(f"{name}() got an unexpected keyword argument '{wrong}'")
    return (named[keyword],)


# ---------------------------------------------------------------------------- shape


def _reshape(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


_view = op(_reshape, name="view", view=True, x=lambda g, x_shape: reshape(g, x_shape))
_copy = op(_reshape, name="reshape", grad_name="UnsafeViewBackward0", x=lambda g, x_shape: reshape(g, x_shape))


def _shape(x: Tensor, sizes: Any) -> tuple[Any, ...]:
    """``sizes`` as ints with -1 worked out. Raises RuntimeError if they do not hold x's elements."""
    n = x._array.size
    try:
        known = math.prod(sizes)
        if known.__class__ is not int:
            sizes = tuple([index(s) for s in sizes])
            known = math.prod(sizes)
    except TypeError:
        kinds = ", ".join(type(s).__name__ for s in sizes)
        raise TypeError(f"view() received an invalid combination of arguments - got ({kinds})") from None
    least = min(sizes) if sizes else 0
    if known == n and least >= 0:
        return tuple(sizes)
    if least == -1 and sizes.count(-1) == 1:
        if known and n % known == 0:
            i = sizes.index(-1)
            return (*sizes[:i], n // -known, *sizes[i + 1 :])
        if known == n:
            why = "because the unspecified dimension size -1 can be any value and is ambiguous"
            raise RuntimeError(f"cannot reshape tensor of 0 elements into shape {list(sizes)} {why}")
    elif least == -1:
        raise RuntimeError("only one dimension can be inferred")
    elif least < -1:
        i = next(i for i, s in enumerate(sizes) if s < -1)
        raise RuntimeError(f"invalid shape dimension {sizes[i]} at index {i} of shape {list(sizes)}")
    raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {n}")


def _of_contiguous(x: Tensor, sizes: tuple[Any, ...]) -> Tensor:
    """A contiguous ``x`` in other sizes: a view always, and NumPy works out -1."""
    result: Tensor | None = None
    try:
        for s in sizes:
            if s.__class__ is not int or s < -1:  # NumPy takes any negative number for -1
                sizes = _shape(x, sizes)
                break
        if -1 in sizes:
            sizes = x._array.reshape(sizes).shape
        result = _view(x, sizes)
    except (ValueError, TypeError):
        pass  # said in PyTorch's words by _shape
    return _view(x, _shape(x, sizes)) if result is None else result


@overload
def view(input: Tensor, dtype: dtypes.dtype) -> Tensor: ...
@overload
def view(input: Tensor, size: Sequence[int]) -> Tensor: ...
@overload
def view(input: Tensor, *size: int) -> Tensor: ...
def view(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same memory under another shape (one size may be -1), or, given a dtype, other elements.

    Raises:
        RuntimeError: if the shape does not hold the elements, or would need a copy.
    """
    if named:
        shape = named_sizes("view", "dtype" if "dtype" in named else "size", shape, named)
    if not shape:
        raise TypeError(
            "view() received an invalid combination of arguments - got (), but expected one of:\n * (torch.dtype dtype)\n"
            " * (tuple of ints size)\n"
        )
    if len(shape) == 1 and shape[0].__class__ is not int:
        (shape,) = shape
        if isinstance(shape, dtypes.dtype):
            return _view_dtype(input, shape)
        shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if input._array.flags.c_contiguous:
        return _of_contiguous(input, shape)
    shape = _shape(input, shape)
    if not is_window(input._array, shape):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two contiguous subspaces). Use .reshape(...) instead."
        )
    return _view(input, shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` viewed in ``other``'s shape. Raises RuntimeError as ``view`` does."""
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in ``other``'s shape: a view where possible, else a copy. Raises RuntimeError for other counts."""
    result: Tensor = reshape(input, other._array.shape)
    return result


def _view_dtype(input: Tensor, dtype: Any) -> Tensor:
    here, there = input._array, dtypes.to_numpy(dtype)
    ratio = there.itemsize // here.itemsize
    if ratio > 1 and here.ndim and here.shape[-1] % ratio:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {ratio} to view {input.dtype.legacy} as {dtype.legacy} (different element "
            f"sizes), but got {here.shape[-1]}"
        )
    t = new_tensor(here.view(there))
    t._storage = storage_of(input)
    return t


@overload
def reshape(input: Tensor, shape: Sequence[int]) -> Tensor: ...
@overload
def reshape(input: Tensor, *shape: int) -> Tensor: ...
@overload
def reshape(input: Array, *shape: Any) -> Array: ...
def reshape(input: Value, *shape: Any, **named: Any) -> Value:
    """The same elements under another shape: a view where possible, else a copy."""
    if named:
        shape = named_sizes("reshape", "shape", shape, named)
    if not isinstance(input, Tensor):
        return input.reshape(*shape)
    if len(shape) == 1:
        shape = sizes_of(shape)
    if input._array.flags.c_contiguous:
        return _of_contiguous(input, shape)
    shape = _shape(input, shape)
    return (_view if is_window(input._array, shape) else _copy)(input, shape)


def _reshape_function(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements under another shape (one size may be -1): a view where possible, else a copy."""
    return reshape(input, tuple(shape))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` as one."""
    ndim = input._array.ndim
    if ndim == 0:
        return reshape(input, (1,))
    a, b = dim_of(start_dim, ndim), dim_of(end_dim, ndim)
    if a > b:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if a == b:
        return input
    s = input._array.shape
    result: Tensor = reshape(input, (*s[:a], Size(s[a : b + 1]).numel(), *s[b + 1 :]))
    return result


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension, contiguous: a view if ``input`` is contiguous, else a copy."""
    result: Tensor = reshape(input, (input._array.size,)).contiguous()
    return result


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension ``dim`` as several, of the given sizes (one may be -1)."""
    d, s = dim_of(dim, input._array.ndim), input._array.shape
    sizes = tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    known = Size(n for n in sizes if n != -1).numel()
    if sizes.count(-1) == 1 and known:
        filled = tuple(s[d] // known if n == -1 else n for n in sizes)
    else:
        filled = sizes
    if Size(filled).numel() != s[d]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({s[d]}) in the input tensor"
        )
    result: Tensor = reshape(input, (*s[:d], *filled, *s[d + 1 :]))
    return result


# ---------------------------------------------------------------------------- order of dimensions


def _permute(x: Array, dims: tuple[int, ...]) -> Array:
    return x.transpose(dims)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


_permute_op: Applied = op(_permute, name="permute", view=True, x=lambda g, dims: _permute_op(g, _inverse(dims)))


def _swap(x: Array, dim0: int, dim1: int) -> Array:
    return x.swapaxes(dim0, dim1)


_transpose: Applied = op(_swap, name="transpose", view=True, x=lambda g, dim0, dim1: _transpose(g, dim0, dim1))
_t = op(_swap, name="t", grad_name="TBackward0", view=True, x=lambda g, dim0, dim1: _transpose(g, dim0, dim1))


@overload
def permute(input: Tensor, dims: Sequence[int]) -> Tensor: ...
@overload
def permute(input: Tensor, *dims: int) -> Tensor: ...
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The dimensions in another order."""
    if named:
        dims = named_sizes("permute", "dims", dims, named)
    dims = sizes_of(dims)
    ndim = input._array.ndim
    if len(dims) != ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    dims = tuple(dim_of(d, ndim) for d in dims)
    if len(set(dims)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute_op(input, dims)


def _permute_function(input: Tensor, dims: Sequence[int]) -> Tensor:
    """The dimensions in another order: a view. Raises RuntimeError for dims that are no permutation."""
    return permute(input, *dims)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Dimensions ``dim0`` and ``dim1`` exchanged."""
    ndim = input._array.ndim
    if not (0 <= dim0 < ndim and 0 <= dim1 < ndim):
        dim0, dim1 = dim_of(dim0, ndim), dim_of(dim1, ndim)
        if not ndim:
            return alias(input)
    return _transpose(input, dim0, dim1)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """``transpose``, by NumPy's name."""
    return transpose(input, axis0, axis1)


def t(input: Tensor) -> Tensor:
    """A matrix transposed; fewer dimensions stay as they are. Raises RuntimeError for more than two."""
    if input._array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input._array.ndim}D")
    return _t(input, 0, 1) if input._array.ndim == 2 else alias(input)


def reversed_dims(input: Tensor) -> Tensor:
    """``x.T``: all dimensions in reverse order."""
    ndim = input._array.ndim
    return _permute_op(input, tuple(range(ndim))[::-1])


def matrix_transpose(input: Tensor) -> Tensor:
    """``x.mT``: the last two dimensions exchanged."""
    ndim = input._array.ndim
    if ndim == 1:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {ndim}-D tensor.")
    return _transpose(input, ndim - 2, ndim - 1) if ndim else alias(input)


def movedim(input: Tensor, source: Sizes, destination: Sizes) -> Tensor:
    """Dimensions moved to new places; the others keep their order."""
    ndim = input._array.ndim
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same "
            f"number of dims as destination ({list(destination)} dims)"
        )
    source, destination = [dim_of(d, ndim) for d in source], [dim_of(d, ndim) for d in destination]
    for name, dims in (("source", source), ("destination", destination)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    places = dict(zip(destination, source, strict=True))
    rest = iter(d for d in range(ndim) if d not in source)
    return _permute_op(input, tuple(places[d] if d in places else next(rest) for d in range(ndim)))


# ---------------------------------------------------------------------------- dimensions of size one


def _squeeze(x: Array, dims: tuple[int, ...]) -> Array:
    return x.squeeze(dims)


def _squeezing(name: str, grad_name: str) -> Applied:
    return op(_squeeze, name=name, grad_name=grad_name, view=True, x=lambda g, x_shape: reshape(g, x_shape))


# Of all dimensions, of one, of several: three names in PyTorch's graphs.
_squeeze_all = _squeezing("squeeze", "SqueezeBackward0")
_squeeze_one = _squeezing("squeeze_dim", "SqueezeBackward1")
_squeeze_some = _squeezing("squeeze_dims", "SqueezeBackward2")


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of size 1 (or those of ``dim`` that are)."""
    shape = input._array.shape
    if dim is None:
        return _squeeze_all(input, tuple(i for i, n in enumerate(shape) if n == 1))
    else:
        wanted = (dim,) if isinstance(dim, int) else dim
        dims = tuple(dict.fromkeys(d for d in (dim_of(d, len(shape)) for d in wanted) if shape and shape[d] == 1))
    return (_squeeze_one if isinstance(dim, int) else _squeeze_some)(input, dims)


def _unsqueeze(x: Array, dim: int) -> Array:
    return x[(slice(None),) * dim + (None,)]


_unsqueeze_op = op(_unsqueeze, name="unsqueeze", view=True, x=lambda g, x_shape: reshape(g, x_shape))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at ``dim``."""
    return _unsqueeze_op(input, dim_of(dim, input._array.ndim + 1))


FUNCTIONS = {
    "adjoint": matrix_transpose, "flatten": flatten,
    "movedim": movedim, "moveaxis": movedim, "permute": _permute_function, "ravel": ravel,
    "reshape": _reshape_function, "squeeze": squeeze, "swapaxes": swapaxes, "swapdims": transpose,
    "t": t, "transpose": transpose, "unflatten": unflatten, "unsqueeze": unsqueeze,
}  # fmt: skip
METHODS = {
    **FUNCTIONS, "permute": permute, "reshape": reshape, "reshape_as": reshape_as,
    "view": view, "view_as": view_as,
    "adjoint": matrix_transpose, "T": property(reversed_dims), "mT": property(matrix_transpose),
    "H": property(t), "mH": property(matrix_transpose),
}  # fmt: skip
