"""erf, erfc, erfinv and the GELU kernels against math.erf, finite differences and torch."""

import math

import numpy as np
import pytest
from hypothesis import given

from tests.fused.numerical import (
    awkward,
    close,
    dtypes,
    layouts,
    normal,
    numerical_gradient,
    seeds,
)
from tinygrad_zth.approximations import erf, erfc, erfinv
from tinygrad_zth.fused.gelu import (
    gelu_backward,
    gelu_forward,
    gelu_tanh_backward,
    gelu_tanh_forward,
)

FORMS = {"none": (gelu_forward, gelu_backward), "tanh": (gelu_tanh_forward, gelu_tanh_backward)}
GRID = np.concatenate([np.linspace(-7, 7, 40001), np.logspace(-300, 1, 2001), [0.0, 1e5]])


def exact(f, x):
    return np.array([f(v) for v in np.asarray(x, "d").ravel()]).reshape(np.shape(x))


def ulps(actual, expected):
    return np.abs(np.asarray(actual, "d") - expected) / np.spacing(np.abs(expected).astype(actual.dtype))


def test_erf_and_erfc_float64():
    assert ulps(erf(GRID), exact(math.erf, GRID)).max() <= 4
    x = np.linspace(-6, 26, 40001)
    np.testing.assert_allclose(erfc(x), exact(math.erfc, x), rtol=2e-15)


def test_erf_and_erfc_float32():
    x = np.linspace(-6, 6, 100001).astype("f")
    assert ulps(erf(x), exact(math.erf, x)).max() <= 5
    np.testing.assert_allclose(erfc(x), exact(math.erfc, x), rtol=1e-7)
    large = np.logspace(0.6, 38, 1000).astype("f")
    assert (erf(large) > 1 - 1e-7).all() and (erf(-large) < -1 + 1e-7).all()
    assert erf(x).dtype == erfc(x).dtype == np.float32


@pytest.mark.parametrize("dtype", ["e", "f", "d"])
def test_special_values(dtype):
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], dtype)
    np.testing.assert_array_equal(erf(x), np.array([1, -1, np.nan, 0, 0], dtype))
    assert np.signbit(erf(x)[4]) and not np.signbit(erf(x)[3])
    np.testing.assert_array_equal(erfc(x), np.array([0, 2, np.nan, 1, 1], dtype))
    for f in (erf, erfc, erfinv):
        assert f(np.zeros((), dtype)).shape == () and f(np.zeros((0, 2), dtype)).shape == (0, 2)


def test_erfinv():
    p = np.concatenate([np.linspace(-0.999, 0.999, 9999), 1 - np.logspace(-15, -2, 300)])
    z = erfinv(p)
    tail = np.abs(p) > 0.5
    np.testing.assert_allclose(exact(math.erf, z)[~tail], p[~tail], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(exact(math.erfc, np.abs(z[tail])), 1 - np.abs(p[tail]), rtol=1e-13)
    np.testing.assert_array_equal(erfinv(np.array([1.0, -1.0, 1.1, np.nan])), [np.inf, -np.inf, np.nan, np.nan])
    assert erfinv(np.array([0.5], "f")).dtype == np.float32


def reference(form, x):
    x = np.asarray(x, "d")
    if form == "none":
        return 0.5 * x * exact(math.erfc, -x / math.sqrt(2))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("form", FORMS)
@given(seed=seeds, dtype=dtypes, layout=layouts)
def test_gelu(form, seed, dtype, layout):
    forward, backward = FORMS[form]
    x = awkward(normal(seed, (3, 5), dtype, 3.0), layout)
    g = awkward(normal(seed + 1, (3, 5), dtype), layout)
    kept = x.copy()
    out, cdf = forward(x)
    assert out.dtype == x.dtype and np.array_equal(x, kept)
    close(out, reference(form, x))
    gx = backward(g, x, cdf)
    assert gx.dtype == x.dtype
    numerical = numerical_gradient(lambda x: (reference(form, x) * g).sum(), x)
    close(gx, numerical, "e" if dtype == "e" else "f")
    if dtype == "d":
        close(gx, numerical, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_large_arrays_and_extremes(form):
    forward, backward = FORMS[form]
    x = normal(0, (1100, 801), "f", 2.0)
    x.flat[:8] = [1e4, -1e4, 40, -40, 1e19, -1e19, 0, -0.0]
    out, cdf = forward(x)
    close(out, reference(form, x.astype("d")), rtol=1e-6, atol=1e-6)
    gx = backward(np.ones_like(x), x, cdf)
    close(gx.flat[:7], np.array([1, 0, 1, 0, 1, 0, 0.5]), "f")


@pytest.mark.parity
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_against_torch(form, dtype):
    torch = pytest.importorskip("torch")
    forward, backward = FORMS[form]
    x, g = normal(0, (50, 40), dtype, 3.0), normal(1, (50, 40), dtype)
    t = torch.from_numpy(x).requires_grad_()
    expected = torch.nn.functional.gelu(t, approximate=form)
    expected.backward(torch.from_numpy(g))
    out, cdf = forward(x)
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if dtype == "f" else {"rtol": 1e-12, "atol": 1e-13}
    close(out, expected.detach().numpy(), **tolerance)
    close(backward(g, x, cdf), t.grad.numpy(), **tolerance | {"atol": 1e-5 * tolerance["rtol"] / 1e-6})
    y = np.linspace(-5, 5, 1001).astype(dtype)
    p = np.linspace(-0.99, 0.99, 1001).astype(dtype)
    for mine, theirs, v in ((erf, torch.erf, y), (erfc, torch.erfc, y), (erfinv, torch.erfinv, p)):
        np.testing.assert_allclose(
            mine(v), theirs(torch.from_numpy(v)).numpy(), rtol=2e-6 if dtype == "f" else 3e-15,
            atol=1e-15,
        )  # fmt: skip
