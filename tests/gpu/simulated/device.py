"""The state of the simulated device: what a test may set, and what it may read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DeviceError", "bounded_memory", "counted", "counters", "note", "scheduled"]

installed = False
PRESENT = 2  # devices there are
visible = PRESENT  # devices that CuPy is shown: 0 hides them from tests that expect none
schedule = 0  # the order in which a block's threads run: 0 forwards, 1 backwards, 2, 3, ... at random
counters: Counter[str] = Counter()
log: list[tuple] | None = None  # a list, to record each call with its details
budget: int | None = None  # bytes a device has, None: as many as the processor
used: Counter[int] = Counter()  # bytes allocated, by device
_current = threading.local()
_identity = iter(range(0x1010, 1 << 62, 16)).__next__


class DeviceError(RuntimeError):
    """A kernel did what a device would hang on, crash on or leave undefined."""


def note(kind: str, *detail: object) -> None:
    """Count a call, and record it where a log is kept."""
    counters[kind] += 1
    if log is not None:
        log.append((kind, *detail))


def handle() -> int:
    """A number for a stream, an event, a module: never the same twice."""
    return _identity()


def current() -> int:
    """The device in use on this thread."""
    return getattr(_current, "index", 0)


def use(index: int) -> None:
    """Use a device on this thread."""
    _current.index = index


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Inside, calls are counted in the mapping that is given."""
    before = Counter(counters)
    seen: Counter[str] = Counter()
    try:
        yield seen
    finally:
        seen.update({k: n - before[k] for k, n in counters.items() if n != before[k]})


@contextmanager
def scheduled(order: int) -> Iterator[None]:
    """Inside, threads run in this order."""
    global schedule
    before, schedule = schedule, order
    try:
        yield
    finally:
        schedule = before


@contextmanager
def bounded_memory(extra: int) -> Iterator[None]:
    """Inside, a device has no more than ``extra`` bytes beyond those in use now."""
    global budget
    before, budget = budget, used[current()] + extra
    try:
        yield
    finally:
        budget = before
