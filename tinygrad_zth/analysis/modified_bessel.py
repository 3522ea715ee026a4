"""Modified Bessel functions of orders 0 and 1, also without their exponential growth or decay, on arrays of float64.

I_n(x) is the mean over a of cos(n a) exp(x cos a), and K_n(x) the integral of cosh(n t) exp(-x cosh t): of a periodic
function, and of one that falls doubly exponentially, so that equidistant sums are exact to the last digits. Where the
integrand becomes narrow (x > 30), the asymptotic series; where K's becomes wide (x < 2), its power series.

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 9.6.11, 9.6.19, 9.6.24, 9.7.1, 9.7.2.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import Array

__all__ = ["i0", "i0e", "i1", "i1e", "k0", "k0e", "k1", "k1e", "k_scaled"]

_FAR = 30.0
_EULER = 0.57721566490153286
_COSINES = np.cos((np.arange(64) + 0.5) * (math.pi / 64))
_STEP = 0.125
_TIMES = np.arange(0, 31) * _STEP
_WIDTHS = np.where(_TIMES == 0, _STEP / 2, _STEP)
_CLIMB = 2 * np.sinh(_TIMES / 2) ** 2  # cosh(t) - 1, exact near 0


def i0e(x: Array) -> Array:
    """I0(x) e^-|x|."""
    a = np.abs(x)
    near = np.exp(np.minimum(a, _FAR)[..., None] * (_COSINES - 1)).mean(-1)
    return np.where(a > _FAR, _asymptotic(-a, 0) / np.sqrt(2 * math.pi * a), near)


def i1e(x: Array) -> Array:
    """I1(x) e^-|x|, which is odd."""
    a = np.abs(x)
    # Angles in pairs, a and pi - a, so that the two nearly equal terms are subtracted before they are rounded.
    half = _COSINES[:32]
    low = np.minimum(a, _FAR)[..., None]
    near = (half * np.exp(low * (half - 1)) * -np.expm1(-2 * low * half)).sum(-1) / 64
    return np.copysign(1, x) * np.where(a > _FAR, _asymptotic(-a, 1) / np.sqrt(2 * math.pi * a), near)


def i0(x: Array) -> Array:
    """I0."""
    return i0e(x) * np.exp(np.abs(x))


def i1(x: Array) -> Array:
    """I1, which is odd."""
    return i1e(x) * np.exp(np.abs(x))


def k0(x: Array) -> Array:
    """K0; inf at 0, NaN below."""
    return k0e(x) * np.exp(-x)


def k1(x: Array) -> Array:
    """K1; inf at 0, NaN below."""
    return k1e(x) * np.exp(-x)


def k0e(x: Array) -> Array:
    """K0(x) e^x."""
    half, log = _small(x)
    y = half * half
    term, sum_i, sum_k, harmonic = np.ones_like(y), np.ones_like(y), np.zeros_like(y), 0.0
    for k in range(1, 16):
        term, harmonic = term * y / (k * k), harmonic + 1 / k
        sum_i, sum_k = sum_i + term, sum_k + term * harmonic
    return _joined(x, (sum_k - log * sum_i) * np.exp(2 * half), k_scaled(x, 0))


def k1e(x: Array) -> Array:
    """K1(x) e^x."""
    half, log = _small(x)
    y = half * half
    term, digammas = half, 1.0  # of k + 1 and k + 2, without Euler's constant, which is in the logarithm
    sum_i, sum_k = half, half * digammas / 2
    for k in range(1, 16):
        term, digammas = term * y / (k * (k + 1)), digammas + 1 / k + 1 / (k + 1)
        sum_i, sum_k = sum_i + term, sum_k + term * digammas / 2
    return _joined(x, (0.5 / half + log * sum_i - sum_k) * np.exp(2 * half), k_scaled(x, 1))


def k_scaled(x: Array, order: float) -> Array:
    """K_order(x) e^x for x >= 2 (nearer to 0 it is not exact)."""
    low = np.minimum(x, _FAR)[..., None]
    near = np.exp(-low * _CLIMB) @ (_WIDTHS * np.cosh(order * _TIMES))
    return np.where(x > _FAR, _asymptotic(x, order) * np.sqrt(math.pi / 2 / x), near)


def _small(x: Array) -> tuple[Array, Array]:
    """x / 2 and log(x / 2) + Euler's constant, for x up to 2."""
    half = np.clip(x, 0, 2) / 2
    return half, np.log(half) + _EULER


def _joined(x: Array, small: Array, large: Array) -> Array:
    return np.where(x > 2, large, np.where(x > 0, small, np.where(x == 0, np.inf, np.nan)))


def _asymptotic(x: Array, order: float) -> Array:
    """The series in 1 / x of K's size for large x, and of I's in -1 / x."""
    total, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 25):
        term = term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * x)
        total = total + term
    return total
