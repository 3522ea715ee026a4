"""softmax and log_softmax kernels against float64 formulas, finite differences and torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fused.numerical import (
    awkward,
    close,
    dtypes,
    layouts,
    normal,
    numerical_gradient,
    seeds,
)
from tinygrad_zth.fused.softmax import (
    log_softmax_backward,
    log_softmax_forward,
    softmax_backward,
    softmax_forward,
)

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
PAIRS = {
    "softmax": (softmax_forward, softmax_backward),
    "log_softmax": (log_softmax_forward, log_softmax_backward),
}


def reference(name, x, axis):
    """Straight from the definition, in extended precision."""
    x = np.asarray(x, np.longdouble)
    log_p = x - x.max(axis, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis, keepdims=True))
    return np.asarray(np.exp(log_p) if name == "softmax" else log_p, "d")


@pytest.mark.parametrize("name", PAIRS)
@given(
    seed=seeds,
    shape=shapes,
    axis=st.integers(-4, 3),
    dtype=dtypes,
    layout=layouts,
    scale=st.sampled_from([1.0, 30.0, 1e3]),
)
def test_value_and_gradient(name, seed, shape, axis, dtype, layout, scale):
    axis = axis % len(shape)
    forward, backward = PAIRS[name]
    x = awkward(normal(seed, shape, dtype, scale), layout)
    g = awkward(normal(seed + 1, shape, dtype), layout)
    kept, g_kept = x.copy(), g.copy()
    out = forward(x, axis)
    expected = reference(name, x, axis)
    assert out.dtype == x.dtype
    close(out, expected)
    p = reference("softmax", x, axis)
    gd = g.astype("d")
    if name == "softmax":
        expected_gradient = p * (gd - (gd * p).sum(axis, keepdims=True))
    else:
        expected_gradient = gd - p * gd.sum(axis, keepdims=True)
    gx = backward(g, out, axis)
    assert gx.dtype == x.dtype
    close(gx, expected_gradient, rtol=1e-2 if dtype == "e" else 1e-5 if dtype == "f" else 1e-9,
          atol=3e-2 if dtype == "e" else 2e-5 if dtype == "f" else 1e-11)  # fmt: skip
    assert np.array_equal(x, kept) and np.array_equal(g, g_kept)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradient_by_finite_differences(name, axis):
    forward, backward = PAIRS[name]
    x, g = normal(0, (3, 4, 2), "d"), normal(1, (3, 4, 2), "d")
    numerical = numerical_gradient(lambda x: (forward(x, axis) * g).sum(), x)
    close(backward(g, forward(x, axis), axis), numerical, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("axis", [0, -1])
def test_extreme_logits(dtype, axis):
    x = np.array([[1e4, -1e4, -np.inf, 0.0], [-1e4, -1e4, -1e4, -1e4], [0, -np.inf, 3, 3]], dtype)
    x = x if axis == -1 else x.T.copy()
    close(softmax_forward(x, axis), reference("softmax", x, axis), dtype)
    close(log_softmax_forward(x, axis), reference("log_softmax", x, axis), dtype)


def test_rows_without_an_answer_are_nan():
    x = np.array([[-np.inf, -np.inf], [np.nan, 1], [np.inf, 1], [1, 2]], "f")
    for forward in (softmax_forward, log_softmax_forward):
        for out in (forward(x, -1), forward(x.T.copy(), 0).T):
            assert np.isnan(out[:2]).all() and np.isnan(out[2, 0]) and np.isfinite(out[3]).all()


def test_log_probabilities_near_zero_keep_their_digits():
    x = np.array([[20.0, 3.0, 1.0], [50.0, 40.0, 38.5]], "f")
    out = log_softmax_forward(x, -1)[:, 0]  # the logits' own rounding would be 1e-6 and 2e-6
    np.testing.assert_allclose(out, reference("log_softmax", x, -1)[:, 0], rtol=0, atol=1.5e-7)


@pytest.mark.parametrize("shape, axis", [((), 0), ((0,), 0), ((3, 0), 1), ((0, 3), 1), ((3, 0), 0)])
def test_degenerate_shapes(shape, axis):
    x = np.ones(shape, "f")
    for forward, backward in PAIRS.values():
        out = forward(x, axis)
        assert out.shape == shape and backward(x, out, axis).shape == shape


def test_blocks_and_threads_do_not_change_the_result():
    x = normal(3, (3000, 701), "f")
    x[5] *= 1e3
    close(softmax_forward(x, -1), reference("softmax", x, -1))
    close(log_softmax_forward(x, -1), reference("log_softmax", x, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parity
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_against_torch(name, dtype, scale):
    torch = pytest.importorskip("torch")
    forward, backward = PAIRS[name]
    for shape, axis in [((5, 7), -1), ((5, 7), 0), ((2, 3, 4), 1), ((4,), 0), ((), 0)]:
        x, g = normal(0, shape, dtype, scale), normal(1, shape, dtype)
        t = torch.from_numpy(x).requires_grad_()
        expected = getattr(torch, name)(t, axis)
        expected.backward(torch.from_numpy(g))
        out = forward(x, axis)
        close(out, expected.detach().numpy())
        close(backward(g, out, axis), t.grad.numpy())
