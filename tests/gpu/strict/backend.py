"""The package's own CuPy backend over the stand-in, and what runs where a CUDA kernel would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zth import amp
from tinygrad_zth.backends import PLAIN, Composed, backend_of, cupy_backend
from tinygrad_zth.backends.cupy_backend import CupyBackend
from tinygrad_zth.fused import cross_entropy, embedding, optimizer_steps, pooling
from tinygrad_zth.nn.utils import clip_grad
from tinygrad_zth.operation import OPERATIONS
from tinygrad_zth.ops import error_function

from .array import ndarray
from .namespace import cupy

__all__ = ["StrictBackend", "install"]


class StrictBackend(CupyBackend):
    """``CupyBackend``, but for what only a device does: run kernels, count memory, choose how products are computed."""

    draws_by_counter = False  # dropout's counter is a kernel

    def set_matmul_precision(self, precision: str) -> None:
        """Products are NumPy's."""

    def adapted(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A fused operation with a CUDA kernel runs as its definition."""
        return PLAIN if getattr(kernel, "launches", False) else kernel


class _Faults:
    """``device_faults.Faults`` without page-locked memory: noted now, said when a result is next looked at."""

    def __init__(self) -> None:
        self._found: Exception | None = None

    def watch(
        self, values: Any, bound: float, message: str, least: float = 0, error: type[Exception] = IndexError
    ) -> None:
        numbers = (
            values._a.astype(np.float64) if values._a.dtype.kind == "f" else values._a
        )  # the kernel compares doubles
        wrong = numbers[~((numbers >= least) & (numbers < bound))]
        if wrong.size and self._found is None:
            self._found = error(message.format(wrong[0].item()))

    def check(self) -> None:
        found, self._found = self._found, None
        if found is not None:
            raise found


def _checked_cross_entropy(x: Any, target: Any, weight: Any, ignore_index: int, *rest: Any) -> Any:
    """What the kernel does beside its sums, before the definition is taken."""
    classes = x.shape[1 if x.ndim > 1 else 0]
    counted = cupy.where(target == ignore_index, 0, target)
    backend_of(x).check_range(counted, classes, "Target {} is out of bounds.")
    raise Composed


def install() -> None:
    """Serve "cuda" by the stand-in."""
    backend = StrictBackend(cupy)
    backend.faults = _Faults()
    cupy_backend.use(backend)
    # Kernels that are no operation's: the array forms beside them.
    optimizer_steps.all_at_once = lambda update, **kernels: update
    clip_grad._euclidean[ndarray] = clip_grad._euclidean.kernel
    clip_grad._scale_all[ndarray] = clip_grad._scale_each
    amp._unscale_all[ndarray] = amp._unscale
    alone = [
        o for o in OPERATIONS.values() if o.plain is None and getattr(o.kernels.others.get("cupy"), "launches", False)
    ]
    embedding.embedding.op.kernels[ndarray] = (
        embedding.embedding_forward
    )  # arrays of either library, and checks its indices
    embedding._gradient[ndarray] = embedding.embedding_backward
    pooling.maxima[ndarray] = lambda x, geometry: pooling._max_pool(cupy, x, geometry)
    cross_entropy._of_indices.op.kernels[ndarray] = _checked_cross_entropy
    for operation in (*alone, error_function.erf.op, error_function.erfc.op):  # those two: an ElementwiseKernel each
        operation.kernels[ndarray] = backend.through_host(operation.kernels[np.ndarray])
