"""Airy's function Ai on arrays of float64: the solution of y'' = x y that falls for large x.

Between -10 and 2, its Taylor series around the nearest whole number, whose coefficients the equation gives; the values at
the whole numbers come from those at 0, step by step. Above, by the modified Bessel function of order 1/3; below, by its
asymptotic expansion.

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 10.4.4, 10.4.14, 10.4.60.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import Array
from .modified_bessel import k_scaled

__all__ = ["ai"]

_LOW, _HIGH = -10, 2
_ORDER = 40  # of the Taylor series


def _taylor(center: int, value: float, slope: float) -> list[float]:
    """Coefficients of the solution of y'' = x y with this value and slope at ``center``."""
    c = [value, slope, center * value / 2]
    for n in range(1, _ORDER - 2):
        c.append((center * c[n] + c[n - 1]) / ((n + 1) * (n + 2)))
    return c


def _series() -> Array:
    """The coefficients around -10, -9, ..., 2, one row each."""
    rows = {0: _taylor(0, 3 ** (-2 / 3) / math.gamma(2 / 3), -(3 ** (-1 / 3)) / math.gamma(1 / 3))}
    for direction, last in ((-1, _LOW), (1, _HIGH)):
        for center in range(0, last, direction):
            c = rows[center]
            value = math.fsum(a * direction**n for n, a in enumerate(c))
            slope = math.fsum(n * a * direction ** (n - 1) for n, a in enumerate(c) if n)
            rows[center + direction] = _taylor(center + direction, value, slope)
    return np.array([rows[center] for center in range(_LOW, _HIGH + 1)])


_SERIES = _series()


def ai(x: Array) -> Array:
    """Ai; NaN at the infinities, as PyTorch has it."""
    near = np.clip(np.where(np.isnan(x), 0, x), _LOW, _HIGH)
    center = np.rint(near)
    coefficients = _SERIES[(center - _LOW).astype(np.int64)]
    step, middle = near - center, np.zeros_like(near)
    for n in range(_ORDER - 1, -1, -1):
        middle = middle * step + coefficients[..., n]
    value = np.where(x > _HIGH, _above(np.maximum(x, _HIGH)), np.where(x < _LOW, _below(-np.minimum(x, _LOW)), middle))
    return np.where(np.isfinite(x), value, np.nan)


def _above(x: Array) -> Array:
    depth = 2 / 3 * x * np.sqrt(x)
    return np.sqrt(x / 3) / math.pi * k_scaled(np.maximum(depth, 1.8), 1 / 3) * np.exp(-depth)


def _below(x: Array) -> Array:
    """Ai(-x) for large x: a wave whose phase and size have series in 1 / depth."""
    depth = 2 / 3 * x * np.sqrt(x)
    even, odd, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(1, 21):
        term = term * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / ((2 * k - 1) * 216 * k) / depth
        if k % 2:
            odd = odd + (-term if k % 4 == 3 else term)
        else:
            even = even + (-term if k % 4 == 2 else term)
    cos, sin = np.cos(depth), np.sin(depth)
    return ((sin + cos) * even - (cos - sin) * odd) / np.sqrt(2 * math.pi * np.sqrt(x))
