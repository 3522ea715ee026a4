"""A progress bar for a download: tqdm's where it is installed, a plain one elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WIDTH = 30


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[int], object]]:
    """Shows how much of ``total`` bytes has come; yields a function to tell it of more bytes.

    On a terminal a bar that moves; where stderr is a file or a pipe, one line at the start.
    """
    if not sys.stderr.isatty():
        print(f"data: downloading {name} ({total:,} bytes)", file=sys.stderr, flush=True)
        yield lambda count: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        with _plain(name, total) as advance:
            yield advance
    else:
        with tqdm(total=total, unit="B", unit_scale=True, desc=name) as bar:
            yield bar.update


@contextmanager
def _plain(name: str, total: int) -> Iterator[Callable[[int], object]]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        part = min(done / total, 1.0)
        bar = "#" * round(WIDTH * part)
        print(f"\r{name} |{bar:<{WIDTH}}| {part:4.0%}", end="", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        print(file=sys.stderr)
