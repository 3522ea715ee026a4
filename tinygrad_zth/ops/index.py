"""Reading and writing by index, PyTorch's way.

``x[key]`` goes in two steps. First the integers, slices, ``None`` and ``...``: a view. Then, if the key
holds index tensors or masks, those: a copy. (NumPy lets an integer beside an index array act as an
array; PyTorch selects with it first, which can give the result's dimensions another order.)

The gradient of a view of x is zeros with g in that window; the gradient of a gather is a scatter that
accumulates, since one place may have been read many times.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from ..backends import array_types, backend_of
from ..broadcasting import alias
from ..dtypes import of
from ..inplace import write, write_back
from ..operation import Applied, op
from ..refusal import beside, on_one_device
from ..tensor import Tensor, new_tensor
from ..types import Array, Number
from .compare import where
from .strides import embed_in
from .view import dim_of

__all__ = ["FUNCTIONS", "METHODS", "index", "index_select", "narrow", "select", "slice_of"]

INT64 = np.dtype("int64")

# ---------------------------------------------------------------------------- the two primitives


def _window(name: str, grad_name: str) -> Callable[..., Any]:
    """Basic indexing; one entry per name that PyTorch prints for it."""
    apply = op(
        lambda x, key: x[(*key, ...)],  # with `...`, even a single element is a view and not a scalar
        name=name,
        grad_name=grad_name,
        view=True,
        x=lambda g, x_shape, key: embed_in(x_shape, g, ((apply, (key,)),)),
    )
    return apply


slice_of = _window("slice", "SliceBackward0")
_select = _window("select", "SelectBackward0")


def _index(x: Array, key: tuple[Any, ...]) -> Array:
    return x[key]


def _index_numpy(x: Array, key: tuple[Any, ...]) -> Array:
    """Rows by one array of integers, the common case, are taken: a third of the time of ``x[key]``."""
    if len(key) == 1 and key[0].dtype is INT64:
        try:
            return x.take(key[0], 0)
        except IndexError:
            pass  # said better by x[key]
    return x[key]


def _index_scatter(x: Array, key: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    backend = backend_of(x)
    if len(key) == 1 and key[0].dtype is INT64 and x.size and shape[0]:
        sums = backend.summed_rows(shape[0], key[0].reshape(-1), x.reshape(key[0].size, -1))
        return sums if len(shape) == 2 else sums.reshape(shape)
    whole = backend.xp.zeros(shape, x.dtype)
    backend.index_add(whole, key, x)
    return whole


index = op(
    _index_numpy,
    name="index",
    kernels={"cupy": _index},
    holds=True,
    x=lambda g, x_shape, key: _index_put(g, key, x_shape),
)
index_select_of = op(
    _index, name="index_select", ordered=True, holds=True, x=lambda g, x_shape, key: _index_put(g, key, x_shape)
)
_index_put: Applied = op(_index_scatter, name="index_put_accumulate", holds=True, x=lambda g, key: index(g, key))


# ---------------------------------------------------------------------------- the key


def split_key(x: Tensor, key: Any) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """``key`` as (basic, advanced); either is None where there is nothing of its kind.

    Raises:
        IndexError: for too many indices, an integer out of range, a mask or an index of the wrong
            shape or dtype. ValueError for a slice with a step that is not positive.
    """
    shape = x._array.shape
    if key.__class__ is int:
        _check_integer(key, 0, shape)
        return (key,), None
    if not isinstance(key, tuple):
        key = tuple(key) if isinstance(key, list) and any(isinstance(k, (slice, Tensor)) for k in key) else (key,)
    key = [_item(k) for k in key]
    if not shape and len(key) == 1 and key[0].__class__ is int:
        _check_integer(key[0], 0, shape)
    used = sum(k.ndim if _is_mask(k) else 0 if k is None or k is Ellipsis else 1 for k in key)
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    dots = [i for i, k in enumerate(key) if k is Ellipsis]
    fill = [slice(None)] * (len(shape) - used)
    if dots:
        key[dots[0] : dots[0] + 1] = fill
        key = [slice(None) if k is Ellipsis else k for k in key]
    else:
        key += fill

    basic: list[Any] = []
    advanced: list[Any] = []
    trivial, d = True, 0
    for k in key:
        if k is None:
            basic.append(None)
            advanced.append(slice(None))
            trivial = False
        elif isinstance(k, slice):
            if k.step is not None and k.step <= 0:
                raise ValueError("step must be greater than zero")
            basic.append(k)
            advanced.append(slice(None))
            trivial = trivial and k == slice(None)
            d += 1
        elif isinstance(k, int):
            _check_integer(k, d, shape, basic.count(None))
            basic.append(k)
            trivial = False
            d += 1
        elif _is_mask(k):
            _check_mask(k, d, shape)
            basic.extend([slice(None)] * k.ndim if k.ndim else [None])
            k = _placed(x._array, k, None)
            advanced.append(k if k.ndim else k.reshape(1))
            trivial = trivial and k.ndim > 0
            d += k.ndim
        else:
            basic.append(slice(None))
            advanced.append(_placed(x._array, k, d))
            d += 1
    if all(isinstance(k, slice) for k in advanced):
        return tuple(basic), None
    while advanced and isinstance(advanced[-1], slice):
        advanced.pop()
    if sum(not isinstance(k, slice) for k in advanced) > 1:
        advanced = [part for k in advanced for part in (k.nonzero() if _is_mask(k) else (k,))]
    return (None if trivial else tuple(basic)), tuple(advanced)


def _item(k: Any) -> Any:
    """One item of a key as an int, a slice of ints, None, ``...`` or an array."""
    if k is None or k is Ellipsis or k.__class__ is int:
        return k
    if isinstance(k, slice):
        if k.start.__class__ in _PLAIN and k.stop.__class__ in _PLAIN and k.step.__class__ in _PLAIN:
            return k
        return slice(*(None if s is None else s.__index__() for s in (k.start, k.stop, k.step)))
    if isinstance(k, (bool, np.bool_)):
        return np.asarray(k)
    if isinstance(k, numbers.Integral):
        return int(k)
    array = k._array if isinstance(k, Tensor) else k if k.__class__ in array_types else None
    if array is None:
        if isinstance(k, (str, bytes)) or not hasattr(k, "__iter__"):
            if isinstance(k, (str, bytes)):
                raise TypeError(f"new(): invalid data type '{type(k).__name__}'")
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
                f"valid indices (got {type(k).__name__})"
            )
        array = np.asarray([i.item() if isinstance(i, Tensor) and i.ndim == 0 else i for i in k])
        if array.size == 0:
            array = array.astype(np.int64)
        return _checked_dtype(array)
    array = _checked_dtype(array)
    if array.ndim == 0 and array.dtype.kind != "b":
        return int(backend_of(array).item(array))
    return array.copy() if isinstance(k, Tensor) else array  # a later write to k must not reach the graph


_PLAIN = (int, type(None))


def _checked_dtype(array: Array) -> Array:
    kind = array.dtype.kind
    if kind == "u":
        return array.astype(bool)  # PyTorch reads uint8 as a mask
    if kind not in "ib":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return array


def _placed(x: Any, k: Any, d: int | None) -> Any:
    """An index array where ``x`` lies, as PyTorch puts it there; for dimension ``d`` (None: a mask)."""
    backend = backend_of(x)
    if d is None:
        return backend.as_index(k, x, None, "")
    n = x.shape[d]
    return backend.as_index(k, x, n, f"index {{}} is out of bounds for dimension {d} with size {n}")


def _is_mask(k: Any) -> bool:
    return k.__class__ in array_types and bool(k.dtype.kind == "b")


def _check_integer(k: int, d: int, shape: tuple[int, ...], added: int = 0) -> None:
    if not shape:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
            "convert a 0-dim tensor to a number"
        )
    if not -shape[d] <= k < shape[d]:
        raise IndexError(f"index {k} is out of bounds for dimension {d + added} with size {shape[d]}")


def _check_mask(k: Array, d: int, shape: tuple[int, ...]) -> None:
    for i, n in enumerate(k.shape):
        if n != shape[d + i]:
            raise IndexError(
                f"The shape of the mask {list(k.shape)} at index {i} does not match the shape of the indexed "
                f"tensor {list(shape)} at index {d + i}"
            )


def _windows_of(basic: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """The path of views that a basic key stands for, under the name PyTorch gives it."""
    if not basic:
        return ()
    return (
        (
            _select if basic[-1].__class__ is int or len(basic) == 1 and basic[0].__class__ is int else slice_of,
            (basic,),
        ),
    )


def _read_advanced(x: Tensor, advanced: Any, apply: Applied | None = None) -> Tensor:
    try:
        return (apply or index)(x, advanced)
    except IndexError as error:
        message = str(error)
        if "could not be broadcast" in message:
            shapes = ", ".join(str(list(k.shape)) for k in advanced if not isinstance(k, slice))
            message = f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        raise IndexError(message.replace("axis", "dimension")) from None


def getitem(self: Tensor, key: Any) -> Tensor:
    """``x[key]``: a view for integers, slices, None and ``...``; a copy for index tensors and masks."""
    c = key.__class__
    if c is Tensor:
        k, x = key._array, self._array
        if k.dtype is INT64 and k.__class__ is x.__class__ is ndarray and k.ndim and x.ndim:
            return _read_advanced(self, (k if self._node is None else k.copy(),))  # see _item
    elif c is int or c is slice or c is tuple:  # the common keys need no thought: NumPy reads them as PyTorch does
        keys = key if c is tuple else (key,)
        for k in keys:
            c = k.__class__
            if c is not int and (c is not slice or k.step is not None):
                break
        else:
            try:
                result: Tensor = (_select if c is int else slice_of)(self, keys)
                return result
            except IndexError:
                pass  # said below, in PyTorch's words
    basic, advanced = split_key(self, key)
    for window, arguments in _windows_of(basic):
        self = window(self, *arguments)
    if advanced is not None:
        return _read_advanced(self, advanced)
    return self if basic else alias(self)


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Number, np.generic))


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """``x[key] = value``, in place, differentiable in both. ``value`` is broadcast and cast.

    Raises:
        TypeError: if ``value`` is neither a Tensor nor a number. RuntimeError: if it does not fit.
    """
    if not isinstance(value, Tensor) and not _is_number(value):
        raise TypeError(f"can't assign a {type(value).__name__} to a torch.{of(self._array.dtype).legacy}Tensor")
    basic, advanced = split_key(self, key)
    path = _windows_of(basic)
    if advanced is not None:
        path += ((index, (advanced,)),)
        if isinstance(value, Tensor) and value._array.ndim:  # a window takes values from anywhere, as copy_ does
            on_one_device("index_put_", self._array, value._array)
    try:
        write(self, value, path, "setitem")
    except ValueError:
        shape = list(getitem(self.detach(), key).shape)
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result "
            f"of shape {shape}"
        ) from None
    except IndexError as error:
        raise IndexError(str(error).replace("axis", "dimension")) from None


def iterate(self: Tensor) -> Iterator[Tensor]:
    """Iterate over the first dimension."""
    if self._array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter([slice_of(self, (i,)) for i in range(self._array.shape[0])])


def contains(self: Tensor, element: Tensor | Number) -> bool:
    """Whether some element equals ``element`` (a number or a Tensor that broadcasts)."""
    if not isinstance(element, (Tensor, numbers.Number)):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    if not isinstance(element, Tensor):
        return bool((self._array == element).any())
    self, element = beside(self, element) or (self, element)
    on_one_device("eq", self._array, element._array)
    return bool((self._array == element._array).any())


# ---------------------------------------------------------------------------- one dimension


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The view at one place of a dimension, which disappears."""
    if not input._array.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = dim_of(dim, input._array.ndim)
    n = input._array.shape[d]
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {d}"
        )
    result: Tensor = _select(input, (slice(None),) * d + (int(index),))
    return result


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """The view of ``length`` places of a dimension from ``start`` on."""
    if not input._array.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d = dim_of(dim, input._array.ndim)
    n, start = input._array.shape[d], int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    result: Tensor = slice_of(input, (slice(None),) * d + (slice(start, start + length),))
    return result


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The places ``index`` (1-D) of a dimension, as a copy."""
    array = _long_index("index_select", index)
    on_one_device("index_select", input._array, array)
    if array.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    d = dim_of(dim, input._array.ndim)
    shape = input._array.shape
    if not shape:
        return input.reshape(1)[array.reshape(-1)].reshape(())
    array = backend_of(input._array).as_index(array, input._array, shape[d], "index out of range in self")
    try:
        return _read_advanced(input, (slice(None),) * d + (array.reshape(-1).copy(),), index_select_of)
    except IndexError:
        raise IndexError("index out of range in self") from None


def _long_index(name: str, index: Tensor) -> Array:
    array = index._array
    if array.dtype.kind != "i" or array.dtype.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return array


# ---------------------------------------------------------------------------- index_* along a dimension


def _places(name: str, input: Tensor, dim: int, index: Tensor, values: Tensor | None = None) -> tuple[Any, ...]:
    array = _long_index(name, index)
    on_one_device(name, input._array, array, None if values is None else values._array)
    d = dim_of(dim, input._array.ndim)
    if array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {array.ndim} with type: {index.dtype.legacy} and size: {list(array.shape)}"
        )
    n = input._array.shape[d] if input._array.ndim else 1
    array = array.reshape(-1)
    backend_of(array).check_range(array, n, f"{name}(): index out of range in self", least=-n)
    if values is not None and values._array.ndim and values._array.shape[d] != array.size:
        raise RuntimeError(
            f"{name}(): Number of indices ({array.size}) should be equal to source.size(dim): ({values._array.shape[d]}), for dim: {d}"
        )
    return (slice(None),) * d + (array.copy(),)


def _index_add(x: Array, source: Array, key: tuple[Any, ...]) -> Array:
    whole = x.copy()
    backend_of(x).index_add(whole, key, source)
    return whole


_index_add_op = op(_index_add, name="index_add", x=lambda g: g, source=lambda g, key: index(g, key))


def _of_vectors(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, for which a 0-d tensor is a vector of one."""

    @functools.wraps(function)
    def call(input: Tensor, dim: int, index: Tensor, value: Tensor | Number, **options: Any) -> Tensor:
        if input._array.ndim:
            result: Tensor = function(input, dim, index, value, **options)
            return result
        if isinstance(value, Tensor) and function.__name__ != "index_fill":
            value = value.reshape(-1)
        result = function(input.reshape(1), dim, index, value, **options).reshape(())
        return result

    return call


