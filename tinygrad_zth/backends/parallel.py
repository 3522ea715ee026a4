"""Both cores for large element-wise work.

NumPy's ufuncs run on one thread and release the GIL, so two Python threads that each take a share
of the rows halve the time, once the work is long enough to pay for the handing over (tens of
microseconds). `run_blocks` is the one way in: a kernel says how it works on a block of rows and
how long an element takes, and the blocks are worked off by this thread alone or by all of them.

What a block's body may not do is call BLAS on anything large: OpenBLAS has threads of its own, and
two Python threads inside it at once are slower than one. Kernels do their products outside, or, if
they are many and small, in `run_tasks`, which keeps BLAS to one thread a task.

Nothing here changes a setting that another user of NumPy would see. The number of threads is the
number of CPUs this process may use, at most `OMP_NUM_THREADS` if that is set;
`TINYGRAD_ZTH_THREADS` overrides both, and 1 means that no thread is ever started. Threads start at
the first piece of work large enough for them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any

import numpy as np

from ..types import Array
from .blas import can_limit, one_blas_thread

__all__ = [
    "BLOCK",
    "get_num_threads",
    "in_blocks",
    "on_blocks",
    "run_blocks",
    "run_tasks",
    "set_num_threads",
    "sharers",
]

BLOCK = 65536
"""Elements in a block: four float32 blocks fit in a 1 MB L2 cache, and a ufunc call on one takes
a few microseconds, against half of one for the call itself."""

SHARED_BLOCK = 3 * BLOCK
"""Elements in a block at most where threads share them: a thread may wait for another at each call, for Python's
lock, and fewer and longer calls are worth more than the cache (measured with LayerNorm, whose calls are short)."""

WORTH_SHARING_NS = 300_000
"""Work shorter than this stays on the calling thread (measured: break-even is near 0.3 ms when the
other core is idle, near 1 ms when a BLAS worker is spinning on it)."""


def _default_threads() -> int:
    for name in ("TINYGRAD_ZTH_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            asked = int(text)
            return asked if name.startswith("TINYGRAD") else min(asked, _cpus())
    return _cpus()


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class _Workers:
    """Threads that wait for work on one queue. Made again in a child process after a fork."""

    def __init__(self) -> None:
        self.count = 0
        self.queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.lock = threading.Lock()

    def at_least(self, n: int) -> None:
        with self.lock:
            while self.count < n:
                threading.Thread(target=self._serve, name=f"tinygrad_zth-{self.count}", daemon=True).start()
                self.count += 1

    def _serve(self) -> None:
        queue = self.queue
        while True:
            queue.get()()


_inside = threading.local()  # .working is set while this thread works off shared blocks
_workers = _Workers()
_threads = _default_threads()


def _after_fork() -> None:
    global _workers
    _workers = _Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def get_num_threads() -> int:
    """How many threads large element-wise work is shared between."""
    return _threads


def set_num_threads(n: int) -> None:
    """Share large element-wise work between `n` threads from now on; 1 keeps it on the caller's.

    Raises ValueError unless `n` is a positive integer. BLAS's own threads are not touched.
    """
    global _threads
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, got {n!r}")
    _threads = n


def run_blocks(body: Callable[[int, int], object], rows: int, width: int, ns_per_element: float) -> None:
    """Call `body(start, stop)` for consecutive ranges that cover `range(rows)`.

    `width` is the number of elements in a row and `ns_per_element` an estimate of the time one
    takes: they size the blocks and decide whether other threads help. `body` writes its results
    into arrays it closes over; the ranges are disjoint, in no certain order, and NumPy's error
    state is the caller's in every thread. The first exception is raised here.
    """
    if rows <= 0:
        return
    width = max(width, 1)
    step = max(1, BLOCK // width)
    total = rows * width * ns_per_element
    helpers = min(_threads, -(-rows // step)) - 1
    if helpers < 1 or total < WORTH_SHARING_NS or getattr(_inside, "working", False):
        for start in range(0, rows, step):
            body(start, min(start + step, rows))
        return
    step = max(step, min(SHARED_BLOCK // width, -(-rows // (2 * helpers + 2))))
    _share(body, deque(range(0, rows, step)), step, rows, helpers)


def on_blocks(kernel: Callable[..., object], ns_per_element: float, *arrays: Any) -> None:
    """Call `kernel` on blocks of `arrays`: the same rows of each, in turn (see `run_blocks`).

    The first array says how many rows there are, and how wide; one that is None stays None. Arrays
    that fit in one block are handed over as they are.
    """
    first = arrays[0]
    if first.size <= BLOCK:
        kernel(*arrays)
        return

    def body(start: int, stop: int) -> None:
        kernel(*[None if a is None else a[start:stop] for a in arrays])

    run_blocks(body, len(first), first.size // len(first), ns_per_element)


def in_blocks(function: Callable[..., Array], ns_per_element: float, *arrays: Any) -> Array:
    """The ufunc `function` of `arrays`, of which the first has the result's shape and dtype, in blocks as above."""
    first = arrays[0]
    if first.size <= BLOCK:
        return function(*arrays)
    out = np.empty(first.shape, first.dtype)
    on_blocks(function, ns_per_element, *arrays, out)
    return out


def sharers(total_ns: float) -> int:
    """How many threads work with BLAS calls in it, of this estimated length, is worth splitting
    between: 1 if it is short, or if BLAS cannot be kept to one thread."""
    return _threads if _threads > 1 and total_ns >= WORTH_SHARING_NS and can_limit() else 1


def run_tasks(task: Callable[[int], object], count: int, threads: int) -> None:
    """Call `task(i)` for each i in `range(count)`, on `threads` threads (see `sharers`), with
    BLAS kept to one thread if they are several. Otherwise as `run_blocks`; work that is too short to
    be shared does not wake BLAS's threads either, which would then spin on the cores of what comes next."""
    if threads == 1 or count < 2 or getattr(_inside, "working", False):
        with one_blas_thread() if threads == 1 < _threads else nullcontext():
            for i in range(count):
                task(i)
        return
    with one_blas_thread():
        _share(lambda i, _: task(i), deque(range(count)), 1, count, min(threads, count) - 1)


def _share(body: Callable[[int, int], object], starts: deque[int], step: int, rows: int, helpers: int) -> None:
    """Work off `starts` on this thread and `helpers` others; return when all are done.

    Whoever is free takes the next block, so that a core which something else keeps busy simply
    does fewer.
    """
    errors: list[BaseException] = []

    def drain() -> None:
        _inside.working = True  # what a body shares in turn would wait for the thread it is on
        try:
            while True:
                try:
                    start = starts.popleft()
                except IndexError:
                    return
                body(start, min(start + step, rows))
        except BaseException as error:
            errors.append(error)
            starts.clear()
        finally:
            _inside.working = False

    _workers.at_least(helpers)
    finished = []
    for _ in range(helpers):
        done = threading.Lock()
        done.acquire()
        finished.append(done)
        context = copy_context()

        def work(context: Context = context, done: threading.Lock = done) -> None:
            try:
                context.run(drain)
            finally:
                done.release()

        _workers.queue.put(work)
    drain()
    for done in finished:
        done.acquire()
    if errors:
        raise errors[0]
