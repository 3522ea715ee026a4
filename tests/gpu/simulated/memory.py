"""Device memory on the host: poisoned when it is handed out, with a canary behind it that is checked when it is freed.

Reads of what nothing wrote give NaN (or -1); a write past the end kills the canary. CuPy's pool rounds sizes up to 512
bytes, and hides a short overrun in the rounding: tests that look for overruns switch the pool off.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

from . import device
from .device import DeviceError, note

__all__ = ["allocate", "check", "copy", "free", "owner"]

POISON, CANARY, GUARD = 0xFF, 0xFB, 64
_UNTOUCHED = bytes([CANARY]) * GUARD
_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.free.argtypes = [ctypes.c_void_p]
_libc.memmove.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


class Allocation(NamedTuple):
    """A piece of device memory."""

    size: int
    device: int


_live: dict[int, Allocation] = {}
_hurt: list[int] = []  # sizes of allocations that were freed with a dead canary


def allocate(size: int) -> int:
    """The address of ``size`` bytes. Raises CUDARuntimeError (out of memory) beyond ``device.budget``."""
    from . import runtime

    where = device.current()
    note("malloc", size)
    if device.budget is not None and device.used[where] + size > device.budget:
        raise runtime.module.CUDARuntimeError(2)
    address = _libc.malloc(max(size, 1) + GUARD)
    _libc.memset(address, POISON, size)
    _libc.memset(address + size, CANARY, GUARD)
    _live[address] = Allocation(size, where)
    device.used[where] += size
    return address


def _intact(address: int, size: int) -> bool:
    return ctypes.string_at(address + size, GUARD) == _UNTOUCHED


def free(address: int) -> None:
    """Give an address back. Raises DeviceError if it is none. (Arrays are freed where nobody hears of an exception: that
    something was written behind the end is noted, and said by ``check``.)"""
    if not address:
        return
    found = _live.pop(address, None)
    if found is None:
        raise DeviceError(f"free of {address:#x}, which is not allocated")
    intact = _intact(address, found.size)
    device.used[found.device] -= found.size
    _libc.memset(address, POISON, found.size)
    _libc.free(address)
    if not intact:
        device.counters["overrun"] += 1
        _hurt.append(found.size)


def check() -> None:
    """Raise DeviceError if something was written behind the end of any allocation, there still or gone."""
    hurt = [*_hurt, *(a.size for address, a in _live.items() if not _intact(address, a.size))]
    _hurt.clear()
    if hurt:
        raise DeviceError(f"a write past the end of allocations of {hurt} bytes")


def owner(address: int) -> int | None:
    """The device whose memory holds this address; None for the host's."""
    for start, a in _live.items():
        if start <= address < start + max(a.size, 1):
            return a.device
    return None


def copy(to: int, source: int, size: int) -> None:
    """Move bytes."""
    _libc.memmove(to, source, size)


def fill(address: int, value: int, size: int) -> None:
    """Set bytes."""
    _libc.memset(address, value, size)


def forgive() -> None:
    """Mend the canaries: what was written behind an allocation has been seen."""
    _hurt.clear()
    for address, a in _live.items():
        _libc.memset(address + a.size, CANARY, GUARD)
