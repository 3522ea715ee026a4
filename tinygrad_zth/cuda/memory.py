"""What of a device's memory is in use. Where there is no device, nothing is."""

from __future__ import annotations

from typing import Any

from .devices import backend, index_of, is_available, on

__all__ = [
    "empty_cache",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_summary",
    "reset_max_memory_allocated",
    "reset_peak_memory_stats",
]


def _of(device: Any, what: str) -> int:
    return int(getattr(backend(device).memory, what)(on(device))) if is_available() else 0


def memory_allocated(device: Any = None) -> int:
    """Bytes in use by arrays; 0 where there is no device."""
    return _of(device, "used")


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use at once since the mark was reset; 0 where there is no device."""
    return _of(device, "peak")


def memory_reserved(device: Any = None) -> int:
    """Bytes that the pool holds, in use or kept for reuse."""
    return _of(device, "reserved")


max_memory_reserved = memory_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begin the mark of ``max_memory_allocated`` again."""
    if is_available():
        backend(device).memory.reset_peak(on(device))


reset_max_memory_allocated = reset_peak_memory_stats


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of the device. Raises RuntimeError if there is none."""
    with on(device):
        free, total = backend(device).xp.cuda.runtime.memGetInfo()
    return int(free), int(total)


def empty_cache() -> None:
    """Give unused memory of the pool back to the device. Nothing to do where there is none."""
    if is_available():
        backend().free_unused()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """One line about a device's memory."""
    if not is_available():
        return "no CUDA device"
    used, held, most = (f(device) for f in (memory_allocated, memory_reserved, max_memory_allocated))
    return f"cuda:{index_of(device)}: {used:,} bytes in use, at most {most:,}, {held:,} held by the pool"
