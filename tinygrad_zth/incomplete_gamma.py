"""The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P(a, x), which NumPy lacks.

By the power series where x < a + 1, by the continued fraction elsewhere (Press et al., Numerical Recipes, 6.2): what is
summed is the smaller of the two, so that neither loses digits.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .gamma import lgamma

Array: TypeAlias = Any

__all__ = ["lower", "upper"]


def lower(a: Array, x: Array) -> Array:
    """P(a, x): the share of the gamma distribution of shape ``a`` below ``x``; NaN for negative arguments."""
    return _both(a, x)[0]


def upper(a: Array, x: Array) -> Array:
    """Q(a, x): the share above ``x``; NaN for negative arguments."""
    return _both(a, x)[1]


def _both(a: Array, x: Array) -> tuple[Array, Array]:
    kind = np.result_type(a, x)
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    p = np.full(a.shape, np.nan)
    q = np.full(a.shape, np.nan)
    plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    small = plain & (x < a + 1)
    large = plain & ~small
    p[small] = _series(a[small], x[small])
    q[small] = 1 - p[small]
    q[large] = _fraction(a[large], x[large])
    p[large] = 1 - q[large]
    for where, value in (((a > 0) & (x == 0), 0.0), ((a == 0) & (x > 0), 1.0), ((a >= 0) & np.isposinf(x) & np.isfinite(a), 1.0),
                         (np.isposinf(a) & (x >= 0) & np.isfinite(x), 0.0)):  # fmt: skip
        p[where], q[where] = value, 1 - value
    return p.astype(kind), q.astype(kind)


def _front(a: Array, x: Array) -> Array:
    """x^a e^-x / Gamma(a)."""
    return np.exp(a * np.log(x) - x - lgamma(a))


def _series(a: Array, x: Array) -> Array:
    term = 1 / a
    total = term.copy()
    n = a.copy()
    for _ in range(10_000):
        n += 1
        term = term * x / n
        total += term
        if not (term > total * 1e-17).any():
            break
    return total * _front(a, x)


def _fraction(a: Array, x: Array) -> Array:
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full(a.shape, 1 / tiny), 1 / np.where(b == 0, tiny, b)
    h = d.copy()
    for i in range(1, 10_000):
        numerator = -i * (i - a)
        b = b + 2
        d = numerator * d + b
        d = 1 / np.where(abs(d) < tiny, tiny, d)
        c = b + numerator / c
        c = np.where(abs(c) < tiny, tiny, c)
        step = d * c
        h = h * step
        if not (abs(step - 1) > 1e-16).any():
            break
    return h * _front(a, x)