@_of_vectors
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """A copy with ``alpha * source`` added at the places ``index`` of a dimension."""
    if source._array.dtype is not input._array.dtype:
        raise RuntimeError(
            f"index_add_(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type"
        )
    key = _places("index_add_", input, dim, index, source)
    return _index_add_op(input, source if alpha == 1 else source * alpha, key)


@_of_vectors
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with ``source`` at the places ``index`` of a dimension."""
    if source._array.dtype is not input._array.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {input.dtype.legacy} and (source) {source.dtype.legacy}"
        )
    out = input.clone()
    write(out, source, ((globals()["index"], (_places("index_copy", input, dim, index, source),)),), "index_copy")
    return out


@_of_vectors
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """A copy with ``value`` at the places ``index`` of a dimension."""
    if index._array.dtype.kind != "i":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value._array.ndim} dimension(s)."
        )
    *head, places = _places("index_fill", input, dim, index)
    backend = backend_of(input._array)
    n = input._array.shape[len(head)]
    times = backend.made("zeros", (n,), np.dtype(np.int64), where=input.device)
    backend.index_add(times, (places,), backend.made("ones", places.shape, times.dtype, where=input.device))
    hit = new_tensor((times > 0).reshape(n, *(1,) * (input._array.ndim - len(head) - 1)))
    if isinstance(value, Tensor):
        value = value.to(device=input.device, dtype=input.dtype)
    else:
        value = input._array.dtype.type(value).item()
    result: Tensor = where(hit, value, input)
    return result


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with ``input[indices] = values``, or ``+=`` with duplicates counted."""
    key = tuple(slice(None) if i is None else i for i in indices)
    basic, advanced = split_key(input, key)
    if accumulate:
        on_one_device("index_put_", input._array, values._array)
        shape = _read_advanced(input.detach(), advanced)._array.shape
        return _index_add_op(input, values.expand(shape) if values._array.shape != shape else values, advanced)
    out = input.clone()
    setitem(out, key, values)
    return out


