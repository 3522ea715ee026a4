"""Along a dimension: ``gather`` reads where an index tensor says, ``scatter`` writes there.

``gather``: ``out[i][j] = x[index[i][j]][j]`` for dimension 0, and so on; ``scatter`` the other way round.
Each is the other's gradient. Where several values go to one place, ``scatter_reduce`` says what becomes
of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import HOST, backend_of
from ..inplace import write_back
from ..operation import Applied, op
from ..refusal import on_one_device
from ..tensor import Tensor, new_tensor
from ..types import Array, Namespace, Number, Value
from .compare import pick
from .index import index as index_of
from .index import index_add, index_copy, slice_of
from .strides import embed_in
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "gather", "scatter", "scatter_add", "take_along_dim"]

# ---------------------------------------------------------------------------- the primitives


def _grid(xp: Namespace, array: Array, dim: int) -> tuple[Array, ...]:
    """Open index arrays that pair ``array`` (indices along ``dim``) with its own places elsewhere."""
    grid = []
    for d, n in enumerate(array.shape):
        grid.append(array if d == dim else xp.arange(n).reshape([-1 if i == d else 1 for i in range(array.ndim)]))
    return tuple(grid)


def _places(xp: Namespace, whole: Array, dim: int, index: Array) -> tuple[Any, ...]:
    """``whole`` and a key into it; a 0-d tensor is read as a vector of one."""
    if whole.ndim == 0 or index.ndim == 0 or not index.size:
        return whole.reshape(-1), (index.reshape(-1),)
    return whole, _grid(xp, index, dim)


def _corner(src: Array, index: Array) -> Array:
    """The leading part of ``src`` that an index of this shape uses."""
    if index.ndim == 0 or src.ndim == 0 or not index.size:
        return src.reshape(-1)
    return src[tuple(slice(0, n) for n in index.shape)]


def _gather(xp: Namespace, x: Array, dim: int, index: Array) -> Array:
    x = xp.asarray(x)
    if x.ndim == 0 or index.ndim == 0 or not index.size:
        return x.reshape(-1)[index]
    return x[_grid(xp, index, dim)]


def _scatter(xp: Namespace, x: Array, dim: int, index: Array, src: Array) -> Array:
    result = xp.array(x)
    whole, key = _places(xp, result, dim, index)
    whole[key] = _corner(xp.asarray(src), index)
    return result


def _scatter_fill(xp: Namespace, x: Array, dim: int, index: Array, value: float) -> Array:
    result = xp.array(x)
    whole, key = _places(xp, result, dim, index)
    whole[key] = value
    return result


def _scatter_add(xp: Namespace, x: Array, dim: int, index: Array, src: Array) -> Array:
    result = xp.array(x)
    whole, key = _places(xp, result, dim, index)
    backend_of(whole).index_add(whole, key, _corner(xp.asarray(src), index))
    return result


_gather_op = op(
    _gather, name="gather", tensors=("index",),
    x=lambda g, x_shape, dim, index: _scatter_add_op(_zeros(g, x_shape), dim, index, g),
)  # fmt: skip
_scatter_add_op: Applied = op(
    _scatter_add, name="scatter_add", ordered=True, tensors=("index",),
    x=lambda g: g,
    src=lambda g, dim, index, src_shape: _from_corner(_gather_op(g, dim, index), src_shape),
)  # fmt: skip
_scatter_op = op(
    _scatter, name="scatter", ordered=True, tensors=("index",),
    x=lambda g, dim, index: _scatter_fill_op(g, dim, index, 0),
    src=lambda g, dim, index, src_shape: _from_corner(_gather_op(g, dim, index), src_shape),
)  # fmt: skip
_scatter_fill_op: Applied = op(
    _scatter_fill, name="scatter_value", grad_name="ScatterBackward1", ordered=True, tensors=("index",),
    x=lambda g, dim, index: _scatter_fill_op(g, dim, index, 0),
)  # fmt: skip


def _zeros(g: Array, shape: tuple[int, ...]) -> Array:
    array = g._array if isinstance(g, Tensor) else g
    zeros = backend_of(array).xp.zeros(shape, array.dtype)
    return new_tensor(zeros) if isinstance(g, Tensor) else zeros


def _from_corner(g: Value, shape: tuple[int, ...]) -> Value:
    """The gradient of a source of which only the leading corner was used."""
    if tuple(g.shape) == tuple(shape):
        return g
    if not shape or not g.ndim:
        return g.reshape(shape)
    return embed_in(shape, g, ((slice_of, (tuple(slice(0, n) for n in g.shape),)),))


# ---------------------------------------------------------------------------- reading


def _check(name: str, x: Array, dim: int, index: Tensor, src: Array = None) -> int:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' (position 3) must be Tensor, not {type(index).__name__}")
    array = index._array
    on_one_device(name, x, array, src)
    if array.size and (array.dtype.kind != "i" or array.dtype.itemsize < 4):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    ndim = x.ndim
    d = dim_of(dim, ndim)
    if not array.size:
        return d
    if max(array.ndim, 1) != max(ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if src is not None and max(src.ndim, 1) != max(array.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    shape, sizes = x.shape or (1,), array.shape or (1,)
    for i, n in enumerate(sizes):
        if (i != d and n > shape[i]) or (src is not None and n > (src.shape or (1,))[i]):
            what = f"input {list(x.shape)}" if name == "gather" else f"self {list(x.shape)}"
            what += f" apart from dimension {d}"
            what += f" and to be no larger than src {list(src.shape)}" if src is not None else ""
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(array.shape)} to be no larger than {what}"
            )
    n = shape[d]
    message = f"index {{}} is out of bounds for dimension {d} with size {n}"
    backend_of(array).check_range(array, n, message, RuntimeError)
    return d


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """``out[i][j] = input[index[i][j]][j]`` for ``dim=0``, and so on; the shape of ``index``.

    Raises RuntimeError for an index that is out of range, of the wrong dtype or the wrong shape.
    """
    d = _check("gather", input._array, dim, index)
    if not index._array.size:
        return _gather_op(
            input.reshape(-1), 0, new_tensor(backend_of(index._array).xp.zeros(index._array.shape, np.int64))
        )
    return _gather_op(input, d, index)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """``gather`` with broadcasting between ``input`` and ``indices``; flat if ``dim`` is None.

    Negative indices count from the end.
    """
    if indices._array.dtype.kind != "i" or indices._array.itemsize < 8:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.legacy}")
    if dim is None:
        return gather(input.reshape(-1), 0, _wrapped(indices.reshape(-1), input._array.size))
    if input._array.ndim != indices._array.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input._array.ndim} dimensions for input, and {indices._array.ndim} dimensions for indices"
        )
    d = dim_of(dim, input._array.ndim)
    if not input._array.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    try:
        shape = list(np.broadcast_shapes(*(_but(t._array.shape, d) for t in (input, indices))))
    except ValueError:
        raise RuntimeError(
            f"torch.take_along_dim(): shapes {list(input.shape)} and {list(indices.shape)} do not broadcast outside dimension {d}"
        ) from None
    shape[d] = input._array.shape[d]
    input = input.expand(shape)
    shape[d] = indices._array.shape[d]
    return gather(input, d, _wrapped(indices.expand(shape), input._array.shape[d]))


def _but(shape: tuple[int, ...], d: int) -> tuple[int, ...]:
    return (*shape[:d], 1, *shape[d + 1 :])


def _wrapped(indices: Tensor, n: int) -> Tensor:
    """Negative ones counted from the end; those below -n stay, for ``gather`` to refuse."""
    array = indices._array
    return new_tensor(np.where((array < 0) & (array >= -n), array + n, array))


def _flat_places(name: str, input: Tensor, index: Tensor) -> Array:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' (position 2) must be Tensor, not {type(index).__name__}")
    if index._array.dtype.kind != "i" or index._array.itemsize < 8:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype.legacy}")
    places, n = index._array, input._array.size
    on_one_device(name, input._array, places)
    message = f"out of range: tried to access index {{}} on a tensor of {n} elements."
    backend_of(places).check_range(places, n, message, least=-n)
    return places.copy()


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flattened input; the shape of ``index``.

    Raises RuntimeError for an index that is not int64, IndexError for one out of range.
    """
    return index_of(input.reshape(-1), (_flat_places("take", input, index),))


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with ``source`` at places in the flattened input; with ``accumulate``, added to them."""
    places = _flat_places("put_", input, index).reshape(-1)
    if source._array.dtype is not input._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {input.dtype.legacy} and source.dtype = {source.dtype.legacy}"
        )
    if source._array.size != places.size:
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = {source._array.size}, index.numel() = {places.size}"
        )
    put_flat = index_add if accumulate else index_copy
    n = input._array.size
    flat = put_flat(input.reshape(-1), 0, new_tensor(np.where(places < 0, places + n, places)), source.reshape(-1))
    result: Tensor = flat.reshape(input._array.shape)
    return result


# ---------------------------------------------------------------------------- writing


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """A copy with ``src`` (a Tensor or a number) written to the places that ``index`` names.

    ``reduce``, "add" or "multiply", is PyTorch's older form of ``scatter_reduce``.
    """
    src = value if src is None else src
    if reduce is not None:
        how = {"add": "sum", "multiply": "prod"}.get(reduce)
        if how is None:
            raise RuntimeError("reduce argument must be either add or multiply.")
        full = (
            src
            if isinstance(src, Tensor)
            else new_tensor(backend_of(input._array).xp.full(index._array.shape, src, input._array.dtype))
        )
        return scatter_reduce(input, dim, index, full, how)
    if not isinstance(src, Tensor):
        d = _check("scatter", input._array, dim, index)
        return _scatter_fill_op(input, d, index, src) if index._array.size else input.clone()
    if src._array.dtype is not input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    d = _check("scatter", input._array, dim, index, src._array)
    return _scatter_op(input, d, index, src) if index._array.size else input.clone()


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with ``src`` added at the places that ``index`` names, however often it names them."""
    if src._array.dtype is not input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    d = _check("scatter_add", input._array, dim, index, src._array)
    return _scatter_add_op(input, d, index, src) if index._array.size else input.clone()


