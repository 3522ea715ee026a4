"""cuBLAS's matrix products on NumPy. CuPy calls them through Python attributes; matrices are in column-major order."""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .device import handle, note

__all__ = ["replace"]

_CONSTANTS = {
    "CUBLAS_OP_N": 0, "CUBLAS_OP_T": 1, "CUBLAS_OP_C": 2, "CUBLAS_GEMM_DEFAULT": -1,
    "CUBLAS_GEMM_DEFAULT_TENSOR_OP": 99, "CUBLAS_DEFAULT_MATH": 0, "CUBLAS_TENSOR_OP_MATH": 1,
    "CUBLAS_COMPUTE_32F": 68, "CUBLAS_COMPUTE_32F_PEDANTIC": 69, "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLAS_COMPUTE_64F": 70, "CUBLAS_COMPUTE_64F_PEDANTIC": 71, "CUBLAS_POINTER_MODE_HOST": 0,
    "CUBLAS_POINTER_MODE_DEVICE": 1, "CUBLAS_TF32_TENSOR_OP_MATH": 3,
}  # fmt: skip
_TYPES = {0: np.float32, 1: np.float64, 2: np.float16}
_DOUBLE = (1, 70, 71)
math_mode = [0]  # as last set: 3 asks for TF32


def _window(address: int, rows: int, columns: int, leading: int, kind: Any) -> np.ndarray:
    item = np.dtype(kind).itemsize
    memory = (ctypes.c_char * (((columns - 1) * leading + rows) * item)).from_address(address)
    flat = np.frombuffer(memory, kind)
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), (item, leading * item))


def _number(address: int, kind: Any) -> Any:
    return np.frombuffer((ctypes.c_char * np.dtype(kind).itemsize).from_address(address), kind)[0]


def _product(ta, tb, m, n, k, alpha, a, a_kind, lda, b, b_kind, ldb, beta, c, c_kind, ldc, kind) -> None:
    """C = alpha op(A) op(B) + beta C, computed in ``kind``."""
    left = _window(a, *((k, m) if ta else (m, k)), lda, a_kind)
    right = _window(b, *((n, k) if tb else (k, n)), ldb, b_kind)
    left, right = (left.T if ta else left), (right.T if tb else right)
    target = _window(c, m, n, ldc, c_kind)
    result = _number(alpha, kind) * (left.astype(kind) @ right.astype(kind))
    scale = _number(beta, kind)
    target[...] = result if scale == 0 else result + scale * target.astype(kind)


def _gemm_ex(h, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc, compute, algorithm) -> None:
    note("gemm", (m, n, k), ta, tb, compute)
    kind = np.float64 if compute in _DOUBLE else np.float32
    _product(ta, tb, m, n, k, alpha, a, _TYPES[at], lda, b, _TYPES[bt], ldb, beta, c, _TYPES[ct], ldc, kind)


def _gemm_strided(
    h, ta, tb, m, n, k, alpha, a, at, lda, sa, b, bt, ldb, sb, beta, c, ct, ldc, sc, batch, compute, algorithm
) -> None:
    note("gemm", (batch, m, n, k), ta, tb, compute)
    kind = np.float64 if compute in _DOUBLE else np.float32
    steps = [s * np.dtype(_TYPES[t]).itemsize for s, t in ((sa, at), (sb, bt), (sc, ct))]
    for i in range(batch):
        x, y, z = (p + i * s for p, s in zip((a, b, c), steps, strict=True))
        _product(ta, tb, m, n, k, alpha, x, _TYPES[at], lda, y, _TYPES[bt], ldb, beta, z, _TYPES[ct], ldc, kind)


def _gemm_batched(kind: Any) -> Callable:
    def gemm(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, batch) -> None:
        note("gemm", (batch, m, n, k), ta, tb, kind.__name__)
        for i in range(batch):
            x, y, z = (ctypes.c_size_t.from_address(p + 8 * i).value for p in (a, b, c))
            _product(ta, tb, m, n, k, alpha, x, kind, lda, y, kind, ldb, beta, z, kind, ldc, kind)

    return gemm


def _set_math_mode(h: int, mode: int) -> None:
    math_mode[0] = mode


def replace() -> None:
    """Put a module of these functions in cuBLAS's place."""
    import cupy_backends.cuda.libs as libs

    name = "cupy_backends.cuda.libs.cublas"
    cublas = types.ModuleType(name)
    functions = {
        "gemmEx": _gemm_ex,
        "gemmStridedBatchedEx": _gemm_strided,
        "sgemmBatched": _gemm_batched(np.float32),
        "dgemmBatched": _gemm_batched(np.float64),
        "create": handle,
        "setMathMode": _set_math_mode,
        "getMathMode": lambda h: math_mode[0],
        "getPointerMode": lambda h: 0,
        **{n: lambda *arguments: None for n in ("destroy", "setStream", "setPointerMode")},
    }
    for key, value in (_CONSTANTS | functions).items():
        setattr(cublas, key, value)
    sys.modules[name] = cublas
    libs.cublas = cublas
