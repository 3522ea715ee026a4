"""Either exponential, on whatever machine: attention's and GELU's values do not depend on which of the two is used."""

import math

import numpy as np
import pytest

from tinygrad_zth.backends.exponential import POWER, RATE
from tinygrad_zth.fused import attention_numpy, gelu

rng = np.random.default_rng(0)
BOTH = pytest.mark.parametrize(("power", "rate"), [(np.exp, 1.0), (np.exp2, math.log2(math.e))], ids=["e", "2"])


def test_the_one_in_use_is_the_exponential():
    x = rng.uniform(-50, 50, 1000)
    np.testing.assert_allclose(POWER(RATE * x), np.exp(x), rtol=1e-13)


@BOTH
@pytest.mark.parametrize("size", [1.0, 300.0])  # the large scores take the way with the row's maximum
@pytest.mark.parametrize("causal", [False, True])
def test_attention_by_either(monkeypatch, power, rate, size, causal):
    monkeypatch.setattr(attention_numpy, "POWER", power)
    monkeypatch.setattr(attention_numpy, "RATE", rate)
    q, k, v, g = (rng.standard_normal((2, 3, 70, 8)) for _ in range(4))
    q *= size
    mask = rng.standard_normal((70, 70)) if not causal else None
    out, saved = attention_numpy.attention_forward(q, k, v, mask, is_causal=causal)
    s = q @ k.swapaxes(-1, -2) / math.sqrt(8)
    s = s + mask if mask is not None else np.where(np.tri(70, dtype=bool), s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    np.testing.assert_allclose(out, p @ v, rtol=1e-9, atol=1e-11)
    gp = g @ v.swapaxes(-1, -2)
    ds = p * (gp - (gp * p).sum(-1, keepdims=True)) / math.sqrt(8)
    gq, gk, gv, _ = attention_numpy.attention_backward(g, q, k, v, out, saved, mask, is_causal=causal)
    for got, wanted in ((gq, ds @ k), (gk, ds.swapaxes(-1, -2) @ q), (gv, p.swapaxes(-1, -2) @ g)):
        np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-9 * size)


@BOTH
def test_gelu_by_either(monkeypatch, power, rate):
    monkeypatch.setattr(gelu, "POWER", power)
    monkeypatch.setattr(gelu, "_DENSITY_SCALE", -0.5 * rate)
    monkeypatch.setattr(gelu, "_DENSITY_SHIFT", -0.5 * math.log(2.0 * math.pi) * rate)
    x, g = rng.standard_normal((2, 1000)) * 3
    _, cdf = gelu.gelu_forward(x)
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(gelu.gelu_backward(g, x, cdf), g * (cdf + x * density), rtol=1e-12, atol=1e-14)
