"""An array that is CuPy's as far as a program can see, and NumPy's inside.

It refuses what CuPy refuses: a host array beside it, becoming one unasked, a list in a ufunc, keywords that CuPy's methods
lack. It answers as CuPy does: never a scalar, results in C order, index arrays that wrap. And it refuses what CuPy leaves
undefined, or does at a price that nobody asked for: writing to one place twice, an index that is copied at every use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .contract import bound
from .snapshot import read

__all__ = ["Flags", "inner", "ndarray", "outer", "quiet", "written"]

_KINDS = "biufc"
_NAMES = read()["cupy"]["ndarray"]["names"]
_SIGNATURES = {name: bound(parameters) for name, parameters in _NAMES.items() if parameters is not None}


def quiet() -> np.errstate:
    """A context without NumPy's floating-point warnings: a device has none."""
    return np.errstate(all="ignore")


class Flags:
    """What CuPy's arrays say of their layout; there is no ``writeable``."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous = bool(flags.c_contiguous), bool(flags.f_contiguous)
        self.owndata = bool(flags.owndata)

    @property
    def fnc(self) -> bool:
        return self.f_contiguous and not self.c_contiguous

    @property
    def forc(self) -> bool:
        return self.f_contiguous or self.c_contiguous


class _Pointer:
    """``x.data``: an address, and what keeps the memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.ptr, self.mem = array.__array_interface__["data"][0], array


def _root(array: Any) -> Any:
    """The array that owns the memory; ``as_strided`` puts an object of its own between."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


def outer(value: Any, owner: Any = None) -> Any:
    """What NumPy gave, as CuPy gives it: arrays also where there are no dimensions. ``owner``: the array that it may be
    a window of."""
    if isinstance(value, np.ndarray):
        if not value.flags.writeable and _root(value).flags.writeable:  # a diagonal, an expanded array
            value.flags.writeable = True  # CuPy has no such flag
        found = ndarray(value)
        if owner is not None and value.base is not None and _root(value) is _root(owner._a):
            found._base = owner if owner._base is None else owner._base
        return found
    if isinstance(value, np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple | list) and any(isinstance(v, np.ndarray | np.generic) for v in value):
        parts = [outer(v, owner) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def inner(value: Any) -> Any:
    """An argument as NumPy is given it, also within lists. Raises TypeError for an array of the host's."""
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)([inner(v) for v in value]) if not hasattr(value, "_fields") else value
    return value


def written(value: Any, where: str) -> Any:
    """A value as it is written into an array. Raises ValueError for one of the host's that is no single number."""
    if isinstance(value, np.ndarray | list):
        if np.ndim(value):
            raise ValueError(f"non-scalar numpy.ndarray cannot be used for {where}")
        return np.asarray(value).item()
    return inner(value)


