"""CUDA source compiled for the processor, and its kernels launched.

``module(source)`` gives the kernels of a source text as callables with the calling form of ``cupy.RawKernel``, on NumPy
arrays, without CuPy between: the strict way, in which a thread that exits before a barrier is an error.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .device import DeviceError

__all__ = ["CompileError", "Kernel", "build", "compiler", "module"]

HEADERS = Path(__file__).parent / "headers"
_MEETS = re.compile(r"__sync(threads|warp)|__shfl|__ballot|__any_sync|__all_sync|cooperative_groups|cub::")
_BOUNDS = r"(?:__launch_bounds__\s*\([^()]*(?:\([^()]*\))?[^()]*\)\s*)?"
_KERNEL = re.compile(rf"__global__\s+(?:void\s+)?{_BOUNDS}(?:void\s+)?{_BOUNDS}(\w+)\s*\(")
_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\s*\([^)]*\)\s*)?([\w:<> ]+?)\s+(\w+)\s*\[\s*\]\s*;")
_FLAGS = ("-std=c++17", "-O1", "-g0", "-w", "-fPIC", "-fno-strict-aliasing", "-ffp-contract=off")


_one_at_a_time = threading.Lock()


class CompileError(Exception):
    """g++ refused a source; the message is its own."""


def compiler() -> str | None:
    """The path of g++, or None."""
    return shutil.which("g++")


@functools.cache
def cache() -> Path:
    """The folder of compiled kernels, kept between runs; ``SIMULATED_CUDA_CACHE`` names another."""
    named = os.environ.get("SIMULATED_CUDA_CACHE")
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"tinygrad_zth-simulated-cuda-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def _headers_digest() -> str:
    texts = [path.read_bytes() for path in sorted(HEADERS.rglob("*.h"))]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _run(command: list[str], result: Path) -> None:
    """Run g++ to make ``result``, under a temporary name until it is whole."""
    temporary = result.with_name(f"{result.name}.{os.getpid()}")
    done = subprocess.run([*command, "-o", str(temporary)], capture_output=True, text=True)
    if done.returncode:
        raise CompileError(done.stderr[:4000])
    os.replace(temporary, result)


@functools.cache
def _precompiled(header: str, options: tuple[str, ...]) -> str:
    """The header, precompiled for these options: what to include instead of it."""
    key = hashlib.sha256(repr((header, options, _headers_digest())).encode()).hexdigest()[:20]
    text = cache() / f"{key}.h"
    if not text.with_name(text.name + ".gch").exists():
        temporary = text.with_name(f"{text.name}.{os.getpid()}")
        temporary.write_text(f'#include "{HEADERS / header}"\n')
        os.replace(temporary, text)
        _run(["g++", *_FLAGS, *options, "-x", "c++-header", str(text)], text.with_name(text.name + ".gch"))
    return str(text)


def build(
    source: str, names: Sequence[str] | None = None, options: Sequence[str] = (), header: str = "language.h"
) -> ctypes.CDLL:
    """``source`` as a library with a ``sim_launch_NAME`` for each kernel (by default all it defines). CompileError."""
    meets = int(bool(_MEETS.search(source)))
    source = _DYNAMIC.sub(r"\1* \2 = (\1*)sim::block().shared;", source)
    names = _KERNEL.findall(source) if names is None else names
    code = f'#line 1 "kernel.cu"\n{source}\n' + "".join(f"SIM_KERNEL({n}, {n}, {meets})\n" for n in names)
    key = hashlib.sha256(repr((code, header, tuple(options), _FLAGS, _headers_digest())).encode()).hexdigest()[:24]
    library = cache() / f"{key}.so"
    if not library.exists():
        text = cache() / f"{key}.{os.getpid()}.cpp"
        text.write_text(code)
        include = ["-include", _precompiled(header, tuple(options))]
        try:
            _run(["g++", *_FLAGS, *options, *include, "-shared", str(text)], library)
        finally:
            text.unlink()
    return ctypes.CDLL(str(library))


class Kernel:
    """A kernel of a library: called with a grid, a block and arguments, as a ``cupy.RawKernel`` is."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.function = getattr(library, "sim_launch_" + name)
        self.name = name

    def launch(self, parameters: object, grid: Sequence, block: Sequence, shared: int = 0, schedule: int = 0) -> None:
        """Run it on an array of pointers to parameters. Raises DeviceError."""
        shape = (ctypes.c_uint * 6)(*[*grid, 1, 1][:3], *[*block, 1, 1][:3])
        error = ctypes.create_string_buffer(512)
        with _one_at_a_time:  # there is one set of fibers, and ctypes lets other threads run meanwhile
            failed = self.function(parameters, shape, ctypes.c_size_t(shared), schedule, error)
        if failed:
            raise DeviceError(f"{self.name}: {error.value.decode()}")

    def __call__(self, grid: Sequence, block: Sequence, arguments: Sequence, shared_mem: int = 0, schedule: int = 0):
        boxes: list = []
        for a in arguments:
            if isinstance(a, np.ndarray):
                boxes.append(ctypes.c_void_p(a.ctypes.data))
            elif isinstance(a, np.generic):
                boxes.append(ctypes.create_string_buffer(a.tobytes(), a.nbytes))
            elif isinstance(a, bool | int | float):  # CuPy passes these in 8 bytes, whatever the kernel takes
                raise TypeError(f"{self.name}: give a NumPy scalar, not {a!r}: the kernel's parameter has a size")
            else:
                raise TypeError(f"{self.name}: {type(a).__name__} is no kernel argument")
        pointers = [ctypes.cast(ctypes.pointer(b), ctypes.c_void_p) for b in boxes]
        self.launch((ctypes.c_void_p * len(pointers))(*pointers), grid, block, shared_mem, schedule)


def module(source: str, options: Sequence[str] = ()) -> dict[str, Kernel]:
    """The kernels of a source, by name, to be launched on NumPy arrays."""
    library = build(source, options=(f"-I{HEADERS / 'include'}", *options))
    return {name: Kernel(library, name) for name in _KERNEL.findall(source)}
