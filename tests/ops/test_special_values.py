"""Bessel's and Airy's functions against what must hold between them, to float64's last digits, and the handbook's values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from tinygrad_zth.analysis import airy, bessel, modified_bessel, polynomials

s = torch.special
POINTS = np.concatenate(
    [np.linspace(0.01, 60, 1201), [24.999999, 25.0, 25.000001, 29.999999, 30.0, 30.000001, 100.0, 700.0]]
)

# Abramowitz & Stegun, tables 9.1, 9.8 and 10.11, to their last digit.
HANDBOOK = [
    (bessel.j0, 1.0, 0.765197686557967), (bessel.j0, 10.0, -0.245935764451348), (bessel.j1, 1.0, 0.4400505857449335),
    (bessel.j1, 10.0, 0.0434727461688614), (bessel.y0, 1.0, 0.0882569642156769), (bessel.y0, 10.0, 0.0556711672835994),
    (bessel.y1, 1.0, -0.781212821300289), (bessel.y1, 10.0, 0.249015424206954), (modified_bessel.i0e, 1.0, 0.465759607593640),
    (modified_bessel.i1e, 1.0, 0.207910415349708), (modified_bessel.k0e, 1.0, 1.14446307980689), (modified_bessel.k1e, 1.0, 1.63615348626326),
    (modified_bessel.k0e, 10.0, 0.391631934436599), (modified_bessel.k1e, 10.0, 0.410766570595789), (airy.ai, 0.0, 0.355028053887817),
    (airy.ai, 1.0, 0.135292416312881), (airy.ai, -1.0, 0.535560883292352), (airy.ai, 2.0, 0.0349241304232743), (airy.ai, -10.0, 0.0402412384864432),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x", "value"), HANDBOOK)
def test_the_handbooks_values(function, x, value):
    np.testing.assert_allclose(function(np.array(x)), value, rtol=2e-14)


def test_wronskians_hold():
    # J1 Y0 - J0 Y1 = 2 / (pi x), I0 K1 + I1 K0 = 1 / x
    j0, j1, y0, y1 = (f(POINTS) for f in (bessel.j0, bessel.j1, bessel.y0, bessel.y1))
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * POINTS * math.pi / 2, 1, rtol=1e-14, atol=0)
    i0, i1, k0, k1 = (getattr(modified_bessel, name)(POINTS) for name in ("i0e", "i1e", "k0e", "k1e"))
    np.testing.assert_allclose((i0 * k1 + i1 * k0) * POINTS, 1, rtol=1e-14, atol=0)


def test_near_zero_the_digits_are_relative():
    x = np.geomspace(1e-300, 1e-4, 50)
    np.testing.assert_allclose(bessel.j1(x), x / 2 * (1 - x * x / 8), rtol=1e-15)
    np.testing.assert_allclose(modified_bessel.i1(x), x / 2 * (1 + x * x / 8), rtol=1e-15)
    np.testing.assert_allclose(bessel.y1(x) * x, -2 / math.pi, rtol=1e-4)
    np.testing.assert_allclose(modified_bessel.k1(x) * x, 1, rtol=1e-4)


@given(st.floats(-12, 6))
def test_airys_equation(x):
    """y'' = x y, the second difference of five points being y'' but for h^4."""
    h = 2e-3
    y = airy.ai(x + h * np.arange(-2, 3))
    second = (-y[0] + 16 * y[1] - 30 * y[2] + 16 * y[3] - y[4]) / (12 * h * h)
    np.testing.assert_allclose(second, x * y[2], atol=2e-8)


def test_airy_where_its_series_meet():
    for edge in (*range(-10, 3), *(np.arange(-9.5, 2))):
        low, high = airy.ai(np.nextafter(edge, [-20.0, 20.0]))
        assert abs(low - high) < 1e-14 * max(1, abs(low))
    x = np.array([50.0, 90.0])  # 2 sqrt(pi) x^(1/4) e^zeta Ai -> 1 - 5 / (72 zeta)
    zeta = 2 / 3 * x**1.5
    np.testing.assert_allclose(
        airy.ai(x) * 2 * math.sqrt(math.pi) * x**0.25 * np.exp(zeta), 1 - 5 / 72 / zeta, rtol=1e-6
    )


def test_where_nothing_is():
    x = np.array([-1.0, -math.inf, math.inf, math.nan])
    with np.errstate(all="ignore"):
        for f in (
            bessel.y0,
            bessel.y1,
            modified_bessel.k0,
            modified_bessel.k1,
            modified_bessel.k0e,
            modified_bessel.k1e,
        ):
            assert np.isnan(f(x)[[0, 1, 3]]).all()
        assert [f(np.array(0.0)) for f in (bessel.y0, bessel.y1, modified_bessel.k0, modified_bessel.k1)] == [-math.inf, -math.inf, math.inf, math.inf]  # fmt: skip
        assert modified_bessel.k0(x)[2] == modified_bessel.k1e(x)[2] == 0
        assert np.isnan(airy.ai(x)[1:]).all() and np.isnan(bessel.j0(x)[1:]).all()


@pytest.mark.parametrize("family", polynomials.RECURRENCES)
def test_polynomials_are_orthogonal(family):
    """Over their weight, by the Gauss rule of numpy.polynomial; shifted to where each family lives."""
    nodes, weights = {
        "laguerre": lambda: np.polynomial.laguerre.laggauss(20), "legendre": lambda: np.polynomial.legendre.leggauss(20),
        "hermite": lambda: np.polynomial.hermite.hermgauss(20), "chebyshev": lambda: np.polynomial.chebyshev.chebgauss(20),
    }[family.partition("_")[0]]()  # fmt: skip
    if family == "hermite_polynomial_he":
        nodes = nodes * math.sqrt(2)
    weights = weights * {"u": 1 - nodes**2, "v": 1 + nodes, "w": 1 - nodes}.get(family[-1], 1)
    values = [polynomials.value(family, nodes, np.full(20, float(n))) for n in range(12)]
    gram = np.array([[np.sum(weights * a * b) for a in values] for b in values])
    sizes = np.sqrt(np.diag(gram))
    np.testing.assert_allclose(gram / np.outer(sizes, sizes), np.eye(12), atol=1e-11)


def test_very_high_degrees_end():
    """Where they overflow, that is seen before all the steps are made."""
    x = torch.tensor([0.3, -3.0], dtype=torch.float64)
    for name in ("chebyshev_polynomial_t", "hermite_polynomial_h", "laguerre_polynomial_l", "legendre_polynomial_p"):
        values = getattr(s, name)(x, torch.tensor([3.0, 10.0**15]))
        assert math.isfinite(values[0]) and math.isnan(values[1]), name


def test_they_are_computed_in_the_dtype_given():
    x = torch.tensor([0.5, 2.0])
    assert s.bessel_j0(x).dtype == s.legendre_polynomial_p(x, 3).dtype == torch.float32
    assert s.airy_ai(x.double()).dtype == torch.float64
    assert abs(s.bessel_j0(x).double() - s.bessel_j0(x.double())).max() < 1e-7
