"""What a training run shows while it goes: a live line on a terminal with tqdm, lines elsewhere.

The line has the step, the loss of it, the smoothed loss and a curve of that, tokens per second, memory;
tqdm adds the bar, the speed and the time that is left.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

from tinygrad_zth import viz

from .memory import memory_mb

SECONDS_BETWEEN_LINES = 10.0
SMOOTH = 0.98  # weight of what was before, in the smoothed loss
CURVE = 12  # characters


class Progress:
    """Shows the steps of a run; use as a context manager.

    total, done: steps in all, and those already behind (a resumed run).
    quiet: show nothing.
    file: where to, stdout by default; the live line appears only where it is a terminal.
    """

    def __init__(self, total: int, done: int = 0, *, quiet: bool = False, file: TextIO | None = None) -> None:
        self.total, self.done, self.quiet = total, done, quiet
        self.file = sys.stdout if file is None else file
        self._first = done
        self._bar: Any = None
        self._began = self._last_line = self._last_text = time.perf_counter()
        self._mean = self._weight = 0.0
        self._curve: list[float] = []  # the smoothed loss, at even distances over the whole run
        self._distance = 1

    def __enter__(self) -> Progress:
        self._began = self._last_line = time.perf_counter()
        if not self.quiet and self.file.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return self
            self._bar = tqdm(total=self.total, initial=self.done, file=self.file, unit="step", dynamic_ncols=True)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.write(text, file=self.file)
        elif not self.quiet:
            print(text, file=self.file, flush=True)

    def see(self, loss: float) -> None:
        """Take the loss of a step into the smoothed one and its curve."""
        if not math.isfinite(loss):
            return
        self._mean, self._weight = SMOOTH * self._mean + (1 - SMOOTH) * loss, SMOOTH * self._weight + (1 - SMOOTH)
        if self.done % self._distance == 0:
            self._curve.append(self._mean / self._weight)
            if len(self._curve) >= 8 * CURVE:  # a long run: every other point
                self._curve, self._distance = self._curve[::2], 2 * self._distance

    def show(self, step: int, figures: dict[str, str], *, keep: bool = False) -> None:
        """``step`` steps are done, with these figures (name to text). ``keep``: as a line that stays."""
        advance, self.done = step - self.done, step
        if self.quiet:
            return
        now = time.perf_counter()
        if self._bar is not None:
            if keep or now - self._last_text > 0.2:  # more often than that nobody can read it
                self._last_text = now
                self._bar.set_postfix_str(self._text(figures), refresh=False)
            self._bar.update(advance)
        elif not keep and now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        if keep or self._bar is None:
            self._last_line = now
            eta = f"  ETA {self._eta(now)}" if self._first < step < self.total else ""
            self.say(f"step {step:>{len(str(self.total))}}/{self.total}  {self._text(figures)}{eta}")

    def _text(self, figures: dict[str, str]) -> str:
        shown = dict(figures)
        if self._weight:
            first: dict[str, str] = {name: shown.pop(name) for name in ("loss", "val") if name in shown}
            first["smooth"] = f"{self._mean / self._weight:.4f} {self._curve_text()}"
            shown = {**first, **shown}
        memory = memory_mb()
        if memory is not None:
            shown["mem"] = f"{memory:.0f} MB"
        return "  ".join(f"{name} {value}" for name, value in shown.items())

    def _curve_text(self) -> str:
        text = viz.sparkline(self._curve, CURVE)
        try:
            text.encode(getattr(self.file, "encoding", None) or "utf-8")
        except UnicodeEncodeError:  # an old terminal, a pipe in the C locale
            return ""
        return text

    def _eta(self, now: float) -> str:
        left = (now - self._began) / (self.done - self._first) * (self.total - self.done)
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
