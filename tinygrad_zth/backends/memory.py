"""Keep freed memory in the process, so that a training step does not page its arrays in again.

glibc hands a freed array above its mmap threshold back to the kernel at once, and trims the top of
its heap; the next array of that size then costs a page fault and a zeroed page for every 4 KiB. A
training step allocates and frees the same sizes over and over, so those faults are pure loss.
`keep_freed_memory` tells glibc (through `mallopt`, see mallopt(3)) to serve arrays up to 32 MiB,
the most it allows, from its heap and to hold on to what is freed there.

This is the one process-wide setting the package makes, at import. Results do not change; what
does is that the process's resident size stays at its peak. `TINYGRAD_ZTH_MALLOPT=0` in the
environment leaves the allocator alone, and so does any `MALLOC_*_THRESHOLD_` the user has set.
Where there is no glibc nothing is done. `release_freed_memory` gives back what is free now.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["keep_freed_memory", "release_freed_memory"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # from glibc's <malloc.h>
_LARGEST_MMAP_THRESHOLD = 32 << 20
_TRIM_THRESHOLD = (2 << 30) - 1
_TOP_PAD = 16 << 20
_USERS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


def _glibc() -> Any:
    """The C library of this process if it is glibc, otherwise None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  (musl has no such symbol: AttributeError)
        libc.mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
        libc.mallopt.restype = ctypes.c_int
        libc.malloc_trim.argtypes = [ctypes.c_size_t]
        libc.malloc_trim.restype = ctypes.c_int
    except (ImportError, OSError, AttributeError):
        return None
    return libc


def keep_freed_memory() -> bool:
    """Make glibc keep freed arrays for the next ones. True if it was told so.

    False, and nothing done, where there is no glibc, where `TINYGRAD_ZTH_MALLOPT=0` says not to,
    or where the environment already sets one of glibc's own `MALLOC_…_` variables.
    """
    if os.environ.get("TINYGRAD_ZTH_MALLOPT", "1") == "0":
        return False
    if any(name in os.environ for name in _USERS_OWN):
        return False
    libc = _glibc()
    if libc is None:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD),
        (_M_TRIM_THRESHOLD, _TRIM_THRESHOLD),
        (_M_TOP_PAD, _TOP_PAD),
    )
    # Each is tried, whatever became of the one before.
    return [libc.mallopt(what, value) for what, value in settings] == [1, 1, 1]


def release_freed_memory() -> bool:
    """Return free memory at the heap's top and whole free pages in it to the system.

    True if any was returned; False where there is none or no glibc.
    """
    libc = _glibc()
    return libc is not None and libc.malloc_trim(0) == 1
