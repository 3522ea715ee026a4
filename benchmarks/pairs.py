"""Contestants against each other, in turn: A B B A A B ..., a few tens of milliseconds at a time.

A shared machine gets slower and faster from minute to minute, so times of one contestant are not
compared with times of another taken elsewhere: a round runs all of them, one after the other, and
gives a ratio; reported is the median of the rounds' ratios.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TURN = 0.05  # seconds that a turn should take


class Missing(RuntimeError):
    """A contestant cannot take part: its library is not installed, or does not work here."""


class Contestant:
    """A process that runs a workload on demand (contestant.py).

    Raises Missing if it does not start.
    """

    def __init__(self, name: str, workload: str) -> None:
        self.name, self.workload = name, workload
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contestant", name, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._read()

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            errors = (self.process.stderr.read() or "").strip().splitlines()  # type: ignore[union-attr]
            self._close()
            raise Missing(f"{self.name}: {errors[-1] if errors else 'it ended without a word'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds a step, and the last loss."""
        self.process.stdin.write(f"{steps}\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        answer = self._read()
        return answer["seconds"] / steps, answer["loss"]

    def finish(self) -> int:
        """End the process; its peak memory in bytes above the import."""
        self.process.stdin.close()  # type: ignore[union-attr]
        answer = self._read()
        self._close()
        return int(answer["peak_bytes"])

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Result:
    """What a row measured. Times in seconds a step, by contestant."""

    workload: str
    seconds: dict[str, list[float]]
    losses: dict[str, float]
    peak: dict[str, int]
    missing: dict[str, str] = field(default_factory=dict)

    def time(self, name: str) -> float:
        """The median time of a step."""
        return median(self.seconds[name])

    def ratio(self, name: str, ours: str = "ours") -> float:
        """How many times longer ``name`` takes than ``ours``: the median over the rounds."""
        return median(a / b for a, b in zip(self.seconds[name], self.seconds[ours]))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "workload": self.workload,
            "ms": {n: 1e3 * self.time(n) for n in self.seconds},
            "ratio": {n: self.ratio(n) for n in self.seconds if n != "ours" and "ours" in self.seconds},
            "loss": self.losses,
            "peak_mb": {n: p / 2**20 for n, p in self.peak.items()},
            "missing": self.missing,
        }


def compare(workload: str, names: Sequence[str], rounds: int, same_loss: float | None = 1e-2) -> Result:
    """Run ``workload`` on the contestants ``names`` for ``rounds`` rounds, after a warm-up.

    same_loss: the largest relative difference allowed between the losses after the warm-up of those
        that started from the same numbers (ours and torch); None to allow any.

    Raises RuntimeError if they differ by more: they did not do the same work.
    """
    contestants: list[Contestant] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            contestants.append(Contestant(name, workload))
        except Missing as error:
            missing[name] = str(error)
    # The same number of steps for all until the losses have been compared.
    losses = {c.name: c.run(3)[1] for c in contestants}
    if same_loss is not None and {"ours", "torch"} <= set(losses):
        a, b = losses["ours"], losses["torch"]
        if abs(a - b) > same_loss * max(1.0, abs(b)):
            raise RuntimeError(f"{workload}: after 3 steps ours has {a}, torch {b}: not the same work")
    steps = {}
    for c in contestants:
        once, _ = c.run(2)
        steps[c.name] = max(1, round(TURN / max(once, 1e-7)))
        c.run(steps[c.name])
    seconds: dict[str, list[float]] = {c.name: [] for c in contestants}
    for i in range(rounds):
        for c in contestants if i % 2 == 0 else contestants[::-1]:
            seconds[c.name].append(c.run(steps[c.name])[0])
    peaks = {c.name: c.finish() for c in contestants}
    return Result(workload, seconds, losses, peaks, missing)