def _functional_write(name: str, window: Callable[..., Any]) -> Callable[..., Any]:
    """``select_scatter`` and its kin: a copy of the input with ``src`` in one window."""

    def function(input: Tensor, src: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        out = input.clone()
        target = window(out, *args, **kwargs)
        if target._array.shape != src._array.shape:
            raise RuntimeError(
                f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = {list(target.shape)}"
            )
        target.copy_(src)
        return out

    function.__name__ = name
    function.__doc__ = (
        f"A copy of ``input`` with ``src`` written to the window that ``{name.rpartition('_')[0]}`` shows."
    )
    return function


def _slice_window(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    return getitem(input, (slice(None),) * dim_of(dim, input._array.ndim) + (slice(start, end, step),))


def _diagonal_window(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return input.diagonal(offset, dim1, dim2)


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of ``narrow``: ``length`` indices of dimension ``dim``, from ``start`` on."""
    return narrow(input, dim, start, length).clone()


FUNCTIONS = {
    "index_add": index_add, "index_copy": index_copy,
    "index_fill": index_fill, "index_put": index_put, "index_select": index_select,
    "narrow": narrow, "narrow_copy": narrow_copy,
    "select": select,
    "select_scatter": _functional_write("select_scatter", select),
    "slice_scatter": _functional_write("slice_scatter", _slice_window),
    "diagonal_scatter": _functional_write("diagonal_scatter", _diagonal_window),
}  # fmt: skip
METHODS = {
    **FUNCTIONS,
    **{f"{f.__name__}_": write_back(f"{f.__name__}_", f) for f in (
        index_add, index_copy, index_fill, index_put,
    )},
    "__getitem__": getitem, "__setitem__": setitem, "__iter__": iterate, "__contains__": contains,
}  # fmt: skip