def _combining(ufunc: str) -> Callable[..., Any]:
    def kernel(xp: Namespace, x: Array, dim: int, index: Array, src: Array) -> Array:
        result = xp.array(x)
        whole, key = _places(xp, result, dim, index)
        backend_of(whole).combine_at(ufunc, whole, key, _corner(xp.asarray(src), index))
        return result

    return kernel


def _alone(ufunc: str, name: str) -> Callable[..., Any]:
    """The kernel that lets what was there before not count."""
    combine = _combining(ufunc)

    def kernel(xp: Namespace, x: Array, dim: int, index: Array, src: Array) -> Array:
        result = xp.array(x)
        whole, key = _places(xp, result, dim, index)
        whole[key] = _neutral(name, x.dtype)
        return combine(xp, result, dim, index, src)

    return kernel


def _extreme(name: str, ufunc: str, include_self: bool = True) -> Applied:
    """amax, amin: those that reached the result share its gradient.

    So does, in PyTorch, what was there before and equals the result, even where it did not count: its share is lost.
    """

    def share(g: Value, x: Value, dim: int, index: Value, src: Value, out: Value) -> tuple[Any, ...]:
        hits = _equal(src_corner(src, index), _gather_op(out, dim, index))
        here = _equal(x, out)
        return hits, here, g / _scatter_add_op(here, dim, index, hits)

    def of_self(g: Value, x: Value, dim: int, index: Value, src: Value, out: Value) -> Value:
        _, here, each = share(g, x, dim, index, src, out)
        return here * each  # NaN where the result is NaN, which nothing equals: 0 / 0, as in PyTorch

    def of_what_counted(g: Value, x: Value, dim: int, index: Value, src: Value, out: Value) -> Value:
        return _scatter_fill_op(of_self(g, x, dim, index, src, out), dim, index, 0)

    def of_src(g: Value, x: Value, dim: int, index: Value, src: Value, src_shape: tuple[int, ...], out: Value) -> Value:
        hits, _, each = share(g, x, dim, index, src, out)
        return _from_corner(hits * _gather_op(each, dim, index), src_shape)

    return op(_combining(ufunc) if include_self else _alone(ufunc, name), name=f"scatter_{name}" + "_alone" * (not include_self),
              grad_name="ScatterReduceBackward0", tensors=("index",), x=of_self if include_self else of_what_counted, src=of_src)  # fmt: skip


