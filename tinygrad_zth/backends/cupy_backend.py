"""CuPy: the CUDA backend. Imported only when a CUDA device is asked for by name."""

from __future__ import annotations

import importlib.util
from typing import Any

from ..device import device

_loaded: dict[str, Any] = {}


def _cupy():
    """The cupy module, or a RuntimeError that says what is missing."""
    if importlib.util.find_spec("cupy") is None:
        raise RuntimeError(
            'tinygrad_zth has no CUDA backend here: CuPy is not installed (extras "cuda12" and "cuda13")'
        )
    import cupy

    return cupy


def device_count() -> int:
    """How many CUDA devices can be used: 0 without CuPy, a driver or a device. Never raises."""
    if importlib.util.find_spec("cupy") is None:
        return 0
    try:
        return int(_cupy().cuda.runtime.getDeviceCount())
    except Exception:  # CuPy raises its own kinds for no driver, an old driver, a broken install
        return 0


def load(where: device):
    """The backend for a CUDA device. Raises RuntimeError saying what is missing."""
    cupy = _cupy()
    count = device_count()
    if count == 0:
        raise RuntimeError("Found no NVIDIA driver on your system. CuPy is installed, but no CUDA device can be used.")
    if where.index is not None and where.index >= count:
        raise RuntimeError(f"CUDA error: invalid device ordinal {where.index}: {count} device(s) present")
    if "backend" not in _loaded:
        from . import register

        _loaded["backend"] = CupyBackend(cupy)
        register(_loaded["backend"])
    return _loaded["backend"]


class CupyBackend:
    """What the engine asks of CuPy. The same interface as ``NumpyBackend``."""

    name = "cupy"

    def __init__(self, cupy):
        self.xp = cupy
        self.array_type = cupy.ndarray
        self.function_types = (cupy.ufunc, cupy.ElementwiseKernel, cupy.ReductionKernel)

    def device_of(self, array):
        return device("cuda", array.device.id)

    def asarray(self, values, dtype=None):
        return self.xp.asarray(values, dtype)

    def receive(self, array, where: device):
        with self.xp.cuda.Device(where.index or 0):
            return self.xp.array(array)

    def to_numpy(self, array):
        return self.xp.asnumpy(array)

    def is_writeable(self, array) -> bool:
        return all(stride or size < 2 for stride, size in zip(array.strides, array.shape, strict=True))

    def as_strided(self, array, shape, strides):
        return self.xp.lib.stride_tricks.as_strided(array, shape, strides)

    def index_add(self, target, index, values) -> None:
        self.xp.add.at(target, index, values)

    def check_range(self, index, n: int, message: str) -> None:
        """CuPy wraps an index that is out of range silently; the check reads one number back."""
        if index.size and bool(((index < 0) | (index >= n)).any()):
            raise IndexError(message)

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()
