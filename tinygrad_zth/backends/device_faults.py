"""Faults that a kernel finds while nobody waits for it: an index that is out of range.

A check that read its answer at once would make the host wait in every step. Instead the kernel notes the fault in a word
of page-locked host memory, which a device writes to directly, and whoever next looks at a result of the device, having
waited for it anyway, reads the word. PyTorch's device-side assertions behave so; here the process survives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Faults"]

_SOURCE = r"""
extern "C" __global__ void tinygrad_zth_check_range(const T* index, long long n, long long bound,
                                                    volatile int* fault, int code) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n && (index[i] < 0 || (long long)index[i] >= bound)) {
    fault[0] = code;
    fault[1] = (int)index[i];
  }
}
"""
_C_TYPES = {"b": "signed char", "B": "unsigned char", "h": "short", "i": "int", "l": "long long", "q": "long long"}


class Faults:
    """The words that kernels write to, and what their values mean."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._word: Any = None
        self._messages: list[str] = [""]
        self._codes: dict[str, int] = {}
        self._kernels: dict[str, Any] = {}

    @property
    def address(self) -> np.uintp:
        """Where kernels write the code of a fault, and behind it the value: an argument for a ``volatile int*``."""
        if self._word is None:
            self._memory = self._cupy.cuda.alloc_pinned_memory(8)
            self._word = np.frombuffer(self._memory, np.int32, 2)
            self._word[:] = 0
        return np.uintp(self._word.ctypes.data)

    def code(self, message: str) -> np.int32:
        """The number that stands for an IndexError with this message, in which ``{}`` is the value."""
        if message not in self._codes:
            self._codes[message] = len(self._messages)
            self._messages.append(message)
        return np.int32(self._codes[message])

    def watch(self, index: Any, bound: int, message: str) -> None:
        """Have the device note a fault if an element of ``index`` is not in [0, bound)."""
        if not index.size:
            return
        kernel = self._kernels.get(index.dtype.char)
        if kernel is None:
            source = _SOURCE.replace("T*", _C_TYPES[index.dtype.char] + "*")
            kernel = self._kernels[index.dtype.char] = self._cupy.RawKernel(source, "tinygrad_zth_check_range")
        flat = self._cupy.ascontiguousarray(index)
        arguments = (flat, np.int64(flat.size), np.int64(bound), self.address, self.code(message))
        kernel((-(-flat.size // 256),), (256,), arguments)

    def check(self) -> None:
        """Raise IndexError if a kernel has noted a fault. The device must have been waited for."""
        if self._word is not None and self._word[0]:
            message = self._messages[int(self._word[0])].format(int(self._word[1]))
            self._word[:] = 0
            raise IndexError(message)
