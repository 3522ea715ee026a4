"""OpenBLAS told, for a moment, to use one thread: so that several Python threads can share a batch
of small products.

A product of a few hundred rows is not worth splitting between cores, and two Python threads that
each call a multi-threaded BLAS wait for each other. With BLAS on one thread for the time being,
each Python thread multiplies on its own core. The number of threads is restored afterwards; while
it is lowered, products that other Python threads ask for take one core as well, with the same
results.

OpenBLAS is found by its name among the libraries that NumPy has loaded. Where there is none (MKL,
Accelerate, Windows builds), `can_limit()` is False and callers keep to one Python thread.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["can_limit", "kernels_for", "one_blas_thread"]

# NumPy's own wheels, distributions with 64-bit integers, and the plain library.
_NAMES = ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}")
_lock = threading.Lock()
_users = 0
_before = 0


@cache
def _library() -> tuple[Any, str] | None:
    """OpenBLAS, and how it names its functions, or None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with open(f"/proc/{os.getpid()}/maps") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if "openblas" in line}
    except (OSError, IndexError):
        return None
    for path in sorted(paths):
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for pattern in _NAMES:
            if hasattr(library, pattern.format("set_num_threads")):
                return library, pattern
    return None


def _function(name: str, result: Any, *arguments: Any) -> Any:
    """OpenBLAS's function of this name, or None."""
    found = _library()
    function = found and getattr(found[0], found[1].format(name), None)
    if function is not None:
        function.restype, function.argtypes = result, arguments
    return function


@cache
def _controls() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's own functions that read and set its number of threads, or None."""
    read, write = _function("get_num_threads", ctypes.c_int), _function("set_num_threads", None, ctypes.c_int)
    return None if read is None or write is None else (read, write)


@cache
def kernels_for() -> str:
    """The processor that OpenBLAS's kernels are written for, by OpenBLAS's name ("SkylakeX"); "" where it cannot say."""
    name = _function("get_corename", ctypes.c_char_p)
    return "" if name is None else name().decode()


def can_limit() -> bool:
    """Whether this process's BLAS can be told how many threads to use."""
    return _controls() is not None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, BLAS uses the calling thread alone. Nested and concurrent uses are counted: the
    last to leave restores what the first one found. Does nothing where `can_limit()` is False."""
    global _users, _before
    controls = _controls()
    if controls is None:
        yield
        return
    read, write = controls
    with _lock:
        if _users == 0:
            _before = read()
            write(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                write(_before)
