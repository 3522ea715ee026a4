"""Faults that a kernel finds while nobody waits for it: an index that is out of range.

A check that read its answer at once would make the host wait in every step. Instead the kernel notes the fault in a word
of page-locked host memory, which a device writes to directly, and whoever next looks at a result of the device, having
waited for it anyway, reads the word. PyTorch's device-side assertions behave so; here the process survives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["KINDS", "Faults", "source"]

_SOURCE = r"""
extern "C" __global__ void tinygrad_zth_check_range(const T* values, long long n, double least, double bound,
                                                    volatile int* fault, int code) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= n) return;
  double v = (double)(C)values[i];
  if (!(v >= least && v < bound) && !fault[0]) {  // NaN is in no range; the first fault is kept
    fault[0] = code;
    fault[1] = (int)v;
  }
}
"""
KINDS = {
    "?": "bool", "b": "signed char", "B": "unsigned char", "h": "short", "i": "int", "l": "long long", "q": "long long",
    "e": "__half", "f": "float", "d": "double",
}  # fmt: skip


def source(kind: str) -> str:
    """The kernel for a dtype's character."""
    include, computed = ("#include <cuda_fp16.h>\n", "float") if kind == "e" else ("", KINDS[kind])
    return f"// tinygrad_zth\n{include}typedef {KINDS[kind]} T;\ntypedef {computed} C;\n{_SOURCE}"


class Faults:
    """The words that kernels write to, and what their values mean."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._word: Any = None
        self._meanings: list[tuple[str, type[Exception]]] = [("", IndexError)]
        self._codes: dict[tuple[str, type[Exception]], int] = {}
        self._kernels: dict[str, Any] = {}

    @property
    def address(self) -> np.uintp:
        """Where kernels write the code of a fault, and behind it the value: an argument for a ``volatile int*``."""
        if self._word is None:
            self._memory = self._cupy.cuda.alloc_pinned_memory(8)
            self._word = np.frombuffer(self._memory, np.int32, 2)
            self._word[:] = 0
        return np.uintp(self._word.ctypes.data)

    def code(self, message: str, error: type[Exception] = IndexError) -> np.int32:
        """The number that stands for an error with this message, in which ``{}`` is the value."""
        meaning = message, error
        if meaning not in self._codes:
            self._codes[meaning] = len(self._meanings)
            self._meanings.append(meaning)
        return np.int32(self._codes[meaning])

    def watch(
        self, index: Any, bound: float, message: str, least: float = 0, error: type[Exception] = IndexError
    ) -> None:
        """Have the device note a fault if an element of ``index`` is not in [least, bound)."""
        if not index.size:
            return
        kernel = self._kernels.get(index.dtype.char)
        if kernel is None:
            text = source(index.dtype.char)
            kernel = self._cupy.RawKernel(text, "tinygrad_zth_check_range", ("--std=c++17",))
            self._kernels[index.dtype.char] = kernel
        flat = self._cupy.ascontiguousarray(index)
        arguments = (
            flat,
            np.int64(flat.size),
            np.float64(least),
            np.float64(bound),
            self.address,
            self.code(message, error),
        )
        kernel((-(-flat.size // 256),), (256,), arguments)

    def check(self) -> None:
        """Raise what a kernel has noted. The device must have been waited for."""
        if self._word is not None and self._word[0]:
            message, error = self._meanings[int(self._word[0])]
            value = int(self._word[1])
            self._word[:] = 0
            raise error(message.format(value))