def src_corner(src: Value, index: Value) -> Value:
    """``_corner`` for formulas: of arrays or Tensors."""
    shape = index.shape
    return src if tuple(src.shape) == tuple(shape) or not shape else src[tuple(slice(0, n) for n in shape)]


def _equal(a: Array, b: Array) -> Array:
    """1 where two values are equal, else 0, in their dtype; no gradient passes."""
    if isinstance(a, Tensor):
        return new_tensor(_equal(a._array, b._array))
    return backend_of(a).xp.asarray(a == b).astype(a.dtype)


def _prod_self(g: Value, x: Value, dim: int, index: Value, src: Value, out: Value) -> Value:
    zero = x == 0
    filled = pick(zero, 1, x)
    return g * _prod_op(filled, dim, index, src) / filled


def _prod_src(g: Value, x: Value, dim: int, index: Value, src: Value, src_shape: tuple[int, ...], out: Value) -> Value:
    """By division where no zero is among the factors; a single zero's gradient is what the others make."""
    used = src_corner(src, index)
    raw, raw_index = _raw(used), _raw(index)
    xp = backend_of(raw).xp
    zero = xp.asarray(raw == 0)
    counts = _gather_op(
        _scatter_add_op(xp.zeros(_raw(x).shape, raw.dtype), dim, raw_index, zero.astype(raw.dtype)), dim, raw_index
    )
    single = zero & (counts == 1)
    filled = pick(_as(used, zero), 1, used)
    by_division = _gather_op(g * out, dim, index) / filled
    if single.any():
        others = _prod_op(x, dim, index, pick(_as(used, single), 1, used))
        by_division = pick(_as(used, single), _gather_op(g * others, dim, index), by_division)
    if (counts > 1).any():  # each of these zeros hides the others from the formula's own derivative
        by_division = _once_only(by_division)
    return _from_corner(by_division, src_shape)


