"""CUDA kernels: the text of a ``.cu`` file, compiled when it is first needed, for the dtype that is needed.

A file is written once for all floating dtypes, in the types of a prelude: ``T``, as numbers are stored, and ``A``, as they
are computed with (float for half, as PyTorch computes). ``load`` and ``store`` convert between the two. The reductions that
the rooms share are in ``block.cuh``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["CudaSource", "contiguous", "cuda_kernel", "number", "threads_for"]

_FOLDER = os.path.dirname(__file__)
_PRELUDE = {
    "f": "typedef float T;\ntypedef float A;\n",
    "d": "typedef double T;\ntypedef double A;\n",
    "e": "#include <cuda_fp16.h>\ntypedef __half T;\ntypedef float A;\n",
}
_CONVERT = {
    "f": "__device__ __forceinline__ A load(T x) { return x; }\n__device__ __forceinline__ T store(A x) { return x; }\n",
    "e": "__device__ __forceinline__ A load(T x) { return __half2float(x); }\n"
    "__device__ __forceinline__ T store(A x) { return __float2half(x); }\n",
}
_CONVERT["d"] = _CONVERT["f"]


def _read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


class CudaSource:
    """The kernels of a ``.cu`` file.

    Args:
        beside: ``__file__`` of the module that it stands beside.
        name: of the file; it is read when the first of its kernels is launched.
        types: more of the prelude.
        before: names of files beside it (``.cuh``) whose functions it uses.
    """

    def __init__(self, beside: str, name: str, types: str = "", before: Sequence[str] = ()) -> None:
        self.folder, self.name, self.types, self.before = os.path.dirname(beside), name, types, tuple(before)
        self._modules: dict[str, Any] = {}
        self._kernels: dict[tuple[str, str], Any] = {}

    @functools.cached_property
    def body(self) -> str:
        """The file's own text, after those that it uses."""
        return "".join(_read(self.folder, name) for name in (*self.before, self.name))

    def text(self, dtype: str) -> str:
        """The whole source for a dtype ("f", "d" or "e"), as the compiler is given it."""
        name = f"// tinygrad_zth {self.name}\n"
        return name + _PRELUDE[dtype] + self.types + _CONVERT[dtype] + _read(_FOLDER, "block.cuh") + self.body

    def launch(
        self, xp: Any, name: str, dtype: str, grid: Sequence[int], block: int, arguments: Sequence[Any], shared: int = 0
    ) -> None:
        """Launch a kernel. Nothing is launched on an empty grid. ``arguments``: arrays and NumPy scalars."""
        if not all(grid):
            return
        if any(isinstance(a, np.ndarray) for a in arguments):
            raise TypeError(f"{name}: an operand is in the host's memory")
        kernel = self._kernels.get((name, dtype))
        if kernel is None:
            if dtype not in self._modules:
                self._modules[dtype] = xp.RawModule(code=self.text(dtype), options=("--std=c++17",))
            kernel = self._kernels[name, dtype] = self._modules[dtype].get_function(name)
        kernel(tuple(grid), (block,), tuple(arguments), shared_mem=shared)


def cuda_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function that launches kernels: a backend that cannot launch takes another way (``Kernels``)."""
    function.launches = True  # type: ignore[attr-defined]
    return function


def contiguous(x: Any) -> Any:
    """``x`` itself if its elements lie in C order without gaps, else a copy that does; of the same shape.

    (``ascontiguousarray`` makes one dimension of none, in CuPy as in NumPy.)
    """
    return x if x.flags.c_contiguous else x.copy("C")


def threads_for(n: int, most: int = 256) -> int:
    """Threads for a row of ``n`` elements: whole warps, no more than there is work for."""
    return min(most, max(32, -(-n // 32) * 32))


def number(value: float, dtype: str) -> Any:
    """A scalar argument of type ``A``."""
    return np.float64(value) if dtype == "d" else np.float32(value)
