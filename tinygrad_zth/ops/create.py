"""Making tensors from data, from a rule, or in the likeness of another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backends import array_types, backend_for, backend_of
from ..device import CPU, placed
from ..device import device as device_type
from ..dtypes import dtype
from ..tensor import Tensor, from_array, new_tensor
from ..types import Array, Device, Number
from .calling import wrong_size
from .view import sizes_of

__all__ = ["FUNCTIONS", "METHODS", "arange", "full", "ones", "tensor", "zeros"]


def _made(array: Array, device: Device, requires_grad: bool) -> Tensor:
    where = placed(device)
    t = new_tensor(array if where is CPU else backend_for(where).asarray(array, where=where))
    return _asked(t) if requires_grad else t


def _asked(t: Tensor) -> Tensor:
    if t._array.dtype.kind != "f":
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    return t.requires_grad_()


def _make_there(function: str, device: Device, requires_grad: bool, *arguments: Any) -> Tensor:
    """What the namespace's ``function`` makes of the arguments, on the device itself."""
    where = placed(device)
    t = new_tensor(backend_for(where).made(function, *arguments, where=where))
    return _asked(t) if requires_grad else t


def _kind(dtype: dtype | None, default: Any = None) -> np.dtype[Any]:
    return dtypes.to_numpy(dtype if dtype is not None else default or dtypes.get_default_dtype())


# ---------------------------------------------------------------------------- from data


def tensor(
    data: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor holding a copy of ``data``: a number, nested sequences, an array or a tensor.

    Python floats become the default dtype (float32), ints int64, bools bool; arrays keep theirs.

    Raises:
        ValueError: for sequences of unequal lengths. TypeError: for data that are no numbers.
        RuntimeError: if ``requires_grad`` is asked of integers.
    """
    array = _array_of(data, None if dtype is None else dtypes.to_numpy(dtype))
    return _made(array, device, requires_grad)


def _array_of(data: Array, kind: Any) -> Array:
    """A fresh array with the elements of ``data``."""
    if isinstance(data, Tensor):
        data = backend_of(data._array).to_numpy(data._array)
    if data.__class__ in array_types or isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        return array.astype(kind) if kind is not None else dtypes.canonical(array.copy())
    if isinstance(data, (list, tuple)) and any(isinstance(x, Tensor) for x in data):
        data = [
            x.tolist() if isinstance(x, Tensor) and x._array.ndim else x.item() if isinstance(x, Tensor) else x
            for x in data
        ]
    elif isinstance(data, range):
        data = list(data)
    try:
        array = np.array(data)
    except OverflowError as error:
        raise ValueError("Overflow when unpacking long long") from error
    except ValueError:
        raise ValueError(_ragged(data)) from None
    if array.dtype.kind not in "biuf":
        raise _unfit(data, array, kind)
    if kind is None:
        if array.size == 0 or array.dtype.kind == "f" and not _holds_arrays(data):
            kind = _kind(None)
        elif array.dtype.kind == "u" and not _holds_arrays(data):
            raise ValueError("Overflow when unpacking long long")
        else:
            return dtypes.canonical(array)
    if array.dtype.kind == "f" and kind.kind in "iu" and not np.isfinite(array).all():
        raise RuntimeError(f"cannot convert float {array[~np.isfinite(array)].flat[0]} to integer")
    return array.astype(kind)


def _holds_arrays(data: float | list[Any]) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic)) and not isinstance(data, float)


def _ragged(data: Any, dim: int = 0) -> str:
    lengths = [len(x) if isinstance(x, (list, tuple)) else None for x in data]
    for n in lengths[1:]:
        if n != lengths[0]:
            if n is None:
                raise TypeError("not a sequence")
            if lengths[0] is None:
                raise TypeError("must be real number, not list")
            return f"expected sequence of length {lengths[0]} at dim {dim + 1} (got {n})"
    for x in data:
        if isinstance(x, (list, tuple)) and (message := _ragged(x, dim + 1)):
            return message
    return "expected nested sequences of equal lengths"


def _unfit(data: Any, array: Array, kind: np.dtype[Any] | None = None) -> Exception:
    first, whole = data, data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    while isinstance(data, (list, tuple)) and data:
        data = next((x for x in data if not isinstance(x, (int, float))), data[0])
    if isinstance(data, int):
        return ValueError("Overflow when unpacking long long")
    if isinstance(first, str) and first is not whole:
        return ValueError("too many dimensions 'str'")
    if isinstance(data, (str, bytes)):
        return TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, complex) or array.dtype.kind == "c":
        return NotImplementedError("complex numbers are not supported by tinygrad_zth")
    if kind is not None:
        return TypeError(f"must be real number, not {type(data).__name__}")
    return RuntimeError(f"Could not infer dtype of {type(data).__name__}")


def as_tensor(data: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """``data`` as a tensor, sharing memory where dtype and device allow it."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype) if dtype is not None or device is not None else data
    if isinstance(data, np.ndarray):
        t = from_numpy(data) if data.flags.writeable and min(data.strides, default=0) >= 0 else tensor(data)
        return t.to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """``obj`` as a tensor; ``copy`` True always copies, False never (ValueError if it must)."""
    t = as_tensor(obj, dtype, device)
    shared = isinstance(obj, (np.ndarray, Tensor)) and np.shares_memory(
        t._array, obj._array if isinstance(obj, Tensor) else obj
    )
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    if copy and shared:
        t = t.clone()
    return t.requires_grad_() if requires_grad else t


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the array's own memory. Raises TypeError for other objects and unsupported dtypes."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.of(ndarray.dtype)
    if min(ndarray.strides, default=0) < 0:
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )
    return from_array(ndarray)


