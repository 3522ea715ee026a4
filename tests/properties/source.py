"""Where the proofs draw their examples: structure from Hypothesis (so that it shrinks), numbers from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

SHAPES = ((2, 3), (), (3,), (1,), (2, 1, 3), (0,), (2, 0), (4, 2), (1, 1))
PAIRS = (
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((), (2, 2)), ((3,), ()), ((), ()), ((2, 1), (1, 3)),
    ((2, 1, 2), (3, 1)), ((1,), (1, 2)), ((0,), (1,)), ((2, 0), ()), ((1, 0), (2, 1)), ((2, 1, 0), (0,)), ((2, 2, 3), (3,)),
)  # fmt: skip


class Source:
    """Draws what a case asks for. ``choose(options)`` picks one; the first is the simplest."""

    def __init__(self, choose: Callable[[Sequence[Any]], Any], seed: int):
        self.choose = choose
        self.rng = np.random.default_rng(seed)

    @classmethod
    def seeded(cls, seed: int) -> Source:
        """Without Hypothesis: everything follows from the seed (the mutation run)."""
        picks = np.random.default_rng((seed, 1))
        return cls(lambda options: options[int(picks.integers(len(options)))], seed)

    @classmethod
    def drawn(cls, data: st.DataObject) -> Source:
        """From a test's ``st.data()``."""
        return cls(lambda options: data.draw(st.sampled_from(list(options))), data.draw(st.integers(0, 2**16)))

    # ------------------------------------------------------------------ structure

    def flag(self) -> bool:
        return self.choose((False, True))

    def shape(self, min_dims: int = 0, empty: bool = True, max_dims: int = 3) -> tuple[int, ...]:
        fit = [s for s in SHAPES if min_dims <= len(s) <= max_dims and (empty or 0 not in s)]
        return self.choose(fit)

    def pair(self, empty: bool = True) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.choose([p for p in PAIRS if empty or 0 not in (*p[0], *p[1])])

    def dim(self, shape: Sequence[int]) -> int:
        return self.choose(range(len(shape)))

    def dims(self, shape: Sequence[int]) -> Any:
        """What a reduction is given: None, a dimension, or an ascending tuple of them."""
        n = len(shape)
        options: list[Any] = [None, *range(n)]
        options += [(i, j) for i in range(n) for j in range(i + 1, n)]
        return self.choose(options)

    # ------------------------------------------------------------------ numbers

    def floats(
        self, shape: Sequence[int], low: float = -2.0, high: float = 2.0, avoid: Sequence[float] = (), margin=0.1
    ) -> np.ndarray:
        """Uniform in [low, high], none within ``margin`` of a number to avoid (a kink, a pole)."""
        x = self.rng.uniform(low, high, tuple(shape))
        for kink in avoid:
            side = np.where(x < kink, -1.0, 1.0)
            near = abs(x - kink) < margin
            x = np.where(near, kink + side * (margin + abs(x - kink)), x)
        return np.asarray(x)

    def distinct(self, shape: Sequence[int], gap: float = 0.25) -> np.ndarray:
        """No two elements closer than 0.8 ``gap``, and none that close to 0: maxima have no ties."""
        n = int(np.prod(shape))
        order = self.rng.permutation(n) - n // 2 + 0.5
        return np.asarray(((order + self.rng.uniform(-0.1, 0.1, n)) * gap).reshape(tuple(shape)))

    def integers(self, low: int, high: int, shape: Sequence[int] = ()) -> np.ndarray:
        """int64 from ``low`` up to, not including, ``high``."""
        return np.asarray(self.rng.integers(low, high, tuple(shape)))

    def bools(self, shape: Sequence[int]) -> np.ndarray:
        return np.asarray(self.rng.random(tuple(shape)) < 0.5)
