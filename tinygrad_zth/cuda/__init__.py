"""``torch.cuda``: whether there is a device, and its memory. Without CuPy or a device, it says so."""

from __future__ import annotations

from ..backends import backend_for
from ..backends.cupy_backend import device_count
from ..device import device

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "is_bf16_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """Whether ``.to("cuda")`` can work here. Never raises."""
    return device_count() > 0


def is_bf16_supported() -> bool:
    """Always False: NumPy has no bfloat16."""
    return False


def _cupy(where=None):
    return backend_for(device("cuda" if where is None else where)).xp


def synchronize(device=None) -> None:
    """Wait for all work on the device. Raises RuntimeError if there is none."""
    _cupy(device).cuda.Device().synchronize()


def current_device() -> int:
    """The index of the device in use. Raises RuntimeError if there is none."""
    return int(_cupy().cuda.Device().id)


def set_device(device_) -> None:
    """Use this device for what follows. Raises RuntimeError if it does not exist."""
    index = device_ if isinstance(device_, int) else device(device_).index or 0
    _cupy(device("cuda", index)).cuda.Device(index).use()


def memory_allocated(device=None) -> int:
    """Bytes in use in CuPy's pool; 0 where there is no device."""
    return int(_cupy(device).get_default_memory_pool().used_bytes()) if is_available() else 0


def max_memory_allocated(device=None) -> int:
    """The most bytes that CuPy's pool has held; 0 where there is no device."""
    return int(_cupy(device).get_default_memory_pool().total_bytes()) if is_available() else 0


def empty_cache() -> None:
    """Give unused memory of the pool back to the device. Nothing to do where there is none."""
    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def manual_seed(seed: int) -> None:
    """Accepted and ignored, as the CPU's stream serves all devices: ``torch.manual_seed`` sets it."""


manual_seed_all = manual_seed
