"""The names of the ``cupy`` module, on the arrays of ``array.py``: those of the snapshot, called as its signatures say."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import runtime
from .array import inner, ndarray, outer, quiet, written
from .contract import bound
from .snapshot import read

__all__ = ["Kernel", "cupy", "ufunc"]

_SCALARS = (bool, int, float, complex, np.generic)
_AT = {"add": "ilqILQefd", "subtract": "iI", "maximum": "ilqILQfd", "minimum": "ilqILQfd"}
_REDUCE = ("add", "multiply")
_LOSES_NAN = {"maximum": np.fmax, "minimum": np.fmin}


class ufunc:
    """A ufunc of CuPy's: ``out``, ``dtype`` and ``casting`` and no more; arrays of the device's and numbers; its loops."""

    def __init__(self, name: str, entry: dict[str, Any]) -> None:
        self.__name__ = self.name = name
        self.nin, self.nout, self.types = entry["nin"], entry["nout"], entry["types"]
        self._numpy = getattr(np, name)
        self._loops: dict[tuple, tuple[str, ...] | None] = {}

    def _loop(self, operands: list) -> tuple[str, ...] | None:
        """The dtypes of the results, by the first of CuPy's loops that takes the operands; None if there is none."""
        kinds = tuple(a.dtype.char if isinstance(a, np.ndarray | np.generic) else type(a) for a in operands)
        if kinds not in self._loops:
            arrays = [np.dtype(k) for k in kinds if isinstance(k, str)]
            wide = [
                np.dtype(k) if isinstance(k, str) else np.result_type(*arrays, k(0)) if arrays else np.dtype(k)
                for k in kinds
            ]
            fitting = (t.split("->") for t in self.types)
            self._loops[kinds] = next(
                (tuple(out) for ins, out in fitting if all(map(_takes, ins, wide, kinds))),
                None,
            )
        return self._loops[kinds]

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind", **wrong: Any) -> Any:
        if wrong:
            raise TypeError(f"Wrong arguments {wrong}")
        args = list(args)
        if len(args) > self.nin and out is None:
            out = args[self.nin :] if self.nout > 1 else args[self.nin]
            args = args[: self.nin]
        if len(args) != self.nin:
            raise TypeError(f"cupy.{self.name}: wrong number of arguments")
        for a in (*args, *([] if out is None else out if isinstance(out, tuple | list) else (out,))):
            if not isinstance(a, ndarray) and (not isinstance(a, _SCALARS) or a is out):
                raise TypeError(f"Unsupported type {type(a)}")
        operands = [a._a if isinstance(a, ndarray) else a for a in args]
        kinds = self._loop(operands) if dtype is None else None
        if dtype is None and kinds is None:
            raise TypeError(
                f"Wrong type ({[getattr(a, 'dtype', type(a)) for a in operands]}) of arguments for cupy.{self.name}"
            )
        given = {} if out is None else {"out": tuple(o._a for o in out) if isinstance(out, tuple | list) else out._a}
        with quiet():
            if self.name == "power" and _negative_integer_power(operands):
                found = _integer_power(*operands)
                if out is not None:
                    out._a[...] = found
            else:
                found = self._numpy(
                    *operands, **given, dtype=dtype, casting=casting, **({} if given else {"order": "C"})
                )
            if out is not None:
                return out
            if kinds is not None and self.nout == 1 and found.dtype.char != kinds[0]:
                found = found.astype(kinds[0])
        return outer(found)

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if self.name not in _AT:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        if a.dtype.char not in _AT[self.name]:
            raise TypeError(f"cupy.{self.name}.at does not support {a.dtype} as data type")
        from .array import _index

        where, values = _index(a._a, indices), inner(b)
        with quiet():
            if self.name in _LOSES_NAN and a.dtype.kind == "f":  # CuPy's are fmaxf and fminf, of float64 too
                rounded = a._a.astype(np.float32)
                _LOSES_NAN[self.name].at(rounded, where, np.asarray(values, np.float32))
                touched = np.zeros(a.shape, bool)
                touched[where] = True
                a._a[touched] = rounded[touched]
            else:
                self._numpy.at(a._a, where, values)

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if self.name not in _REDUCE:
            raise NotImplementedError(f"`cupy_{self.name}.reduce` is not supported yet")
        with quiet():
            found = self._numpy.reduce(inner(array), axis, dtype, None if out is None else out._a, keepdims)
        return out if out is not None else outer(found)

    def accumulate(self, array: ndarray, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name not in _REDUCE:
            raise NotImplementedError(f"`cupy_{self.name}.accumulate` is not supported yet")
        with quiet():
            return outer(self._numpy.accumulate(inner(array), axis, dtype))

    def outer(self, a: ndarray, b: ndarray, **named: Any) -> Any:
        return self(a.reshape(*a.shape, *(1,) * b.ndim), b, **named)


def _takes(loop: str, wide: np.dtype, kind: Any) -> bool:
    """Whether an operand may go into a loop's place: a Python integer, which is of no width, into any of integers."""
    return np.can_cast(wide, loop) or (kind is int and np.dtype(loop).kind in "iu" and wide.kind == "f")


def _negative_integer_power(operands: list) -> bool:
    return all(np.result_type(a).kind in "iu" for a in operands) and bool(np.any(np.less(operands[1], 0)))


def _integer_power(x: Any, y: Any) -> np.ndarray:
    """A device gives 0 for an integer to a negative power, of whatever but 1 and -1."""
    kind = np.result_type(x, y)
    return np.where(
        np.less(y, 0), np.where(np.abs(x) == 1, np.power(x, np.abs(y)), 0), np.power(x, np.maximum(y, 0))
    ).astype(kind)


class Kernel:
    """Stands for RawKernel, RawModule, ElementwiseKernel and ReductionKernel: the stand-in cannot run one."""

    def __init__(self, *args: Any, **named: Any) -> None:
        raise NotImplementedError("the stand-in for CuPy runs no CUDA kernels")


def _function(name: str, entry: dict[str, Any], module: Any) -> Callable:
    """A function of NumPy's behind CuPy's signature, refusing arrays of the host's."""
    own = getattr(module, name)
    signature = bound(entry["signature"]) if entry.get("signature") is not None else None

    @functools.wraps(own)
    def function(*args: Any, **named: Any) -> Any:
        if signature is not None:
            signature.bind(*args, **named)  # TypeError, as CuPy's
        out = named.get("out")
        with quiet():
            found = own(*[inner(a) for a in args], **{k: inner(v) for k, v in named.items()})
        if isinstance(out, ndarray):
            return out
        if name in ("array_equal", "allclose", "array_equiv"):
            found = np.asarray(found)
        return outer(found, args[0] if args and isinstance(args[0], ndarray) else None)

    return function


# ---------------------------------------------------------------------------- functions with a will of their own


def _any_source(value: Any) -> Any:
    """What ``cupy.array`` takes: arrays of either side, and lists of them."""
    if isinstance(value, ndarray):
        return value._a
    return type(value)([_any_source(v) for v in value]) if isinstance(value, tuple | list) else value


def _array(obj: Any, dtype: Any = None, copy: bool = True, order: Any = "K", **named: Any) -> ndarray:
    if isinstance(obj, ndarray) and not copy and (dtype is None or obj.dtype == dtype):
        return obj
    return ndarray(np.array(_any_source(obj), dtype, order=order or "K"))  # from the host: always a copy


def _asarray(a: Any, dtype: Any = None, order: Any = None, **named: Any) -> ndarray:
    return _array(a, dtype, copy=False, order=order)


def _ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray):
        found = np.ascontiguousarray(a._a, dtype)
        return a if found is a._a else ndarray(found)
    return ndarray(np.array(_any_source(a), dtype, order="C", ndmin=1))


