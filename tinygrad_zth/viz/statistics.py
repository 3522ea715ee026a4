"""What is worth knowing of the numbers that pass through a layer, gathered call by call.

Saturation is a property of the nonlinearity: a tanh beyond 0.97 passes on less than 6 % of a
gradient, a relu at 0 passes on nothing. A *unit* is a channel: the last dimension of an output,
the second one of an image's (N, C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Gathered", "saturated"]

BINS = 60
MAP_EXAMPLES, MAP_UNITS = 48, 256  # what a dead-unit map keeps
_FLAT = 0.06  # a slope below this share of the steepest one counts as flat

Saturation = Callable[[np.ndarray, np.ndarray], np.ndarray]

# By the name of the module's class: which elements lie where the slope is (nearly) 0, told from the
# input x or the output y, and the range of the output where it is bounded.
SATURATION: dict[str, tuple[Saturation, tuple[float, float] | None]] = {
    "Tanh": (lambda x, y: np.abs(y) > math.sqrt(1 - _FLAT), (-1.0, 1.0)),
    "Softsign": (lambda x, y: (1 - np.abs(y)) ** 2 < _FLAT, (-1.0, 1.0)),
    "Sigmoid": (lambda x, y: y * (1 - y) < _FLAT / 4, (0.0, 1.0)),
    "Hardtanh": (lambda x, y: np.abs(y) >= 1, (-1.0, 1.0)),
    "Hardsigmoid": (lambda x, y: (y <= 0) | (y >= 1), (0.0, 1.0)),
    "ReLU": (lambda x, y: y <= 0, None),
    "ReLU6": (lambda x, y: (y <= 0) | (y >= 6), (0.0, 6.0)),
    "Hardswish": (lambda x, y: x <= -3, None),
    "ELU": (lambda x, y: y < -1 + _FLAT, None),
    "Softplus": (lambda x, y: y < _FLAT, None),
    # These are flat far to the left; near their minimum the slope is 0 too, but only in passing.
    "GELU": (lambda x, y: x < -2.5, None),
    "SiLU": (lambda x, y: x < -4, None),
    "Mish": (lambda x, y: x < -4, None),
}


def saturated(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Which elements are saturated (bool), of a module of class ``kind`` that made ``y`` of ``x``.

    None for a module that does not saturate (Linear, LayerNorm).
    """
    entry = SATURATION.get(kind)
    return None if entry is None or x.shape != y.shape else entry[0](x, y)


class Gathered:
    """Mean, std, histogram and saturation of all that one layer gave out (or got back).

    Several calls (a recurrent layer's, say) are gathered as if they were one; the histogram keeps
    the edges of the first, and what lies beyond them is counted at the ends.

    Attributes:
        count: elements seen; ``not_finite``: those that were NaN or infinite, left out below.
        counts, low, high: the histogram, BINS bins from low to high.
        units: per unit, the share of examples in which it was saturated; None if that has no sense.
        map: (examples, units) bool, the first of the first call; None likewise.
        shape: of the last array.
    """

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self.count = self.not_finite = self.saturated_count = 0
        self.sum = self.square = 0.0
        self.low = self.high = 0.0
        self.counts = np.zeros(BINS, np.int64)
        self.units: np.ndarray | None = None
        self.map: np.ndarray | None = None
        self.shape: tuple[int, ...] = ()
        self._rows = 0

    def add(self, array: np.ndarray, source: np.ndarray | None = None) -> None:
        """Take ``array`` in; ``source`` is what the layer made it of."""
        self.shape = array.shape
        flat = array.astype(np.float64).ravel()
        good = flat[np.isfinite(flat)]
        self.not_finite += flat.size - good.size
        if not good.size:
            return
        if self.count == 0:
            self._choose_range(good)
        width = self.high - self.low
        places = ((np.clip(good, self.low, self.high) - self.low) * (BINS / width)).astype(np.int64)
        self.counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)
        self.count += good.size
        self.sum += float(good.sum())
        self.square += float(good @ good)
        flags = saturated(self.kind, array if source is None else source, array)
        if flags is not None:
            self._add_units(flags)

    def _choose_range(self, good: np.ndarray) -> None:
        entry = SATURATION.get(self.kind)
        self.low, self.high = (entry and entry[1]) or (float(good.min()), float(good.max()))
        if not self.high > self.low:
            room = max(abs(self.low), 1.0) * 0.5
            self.low, self.high = self.low - room, self.high + room

    def _add_units(self, flags: np.ndarray) -> None:
        self.saturated_count += int(flags.sum())
        if flags.ndim == 0:
            return
        if flags.ndim == 4:
            flags = np.moveaxis(flags, 1, -1)
        rows = flags.reshape(-1, flags.shape[-1])
        if self.map is None:
            self.map = rows[:MAP_EXAMPLES, :MAP_UNITS].copy()
            self.units = np.zeros(rows.shape[1])
        assert self.units is not None
        if rows.shape[1] == len(self.units):
            self.units = (self.units * self._rows + rows.sum(0)) / (self._rows + len(rows))
            self._rows += len(rows)

    @property
    def mean(self) -> float:
        """The mean; nan of nothing."""
        return self.sum / self.count if self.count else math.nan

    @property
    def std(self) -> float:
        """The standard deviation around the mean; nan of nothing."""
        return math.sqrt(max(self.square / self.count - self.mean**2, 0.0)) if self.count else math.nan

    def figures(self) -> dict[str, Any]:
        """All of it as plain values, as a recording keeps it."""
        able = self.kind in SATURATION and self.count > 0
        return {
            "shape": list(self.shape),
            "mean": self.mean,
            "std": self.std,
            "not_finite": self.not_finite,
            "saturated": self.saturated_count / self.count if able else None,
            "counts": self.counts.tolist(),
            "low": self.low,
            "high": self.high,
            "units": None if self.units is None else np.round(self.units, 4).tolist(),
            "map": None if self.map is None else self.map.astype(int).tolist(),
        }
