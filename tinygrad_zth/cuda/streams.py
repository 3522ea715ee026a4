"""Queues of work on a device, and marks in them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .devices import backend, on

__all__ = ["Event", "Stream", "current_stream", "default_stream", "stream"]


class Event:
    """A mark in a stream: ``record()``, then ``synchronize()``, ``query()``, ``elapsed_time(other)`` in milliseconds."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> None:
        self._event = backend().xp.cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark behind what is queued now."""
        self._event.record(None if stream is None else stream._stream)

    def query(self) -> bool:
        """Whether all before the mark is done."""
        return bool(self._event.done)

    def synchronize(self) -> None:
        """Wait for the mark."""
        self._event.synchronize()

    def wait(self, stream: Stream | None = None) -> None:
        """Have a stream wait for the mark."""
        (stream or current_stream()).wait_event(self)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another; both must have been passed."""
        return float(backend().xp.cuda.get_elapsed_time(self._event, end_event._event))


class Stream:
    """A queue of a device. ``with torch.cuda.stream(s):`` puts work on it."""

    def __init__(self, device: Any = None, priority: int = 0, *, _stream: Any = None) -> None:
        if _stream is None:
            with on(device):
                _stream = backend(device).xp.cuda.Stream(non_blocking=True)
        self._stream = _stream

    @property
    def cuda_stream(self) -> int:
        """The address of CUDA's own object."""
        return int(self._stream.ptr)

    def query(self) -> bool:
        """Whether all that was queued is done."""
        return bool(self._stream.done)

    def synchronize(self) -> None:
        """Wait for all that was queued."""
        self._stream.synchronize()
        backend().faults.check()

    def record_event(self, event: Event | None = None) -> Event:
        """A mark behind what is queued now."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What is queued from now on waits for the mark."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """What is queued from now on waits for what another stream holds now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to now."""
    return Stream(_stream=backend(device).xp.cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes to unless told otherwise."""
    return Stream(_stream=backend(device).xp.cuda.Stream.null)


def stream(stream: Stream | None) -> AbstractContextManager[Any]:
    """A context in which work goes to ``stream``; None changes nothing."""
    return nullcontext() if stream is None else stream._stream