def scalar_tensor(
    s: Number, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor of the default dtype holding the number ``s``."""
    return _made(np.asarray(s).astype(_kind(dtype)), device, requires_grad)


def frombuffer(buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-D tensor on the memory of an object with the buffer protocol. ValueError for one without elements."""
    if not len(buffer) or not count:
        raise ValueError(f"both buffer length ({len(buffer)}) and count ({count}) must not be 0")
    return _made(np.frombuffer(buffer, dtypes.to_numpy(dtype), count, offset), None, requires_grad)


# ---------------------------------------------------------------------------- filled


def _shape(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = tuple([n if n.__class__ is int else n.__index__() for n in sizes_of(size)])
    if shape and min(shape) < 0:
        if name in ("zeros", "ones"):
            raise RuntimeError(f"{name}: Dimension size must be non-negative.")
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


def _filler(name: str, function: str, doc: str) -> Callable[..., Any]:
    def make(
        *size: Any,
        out: Any = None,
        dtype: dtype | None = None,
        layout: Any = None,
        device: Device = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        **named: Any,
    ) -> Tensor:
        if "size" in named:
            if size:
                raise TypeError(f"{name}() got multiple values for argument 'size'")
            size = (named.pop("size"),)
        if named:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
        try:
            shape = _shape(name, size)
        except (AttributeError, TypeError):
            raise wrong_size(name, size) from None
        return _finish(name, _make_there(function, device, requires_grad, shape, _kind(dtype)), out)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc} ``{name}(2, 3)`` or ``{name}((2, 3))``; dtype defaults to the default dtype."
    return make


def _finish(name: str, t: Tensor, out: Tensor | None) -> Tensor:
    if out is None:
        return t
    from ..inplace import write_out

    return write_out(out, t, name)


zeros = _filler("zeros", "zeros", "A tensor of zeros.")
ones = _filler("ones", "ones", "A tensor of ones.")
empty = _filler("empty", "empty", "A tensor of whatever the memory holds.")


def full(
    size: Sequence[int],
    fill_value: Number,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value; its dtype, unless given, is what the value's type suggests."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    if not isinstance(value, (int, float, np.generic)):
        raise TypeError(f"full(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}")
    kind = dtypes.to_numpy(dtype) if dtype is not None else dtypes.of_number(value).numpy
    size = (size,) if isinstance(size, int) else size
    return _finish("full", _make_there("full", device, requires_grad, _shape("full", (size,)), value, kind), out)


def _like(name: str, function: str, doc: str) -> Callable[..., Any]:
    def make(
        input: Tensor,
        *,
        dtype: dtype | None = None,
        layout: Any = None,
        device: Device = None,
        requires_grad: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        kind = input._array.dtype if dtype is None else dtypes.to_numpy(dtype)
        array = input._array
        where = input.device if device is None else device_type(device)
        backend = backend_for(where)
        if isinstance(array, backend.array_type) and 0 not in array.strides:
            t = new_tensor(backend.made(function, array, kind, where=where))
        else:
            t = new_tensor(backend.made(function[:-5], array.shape, kind, where=where))
        return t.requires_grad_() if requires_grad else t

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{doc} with the shape, dtype and device of ``input``."
    return make


zeros_like = _like("zeros_like", "zeros_like", "Zeros")
ones_like = _like("ones_like", "ones_like", "Ones")
empty_like = _like("empty_like", "empty_like", "Uninitialised memory")


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """One value with the shape, dtype and device of ``input``."""
    t = empty_like(input, dtype=dtype, device=device)
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    t._array[...] = np.asarray(value).astype(t._array.dtype)  # a negative one wraps around in uint8
    result: Tensor = t.requires_grad_() if requires_grad else t
    return result


def _new(make: Callable[..., Any]) -> Callable[..., Any]:
    def method(
        self: Tensor, *size: Any, dtype: Any = None, device: Device = None, requires_grad: bool = False, **named: Any
    ) -> Tensor:
        result: Tensor = make(
            *size, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad, **named
        )
        return result

    method.__name__ = method.__qualname__ = f"new_{make.__name__}"
    method.__doc__ = f"``torch.{make.__name__}`` with this tensor's dtype and device unless others are given."
    return method


def new_tensor_like(
    self: Tensor, data: list[int], *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """``torch.tensor`` with this tensor's dtype and device unless others are given."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


# ---------------------------------------------------------------------------- sequences


def _numbers(*values: Any) -> list[Any]:
    return [v.item() if isinstance(v, (Tensor, np.generic)) else v for v in values]


def arange(
    *args: Tensor | Number,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
    **named: Any,
) -> Tensor:
    """``arange([start,] end[, step])``: from start (0) up to, not including, end. int64 for ints.

    Raises RuntimeError for a step of zero or bounds that contradict its sign.
    """
    plain = dtype is None and not requires_grad and not named
    if plain and 0 < len(args) < 3 and args[0].__class__ is args[-1].__class__ is int:  # as below, with nothing to ask
        start, end = args if len(args) == 2 else (0, *args)
        if start <= end:
            return _finish("arange", _make_there("arange", device, False, start, end, 1, dtypes.int64.numpy), out)
    if named:
        given = {
            **dict(
                zip(("end",) if len(args) == 1 and "end" not in named else ("start", "end", "step"), args, strict=False)
            ),
            **named,
        }
        if "end" not in given:
            raise TypeError('arange() missing 1 required positional arguments: "end"')
        args = (given.get("start", 0), given["end"], given.get("step", 1))
    if not 0 < len(args) < 4 or not all(isinstance(v, (Tensor, int, float, np.generic)) for v in args):
        got = ", ".join(type(v).__name__ for v in args)
        raise TypeError(
            f"arange() received an invalid combination of arguments - got ({got}), but expected one of:\n"
            " * (Number end, *, ...)\n * (Number start, Number end, Number step = 1, *, ...)"
        )
    start, end, step = _numbers(*{1: (0, *args, 1), 2: (*args, 1), 3: args}[len(args)])
    if dtype is dtypes.int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None and all(isinstance(v, int) for v in (start, end, step)):
        dtype = dtypes.int64
    kind = _kind(dtype)
    if kind.kind != "f" and all(isinstance(v, int) for v in (start, end, step)):
        return _finish("arange", _make_there("arange", device, requires_grad, start, end, step, kind), out)
    if kind.kind == "f":
        n = math.ceil((end - start) / step)
        array = (start + np.arange(n) * step).astype(kind)  # each element from the start: no drift
    else:
        array = np.arange(start, end, step).astype(kind)
    return _finish("arange", _made(array, device, requires_grad), out)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` values from start to end, both included."""
    start, end = _numbers(start, end)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    kind = _kind(dtype)
    return _finish("linspace", _made(spaced(start, end, steps, kind), device, requires_grad), out)


def spaced(start: Any, end: Any, steps: int, kind: np.dtype[Any]) -> Array:
    """PyTorch's values: the step in the tensor's own precision, the second half counted from the end."""
    if kind.kind != "f":
        start, end = int(start), int(end)
        step = (end - start) / max(steps - 1, 1)
        up, down = _from_both_ends(start, end, step, steps, np.dtype(np.float64))
        return np.where(_first_half(steps), up, down).astype(kind)
    work = kind if kind.itemsize >= 4 else np.dtype(np.float32)
    start, end = work.type(start), work.type(end)
    step = (end - start) / work.type(max(steps - 1, 1))
    up, down = _from_both_ends(start, end, step, steps, kind)
    return np.where(_first_half(steps), up, down).astype(kind)


def _first_half(steps: int) -> Array:
    return np.arange(steps) < (steps // 2 if steps > 1 else 1)


def _from_both_ends(start: Array, end: Array, step: Array, steps: int, kind: np.dtype[Any]) -> Any:
    """start + i step and end - (steps - 1 - i) step, with one rounding for product and sum together,
    as PyTorch's vector code has it."""
    i = np.arange(steps)
    wide = np.longdouble
    return ((wide(a) + wide(step) * k).astype(kind) for a, k in ((start, i), (end, -(steps - 1 - i))))


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the power of ``steps`` exponents from start to end."""
    start, end = _numbers(start, end)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    kind = _kind(dtype)
    if kind.kind != "f":
        start, end = int(start), int(end)
    exponents = spaced(start, end, steps, np.dtype(np.float64))
    return _finish("logspace", _made(np.power(float(base), exponents).astype(kind), device, requires_grad), out)


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere: n x m (n x n)."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n must be greater or equal to 0, got {n if n < 0 else m}")
    return _finish("eye", _make_there("eye", device, requires_grad, n, m, 0, _kind(dtype)), out)


def _triangle_indices(name: str, find: Any) -> Callable[..., Any]:
    def make(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Device = None, layout: Any = None
    ) -> Tensor:
        places = np.stack(np.nonzero(find(np.ones((row, col), bool), offset)))
        return _made(places.astype(_kind(dtype, dtypes.int64)), device, False)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"The row and column indices of a matrix's {name[:4]} part, as a 2 x count tensor."
    return make


FUNCTIONS = {
    "arange": arange, "as_tensor": as_tensor, "asarray": asarray,
    "empty": empty, "empty_like": empty_like, "eye": eye, "from_numpy": from_numpy,
    "frombuffer": frombuffer, "full": full, "full_like": full_like, "linspace": linspace, "logspace": logspace,
    "ones": ones, "ones_like": ones_like, "scalar_tensor": scalar_tensor, "tensor": tensor,
    "zeros": zeros, "zeros_like": zeros_like,
    "tril_indices": _triangle_indices("tril_indices", np.tril), "triu_indices": _triangle_indices("triu_indices", np.triu),
}  # fmt: skip
METHODS = {
    "new_empty": _new(empty), "new_full": _new(full), "new_ones": _new(ones), "new_tensor": new_tensor_like,
    "new_zeros": _new(zeros),
}  # fmt: skip
