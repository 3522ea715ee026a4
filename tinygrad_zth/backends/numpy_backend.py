"""NumPy: the backend that is always there, and the reference for the other."""

from __future__ import annotations

import numpy as np

from ..device import CPU
from .scatter import index_add


class NumpyBackend:
    """What the engine asks of an array library beyond the calls that both answer alike."""

    name = "numpy"
    xp = np
    array_type = np.ndarray
    function_types = (np.ufunc, type(np.sum), type(np.empty))

    @staticmethod
    def device_of(array):
        return CPU

    @staticmethod
    def asarray(values, dtype=None):
        """``values`` (numbers, nested lists, a NumPy array) as an array of this backend; no copy if it is one."""
        return np.asarray(values, dtype)

    @staticmethod
    def receive(array, where):
        """An array of any backend, copied to the device ``where`` of this one."""
        return array if isinstance(array, np.ndarray) else array.get()

    @staticmethod
    def to_numpy(array):
        """The array on the host; for this backend, itself."""
        return array

    @staticmethod
    def is_writeable(array) -> bool:
        """False for a window in which several elements are one place in memory (an expanded array)."""
        return array.flags.writeable

    @staticmethod
    def as_strided(array, shape, strides):
        """A window with the given strides in bytes. The caller has checked the bounds."""
        return np.lib.stride_tricks.as_strided(array, shape, strides)

    index_add = staticmethod(index_add)

    @staticmethod
    def check_range(index, n: int, message: str) -> None:
        """Raise IndexError if an integer of ``index`` is not in [0, n)."""
        if index.size and (index.min() < 0 or index.max() >= n):
            raise IndexError(message)

    @staticmethod
    def synchronize() -> None:
        """Wait for the device. The processor has nothing to wait for."""
