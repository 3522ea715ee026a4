"""NumPy: the backend that is always there, and the reference for the other.

The interface of a backend is what this class has: the engine asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..device import CPU, device
from .scatter import index_add, summed_rows

__all__ = ["NumpyBackend"]


class NumpyBackend:
    """What the engine asks of an array library beyond the calls that both answer alike.

    Attributes:
        name: by which tables of kernels know it.
        xp: the array namespace.
        array_type: the class of its arrays.
        function_types: classes of functions that are taken from the namespace as they are.
        on_host: whether the processor computes.
        draws_by_counter: whether dropout makes its mask from a counter (``counter.py``).
    """

    name = "numpy"
    xp: Any = np
    array_type: type = np.ndarray
    function_types: tuple[type[Any], ...] = (np.ufunc, type(np.sum), type(np.empty))
    on_host = True
    draws_by_counter = False

    @staticmethod
    def device_of(array: Any) -> device:
        """The device that holds the array."""
        return CPU

    @staticmethod
    def on(where: device) -> AbstractContextManager[Any]:
        """Inside, new arrays are made on this device."""
        return nullcontext()

    @staticmethod
    def asarray(values: Any, dtype: Any = None, where: device | None = None) -> Any:
        """``values`` (numbers, nested lists, a NumPy array) as an array of this backend; no copy if it is one."""
        return np.asarray(values, dtype)

    @staticmethod
    def made(function: str, *arguments: Any, where: device) -> Any:
        """What a function of the namespace (``zeros``, ``arange``, ...) makes, on this device."""
        return getattr(np, function)(*arguments)

    @staticmethod
    def fill(array: Any, draw: Callable[[Any], Any]) -> None:
        """Have ``draw`` fill the array in place. It is given memory of the host, of the array's shape and order."""
        draw(array)

    @staticmethod
    def receive(array: Any, where: device, non_blocking: bool = False) -> Any:
        """An array of any backend, copied to the device ``where`` of this one."""
        if isinstance(array, np.ndarray):
            return array
        from . import backend_of

        return backend_of(array).to_numpy(array)

    @staticmethod
    def to_numpy(array: Any) -> Any:
        """The array on the host; for this backend, itself."""
        return array

    @staticmethod
    def item(array: Any) -> Any:
        """The one element as a Python number."""
        return array.item()

    @staticmethod
    def is_writeable(array: Any) -> bool:
        """False for a window in which several elements are one place in memory (an expanded array)."""
        flags = array.flags
        if flags.c_contiguous or not flags.writeable or not array.size:
            return bool(flags.writeable)
        return all(stride or size < 2 for stride, size in zip(array.strides, array.shape, strict=True))

    @staticmethod
    def as_strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        """A window with the given strides in bytes. The caller has checked the bounds."""
        return np.lib.stride_tricks.as_strided(array, shape, strides)

    index_add = staticmethod(index_add)
    summed_rows = staticmethod(summed_rows)

    @staticmethod
    def combine_at(ufunc: str, target: Any, key: tuple[Any, ...], values: Any) -> None:
        """``target[key]`` becomes what a ufunc ("maximum" or "minimum"; on the host others, too) makes of it and
        ``values``, in place, where a place may be named many times. NaN wins."""
        getattr(np, ufunc).at(target, key, values)

    @staticmethod
    def check_range(values: Any, n: float, message: str, error: type[Exception] = IndexError, least: float = 0) -> None:
        """Raise ``error`` if a number of ``values`` is not in [least, n): at once, or, where a device computes, when its
        results are next looked at. ``{}`` in the message is the number, cut off to an integer."""
        if not values.size:
            return
        # Python's numbers: a float32 would round the bound to its own precision first.
        low, high = values.item(values.argmin()), values.item(values.argmax())
        if not (low >= least and high < n):
            found = low if low < least else high
            raise error(message.format(int(found) if found == found else found))

    @staticmethod
    def as_index(index: Any, target: Any, n: int | None, message: str) -> Any:
        """An index array (or, for ``n`` None, a mask) as ``target``'s memory takes it. A device moves it there, and sees to
        it that an integer outside [-n, n) raises IndexError with ``message``, in which ``{}`` is the integer; NumPy raises
        when it is used. Raises RuntimeError for an index on a device that the target is not on."""
        if not isinstance(index, np.ndarray):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        return index

    @staticmethod
    def synchronize(where: device | None = None) -> None:
        """Wait for the device. The processor has nothing to wait for."""

    @staticmethod
    def set_matmul_precision(precision: str) -> None:
        """How products of float32 are computed ("highest", "high", "medium"): on the host in float32, always."""

    @staticmethod
    def adapted(kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A kernel as this backend calls it."""
        return kernel

    @staticmethod
    def through_host(kernel: Callable[..., Any]) -> Callable[..., Any]:
        """NumPy's kernel on this backend's arrays."""
        return kernel
