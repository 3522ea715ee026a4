"""The profiler: a clock around every operation's kernel and around its gradients.

An operation finds its kernel in a table and its gradients in a field, at every call. While a profile
runs, what stands there are clocked versions; when it stops, the originals are put back. So a program
that is not profiled pays nothing at all, not even a question.

What is clocked is the work on arrays. What lies between (unwrapping, recording, your own Python) is the
difference to the whole, which the table shows as its last line.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..operation import JOINT, OPERATIONS
from .report import Averages, chrome_trace, summed

__all__ = ["Event", "ProfilerActivity", "profile", "record_function", "schedule"]


class ProfilerActivity(enum.Enum):
    """What can be watched. The host is what is clocked; kernels of a device show as their launches."""

    CPU = 0
    CUDA = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One call: when it began and how long it took, in seconds; ``bytes`` of its result.

    kind: "forward", "backward", or "user" for a :func:`record_function` block.
    """

    name: str
    kind: str
    began: float
    took: float
    bytes: int
    shapes: tuple[tuple[int, ...], ...]
    thread: int


_running: list[profile] = []  # at most one


class _Inside(threading.local):
    depth = 0


_inside = _Inside()  # a kernel called by another is part of it


class profile:
    """Clock every operation inside the block.

    >>> with profile() as p:                                    # doctest: +SKIP
    ...     loss = model(x, y); loss.backward()
    >>> print(p.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))  # doctest: +SKIP
    >>> p.export_chrome_trace("trace.json")                     # doctest: +SKIP

    Args:
        activities: accepted as in PyTorch; all that runs on the host is clocked.
        schedule: ``schedule(step)`` says whether a step is recorded; see :func:`schedule`.
        on_trace_ready: called with the profile when it ends.
        record_shapes: keep the shapes of the inputs, and tell them apart in ``key_averages``.
        profile_memory: accepted; the bytes of results are always counted.
        with_stack, with_flops, with_modules: accepted, and not offered: no stacks, no FLOP counts.

    Raises RuntimeError if another profile is running.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], bool] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
    ) -> None:
        self.events: list[Event] = []
        self.seconds = 0.0
        self._schedule, self._on_trace_ready, self._shapes = schedule, on_trace_ready, record_shapes
        self._step = 0
        self._keep = schedule is None or schedule(0)
        self._undo: list[Callable[[], None]] = []
        self._began = 0.0

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> None:
        """Begin clocking. Raises RuntimeError if another profile is running."""
        if _running:
            raise RuntimeError("profile: another profile is running; profiles do not nest")
        _running.append(self)
        for operation in {id(o): o for o in [*OPERATIONS.values(), *JOINT]}.values():
            self._clock_kernels(operation)
            self._clock_gradients(operation)
        self._began = time.perf_counter()

    def stop(self) -> None:
        """Stop clocking and put everything back."""
        self.seconds += time.perf_counter() - self._began
        while self._undo:
            self._undo.pop()()
        if self in _running:
            _running.remove(self)
        if self._on_trace_ready is not None:
            self._on_trace_ready(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def step(self) -> None:
        """The next step of the program begins: the schedule decides whether it is recorded."""
        self._step += 1
        self._keep = self._schedule is None or self._schedule(self._step)

    # ------------------------------------------------------------------ the clocks

    def _note(self, name: str, kind: str, began: float, took: float, result: Any, arguments: tuple[Any, ...]) -> None:
        if not self._keep:
            return
        size = sum(getattr(r, "nbytes", 0) for r in (result if isinstance(result, (tuple, list)) else (result,)))
        shapes = tuple(a.shape for a in arguments if hasattr(a, "shape")) if self._shapes else ()
        self.events.append(Event(name, kind, began, took, size, shapes, threading.get_ident()))

    def _clocked(self, name: str, kind: str, function: Callable[..., Any], first: int = 0) -> Callable[..., Any]:
        def clocked(*arguments: Any, **options: Any) -> Any:
            if _inside.depth:
                return function(*arguments, **options)
            _inside.depth = 1
            began = time.perf_counter()
            try:
                result = function(*arguments, **options)
            finally:
                took = time.perf_counter() - began
                _inside.depth = 0
            self._note(name, kind, began, took, result, arguments[first:])
            return result

        return clocked

    def _clock_kernels(self, operation: Any) -> None:
        kernels = operation.kernels
        if kernels is None:
            if operation.forward is not None:
                self._clock_field(operation, "forward", "forward", 1)
            return
        before = dict(kernels)
        for array_type, kernel in before.items():
            kernels[array_type] = self._clocked(operation.name, "forward", kernel)

        def undo() -> None:
            kernels.clear()
            for array_type, kernel in before.items():
                kernels[array_type] = kernel

        self._undo.append(undo)

    def _clock_gradients(self, operation: Any) -> None:
        if operation.gradients is not None:
            self._clock_field(operation, "gradients", "backward", 1)
        elif operation.backward is not None:
            self._clock_field(operation, "backward", "backward", 0)

    def _clock_field(self, operation: Any, field: str, kind: str, first: int) -> None:
        function = getattr(operation, field)
        setattr(operation, field, self._clocked(operation.name, kind, function, first))
        self._undo.append(lambda: setattr(operation, field, function))

    # ------------------------------------------------------------------ what was found

    def key_averages(self, group_by_input_shape: bool = False) -> Averages:
        """The events summed by operation (and by the shapes of the inputs)."""
        return Averages(summed(self.events, group_by_input_shape), self.seconds)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a trace for chrome://tracing or Perfetto. Written whole, then renamed."""
        target = Path(path)
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_text(chrome_trace(self.events), encoding="utf-8")
        temporary.replace(target)

    def __str__(self) -> str:
        return self.key_averages().table()


@contextmanager
def record_function(name: str, args: str | None = None) -> Iterator[None]:
    """A block of your own in the profile, by this name. Costs nothing to speak of when none runs."""
    if not _running:
        yield
        return
    owner, began = _running[0], time.perf_counter()
    try:
        yield
    finally:
        owner._note(name, "user", began, time.perf_counter() - began, None, ())


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0) -> Callable[[int], bool]:
    """Which steps to record: after ``skip_first``, rounds of ``wait`` + ``warmup`` unrecorded and ``active``
    recorded ones, ``repeat`` rounds (0: without end).

    Raises ValueError for negative numbers, or for no active step.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise ValueError("schedule: wait, warmup, repeat and skip_first must be at least 0, active at least 1")

    def recorded(step: int) -> bool:
        step -= skip_first
        if step < 0:
            return False
        turn, place = divmod(step, wait + warmup + active)
        return place >= wait + warmup and (repeat == 0 or turn < repeat)

    return recorded
