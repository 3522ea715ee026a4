"""``cupy.cuda`` of the stand-in: one device that is the processor, with nothing to wait for and no pool of memory."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

__all__ = [
    "Device",
    "Event",
    "PinnedMemoryPointer",
    "Stream",
    "alloc_pinned_memory",
    "get_current_stream",
    "get_default_memory_pool",
    "get_default_pinned_memory_pool",
    "get_elapsed_time",
    "memory",
    "runtime",
    "set_allocator",
]


class CUDARuntimeError(RuntimeError):
    """What the CUDA runtime answers with."""


class Device:
    """The one device, as a context and as what arrays say they lie on."""

    def __init__(self, device: int | None = None) -> None:
        self.id = 0 if device is None else int(device)

    def use(self) -> None:
        _set_device(self.id)

    def synchronize(self) -> None:
        """Nothing is left to do."""

    def __enter__(self) -> Device:
        self.use()
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing to restore: there is one device."""


class Stream:
    """A queue whose work is done when it is asked for."""

    null: Stream
    done = True

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, **named: Any) -> None:
        self.ptr = 0 if null else id(self)

    def synchronize(self) -> None:
        """Nothing is left to do."""

    def wait_event(self, event: Event) -> None:
        """The event has passed."""

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def __enter__(self) -> Stream:
        _current.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _current.pop()


Stream.null = Stream(null=True)
_current = [Stream.null]


def get_current_stream(device_id: int = -1) -> Stream:
    return _current[-1]


class Event:
    """A mark in a stream."""

    done = True

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.at = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """It has passed."""


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    return (end_event.at - start_event.at) * 1000


class PinnedMemoryPointer(bytearray):
    """Host memory, which might be page-locked."""


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    return PinnedMemoryPointer(size)


class _Pool:
    """Stands for CuPy's pools: nothing passes through it."""

    def free_all_blocks(self, stream: Any = None) -> None:
        """Nothing is kept."""

    def used_bytes(self) -> int:
        raise NotImplementedError("the stand-in for CuPy counts no memory")

    total_bytes = free_bytes = used_bytes


_pool = _Pool()


def get_default_memory_pool() -> _Pool:
    return _pool


get_default_pinned_memory_pool = get_default_memory_pool
memory = SimpleNamespace(OutOfMemoryError=type("OutOfMemoryError", (MemoryError,), {}))


def set_allocator(allocator: Any = None) -> None:
    """Arrays have memory of NumPy's."""


def _set_device(index: int) -> None:
    if index != 0:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")


runtime = SimpleNamespace(
    getDeviceCount=lambda: 1,
    getDevice=lambda: 0,
    setDevice=_set_device,
    deviceSynchronize=lambda: None,
    deviceCanAccessPeer=lambda a, b: 0,
    runtimeGetVersion=lambda: 13000,
    CUDARuntimeError=CUDARuntimeError,
    getDeviceProperties=lambda index: {
        "name": b"stand-in", "major": 9, "minor": 0, "totalGlobalMem": 1 << 33, "multiProcessorCount": 1, "warpSize": 32,
        "maxThreadsPerBlock": 1024,
    },
)  # fmt: skip
