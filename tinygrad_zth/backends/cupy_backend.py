"""CuPy: the CUDA backend. Imported only when a CUDA device is asked for by name.

CuPy answers NumPy's calls, with differences that this file hides: it has no writeable flag, its results are never
scalars, an index that is out of range wraps without a word, and every array lives on the device that was in use when it
was made. Copies between host and device are made here and counted (``backends.transfers``).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .. import backends
from ..device import CPU, device
from . import counter
from .device_faults import Faults
from .device_memory import MemoryWatch
from .numpy_backend import NumpyBackend

__all__ = ["CupyBackend", "device_count", "load"]

_loaded: dict[str, Any] = {}


def _cupy() -> Any:
    """The cupy module, or a RuntimeError that says what is missing."""
    if importlib.util.find_spec("cupy") is None:
        raise RuntimeError(
            'tinygrad_zth has no CUDA backend here: CuPy is not installed (extras "cuda12" and "cuda13")'
        )
    try:
        import cupy
    except Exception as error:  # a wheel for another CUDA, or a damaged one: CuPy's own text says which
        raise RuntimeError(f"tinygrad_zth has no CUDA backend here: CuPy cannot be imported: {error}") from error
    return cupy


def device_count() -> int:
    """How many CUDA devices can be used: 0 without CuPy, a driver or a device. Never raises."""
    if "backend" not in _loaded and importlib.util.find_spec("cupy") is None:
        return 0
    try:
        xp = _loaded["backend"].xp if "backend" in _loaded else _cupy()
        return int(xp.cuda.runtime.getDeviceCount())
    except Exception:  # CuPy raises its own kinds for no driver, an old driver, a broken install
        return 0


def _why_none(cupy: Any) -> str:
    """Why CuPy finds no device."""
    try:
        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        if "InsufficientDriver" in str(error):
            return (
                "Found no NVIDIA driver on your system, or one that is older than the CUDA that CuPy was built for "
                f"({cupy.cuda.runtime.runtimeGetVersion()}; the driver has {cupy.cuda.runtime.driverGetVersion()}): {error}"
            )
        return f"CUDA error: {error}"
    return "No CUDA GPUs are available (CUDA_VISIBLE_DEVICES may hide them)"


def load(where: device) -> Any:
    """The backend for a CUDA device. Raises RuntimeError saying what is missing."""
    count = device_count()
    if count == 0:
        raise RuntimeError(_why_none(_cupy()))
    if where.index is not None and where.index >= count:
        raise RuntimeError(
            f"CUDA error: invalid device ordinal: cuda:{where.index} was asked for, and {count} device(s) are there"
        )
    if "backend" not in _loaded:
        use(CupyBackend(_cupy()))
    return _loaded["backend"]


def use(backend: CupyBackend) -> None:
    """Make ``backend`` the one that serves "cuda"."""
    from . import register

    _loaded["backend"] = backend
    register(backend)
    backends.follow = backend.follow if backend.devices > 1 else None


class CupyBackend:
    """What the engine asks of CuPy. The same interface as ``NumpyBackend``."""

    name = "cupy"
    on_host = False

    def __init__(self, cupy: Any) -> None:
        self.xp = cupy
        self.array_type: type[Any] = cupy.ndarray
        self.function_types: tuple[type[Any], ...] = (cupy.ufunc, cupy.ElementwiseKernel, cupy.ReductionKernel)
        self.devices = device_count()
        self.faults = Faults(cupy)
        self.memory = MemoryWatch(cupy)
        self.memory.install()
        self.set_matmul_precision(backends.matmul_precision())

    @property
    def draws_by_counter(self) -> bool:
        return counter.stream.source == "philox"

    # ------------------------------------------------------------------ devices

    def device_of(self, array: Any) -> device:
        return device("cuda", array.device.id)

    def current(self) -> int:
        """The index of the device in use on this thread."""
        return int(self.xp.cuda.runtime.getDevice())

    def use(self, index: int) -> None:
        """Make a device the one in use on this thread."""
        self.xp.cuda.Device(index).use()

    def on(self, where: device) -> AbstractContextManager[Any]:
        there: AbstractContextManager[Any] = self.xp.cuda.Device(self.current() if where.index is None else where.index)
        return there

    def synchronize(self, where: device | None = None) -> None:
        with self.on(where or device("cuda")):
            self.xp.cuda.runtime.deviceSynchronize()
        self.faults.check()

    # ------------------------------------------------------------------ memory, and copies

    def free_unused(self) -> None:
        """Give the pools' unused memory back to the device."""
        self.xp.get_default_memory_pool().free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def asarray(self, values: Any, dtype: Any = None, where: device | None = None) -> Any:
        if isinstance(values, self.array_type):
            return values if dtype is None or values.dtype == dtype else values.astype(dtype)
        return self._to_device(np.asarray(values, dtype), where or device("cuda"))

    def made(self, function: str, *arguments: Any, where: device) -> Any:
        with self.on(where):
            return getattr(self.xp, function)(*arguments)

    def fill(self, array: Any, draw: Callable[[Any], Any]) -> None:
        from ..sampling import empty_like

        drawn = empty_like(array)
        draw(drawn)
        array[...] = self._to_device(drawn, self.device_of(array))

    def receive(self, array: Any, where: device, non_blocking: bool = False) -> Any:
        if not isinstance(array, self.array_type):
            return self._to_device(array, where)
        with self.on(where):
            return self.xp.array(array)

    def _to_device(self, array: Any, where: device) -> Any:
        from . import transfers

        transfers["to_device"] += 1
        with self.on(where):
            return self.xp.asarray(array)

    def to_numpy(self, array: Any) -> Any:
        from . import transfers

        transfers["to_host"] += 1
        with self.on(self.device_of(array)):
            found = self.xp.asnumpy(array)
        self.faults.check()
        return found

    def item(self, array: Any) -> Any:
        return self.to_numpy(array).item()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A host array in page-locked memory."""
        size = int(np.prod(shape)) * dtype.itemsize
        memory = self.xp.cuda.alloc_pinned_memory(max(size, 1))
        return np.frombuffer(memory, dtype, int(np.prod(shape))).reshape(shape)

    def is_pinned(self, array: Any) -> bool:
        """Whether a host array lies in page-locked memory of CuPy's."""
        while isinstance(array, np.ndarray):
            array = array.base
        return isinstance(getattr(array, "obj", array), self.xp.cuda.PinnedMemoryPointer)

    # ------------------------------------------------------------------ windows, scattering

    def is_writeable(self, array: Any) -> bool:
        return not array.size or all(
            stride or size < 2 for stride, size in zip(array.strides, array.shape, strict=True)
        )

    def as_strided(self, array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        # CuPy's own function, and its constructor, make an array that does not know whose memory it shows, and a base cannot
        # be set: it would have a storage of its own, and the backward pass would take it for a fresh buffer. A view has the
        # base; that it can be given strides is CuPy's own affair (a test says when there is a public way).
        window = array.view()
        window._set_shape_and_strides(shape, strides, True, True)
        return window

    def summed_rows(self, n: int, rows: Any, values: Any) -> Any:
        """Of zeros (n, width): row r is the sum of the ``values`` (N, width) whose ``rows`` is r."""
        whole = self.xp.zeros((n, values.shape[1]), values.dtype)
        self.index_add(whole, (rows,), values)
        return whole

    def index_add(self, target: Any, key: tuple[Any, ...], values: Any) -> None:
        """``target[key] += values``, where a place may be named many times. By atomic additions."""
        xp = self.xp
        if len(key) == 1 and key[0].dtype.kind == "b":
            target[key[0]] += values  # a mask names no place twice
            return
        if not target.ndim:
            target, key = target.reshape(1), tuple(k.reshape(1) for k in key)
        if target.dtype.char in _ATOMIC:
            xp.add.at(target, key, values)
            return
        wide = target.astype(xp.int64)  # CuPy has no atomic addition of narrow integers, nor of truth values
        xp.add.at(wide, key, xp.asarray(values).astype(xp.int64))
        target[...] = wide.astype(target.dtype)

    def combine_at(self, ufunc: str, target: Any, key: tuple[Any, ...], values: Any) -> None:
        """By atomic operations on integers: CuPy's on floating numbers lose a NaN, and round float64 to float32."""
        xp, kind = self.xp, target.dtype
        places, both = getattr(xp, ufunc), (target, xp.asarray(values))
        if kind.kind != "f":
            wide = kind if kind.char in _EXTREME else np.dtype(np.int64)
            whole, values = (a.astype(wide, copy=False) for a in both)
            places.at(whole, key, values)
            if whole is not target:
                target[...] = whole.astype(kind)
            return
        wide, bits = (np.float64, np.int64) if kind.char == "d" else (np.float32, np.int32)
        nan = np.iinfo(bits).max if ufunc == "maximum" else np.iinfo(bits).min  # wins, and is one in either form
        numbers = [a.astype(wide, copy=False) for a in both]
        whole, values = (xp.where(xp.isnan(a), nan, _in_order(a.view(bits))) for a in numbers)
        places.at(whole, key, values)
        target[...] = _in_order(whole).view(wide).astype(kind, copy=False)

    def check_range(
        self, values: Any, n: float, message: str, error: type[Exception] = IndexError, least: float = 0
    ) -> None:
        """Asked of the device, answered when its results are next looked at: nothing waits here."""
        self.faults.watch(values, n, message, least, error)

    def as_index(self, index: Any, target: Any, n: int | None, message: str) -> Any:
        """From the host it is checked at once, and copied; on the device its check is asked for, as ``check_range``'s."""
        if isinstance(index, np.ndarray):
            if n is not None and index.size:
                for end in (index.min(), index.max()):
                    if not -n <= end < n:
                        raise IndexError(message.format(end))
            return self._to_device(index, self.device_of(target))
        if index.device.id != target.device.id:
            raise RuntimeError(
                f"indices should be either on cpu or on the same device as the indexed tensor (cuda:{target.device.id})"
            )
        if n is not None:
            self.faults.watch(index, n, message, -n)
        return index

    # ------------------------------------------------------------------ kernels

    def set_matmul_precision(self, precision: str) -> None:
        """ "highest": float32 products in float32. "high" and "medium": on tensor cores, their factors rounded to TF32."""
        from cupy._core import _routines_linalg as products  # CuPy has no public switch but CUPY_TF32 at its import

        kind = products.COMPUTE_TYPE_DEFAULT if precision == "highest" else products.COMPUTE_TYPE_TF32
        products.set_compute_type(np.float32, kind)

    def adapted(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """With one device, the kernel itself. With several, one that first puts its operands' device to use, and refuses
        operands of two: neither a kernel of ours nor cuBLAS asks where a pointer points."""
        if self.devices < 2:
            return kernel
        array_type, use = self.array_type, self.xp.cuda.runtime.setDevice

        def on_its_device(*arguments: Any) -> Any:
            places = dict.fromkeys(a.device.id for a in _leaves(arguments) if isinstance(a, array_type))
            if len(places) > 1:
                found = " and ".join(f"cuda:{i}" for i in places)
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but found at least two devices, {found}!"
                )
            for place in places:
                use(place)
            return kernel(*arguments)

        return on_its_device

    def follow(self, array: Any) -> None:
        """Put the device of ``array`` (a Tensor's, of the first in a list) to use."""
        if isinstance(array, list):
            array = next((a for a in array if a is not None), None)
        array = getattr(array, "_array", array)
        if isinstance(array, self.array_type):
            self.xp.cuda.runtime.setDevice(array.device.id)

    def through_host(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """NumPy's kernel for device arrays: operands are copied to the host, results back (and counted)."""
        array_type = self.array_type

        def on_host(*arguments: Any, **named: Any) -> Any:
            first = next((a for a in _leaves(arguments) if isinstance(a, array_type)), None)
            where = CPU if first is None else self.device_of(first)
            if first is not None and any(isinstance(a, np.ndarray) and a.ndim for a in arguments):
                raise TypeError("Unsupported type <class 'numpy.ndarray'>")  # CuPy's own words for a mixture
            moved = _mapped(arguments, array_type, self.to_numpy)
            found = kernel(*moved, **named)
            return _mapped(found, (np.ndarray, np.generic), lambda a: self._to_device(np.asarray(a), where))

        return on_host


_ATOMIC = "ilqILQefd"  # dtypes that `add.at` takes
_EXTREME = "ilqILQ"  # and `maximum.at` and `minimum.at`, of integers


def _in_order(bits: Any) -> Any:
    """The bits of floating numbers as integers in the numbers' order, and back: below zero, all but the sign turned over."""
    return bits ^ ((bits >> (8 * bits.itemsize - 1)) & np.iinfo(bits.dtype).max)


# The two backends answer alike; what one has and the other has not would be found only on a device.
_missing = {n for n in dir(NumpyBackend) if not n.startswith("_")} - {
    *dir(CupyBackend), "xp", "array_type", "function_types",
}  # fmt: skip
if _missing:
    raise TypeError(f"CupyBackend lacks {sorted(_missing)}")


def _leaves(values: Any) -> Any:
    for v in values:
        if isinstance(v, tuple | list):
            yield from _leaves(v)
        else:
            yield v


def _mapped(value: Any, kind: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, tuple | list):
        parts = [_mapped(v, kind, function) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
