"""The memory of a CUDA device as CuPy's pool has it, and the error for a device whose memory is full."""

from __future__ import annotations

from typing import Any

__all__ = ["MemoryWatch", "OutOfMemoryError"]


class OutOfMemoryError(RuntimeError):
    """``torch.cuda.OutOfMemoryError``: an allocation failed, also after unused memory was given back."""


class MemoryWatch:
    """Stands between CuPy and its pool, and keeps each device's highest mark."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self.pool = cupy.get_default_memory_pool()
        self.peaks: dict[int, int] = {}

    def install(self) -> None:
        """Have every allocation pass by here."""
        self._cupy.cuda.set_allocator(self.allocate)

    def allocate(self, size: int) -> Any:
        """An allocation from the pool. CuPy's own pool gives back what it keeps and tries once more when the device
        is full; after that, OutOfMemoryError with the sizes."""
        try:
            found = self.pool.malloc(size)
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            raise self._full(size, error) from None
        where = int(self._cupy.cuda.runtime.getDevice())
        used = int(self.pool.used_bytes())
        if used > self.peaks.get(where, 0):
            self.peaks[where] = used
        return found

    def _full(self, size: int, error: Exception) -> OutOfMemoryError:
        free, total = self._cupy.cuda.runtime.memGetInfo()
        return OutOfMemoryError(
            f"CUDA out of memory. Tried to allocate {size:,} bytes. GPU {int(self._cupy.cuda.runtime.getDevice())} has a "
            f"total capacity of {total:,} bytes of which {free:,} are free; {int(self.pool.used_bytes()):,} are in use by "
            f"this process and {int(self.pool.free_bytes()):,} kept for reuse. ({error})"
        )

    def used(self, where: Any) -> int:
        """Bytes in use on a device."""
        with where:
            return int(self.pool.used_bytes())

    def reserved(self, where: Any) -> int:
        """Bytes that the pool holds on a device, in use or not."""
        with where:
            return int(self.pool.total_bytes())

    def peak(self, where: Any) -> int:
        """The most bytes that were in use on a device since its mark was reset."""
        return max(self.peaks.get(int(where.id), 0), self.used(where))

    def reset_peak(self, where: Any) -> None:
        """Begin the mark again at what is in use now."""
        self.peaks[int(where.id)] = self.used(where)
