"""How much memory this process holds."""

from __future__ import annotations

import os
import sys


def memory_mb() -> float | None:
    """The memory of this process in MB (2**20 bytes): what it holds now, or where the system only tells
    that, the most it ever held; None where it tells neither."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
