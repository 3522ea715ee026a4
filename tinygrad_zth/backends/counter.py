"""Random numbers from a counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

The n-th number is a function of a seed and of n, so a device's threads make theirs without asking one another, and the
backward pass makes them again instead of keeping them. It is the stream of dropout on a device, as in PyTorch, where
``torch.cuda.manual_seed`` seeds it. On the host every number comes from the Mersenne Twister (``generator.py``); a device
draws from that one too after ``torch.cuda.set_random_source("cpu")``: the CPU's masks, at the price of a copy for each.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

__all__ = ["CounterStream", "philox", "stream", "words"]

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: tuple[Any, ...], key: tuple[int, int]) -> list[np.ndarray]:
    """Four words for each counter. ``counter``: four arrays of words (uint64 below 2^32); ``key``: two words."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        one, two = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (
            (two >> _HALF) ^ c1 ^ np.uint64(k0),
            two & _LOW,
            (one >> _HALF) ^ c3 ^ np.uint64(k1),
            one & _LOW,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return [c.astype(np.uint32) for c in (c0, c1, c2, c3)]


def words(seed: int, offset: int, n: int) -> np.ndarray:
    """The first ``n`` words from counter ``offset`` on: four a counter."""
    at = np.arange(-(-n // 4), dtype=np.uint64) + np.uint64(offset)
    zero = np.zeros_like(at)
    parts = philox((at & _LOW, at >> _HALF, zero, zero), (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF))
    return np.stack(parts, -1).reshape(-1)[:n]


class CounterStream:
    """A seed, and how many counters have been used."""

    def __init__(self) -> None:
        self.seed, self.offset = 0, 0
        self.source = "philox"  # or "cpu"
        self._lock = threading.Lock()

    def manual_seed(self, seed: int, offset: int = 0) -> None:
        """Begin again at a seed, after so many counters."""
        with self._lock:
            self.seed, self.offset = int(seed) & 0xFFFFFFFFFFFFFFFF, offset

    @property
    def state(self) -> tuple[int, int]:
        """What ``manual_seed`` is to be given to take the stream up here."""
        return self.seed, self.offset

    def take(self, n: int) -> tuple[int, int]:
        """The seed and the counter for the next ``n`` words, which nobody else is given."""
        with self._lock:
            before = self.offset
            self.offset += -(-n // 4)
            return self.seed, before


stream = CounterStream()
