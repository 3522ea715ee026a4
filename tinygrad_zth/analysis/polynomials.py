"""Orthogonal polynomials by their three-term recurrences, on arrays, in the dtype of ``x``.

``n``, the degree, may differ from element to element; it is cut to a whole number, and polynomials of negative degree are 0.
Chebyshev's on (-1, 1) are cosines of multiples of an angle, and computed so for high degrees; the shifted ones are those
of 2 x - 1.

Source: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, tables 22.3 and 22.7.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..types import Array

__all__ = ["RECURRENCES", "value"]

Step = Callable[[int, Array, Array, Array], Array]
_CLOSED = 6  # above this degree Chebyshev's on (-1, 1) take the closed form


def _double(k: int, x: Array, p: Array, q: Array) -> Array:
    return (x + x) * p - q


RECURRENCES: dict[str, tuple[Callable[[Array], Array], Step]] = {
    "chebyshev_polynomial_t": (lambda x: x, _double),
    "chebyshev_polynomial_u": (lambda x: x + x, _double),
    "chebyshev_polynomial_v": (lambda x: x + x - 1, _double),
    "chebyshev_polynomial_w": (lambda x: x + x + 1, _double),
    "hermite_polynomial_h": (lambda x: x + x, lambda k, x, p, q: (x + x) * p - 2 * k * q),
    "hermite_polynomial_he": (lambda x: x, lambda k, x, p, q: x * p - k * q),
    "laguerre_polynomial_l": (lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    "legendre_polynomial_p": (lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
}
"""For each family the polynomial of degree 1, and that of degree k + 1 from those of degree k and k - 1."""


def _t(n: Array, angle: Array) -> Array:
    return np.cos(n * angle)


def _u(n: Array, angle: Array) -> Array:
    return np.sin((n + 1) * angle) / np.sin(angle)


def _v(n: Array, angle: Array) -> Array:
    return np.cos((n + 0.5) * angle) / np.cos(angle / 2)


def _w(n: Array, angle: Array) -> Array:
    return np.sin((n + 0.5) * angle) / np.sin(angle / 2)


_CLOSED_FORMS = {f"chebyshev_polynomial_{name}": form for name, form in (("t", _t), ("u", _u), ("v", _v), ("w", _w))}


def value(family: str, x: Array, n: Array) -> Array:
    """The polynomials of ``family`` of degree ``n`` at ``x``: arrays of one shape and floating dtype."""
    degree = np.where(np.isfinite(n), np.trunc(n), -1)
    result = np.where(degree < 0, 0, 1).astype(x.dtype)
    closed = _CLOSED_FORMS.get(family)
    if closed is not None:
        angular = (degree > _CLOSED) & (np.abs(x) < 1)
        if angular.any():
            result[angular] = closed(degree[angular], np.arccos(x[angular], dtype=np.float64))
            degree = np.where(angular, 0, degree)
    first, step = RECURRENCES[family]
    before, now = np.ones_like(x), first(x)
    last = int(degree.max(initial=0))
    for k in range(1, last + 1):
        result = np.where(degree == k, now, result)
        before, now = now, step(k, x, now, before)
        if k % 64 == 0 and np.isnan(now[degree > k]).all():  # where sums overflow, infinities soon meet; NaN stays
            return np.where(degree > k, now.dtype.type(np.nan), result)
    return result