def _refused(g: Value) -> Value:
    raise RuntimeError(
        "scatter_reduce(): Double backward is unsupported for src when >1 zeros in src are scattered to the same "
        "position in self"
    )


_once_only = op(lambda x: x, name="scatter_prod_of_zeros", grad_name="Error", x=_refused)


def _raw(x: Value) -> Array:
    array = x._array if isinstance(x, Tensor) else x
    return backend_of(array).xp.asarray(array)


def _as(like: Value, array: Array) -> Value:
    return new_tensor(array) if isinstance(like, Tensor) else array


_prod_op = op(
    _combining("multiply"), name="scatter_prod", kernels=HOST, grad_name="ScatterReduceBackward0", tensors=("index",),
    x=_prod_self, src=_prod_src,
)  # fmt: skip
_REDUCERS: dict[str, Applied] = {
    "sum": _scatter_add_op, "prod": _prod_op, "amax": _extreme("amax", "maximum"), "amin": _extreme("amin", "minimum"),
}  # fmt: skip
_EXCLUSIVE = {"amax": _extreme("amax", "maximum", False), "amin": _extreme("amin", "minimum", False)}


def _neutral(reduce: str, dtype: np.dtype[Any]) -> float:
    if reduce in ("sum", "mean", "prod"):
        return 1 if reduce == "prod" else 0
    if dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    if dtype.kind == "b":
        return reduce != "amax"
    return np.iinfo(dtype).min if reduce == "amax" else np.iinfo(dtype).max


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy with ``src`` combined at the named places: reduce is sum, prod, mean, amax or amin.

    With ``include_self=False`` what was at a named place before does not count.
    """
    if reduce not in (*_REDUCERS, "mean"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if src._array.dtype is not input._array.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    d = _check("scatter_reduce", input._array, dim, index, src._array)
    if not index._array.size:
        return input.clone()
    kind = input._array.dtype
    base = input if include_self else _scatter_fill_op(input, d, index, _neutral(reduce, kind))
    if reduce in ("amax", "amin") and not include_self:
        return _EXCLUSIVE[reduce](input, d, index, src)
    if reduce != "mean":
        return _REDUCERS[reduce](base, d, index, src)
    start = new_tensor(backend_of(input._array).xp.ones(input._array.shape, kind))
    if not include_self:
        start = _scatter_fill_op(start, d, index, 0)
    count = _scatter_add_op(start, d, index, new_tensor(np.ones_like(src._array)))
    count = new_tensor(np.maximum(count._array, 1))
    total = _scatter_add_op(base, d, index, src)
    return total / count if kind.kind == "f" else total // count


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy with the places ``index`` of a dimension combined with ``source``: prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    d = dim_of(dim, input._array.ndim)
    places = index._array.reshape([-1 if i == d else 1 for i in range(max(source._array.ndim, 1))])
    xp = backend_of(places).xp
    whole = new_tensor(xp.broadcast_to(places, source._array.shape or (1,)).copy().reshape(source._array.shape))
    return scatter_reduce(input, d, whole, source, reduce, include_self=include_self)


# ---------------------------------------------------------------------------- what the room offers

FUNCTIONS = {
    "gather": gather, "index_reduce": index_reduce, "put": put, "scatter": scatter, "scatter_add": scatter_add,
    "scatter_reduce": scatter_reduce, "take": take, "take_along_dim": take_along_dim,
}  # fmt: skip
METHODS = {
    **FUNCTIONS,
    **{
        f"{f.__name__}_": write_back(f"{f.__name__}_", f)
        for f in (index_reduce, put, scatter, scatter_add, scatter_reduce)
    },
}
