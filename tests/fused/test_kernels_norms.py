"""LayerNorm and RMSNorm kernels against float64 formulas, finite differences and torch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fused.numerical import awkward, close, dtypes, layouts, normal, numerical_gradient, seeds
from tinygrad_zth.fused.layer_norm import (
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)


def reference(x, depth, weight, bias, eps, centred):
    x = np.asarray(x, "d")
    axes = tuple(range(x.ndim - depth, x.ndim))
    if centred:
        x = x - x.mean(axes, keepdims=True)
    out = x / np.sqrt((x * x).mean(axes, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


@given(
    seed=seeds,
    lead=st.lists(st.integers(1, 4), max_size=2),
    normalized=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    weighted=st.booleans(),
    biased=st.booleans(),
    centred=st.booleans(),
    dtype=dtypes,
    layout=layouts,
)
def test_value_and_gradients(seed, lead, normalized, weighted, biased, centred, dtype, layout):
    normalized = tuple(normalized)
    depth, eps = len(normalized), 1e-2
    x = awkward(normal(seed, (*lead, *normalized), dtype), layout)
    g = awkward(normal(seed + 1, x.shape, dtype), layout)
    w = awkward(normal(seed + 2, normalized, dtype), layout) if weighted else None
    b = normal(seed + 3, normalized, dtype) if biased and centred else None
    kept = x.copy(), g.copy()
    if centred:
        out, *saved = layer_norm_forward(x, normalized, w, b, eps)
        grads = layer_norm_backward(g, *saved, w, (True, weighted, b is not None), normalized)
    else:
        out, *saved = rms_norm_forward(x, normalized, w, eps)
        grads = (*rms_norm_backward(g, *saved, w, (True, weighted)), None)
    assert out.dtype == x.dtype
    close(out, reference(x, depth, w, b, eps, centred))
    gd = g.astype("d")
    for i, (array, grad) in enumerate(zip((x, w, b), grads)):
        if array is None:
            assert grad is None
            continue
        assert grad.dtype == array.dtype

        def f(changed, i=i):
            inputs = [x, w, b]
            inputs[i] = changed
            return (reference(inputs[0], depth, *inputs[1:], eps, centred) * gd).sum()

        atol = 6e-2 if dtype == "e" else 3e-5
        close(grad, numerical_gradient(f, array), "e" if dtype == "e" else "f", atol=atol)
    assert np.array_equal(x, kept[0]) and np.array_equal(g, kept[1])


def test_blocks_and_threads_do_not_change_the_result():
    x, g = normal(0, (3000, 401), "f") + np.float32(3), normal(1, (3000, 401), "f")
    w, b = normal(2, (401,), "f"), normal(3, (401,), "f")
    out, *saved = layer_norm_forward(x, (401,), w, b)
    close(out, reference(x, 1, w, b, 1e-5, True))
    wide = [a.astype("d") for a in (x, g, w, b)]
    _, *wide_saved = layer_norm_forward(wide[0], (401,), wide[2], wide[3])
    expected = layer_norm_backward(wide[1], *wide_saved, wide[2])
    for grad, exact in zip(layer_norm_backward(g, *saved, w), expected):
        close(grad, exact, "f", rtol=1e-4, atol=5e-4)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_zero_size(shape):
    x = np.ones(shape, "f")
    out, *saved = layer_norm_forward(x, (3,), np.ones(3, "f"), np.ones(3, "f"))
    gx, gw, gb = layer_norm_backward(x, *saved, np.ones(3, "f"))
    assert out.shape == gx.shape == shape and (gw == 0).all() and (gb == 0).all()


def test_eps_of_rms_norm_is_that_of_the_dtype():
    out, *_ = rms_norm_forward(np.full((1, 3), 1e-4, "f"), (3,))
    np.testing.assert_allclose(out, 0.2782, rtol=1e-3)


def test_errors():
    for bad in ((4,), (2, 3, 1), ()):
        with pytest.raises(RuntimeError, match="normalized_shape"):
            layer_norm_forward(np.ones((2, 3)), bad)


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_against_torch(dtype):
    torch = pytest.importorskip("torch")
    arrays = [normal(0, (4, 3, 5), dtype), normal(1, (3, 5), dtype), normal(2, (3, 5), dtype)]
    g = normal(3, (4, 3, 5), dtype)
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    expected = torch.nn.functional.layer_norm(tensors[0], (3, 5), *tensors[1:])
    expected.backward(torch.from_numpy(g))
    out, *saved = layer_norm_forward(arrays[0], (3, 5), *arrays[1:])
    close(out, expected.detach().numpy())
    for grad, t in zip(layer_norm_backward(g, *saved, arrays[1]), tensors):
        close(grad, t.grad.numpy())
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays[:2]]
    expected = torch.nn.functional.rms_norm(tensors[0], (3, 5), tensors[1])
    expected.backward(torch.from_numpy(g))
    out, *saved = rms_norm_forward(arrays[0], (3, 5), arrays[1])
    close(out, expected.detach().numpy())
    for grad, t in zip(rms_norm_backward(g, *saved, arrays[1]), tensors):
        close(grad, t.grad.numpy())


@pytest.mark.parametrize("eps", [0.0, 1e-50, 1e-44, 1e-5, -1.0])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_one_row_is_normalised_as_one_of_two(value, eps):
    """Also where eps is nothing in the dtype computed in, and where the root has none."""
    for forward in (layer_norm_forward, rms_norm_forward):
        one, two = (forward(np.full((n, 4), value, np.float32), (4,), eps=eps)[0] for n in (1, 2))
        assert np.allclose(one, two[:1], equal_nan=True)
