"""The real CuPy on a device that is simulated by the processor.

``install()`` before CuPy is imported, and the unmodified CuPy wheel runs without a GPU: the CUDA runtime, the driver,
NVRTC and cuBLAS under it are replaced at the entry points of its Cython modules, every kernel (CuPy's own and ours) is
compiled by g++ from the CUDA source that a device would compile, and executed block by block, one fiber per thread.

    device.py         what tests read and set: counters, the schedule of threads, memory's budget, how many devices
    compiler.py       CUDA source -> a shared library, by g++; kernels launched directly, strictly
    memory.py         allocation with canaries and poison
    runtime.py        the CUDA runtime's functions;   driver.py    the driver's: modules, functions, launches
    nvrtc.py          compilation as CuPy asks for it;   cublas.py   matrix products, on NumPy
    entry_points.py   puts Python functions in the place of CuPy's C entry points, exceptions and all
    headers/          CUDA's language in C++

What it shows and what it cannot is in docs/gpu.md. It leans on private parts of one CuPy version, :data:`CUPY`.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version

__all__ = ["CUPY", "install", "missing"]

CUPY = "14.2.0"
_WHEELS = ("cupy-cuda13x", "cupy-cuda12x")


def _version(wheel: str) -> str | None:
    try:
        return version(wheel)
    except PackageNotFoundError:
        return None


def missing() -> str | None:
    """Why the simulated device cannot be had here; None if it can."""
    from .compiler import compiler

    found = [v for wheel in _WHEELS if (v := _version(wheel))]
    if not found:
        return "the CuPy wheel is not installed (extra: gputest)"
    if found[0] != CUPY:
        return f"CuPy {found[0]} is installed, and the simulated device leans on private parts of {CUPY}"
    if not any(_version(name) for name in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12")):
        return "CUDA's headers are not installed (nvidia-cuda-runtime, extra: gputest)"
    if compiler() is None:
        return "g++ is not installed"
    return None


def install() -> None:
    """Put the simulated device under CuPy. Raises RuntimeError where CuPy has been imported or cannot be used."""
    from . import device

    if device.installed:
        return
    if why := missing():
        raise RuntimeError(why)
    if "cupy" in sys.modules:
        raise RuntimeError("the simulated device must be installed before cupy is imported")
    # CUB's reductions are precompiled for devices: take CuPy's own kernels. Read by CuPy when it is imported.
    os.environ["CUPY_ACCELERATORS"] = ""
    os.environ["CUPY_CACHE_IN_MEMORY"] = "1"
    from . import cublas, driver, entry_points, nvrtc, runtime

    entry_points.replace(runtime.module, runtime.FUNCTIONS)
    entry_points.replace(driver.module, driver.FUNCTIONS)
    nvrtc.replace()
    cublas.replace()
    device.visible = device.PRESENT
    import cupy

    device.installed = True
