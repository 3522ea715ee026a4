"""Reading a run's folder, whatever of it is there yet.

    config.json      settings            summary.json    how it ended
    metrics.csv      a row each time figures were logged: step, train_loss, val_loss, ...
    diagnosis.json   a Recording         sample.txt      what the model wrote

A run may be under way, or have been cut off in the middle of a line: what is whole is read, and
what is not is named.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .recording import FILE, Recording

__all__ = ["Run", "read_metrics", "read_run"]

Row = dict[str, float | None]


@dataclass
class Run:
    """What a run's folder has; ``missing`` says in words what it has not, or what could not be read."""

    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: list[Row] = field(default_factory=list)
    recording: Recording | None = None
    samples: list[tuple[int, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def series(self, name: str) -> list[tuple[float, float]]:
        """(step, value) of each row that has a value of that name."""
        return [(row["step"], row[name]) for row in self.metrics if row.get(name) is not None]  # type: ignore[misc]


def read_metrics(path: str | os.PathLike[str]) -> list[Row]:
    """The whole rows of a run's metrics.csv, numbers as floats, empty fields as None.

    Args:
        path: the folder, or the file.

    Raises:
        FileNotFoundError: there is no such file. ValueError: it is no table of metrics.
    """
    source = Path(path)
    source = source / "metrics.csv" if source.is_dir() else source
    rows: list[Row] = []
    with open(source, newline="", encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines(keepends=True)
    if len(lines) > 1 and not lines[-1].endswith("\n"):
        lines.pop()  # cut off while it was being written: its last number may have lost digits
    table = csv.reader(lines)
    names = next(table, [])
    if "step" not in names:
        raise ValueError(f"{source} is not a table of metrics: its first line has no column 'step'")
    for fields in table:
        if len(fields) != len(names):
            continue
        try:
            row = {name: float(value) if value else None for name, value in zip(names, fields)}
        except ValueError:
            continue
        if row["step"] is not None:
            rows.append(row)
    return rows


def read_run(path: str | os.PathLike[str]) -> Run:
    """Everything in a run's folder that can be read.

    Raises:
        FileNotFoundError: there is no such folder, or it has neither settings nor figures.
    """
    run = Run(Path(path))
    if not run.path.is_dir():
        raise FileNotFoundError(f"there is no run's folder {os.fspath(path)}")
    run.config = _json(run, "config.json")
    run.summary = _json(run, "summary.json")
    try:
        run.metrics = read_metrics(run.path)
    except FileNotFoundError:
        run.missing.append("metrics.csv is not there")
    except ValueError as error:
        run.missing.append(str(error))
    if not run.config and not run.metrics:
        raise FileNotFoundError(f"{os.fspath(path)} is not a run's folder: it has neither config.json nor metrics.csv")
    if (run.path / FILE).exists():
        try:
            run.recording = Recording.load(run.path)
            run.samples = list(run.recording.samples)
        except ValueError as error:
            run.missing.append(str(error))
    if not run.summary:
        run.missing.append("the run has not ended (no summary.json)")
    sample = run.path / "sample.txt"
    if sample.is_file():
        last = int(run.metrics[-1]["step"] or 0) if run.metrics else 0
        run.samples.append((last, sample.read_text(encoding="utf-8", errors="replace")))
    return run


def _json(run: Run, name: str) -> dict[str, Any]:
    try:
        value = json.loads((run.path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        run.missing.append(f"{name} is damaged or half written")
        return {}
    return value if isinstance(value, dict) else {}
