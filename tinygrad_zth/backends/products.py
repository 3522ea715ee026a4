"""Long products on this package's threads instead of BLAS's own.

OpenBLAS's threads wait for their next product by spinning, for a tenth of a second after the last. A training step that
goes on with element-wise work shared between the threads of ``parallel`` has to share its cores with them: a
six-layer GPT then takes an eighth longer. So a product that is long is cut into parts, each multiplied by one of
those threads with BLAS on one, and while there are long products the shorter ones do not wake BLAS's threads
either. A program without long ones leaves all to BLAS, which hands them over in less time.

Whether the parts got a core each is measured. Where they do not, for longer than BLAS's threads need to fall asleep,
something else has the cores, BLAS's threads that other code keeps awake as a rule: long products are BLAS's again
for some seconds.
"""

from __future__ import annotations

import math
from time import perf_counter, thread_time

import numpy as np

from ..types import Array
from .blas import kernels_for, one_blas_thread
from .parallel import run_tasks, sharers

__all__ = ["FEW", "SHORT", "SHORT_VECTOR", "along", "dot", "matmul", "times_transposed"]

LONG = 500_000_000  # multiplications, two milliseconds on two cores; shorter ones are slower when cut (measured)
WORTH_CUTTING = 15_000_000  # multiplications, while there are long products
SHORT = 250_000  # multiplications; OpenBLAS does not wake a thread for fewer
SHORT_VECTOR = 500_000  # elements of a matrix that a vector is multiplied with; the same
FEW = 36  # rows up to which a product with a transposed matrix is worth taking in pieces
FILLED = 50_000  # elements of a result that ``dot``, with less ado around it than ``matmul``, fills with zeros first


class _Cores:
    """Who has the cores, as far as long products can tell. Times are of ``perf_counter``."""

    AMONG = 0.25  # seconds after a long product in which others do not wake BLAS's threads
    ASLEEP = 0.15  # seconds after which BLAS's threads have stopped spinning
    AGAIN = 10.0  # seconds for which products are left to BLAS once cutting them was of no use
    SHARE = 0.75  # of the time of all threads together, that parts which have a core each are computing

    def __init__(self) -> None:
        self.among = 0.0  # until then, a product is in the company of long ones; 0: there are none
        self.wanting = 0.0  # since then, parts have had no core each
        self.of_blas = 0.0  # until then, long products are left to BLAS

    def are_there_long_ones(self) -> bool:
        if perf_counter() > self.among:
            self.among = 0.0
        return bool(self.among)

    def are_ours(self) -> bool:
        """Asked before a long product."""
        now = perf_counter()
        if now < self.of_blas:
            return False
        self.among = now + self.AMONG
        return True

    def were_ours(self, computing: float, possible: float) -> None:
        """Told after a long product: for how long all parts together were computed, and could have been."""
        now = perf_counter()
        if computing >= self.SHARE * possible:
            self.wanting = 0.0
        elif not self.wanting:
            self.wanting = now
        elif now - self.wanting > self.ASLEEP:
            self.wanting = self.among = 0.0
            self.of_blas = now + self.AGAIN


_cores = _Cores()
_AS_IT_LIES = 1_000_000  # multiplications up to which OpenBLAS's kernels for AVX-512 copy nothing first
_SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}


def matmul(x: np.ndarray, y: np.ndarray) -> Array:
    """``numpy.matmul`` of two matrices, or of batches of them.

    Raises ValueError as NumPy does for shapes that do not fit.
    """
    columns = y.shape[-1]
    work = x.size * columns
    if work < LONG and not (_cores.among and _cores.are_there_long_ones()):
        return x.dot(y) if x.ndim == 2 and len(x) * columns < FILLED and y.ndim == 2 else np.matmul(x, y)
    threads = sharers(math.inf)
    if threads == 1 or work <= SHORT or (work >= LONG and not _cores.are_ours()):
        return np.matmul(x, y)
    batch = x.ndim > 2
    if work < WORTH_CUTTING or ((batch or y.ndim > 2) and (x.shape[:-2] != y.shape[:-2] or len(x) < threads)):
        with one_blas_thread():
            return np.matmul(x, y)
    rows = len(x)
    out = np.empty((*x.shape[:-1], columns), np.result_type(x, y))
    step = -(-max(rows, 0 if batch else columns) // threads)
    computing = [0.0] * threads

    def task(i: int) -> None:
        began = thread_time()
        part = slice(i * step, (i + 1) * step)
        if batch:
            np.matmul(x[part], y[part], out[part])
        elif rows >= columns:
            np.matmul(x[part], y, out[part])
        else:
            np.matmul(x, y[:, part], out[:, part])
        computing[i] = thread_time() - began

    began = perf_counter()
    run_tasks(task, threads, threads)
    if work >= LONG:
        _cores.were_ours(sum(computing), threads * (perf_counter() - began))
    return out


def columns_at_once(rows: int, inner: int, columns: int) -> int:
    """How many columns of w^T to multiply x with at a time, x (rows, inner) and w (columns, inner); 0: with all.

    OpenBLAS's kernels for AVX-512 multiply small float32 matrices as they lie; larger ones are first copied into
    another order, which for w^T beside an x of few rows takes most of the time: two to five times as long, measured.
    The bounds are those of OpenBLAS's kernel/x86_64/sgemm_small_kernel_permit_skylakex.c.
    """
    if not 1 < rows <= FEW or inner < 32 or kernels_for() not in _SMALL_KERNELS:
        return 0
    most = min(1200, 1_000_000 // inner) // rows
    return 0 if columns <= most else next((n for n in (128, 64, 32) if n <= most), 0)


def times_transposed(x: np.ndarray, w: np.ndarray) -> Array:
    """x w^T for float32 matrices (rows, inner) and (columns, inner), both in C order."""
    rows, inner = x.shape
    columns = len(w)
    n = columns_at_once(rows, inner, columns)
    if not n:
        return x.dot(w.T)
    out = np.empty((rows, columns), x.dtype)
    whole = columns - columns % n
    pieces = out[:, :whole].reshape(rows, -1, n).swapaxes(0, 1)
    np.matmul(x, w[:whole].reshape(-1, n, inner).swapaxes(1, 2), pieces)
    if whole < columns:
        np.matmul(x, w[whole:].T, out[:, whole:])
    return out


def along(x: np.ndarray, y: np.ndarray, parts: int) -> Array:
    """x y^T for (m, k) and (n, k), where k is long and made of so many parts of one length.

    Part by part where OpenBLAS multiplies a part as it lies (see above): half the time of one product whose factors are
    copied first, for a few rows of each.
    """
    m, n, k = len(x), len(y), x.shape[1]
    if parts < 2 or m * n * (k // parts) > _AS_IT_LIES or x.dtype.char != "f" or kernels_for() not in _SMALL_KERNELS:
        return x.dot(y.T)
    a, b = x.reshape(m, parts, -1).swapaxes(0, 1), y.reshape(n, parts, -1).transpose(1, 2, 0)
    return np.add.reduce(np.matmul(a, b), 0)


def dot(x: Array, y: Array) -> Array:
    """``x.dot(y)`` where one is a matrix and the other a vector."""
    if x.size < SHORT_VECTOR > y.size:
        return x.dot(y)
    with one_blas_thread():
        return x.dot(y)