def _index(array: np.ndarray, key: Any) -> Any:
    """A key as NumPy takes it: index arrays wrap, as on the device, where nobody looks at them."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(
        k.ndim if isinstance(k, ndarray) and k.dtype.kind == "b" else 1
        for k in keys
        if k is not None and k is not Ellipsis
    )
    found, axis = [], 0
    for k in keys:
        if k is Ellipsis:
            axis += array.ndim - used
        elif isinstance(k, np.ndarray | list):
            raise TypeError(f"an index in the host's memory ({type(k).__name__}) is copied to the device at every use")
        elif isinstance(k, ndarray):
            if k.dtype.kind == "b":
                axis += k.ndim
            elif k.dtype.kind in "iu":
                n = array.shape[axis] if axis < array.ndim else 0
                k = ndarray(k._a.astype(np.int64) % n) if n else k
                axis += 1
            else:
                raise IndexError("arrays used as indices must be of integer (or boolean) type")
            k = k._a
        elif k is not None:
            axis += 1
        found.append(k)
    return tuple(found) if isinstance(key, tuple) else found[0]


def _wants_array(key: Any) -> bool:
    return any(isinstance(k, ndarray) and k.dtype.kind in "iu" for k in (key if isinstance(key, tuple) else (key,)))


class ndarray:
    """``cupy.ndarray``, on memory of NumPy's."""

    __slots__ = ("__weakref__", "_a", "_base")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: np.ndarray) -> None:
        if array.dtype.kind not in _KINDS or array.dtype.itemsize > 16:
            raise ValueError(f"Unsupported dtype {array.dtype}")
        self._a = array
        self._base: ndarray | None = None  # whose memory it is, if it is a window

    # ------------------------------------------------------------------ to and from the host

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
        )

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        return self._a.copy(order)

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.shape != self._a.shape or arr.dtype != self._a.dtype:
            raise ValueError("set: expected a NumPy array of the same shape and dtype")
        self._a[...] = arr

    def item(self, *args: Any) -> Any:
        return self._a.item(*args)

    def tolist(self) -> Any:
        return self._a.tolist()

    # ------------------------------------------------------------------ what it says of itself

    @property
    def shape(self) -> tuple[int, ...]:
        return self._a.shape

    @property
    def dtype(self) -> np.dtype:
        return self._a.dtype

    @property
    def ndim(self) -> int:
        return self._a.ndim

    @property
    def size(self) -> int:
        return self._a.size

    @property
    def itemsize(self) -> int:
        return self._a.itemsize

    @property
    def nbytes(self) -> int:
        return self._a.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        return self._a.strides

    @property
    def flags(self) -> Flags:
        return Flags(self._a.flags)

    @property
    def data(self) -> _Pointer:
        return _Pointer(self._a)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        found = self._a.__array_interface__
        return {**found, "strides": self._a.strides, "stream": 1, "version": 3}

    @property
    def base(self) -> ndarray | None:
        return self._base

    @property
    def device(self) -> Any:
        from .runtime import Device

        return Device(0)

    @property
    def T(self) -> ndarray:
        return outer(self._a.T, self)

    # ------------------------------------------------------------------ methods

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES or name.startswith("__"):
            raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")
        value = getattr(self._a, name)
        if not callable(value):
            return outer(value, self)
        signature = _SIGNATURES.get(name)

        def method(*args: Any, **named: Any) -> Any:
            if signature is not None:
                signature.bind(*args, **named)  # TypeError, as CuPy's
            out = named.get("out")
            with quiet():
                found = value(*[inner(a) for a in args], **{k: inner(v) for k, v in named.items()})
            return out if out is not None else outer(found, self)

        return method

    def _set_shape_and_strides(self, shape: Any, strides: Any, c_contiguous: bool, f_contiguous: bool) -> None:
        """Make this window another one, from the same first element; the truth values ask for new flags, as NumPy's are."""
        if len(shape) != len(strides):
            raise ValueError("len(shape) != len(strides)")
        self._a = np.lib.stride_tricks.as_strided(self._a, shape, strides)

    def copy(self, order: str = "C") -> ndarray:
        return ndarray(self._a.copy(order))

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        with quiet():
            found = self._a.astype(dtype, order, copy=copy)
        return self if found is self._a else ndarray(found)

    def fill(self, value: Any) -> None:
        with quiet():
            self._a.fill(written(value, "fill"))

    def __dlpack__(self, **options: Any) -> Any:
        return self._a.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0  # kDLCUDA

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()

    def __reduce__(self) -> tuple:
        return ndarray, (self._a,)

    # ------------------------------------------------------------------ NumPy's functions come here

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **named: Any) -> Any:
        from .namespace import cupy

        mine = getattr(cupy, ufunc.__name__)
        if method not in ("__call__", "at"):
            return NotImplemented
        return (mine if method == "__call__" else mine.at)(*args, **named)

    def __array_function__(self, function: Any, types: Any, args: tuple, named: dict) -> Any:
        from .namespace import cupy

        module = cupy.linalg if function.__module__ == "numpy.linalg" else cupy
        return getattr(module, function.__name__)(*args, **named)

    # ------------------------------------------------------------------ elements

    def __getitem__(self, key: Any) -> ndarray:
        return outer(self._a[_index(self._a, key)], self)

    def __setitem__(self, key: Any, value: Any) -> None:
        value = written(value, "fill")
        where = _index(self._a, key)
        if _wants_array(key) and np.ndim(value):  # which of two values stays is up to the device
            times = np.zeros(self._a.shape, np.int64)
            np.add.at(times, where, 1)
            if times.max(initial=0) > 1:
                raise AssertionError("an assignment names a place twice: undefined on a device")
        with quiet():
            self._a[where] = value

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        if not self._a.ndim:
            raise TypeError("iteration over a 0-d array")
        return (outer(row, self) for row in self._a)

    def __contains__(self, value: Any) -> bool:
        return any(bool(row == value) for row in self)

    def __float__(self) -> float:
        return float(self._a)

    def __int__(self) -> int:
        return int(self._a)

    def __complex__(self) -> complex:
        return complex(self._a)

    def __bool__(self) -> bool:
        return bool(self._a)

    def __format__(self, form: str) -> str:
        return format(self._a.item(), form) if not self._a.ndim else str(self)

    def __repr__(self) -> str:
        return repr(self._a)

    def __str__(self) -> str:
        return str(self._a)


def _operator(ufunc: str, reflected: bool = False, in_place: bool = False) -> Callable:
    def apply(self: ndarray, other: Any) -> Any:
        from .namespace import cupy

        if other is None and ufunc in ("equal", "not_equal"):
            return outer(np.full(self._a.shape, ufunc == "not_equal"))
        if other is None or isinstance(other, str | list | tuple):
            return NotImplemented
        function = getattr(cupy, ufunc)
        if in_place:
            return function(self, other, out=self)
        return function(other, self) if reflected else function(self, other)

    return apply


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide", "pow": "power",
    "mod": "remainder", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
for _name, _ufunc in _OPERATORS.items():
    setattr(ndarray, f"__{_name}__", _operator(_ufunc))
    if f"__r{_name}__" in _NAMES:
        setattr(ndarray, f"__r{_name}__", _operator(_ufunc, reflected=True))
    if f"__i{_name}__" in _NAMES:
        setattr(ndarray, f"__i{_name}__", _operator(_ufunc, in_place=True))


def _unary(ufunc: str) -> Callable:
    def apply(self: ndarray) -> Any:
        from .namespace import cupy

        return getattr(cupy, ufunc)(self)

    return apply


for _name, _ufunc in {"neg": "negative", "abs": "absolute", "invert": "invert", "pos": "positive"}.items():
    setattr(ndarray, f"__{_name}__", _unary(_ufunc))
