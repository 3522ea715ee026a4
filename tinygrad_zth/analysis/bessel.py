"""Bessel functions of the first and second kind, of orders 0 and 1, on arrays of float64.

Up to x = 25 as sums over angles. Bessel's integral, J_n(x) = the mean over a of cos(n a - x sin a), is that of a periodic
function, so the midpoint rule is exact to the last digits with few points. Y is J's logarithm and a series of further J_k
(Neumann's); summed over the angles first, that series is one more weight for each of them.
Beyond 25, Hankel's asymptotic expansions, whose error there is below e^-50.

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 9.1.18, 9.1.88, 9.2.5.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import Array

__all__ = ["j0", "j1", "y0", "y1"]

_FAR = 25.0
_EULER = 0.57721566490153286
_ANGLES = (np.arange(32) + 0.5) * (math.pi / 64)  # of the first quadrant: the integrands are symmetric
_SINES = np.sin(_ANGLES)
_TERMS = np.arange(1, 31)  # of Neumann's series
_SIGNS = (-1.0) ** _TERMS
_WEIGHTS_0 = (_SIGNS / _TERMS) @ np.cos(2 * _TERMS[:, None] * _ANGLES) / 32
_WEIGHTS_1 = (
    (_SIGNS * (2 * _TERMS + 1) / (_TERMS * (_TERMS + 1))) @ np.sin((2 * _TERMS[:, None] + 1) * _ANGLES) / 32
)  # fmt: skip


def j0(x: Array) -> Array:
    """J0; NaN at infinity."""
    a = np.abs(x)
    return np.where(a < _FAR, np.cos(_angular(a)).mean(-1), _hankel(a, 0)[0])


def j1(x: Array) -> Array:
    """J1, which is odd; NaN at infinity."""
    a = np.abs(x)
    return np.copysign(1, x) * np.where(a < _FAR, (np.sin(_angular(a)) * _SINES).mean(-1), _hankel(a, 1)[0])


def y0(x: Array) -> Array:
    """Y0; -inf at 0, NaN below and at infinity."""
    waves = np.cos(_angular(x))
    near = (np.log(x / 2) + _EULER) * waves.mean(-1) - 2 * (waves @ _WEIGHTS_0)
    return _positive(x, np.where(x < _FAR, 2 / math.pi * near, _hankel(x, 0)[1]))


def y1(x: Array) -> Array:
    """Y1; -inf at 0, NaN below and at infinity."""
    waves = np.sin(_angular(x))
    near = (np.log(x / 2) + _EULER - 1) * (waves @ _SINES / 32) - waves @ _WEIGHTS_1 - np.cos(_angular(x)).mean(-1) / x
    return _positive(x, np.where(x < _FAR, 2 / math.pi * near, _hankel(x, 1)[1]))


def _angular(x: Array) -> Array:
    return np.where(x < _FAR, x, 1.0)[..., None] * _SINES


def _positive(x: Array, value: Array) -> Array:
    return np.where(x > 0, value, np.where(x == 0, -np.inf, np.nan))


def _hankel(x: Array, order: int) -> tuple[Array, Array]:
    """J and Y for large x: a wave of amplitude sqrt(2 / (pi x)), with series in 1 / x for phase and size."""
    x = np.maximum(x, _FAR)
    even, odd, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(1, 25):
        term = term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * x)
        if k % 2:
            odd = odd + (-term if k % 4 == 3 else term)
        else:
            even = even + (-term if k % 4 == 2 else term)
    # cos(x - pi/4) and sin(x - pi/4) of the sums, which large x would swallow
    cos, sin = np.cos(x), np.sin(x)
    cos, sin = (cos + sin, sin - cos) if order == 0 else (sin - cos, -cos - sin)
    size = 1 / np.sqrt(math.pi * x)
    return size * (even * cos - odd * sin), size * (even * sin + odd * cos)
