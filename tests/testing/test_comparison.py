"""assert_close: what is close, and what the message says where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from tinygrad_zth.testing import assert_close

ONE, TWO = torch.ones(2), torch.tensor([1.0, 2.0])


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0, 1), st.floats(0, 1))
def test_it_is_the_inequality(a, b, rtol, atol):
    close = abs(a - b) <= atol + rtol * abs(b)
    x, y = torch.tensor([a, b], dtype=torch.float64), torch.tensor([b, b], dtype=torch.float64)
    if close:
        assert_close(x, y, rtol=rtol, atol=atol)
    else:
        with pytest.raises(AssertionError, match=r"Mismatched elements: 1 / 2 \(50.0%\)"):
            assert_close(x, y, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("a", "b", "how"),
    [
        (ONE, ONE.double(), {"check_dtype": False}),
        (torch.tensor([math.inf]), torch.tensor([math.inf]), {}),
        (torch.tensor([math.nan]), torch.tensor([math.nan]), {"equal_nan": True}),
        ({"a": [ONE, (TWO, 3)]}, {"a": [ONE, (TWO, 3)]}, {}),
        (np.ones(2), np.ones(2), {}),
        (torch.zeros(0), torch.zeros(0), {}),
        (torch.tensor([1.0]), torch.tensor([1.0 + 1e-6]), {}),
    ],
)
def test_close(a, b, how):
    assert_close(a, b, **how)


@pytest.mark.parametrize(
    ("a", "b", "how", "message"),
    [
        (ONE, TWO, {}, r"index \(1,\) \(up to 1e-05 allowed\)"),
        (ONE.to(torch.int64), TWO.to(torch.int64), {}, "Tensor-likes are not equal"),
        (ONE, torch.ones(3), {}, "'shape' do not match"),
        (ONE, ONE.double(), {}, "'dtype' do not match: torch.float32 != torch.float64"),
        (torch.ones(2, 3), torch.ones(3, 2).t(), {"check_stride": True}, r"'stride\(\)' do not match"),
        (torch.tensor([math.nan]), torch.tensor([math.nan]), {}, "not close"),
        (torch.tensor([math.inf]), torch.tensor([-math.inf]), {"rtol": 1, "atol": 1}, "not close"),
        (torch.tensor([True]), torch.tensor([False]), {}, "Tensor-likes are not equal"),
        (1.0, 2.0, {}, "Expected 2.0 but got 1.0"),
        ([ONE], [ONE, ONE], {}, "length of the sequences mismatch: 1 != 2"),
        ({"a": [ONE]}, {"a": [TWO]}, {}, r"item \['a'\]\[0\]"),
        ({"a": 1}, {"b": 1}, {}, r"Missing keys in the actual mapping: \['b'\]"),
        (ONE, TWO, {"msg": "no"}, "^no$"),
        (ONE, TWO, {"msg": lambda m: "here: " + m}, "^here: Tensor-likes"),
    ],
)
def test_not_close(a, b, how, message):
    with pytest.raises(AssertionError, match=message):
        assert_close(a, b, **how)


def test_what_cannot_be_compared():
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close("a", "a")
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(1, torch.tensor(1))
    with pytest.raises(ValueError, match="got no atol"):
        assert_close(ONE, ONE, rtol=0.1)
