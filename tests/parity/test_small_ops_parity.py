"""Rounding, bits, pairs, rearrangement: value, dtype and gradient as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")

FLOATS = (-2.5, -1.5, -1.0, -0.5, -0.0, 0.0, 0.3, 0.5, 1.0, 1.5, 2.5, 7.25)
EDGES = (*FLOATS, float("inf"), float("-inf"), float("nan"))
UNARY = [
    "ceil", "floor", "trunc", "frac", "round", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "nan_to_num",
    "sinc", "deg2rad", "rad2deg", "logit",
]  # fmt: skip
BINARY = ["atan2", "hypot", "logaddexp", "logaddexp2", "xlogy"]
INTEGER = ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"]
MOVES = [
    lambda t, x: t.flip(x, (0,)), lambda t, x: t.flip(x, (0, 1)), lambda t, x: t.roll(x, 2), lambda t, x: t.roll(x, (1, -1), (0, 1)),
    lambda t, x: t.rot90(x), lambda t, x: t.rot90(x, 3), lambda t, x: t.rot90(x, 2), lambda t, x: t.diff(x), lambda t, x: t.diff(x, 2, 0),
    lambda t, x: x.fliplr(), lambda t, x: x.flipud(), lambda t, x: x.sum_to_size(1, 3), lambda t, x: t.cross(x, x.roll(1, 1), 1),
    lambda t, x: t.lerp(x, x * 2, 0.3), lambda t, x: t.lerp(x, x * 2, 0.7), lambda t, x: t.addcmul(x, x, x, value=2),
    lambda t, x: t.addcdiv(x, x, x * x + 1, value=0.5), lambda t, x: t.round(x, decimals=1),
]  # fmt: skip


def _both(name_or_call, values, grad=True):
    """Run in both libraries; compare value, dtype and gradient."""
    results = []
    for t in (zth, torch):
        xs = [t.tensor(v, requires_grad=grad and v.dtype.kind == "f") for v in values]
        out = getattr(t, name_or_call)(*xs) if isinstance(name_or_call, str) else name_or_call(t, *xs)
        if out.requires_grad:
            out.sum().backward()
        results.append((out, [x.grad for x in xs]))
    (mine, my_grads), (theirs, their_grads) = results
    assert str(mine.dtype) == str(theirs.dtype)
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-12)
    for a, b in zip(my_grads, their_grads, strict=True):
        if b is not None:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", UNARY)
@given(st.lists(st.sampled_from(EDGES), min_size=1, max_size=6), st.sampled_from(["float32", "float64"]))
def test_functions_of_one(name, values, dtype):
    _both(name, [np.array(values, dtype)], grad=name not in ("sinc",) or all(np.isfinite(values)))


@pytest.mark.parametrize("name", BINARY)
@given(st.lists(st.tuples(*[st.sampled_from((*FLOATS, float("inf"), float("-inf")))] * 2), min_size=1, max_size=6))
def test_functions_of_two(name, pairs):
    a, b = np.array(pairs).T.copy()
    if name in ("atan2", "hypot"):
        keep = np.isfinite(a) & np.isfinite(b)
        a, b = a[keep], b[keep]
    _both(name, [a, b], grad=name != "xlogy" or bool((b > 0).all()))


@pytest.mark.parametrize("name", INTEGER)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=6))
def test_functions_of_integers(name, pairs):
    a, b = np.array(pairs).T.copy()
    _both(name, [a, b])


@pytest.mark.parametrize("move", range(len(MOVES)))
def test_moves(move):
    _both(MOVES[move], [np.random.default_rng(move).standard_normal((4, 3))])


def test_closeness():
    """isclose, allclose, equal, isin, with NaN and infinities."""
    a = np.array([1.0, 1.0 + 1e-6, np.nan, np.inf, -np.inf, 0.0])
    b = np.array([1.0, 1.0, np.nan, np.inf, np.inf, 1e-9])
    for equal_nan in (False, True):
        mine = zth.isclose(zth.tensor(a), zth.tensor(b), equal_nan=equal_nan)
        assert mine.tolist() == torch.isclose(torch.tensor(a), torch.tensor(b), equal_nan=equal_nan).tolist()
    assert zth.allclose(zth.tensor(a[:2]), zth.tensor(b[:2])) and not zth.allclose(zth.tensor(a), zth.tensor(b))
    assert not zth.equal(zth.tensor(a), zth.tensor(a)) and zth.equal(zth.tensor(a[:2]), zth.tensor(a[:2]))
    assert zth.isin(zth.tensor([1, 2, 3]), zth.tensor([3, 1])).tolist() == [True, False, True]
    assert (~zth.tensor([True, False]) & zth.tensor([True, True])).tolist() == [False, True]
