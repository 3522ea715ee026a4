"""The CUDA driver's functions, as CuPy calls them: modules, functions and launches."""

from __future__ import annotations

import ctypes
from typing import Any

import cupy_backends.cuda.api.driver as module

from . import device, nvrtc
from .compiler import Kernel
from .device import DeviceError, handle, note

__all__ = ["FUNCTIONS", "module"]

_modules: dict[int, ctypes.CDLL | None] = {}
_functions: dict[int, Kernel] = {}
_FUNCTION_ATTRIBUTES = {0: 1024, 4: 32, 5: 90, 6: 90, 8: 232448}  # threads, registers, versions, shared memory


def _load(image: bytes) -> int:
    key = handle()
    _modules[key] = nvrtc.library_of(image)
    return key


def _function(key: int, name: str | bytes) -> int:
    found = handle()
    library = _modules[key]
    if library is None:
        raise DeviceError(f"{name!r} in an empty module")
    _functions[found] = Kernel(library, name if isinstance(name, str) else name.decode())
    return found


def _launch(
    function: int, gx: int, gy: int, gz: int, bx: int, by: int, bz: int, shared: int, stream: int, parameters: int,
    extra: int = 0,
) -> None:  # fmt: skip
    kernel = _functions[function]
    note("launch", kernel.name, (gx, gy, gz), (bx, by, bz), shared)
    kernel.launch(ctypes.c_void_p(parameters), (gx, gy, gz), (bx, by, bz), shared, device.schedule)


FUNCTIONS: dict[str, Any] = {
    "moduleLoadData": _load,
    "moduleGetFunction": _function,
    "moduleUnload": lambda key: None,
    "launchKernel": _launch,
    "launchCooperativeKernel": _launch,
    "funcGetAttribute": lambda attribute, function: _FUNCTION_ATTRIBUTES.get(attribute, 0),
    "funcSetAttribute": lambda function, attribute, value: None,
    "occupancyMaxActiveBlocksPerMultiprocessor": lambda function, block, shared: 2,
    "occupancyMaxPotentialBlockSize": lambda function, shared, limit: (132, 1024),
    "ctxGetCurrent": lambda: 1,
    "ctxGetDevice": device.current,
}
