"""The gamma function's logarithm and its derivatives, on NumPy arrays, which NumPy itself does not have.

``lgamma`` is the C library's, element by element. ``digamma`` and ``zeta`` go up by their recurrences to
arguments where the asymptotic series (Abramowitz & Stegun, 6.3.18 and 23.1.30, Euler and Maclaurin)
is exact to float64's last digits.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["digamma", "lgamma", "polygamma", "zeta"]

# B_2k / (2k) of digamma's series, k = 1, 2, ...
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
# (2k)! / B_2k of Hurwitz's zeta, k = 1, 2, ...
_ZETA = (12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
         -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15)  # fmt: skip


def _one_lgamma(x: float) -> float:
    if x != x or x == math.inf:
        return x
    if x == -math.inf or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


_lgamma = np.frompyfunc(_one_lgamma, 1, 1)


def lgamma(x: np.ndarray) -> np.ndarray:
    """log |gamma(x)|; inf at 0, -1, -2, ... Shape and dtype of ``x``."""
    return np.asarray(np.asarray(_lgamma(x.astype(np.float64)), np.float64), x.dtype)


def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of ``lgamma``: -inf at 0 (inf at -0), NaN at -1, -2, ... Shape and dtype of ``x``."""
    y = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        pole = (y <= 0) & (y == np.floor(y))
        below = y < 0.5
        t = np.where(below, 1 - y, y)  # reflected: psi(1 - x) - psi(x) = pi / tan(pi x)
        shifted = np.zeros_like(t)
        for _ in range(10):
            low = t < 10
            shifted -= np.where(low, 1 / t, 0)
            t = np.where(low, t + 1, t)
        z = 1 / (t * t)
        series = np.zeros_like(t)
        for c in reversed(_DIGAMMA):
            series = z * (c + series)
        value = shifted + np.log(t) - 0.5 / t - series
        turn = np.where(below, y - np.floor(y), 0.25)
        value = np.where(below, value - math.pi / np.tan(math.pi * turn), value)
        value = np.where(pole, np.where(y == 0, np.copysign(np.inf, -y), np.nan), value)
        value = np.where(y == np.inf, np.inf, np.where(y == -np.inf, np.nan, value))
    return np.asarray(value, x.dtype)


def zeta(x: np.ndarray | float, q: np.ndarray) -> np.ndarray:
    """Hurwitz's zeta: the sum over k >= 0 of (q + k)^-x, for x > 1; float64.

    inf for x = 1, and for q = 0, -1, -2, ...; NaN for x < 1, for other q < 0 unless x is whole, and where an infinity
    leaves nothing to add up.
    """
    x, q = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(q, np.float64))
    with np.errstate(all="ignore"):
        total, a = np.zeros(x.shape), np.array(q)
        for _ in range(12):
            total = total + a**-x
            a = a + 1
        endless = np.where(total > 0, total, np.nan)
        total = total + a ** (1 - x) / (x - 1) + 0.5 * a**-x
        factor, power = np.array(x), a ** (-x - 1)
        for k, c in enumerate(_ZETA):
            total = total + factor * power / c
            factor = factor * (x + 2 * k + 1) * (x + 2 * k + 2)
            power = power / (a * a)
        total = np.where(np.isinf(x), endless, np.where(q == np.inf, np.nan, total))
        total = np.where((q < 0) & (x != np.floor(x)), np.nan, total)
        total = np.where((q <= 0) & (q == np.floor(q)), np.inf, total)
        return np.where(x == 1, np.inf, np.where(x < 1, np.nan, total))


def polygamma(n: int, x: np.ndarray) -> np.ndarray:
    """The n-th derivative of ``digamma`` (n >= 0), for x > 0 where n >= 1. Shape and dtype of ``x``."""
    if n == 0:
        return digamma(x)
    y = np.asarray(x, np.float64)
    value = np.where(y == np.inf, 0, zeta(n + 1.0, y))
    return np.asarray((-1.0) ** (n + 1) * math.factorial(n) * value, x.dtype)
