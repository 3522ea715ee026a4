"""How much memory this process holds, from the operating system's own count."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["peak", "resident"]


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def resident() -> int:
    """Bytes resident now; 0 where the system does not say (it does on Linux)."""
    return _status("VmRSS") if sys.platform.startswith("linux") else 0


def peak() -> int:
    """The largest number of bytes that were resident at once; 0 where the system does not say."""
    return _status("VmHWM") if sys.platform.startswith("linux") else 0
