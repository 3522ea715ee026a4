"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["sparkline"]

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """The series as blocks of eight heights, each the mean of its stretch; ``×`` where none is finite.

    Args:
        values: any number of numbers; none of them gives an empty text.
        width: characters at most.

    Raises:
        ValueError: ``width`` is below 1.

    >>> sparkline([5, 4, 3, 2, 2, 1], width=6)
    '█▆▅▃▃▁'
    """
    if width < 1:
        raise ValueError(f"sparkline: width: expected an integer from 1 up, got {width}")
    count = min(width, len(values))
    means = []
    for i in range(count):
        part = [v for v in values[i * len(values) // count : (i + 1) * len(values) // count] if math.isfinite(v)]
        means.append(sum(part) / len(part) if part else math.nan)
    finite = [m for m in means if math.isfinite(m)]
    low, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    return "".join("×" if not math.isfinite(m) else BLOCKS[round((m - low) / span * 7) if span else 3] for m in means)
