"""The CUDA runtime's functions, as CuPy calls them: memory, streams, events, devices."""

from __future__ import annotations

import os
from typing import Any

import cupy_backends.cuda.api.runtime as module

from . import device, memory
from .device import handle, note

__all__ = ["FUNCTIONS", "module"]

_ATTRIBUTES = {
    1: 1024,  # threads per block
    2: 1024, 3: 1024, 4: 64,  # block's extents
    5: 2**31 - 1, 6: 65535, 7: 65535,  # grid's extents
    8: 49152,  # shared memory per block
    10: 32,  # warp size
    16: 132,  # multiprocessors
    39: 2048,  # threads per multiprocessor
    75: 9, 76: 0,  # compute capability
    81: 233472, 97: 232448,  # shared memory per multiprocessor, per block if asked for
    115: 1,  # memory pools
}  # fmt: skip
_TOTAL = 8 << 30
_KINDS = {0: "H2H", 1: "H2D", 2: "D2H", 3: "D2D", 4: "Default"}


def _device_count() -> int:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return device.visible
    named = []
    for part in shown.split(","):
        if not part.strip().isdecimal() or int(part) >= device.visible:
            break  # CUDA stops at the first that it does not know
        named.append(part)
    return len(named)


def _set_device(index: int) -> None:
    if not 0 <= index < _device_count():
        raise module.CUDARuntimeError(101)  # invalid device ordinal
    device.use(index)


def _properties(index: int) -> dict[str, Any]:
    if not 0 <= index < _device_count():
        raise module.CUDARuntimeError(101)
    return {
        "name": b"simulated device", "warpSize": 32, "multiProcessorCount": 132, "major": 9, "minor": 0,
        "totalGlobalMem": _TOTAL, "sharedMemPerBlock": 49152, "maxThreadsPerBlock": 1024,
        "memoryClockRate": 0, "memoryBusWidth": 0,
    }  # fmt: skip


def _memory_info() -> tuple[int, int]:
    total = _TOTAL if device.budget is None else device.budget
    return total - device.used[device.current()], total


def _memcpy(to: int, source: int, size: int, kind: int) -> None:
    note("copy" + _KINDS[kind], size)
    note("streamSynchronize")  # a plain cudaMemcpy waits
    memory.copy(to, source, size)


def _memcpy_async(to: int, source: int, size: int, kind: int, stream: int) -> None:
    note("copy" + (_KINDS[kind] if kind != 4 else _direction(to, source)), size)
    memory.copy(to, source, size)


def _memcpy_peer(to: int, to_device: int, source: int, source_device: int, size: int, stream: int = 0) -> None:
    note("copyD2D", size)
    memory.copy(to, source, size)


def _direction(to: int, source: int) -> str:
    return ("H" if memory.owner(source) is None else "D") + "2" + ("H" if memory.owner(to) is None else "D")


def _memset(address: int, value: int, size: int, stream: int = 0) -> None:
    note("memset", size)
    memory.fill(address, value, size)


def _attributes_of(address: int) -> Any:
    where = memory.owner(address)
    return module.PointerAttributes(device.current() if where is None else where, address, 0, 2)


def _nothing(*arguments: object) -> None:
    return None


FUNCTIONS: dict[str, Any] = {
    "_ensure_context": _nothing,
    "getDeviceCount": _device_count,
    "getDevice": device.current,
    "setDevice": _set_device,
    "driverGetVersion": lambda: 13000,
    "runtimeGetVersion": lambda: 13020,
    "memGetInfo": _memory_info,
    "deviceGetAttribute": lambda attribute, index: _ATTRIBUTES.get(attribute, 0),
    "getDeviceProperties": _properties,
    "deviceSynchronize": lambda: note("deviceSynchronize"),
    "deviceCanAccessPeer": lambda a, b: 0,
    "deviceGetPCIBusId": lambda index: f"0000:0{index}:00.0",
    "deviceGetDefaultMemPool": lambda index: 1,
    "deviceGetMemPool": lambda index: 1,
    "profilerStart": _nothing,
    "profilerStop": _nothing,
    # memory
    "malloc": memory.allocate,
    "free": memory.free,
    "mallocAsync": lambda size, stream: memory.allocate(size),
    "freeAsync": lambda address, stream: memory.free(address),
    "hostAlloc": lambda size, flags: memory.allocate(size),
    "freeHost": memory.free,
    "hostRegister": _nothing,
    "hostUnregister": _nothing,
    "memcpy": _memcpy,
    "memcpyAsync": _memcpy_async,
    "memcpyPeer": _memcpy_peer,
    "memcpyPeerAsync": _memcpy_peer,
    "memset": _memset,
    "memsetAsync": _memset,
    "pointerGetAttributes": _attributes_of,
    "pointerGetMemoryType": lambda address: 2,
    # streams and events: everything is done when it is asked for, so there is nothing to wait for
    "streamSynchronize": lambda stream: note("streamSynchronize"),
    "streamQuery": lambda stream: 0,
    "streamCreate": handle,
    "streamCreateWithFlags": lambda flags: handle(),
    "streamCreateWithPriority": lambda flags, priority: handle(),
    "streamDestroy": _nothing,
    "streamIsCapturing": lambda stream: 0,
    "streamGetFlags": lambda stream: 0,
    "streamGetPriority": lambda stream: 0,
    "streamWaitEvent": _nothing,
    "eventCreate": handle,
    "eventCreateWithFlags": lambda flags: handle(),
    "eventDestroy": _nothing,
    "eventRecord": _nothing,
    "eventQuery": lambda event: 0,
    "eventSynchronize": lambda event: note("eventSynchronize"),
    "eventElapsedTime": lambda start, end: 0.001,
}
