"""What a training run shows while it goes: a live line on a terminal with tqdm, lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

SECONDS_BETWEEN_LINES = 10.0


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
        self._began = self._last_line = time.perf_counter()

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

    def show(self, step: int, figures: dict[str, str], *, keep: bool = False) -> None:
        """``step`` steps are done, with these figures (name to text). ``keep``: as a line that stays."""
        advance, self.done = step - self.done, step
        if self.quiet:
            return
        text = "  ".join(f"{name} {value}" for name, value in figures.items())
        now = time.perf_counter()
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(advance)
        elif not keep and now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        if keep or self._bar is None:
            self._last_line = now
            eta = f"  ETA {self._eta(now)}" if self._first < step < self.total else ""
            self.say(f"step {step:>{len(str(self.total))}}/{self.total}  {text}{eta}")

    def _eta(self, now: float) -> str:
        left = (now - self._began) / (self.done - self._first) * (self.total - self.done)
        minutes, seconds = divmod(round(left), 60)
        return f"{minutes}:{seconds:02d}"
