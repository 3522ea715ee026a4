"""What a profile found: sums by operation, as a table and as a trace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Averages", "Row", "chrome_trace", "summed"]


@dataclass
class Row:
    """The calls of one operation.

    key: its name, ``name backward`` for its gradients. Times in microseconds, ``bytes`` of results.
    """

    key: str
    kind: str
    count: int = 0
    cpu_time_total: float = 0.0
    bytes: int = 0
    input_shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.count

    @property
    def self_cpu_time_total(self) -> float:
        """As ``cpu_time_total``: kernels are not clocked inside one another."""
        return self.cpu_time_total


def summed(events: Iterable[Any], by_shape: bool) -> list[Row]:
    """A row for each operation and direction, in order of first appearance."""
    rows: dict[tuple[Any, ...], Row] = {}
    for event in events:
        shapes = event.shapes if by_shape else ()
        key = (event.name, event.kind, shapes)
        if key not in rows:
            name = f"{event.name} backward" if event.kind == "backward" else event.name
            rows[key] = Row(name, event.kind, input_shapes=shapes)
        row = rows[key]
        row.count += 1
        row.cpu_time_total += event.took * 1e6
        row.bytes += event.bytes
    return list(rows.values())


class Averages:
    """The rows of a profile; iterable, and a table when printed."""

    def __init__(self, rows: list[Row], seconds: float) -> None:
        self.rows, self.seconds = rows, seconds

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def total(self) -> float:
        """Microseconds in operations."""
        return sum(row.cpu_time_total for row in self.rows if row.kind != "user")

    def table(self, sort_by: str | None = "cpu_time_total", row_limit: int = 100, header: str | None = None) -> str:
        """The rows as text: calls, time in all and each, share, memory of the results.

        sort_by: "cpu_time_total", "self_cpu_time_total", "cpu_time", "count", "bytes", or None for the
            order of first appearance. Raises ValueError for another.
        """
        rows = self.rows
        if sort_by is not None:
            if sort_by not in ("cpu_time_total", "self_cpu_time_total", "cpu_time", "count", "bytes"):
                raise ValueError(f"table: cannot sort by {sort_by!r}")
            rows = sorted(rows, key=lambda row: getattr(row, sort_by), reverse=True)
        whole = self.seconds * 1e6 or 1.0
        width = max([len(row.key) for row in rows[:row_limit]] + [24])
        lines = [header] if header else []
        lines.append(
            f"{'operation':{width}s} {'calls':>8s} {'total':>10s} {'a call':>10s} {'share':>7s} {'results':>10s}"
        )
        lines.append("-" * len(lines[-1]))
        for row in rows[:row_limit]:
            shapes = f"  {list(map(list, row.input_shapes))}" if row.input_shapes else ""
            lines.append(
                f"{row.key:{width}s} {row.count:8d} {_time(row.cpu_time_total):>10s} {_time(row.cpu_time):>10s} "
                f"{100 * row.cpu_time_total / whole:6.1f}% {_size(row.bytes):>10s}{shapes}"
            )
        if len(rows) > row_limit:
            lines.append(f"... and {len(rows) - row_limit} more")
        between = max(0.0, whole - self.total())
        lines.append("-" * len(lines[1 if header else 0]))
        lines.append(
            f"{'between operations':{width}s} {'':8s} {_time(between):>10s} {'':10s} {100 * between / whole:6.1f}%"
        )
        lines.append(f"{'the whole':{width}s} {'':8s} {_time(whole):>10s}")
        return "\n".join(lines)

    __str__ = table


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f} s"
    return f"{us / 1e3:.3f} ms" if us >= 1e3 else f"{us:.2f} us"


def _size(n: int) -> str:
    size = float(n)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def chrome_trace(events: Iterable[Any]) -> str:
    """The events in the Trace Event Format (complete events, microseconds), as JSON."""
    names: dict[int, int] = {}
    out = []
    for event in events:
        thread = names.setdefault(event.thread, len(names))
        out.append(
            {
                "name": event.name if event.kind != "backward" else f"{event.name} backward",
                "cat": event.kind,
                "ph": "X",
                "ts": event.began * 1e6,
                "dur": event.took * 1e6,
                "pid": os.getpid(),
                "tid": thread,
                "args": {"bytes": event.bytes, "shapes": [list(s) for s in event.shapes]},
            }
        )
    return json.dumps({"traceEvents": out, "displayTimeUnit": "ms"})
