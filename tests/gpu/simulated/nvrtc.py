"""NVRTC as CuPy calls it: a program is built by g++; if asked, the real NVRTC compiles it for a device as well.

``sources`` keeps the text of every program that was built and its options, for the tests that send them through NVRTC.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

import cupy_backends.cuda.libs.nvrtc as module

from . import compiler
from .device import DeviceError, handle

__all__ = ["library_of", "replace", "sources"]

_MAGIC = b"SIMULATED"
sources: dict[str, tuple[str, ...]] = {}
spent = [0.0, 0]  # seconds in g++, and how many programs


class _Program:
    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name
        self.expressions: list[str] = []
        self.library: ctypes.CDLL | None = None


_programs: dict[int, _Program] = {}
REAL: dict[str, Any] = {}


def _create(source: str | bytes, name: str, headers: Any, include_names: Any) -> int:
    key = handle()
    _programs[key] = _Program(source if isinstance(source, str) else source.decode(), name)
    return key


def _compile(key: int, options: tuple = ()) -> None:
    from cupy.cuda.compiler import CompileException

    program = _programs[key]
    source = program.source
    if not source.strip():
        return  # CuPy's trial of whether there is a compiler
    sources[source] = tuple(options)
    ours = "tinygrad_zth" in source
    flags = [f"-I{compiler.HEADERS / 'include'}", f"-DSIM_STRICT_EXIT={int(ours)}"]
    flags += [o for o in options if o.startswith(("-I", "-D")) and "nvidia/cu1" not in o and "/usr/local/cuda" not in o]
    names: list[str] | None = None
    if program.expressions:  # templates, by the C++ expression that names an instance
        meets = int(bool(compiler._MEETS.search(source)))
        source += "".join(
            f"\nstatic auto sim_expression_{i} = &{e}; SIM_KERNEL(expression{i}, sim_expression_{i}, {meets})"
            for i, e in enumerate(program.expressions)
        )
        names = []
    start = time.perf_counter()
    try:
        program.library = compiler.build(source, names, flags, header="cupy.h")
    except compiler.CompileError as error:
        raise CompileException(str(error), program.source, program.name, options) from None
    spent[0] += time.perf_counter() - start
    spent[1] += 1


def library_of(image: bytes) -> ctypes.CDLL | None:
    """The library behind what ``getCUBIN`` gave."""
    if not image.startswith(_MAGIC):
        raise DeviceError(f"a module that was not compiled here: {image[:20]!r}")
    return _programs[int(image[len(_MAGIC) :])].library


def replace() -> None:
    """Put these functions in NVRTC's place; the real ones are kept in ``REAL``."""
    mine = {
        "getVersion": lambda: (13, 0),
        "createProgram": _create,
        "compileProgram": _compile,
        "destroyProgram": lambda key: None,
        "addNameExpression": lambda key, name: _programs[key].expressions.append(name),
        "getLoweredName": lambda key, name: f"expression{_programs[key].expressions.index(name)}",
        "getCUBIN": lambda key: _MAGIC + b"%d" % key,
        "getPTX": lambda key: b"// simulated\n",
        "getProgramLog": lambda key: "",
    }
    for name, function in mine.items():
        REAL[name] = getattr(module, name)
        setattr(module, name, function)
