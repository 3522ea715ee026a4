"""CUDA graphs: why there are none.

A captured step would have to hold its matrix products, and CuPy refuses every call of its own cuBLAS wrapper while a stream
is capturing (upstream issue 6290). The way round, products through a cuBLAS handle of one's own, cannot be tried without a
device; what could not be run is not offered. docs/gpu.md says more.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CUDAGraph", "graph", "is_current_stream_capturing"]

_WHY = (
    "CUDA graphs are not offered: CuPy refuses matrix products (cuBLAS) while a stream is being captured, so a training "
    "step could not be captured whole"
)


class CUDAGraph:
    """Raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(_WHY)


class graph:
    """Raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(_WHY)


def is_current_stream_capturing() -> bool:
    """Always False."""
    return False
