"""The error function and its kin on NumPy arrays, which NumPy itself does not have.

erf and erfc in float64 follow W. J. Cody, Rational Chebyshev Approximation for the Error Function,
Mathematics of Computation 23 (1969): three pairs of rational functions, each good to a few
units in the last place on its interval. erf in float32 is tanh(x Q(x^2)) with a polynomial Q of degree 6
fitted for this file (relative error 1e-7 before rounding), since on NumPy a tanh costs no more than
three multiplications. erfinv starts from M. Giles, Approximating the erfinv Function, GPU Computing
Gems (2011), and is polished by Halley's method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .types import Array

__all__ = ["erf", "erfc", "erfinv"]

_SQRT_PI = math.sqrt(math.pi)

# Cody's coefficients: erf(x) = x A(x^2) / B(x^2) for |x| <= 0.46875,
_A = (
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_B = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
# erfc(x) = exp(-x^2) C(x) / D(x) up to 4,
_C = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_D = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
# and exp(-x^2) / x (1 / sqrt(pi) - P(1 / x^2) / (x^2 Q(1 / x^2))) beyond.
_P = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_Q = (
    1.0,
    2.56852019228982242,
    1.87295284992346725,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)

TANH_OF_ERF = (
    1.418496973609e-07,
    -5.668428830973e-06,
    8.763702255290e-05,
    -6.197837927670e-04,
    -1.918318798015e-04,
    1.027690563042e-01,
    1.128379274245e00,
)
"""Q of erf(x) = tanh(x Q(x^2)), highest power first: minimax for the relative error on |x| < 3.9,
and large enough to saturate tanh beyond."""

# Giles's two polynomials in w = -log(1 - x^2), and in sqrt(w) - 3 for w >= 5.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def horner(coefficients: Sequence[Any], x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """The polynomial with these coefficients (numbers, or 0-d arrays), highest power first, at `x`,
    written into `out`."""
    out = np.multiply(x, coefficients[0], out=np.empty_like(x) if out is None else out)
    for c in coefficients[1:-1]:
        out += c
        out *= x
    out += coefficients[-1]
    return out


def erf(x: np.ndarray) -> np.ndarray:
    """erf(x) = 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x, element by element.

    Any shape; floating dtype, which the result keeps. Within 5 units in the last place in float32,
    4 in float64. erf(±inf) = ±1; NaN stays.
    """
    dtype = x.dtype
    if dtype.char == "d":
        return _cody(x, complement=False)
    wide = x.astype(np.float32, copy=False)
    with np.errstate(over="ignore", under="ignore"):
        out = horner(TANH_OF_ERF, np.square(wide))
        out = np.multiply(out, wide)
        return np.asarray(np.tanh(out), dtype)


def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x), to full relative precision where erf(x) is close to 1; shape and dtype of `x`.

    float16 and float32 are computed in float64 and rounded.
    """
    with np.errstate(under="ignore"):
        return np.asarray(_cody(x.astype(np.float64, copy=False), complement=True), x.dtype)


def erfinv(x: np.ndarray) -> np.ndarray:
    """The inverse of erf; shape and dtype of `x`. ±inf at ±1, NaN outside."""
    y = np.asarray(x, np.float64)
    size = np.abs(y)
    inner = size < 1.0
    s = np.where(inner, size, 0.0)
    w = -np.log1p(-s) - np.log1p(s)
    z = s * np.where(w < 5.0, horner(_CENTRE, w - 2.5), horner(_TAIL, np.sqrt(np.maximum(w, 5.0)) - 3.0))
    for _ in range(6):  # two would do, but for the last few values below 1
        # Towards 1 the difference of the complements is what still has digits.
        error = np.where(s < 0.5, _cody(z, complement=False) - s, (1.0 - s) - _cody(z, complement=True))
        u = error * (_SQRT_PI / 2) * np.exp(z * z)
        z = z - u / (1.0 + z * u)
    z = np.copysign(z, y)
    z = np.where(size == 1.0, np.copysign(np.inf, y), z)
    z = np.where(inner | (size == 1.0), z, np.nan)
    return np.asarray(z, x.dtype)


def _cody(x: np.ndarray, complement: bool) -> np.ndarray:
    """erf, or erfc if `complement`, of a float64 array."""
    x = np.asarray(x)
    flat = x.reshape(-1)
    size = np.abs(flat)
    out = np.empty_like(flat)
    small = size <= 0.46875
    far = size > 4.0
    middle = ~(small | far)  # and NaN, which stays NaN
    part = flat[small]
    if part.size:
        square = part * part
        value = part * (horner(_A, square) / horner(_B, square))
        out[small] = 1.0 - value if complement else value
    for region, tail in ((middle, _tail_near), (far, _tail_far)):
        y = size[region]
        if y.size:
            value = tail(y)
            negative = flat[region] < 0
            if complement:
                out[region] = np.where(negative, 2.0 - value, value)
            else:
                out[region] = np.copysign(1.0 - value, flat[region])
    return out.reshape(x.shape)


def _tail_near(y: np.ndarray) -> Array:
    return _exp_of_minus_square(y) * (horner(_C, y) / horner(_D, y))


def _tail_far(y: np.ndarray) -> Array:
    y = np.minimum(y, 30.0)  # erfc(27) already is below the smallest float64
    r = 1.0 / (y * y)
    value = (1.0 / _SQRT_PI - r * (horner(_P, r) / horner(_Q, r))) / y
    return _exp_of_minus_square(y) * value


def _exp_of_minus_square(y: np.ndarray) -> np.ndarray:
    """exp(-y^2) without the error that rounding y^2 would cause: Cody's split of y."""
    head = np.trunc(y * 16.0) / 16.0
    with np.errstate(under="ignore"):
        return np.exp(-head * head) * np.exp(-(y - head) * (y + head))