def _asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    return a._a.copy(order) if isinstance(a, ndarray) else np.asarray(a)


def _poisoned(array: np.ndarray) -> ndarray:
    """Memory that nobody has written to: reading it is noticed."""
    if array.dtype.kind in "fc":
        array.fill(np.nan)
    elif array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)
    return ndarray(array)


def _empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return _poisoned(np.empty(shape, dtype, order))


def _empty_like(
    prototype: ndarray, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return _poisoned(np.empty_like(inner(prototype), dtype, order, shape=shape))


def _copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    with quiet():
        np.copyto(dst._a, written(src, "copyto"), casting, where=True if where is None else inner(where))


def _as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return ndarray(np.lib.stride_tricks.as_strided(inner(x), shape, strides))  # CuPy's has no base, either


def _matmul(*args: Any, out: Any = None, **named: Any) -> Any:
    for a in args:
        if not isinstance(a, ndarray):
            raise TypeError(f"Argument has incorrect type (expected cupy._core.core._ndarray_base, got {type(a)})")
    with quiet():
        found = np.matmul(*[a._a for a in args], **({} if out is None else {"out": out._a}))
    return out if out is not None else outer(np.ascontiguousarray(found) if found.ndim else found)


_OWN: dict[str, Any] = {
    "array": _array, "asarray": _asarray, "asanyarray": _asarray, "ascontiguousarray": _ascontiguousarray,
    "asnumpy": _asnumpy, "empty": _empty, "empty_like": _empty_like, "copyto": _copyto, "matmul": _matmul,
    "ndarray": ndarray, "ufunc": ufunc, "RawKernel": type("RawKernel", (Kernel,), {}), "RawModule": type("RawModule", (Kernel,), {}),
    "ElementwiseKernel": type("ElementwiseKernel", (Kernel,), {}), "ReductionKernel": type("ReductionKernel", (Kernel,), {}),
    "cuda": runtime, "get_default_memory_pool": runtime.get_default_memory_pool,
    "get_default_pinned_memory_pool": runtime.get_default_pinned_memory_pool,
}  # fmt: skip


class _Module(types.ModuleType):
    """``cupy`` or one of its modules: names of the snapshot, made when they are first asked for."""

    def __init__(self, path: str, numpy: Any, own: dict[str, Any]) -> None:
        super().__init__(path)
        self._numpy, self._own, self._names = numpy, own, read()[path]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        entry = self._names.get(name)
        if entry is None:
            raise AttributeError(f"module {self.__name__!r} {read()['version']} has no attribute {name!r}")
        if name in self._own:
            value = self._checked(name, entry)
        elif entry["kind"] == "ufunc":
            value = ufunc(name, entry)
        elif entry["kind"] == "function":
            value = _function(name, entry, self._numpy)
        else:
            value = getattr(self._numpy, name)
        setattr(self, name, value)
        return value

    def _checked(self, name: str, entry: dict[str, Any]) -> Any:
        own = self._own[name]
        if entry.get("signature") is None or isinstance(own, type) or not callable(own):
            return own
        signature = bound(entry["signature"])

        def function(*args: Any, **named: Any) -> Any:
            signature.bind(*args, **named)
            return own(*args, **named)

        return function


linalg = _Module("cupy.linalg", np.linalg, {})
stride_tricks = _Module("cupy.lib.stride_tricks", np.lib.stride_tricks, {"as_strided": _as_strided})
cupy = _Module("cupy", np, {**_OWN, "linalg": linalg, "lib": types.SimpleNamespace(stride_tricks=stride_tricks)})
