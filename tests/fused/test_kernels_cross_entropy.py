"""Cross-entropy kernels against float64 formulas, finite differences and torch."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fused.numerical import awkward, close, layouts, normal, numerical_gradient, seeds
from tinygrad_zth.fused.cross_entropy import (
    cross_entropy_backward,
    cross_entropy_forward,
    cross_entropy_probabilities_backward,
    cross_entropy_probabilities_forward,
)

REDUCTIONS = ("none", "mean", "sum")


def log_softmax(x, axis):
    x = np.asarray(x, "d")
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def reference(x, target, weight, ignore_index, smoothing, reduction):
    """One target at a time, straight from torch's documentation."""
    axis = 1 if x.ndim > 1 else 0
    log_p = np.moveaxis(log_softmax(x, axis), axis, -1)
    classes = log_p.shape[-1]
    w = np.ones(classes) if weight is None else weight.astype("d")
    losses, total = np.zeros(target.shape), 0.0
    for i in np.ndindex(target.shape):
        y = target[i]
        if y == ignore_index:
            continue
        smooth = -(w * log_p[i]).sum() * smoothing / classes
        losses[i] = -(1 - smoothing) * w[y] * log_p[i][y] + smooth
        total += w[y]
    if reduction == "none":
        return losses
    return losses.sum() / (total if reduction == "mean" else 1.0)


@given(
    seed=seeds,
    batch=st.lists(st.integers(1, 4), max_size=3),
    classes=st.integers(1, 6),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    ignore_index=st.sampled_from([-100, 0]),
    reduction=st.sampled_from(REDUCTIONS),
    layout=layouts,
    dtype=st.sampled_from(["f", "d"]),
)
def test_indices(seed, batch, classes, weighted, smoothing, ignore_index, reduction, layout, dtype):
    rng = np.random.default_rng(seed)
    shape = (*batch[:1], classes, *batch[1:])
    target = np.asarray(rng.integers(0, classes, batch))
    if target.size > 1:
        target.flat[0] = classes - 1
        target.flat[1] = ignore_index
    if (target == ignore_index).all():
        ignore_index = -100
    weight = rng.random(classes).astype(dtype) + dtype_one(dtype) / 4 if weighted else None
    x = awkward(normal(seed, shape, dtype, 3.0), layout)
    out, saved = cross_entropy_forward(x, target, weight, ignore_index, smoothing, reduction)
    expected = reference(x, target, weight, ignore_index, smoothing, reduction)
    assert out.dtype == x.dtype and out.ndim == np.ndim(expected)
    close(out, expected, dtype)
    g = np.asarray(rng.standard_normal(out.shape), dtype)
    gx = cross_entropy_backward(g, saved)
    assert gx.dtype == x.dtype
    arguments = (target, weight, ignore_index, smoothing, reduction)
    numerical = numerical_gradient(lambda x: (reference(x, *arguments) * g).sum(), x, 1e-4)
    close(gx, numerical, "f", atol=2e-5)


def dtype_one(dtype):
    return np.ones((), dtype)


@given(
    seed=seeds,
    batch=st.lists(st.integers(1, 3), max_size=3),
    classes=st.integers(1, 5),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.2]),
    reduction=st.sampled_from(REDUCTIONS),
    dtype=st.sampled_from(["f", "d"]),
)
def test_probabilities(seed, batch, classes, weighted, smoothing, reduction, dtype):
    rng = np.random.default_rng(seed)
    shape = (*batch[:1], classes, *batch[1:])
    axis = 1 if len(shape) > 1 else 0
    x, target = normal(seed, shape, dtype, 3.0), rng.random(shape).astype(dtype)
    weight = rng.random(classes).astype(dtype) if weighted else None
    w = np.ones(classes) if weight is None else weight.astype("d")
    w = w.reshape([-1 if d == axis else 1 for d in range(len(shape))])

    def formula(x, target):
        smooth = np.asarray(target, "d") * (1 - smoothing) + smoothing / classes
        losses = -(smooth * w * log_softmax(x, axis)).sum(axis)
        return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / losses.size}[reduction]

    out, saved = cross_entropy_probabilities_forward(x, target, weight, smoothing, reduction)
    close(out, formula(x, target), dtype)
    g = np.asarray(rng.standard_normal(out.shape), dtype)
    gx, gt = cross_entropy_probabilities_backward(g, saved)
    assert gx.dtype == x.dtype and gt.dtype == target.dtype
    close(gx, numerical_gradient(lambda x: (formula(x, target) * g).sum(), x), "f", atol=2e-5)
    close(gt, numerical_gradient(lambda t: (formula(x, t) * g).sum(), target), "f", atol=2e-5)
    only_target = cross_entropy_probabilities_backward(g, saved, (False, True))
    assert only_target[0] is None and np.array_equal(only_target[1], gt)


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_extreme_logits(dtype):
    x = np.array([[1e4, -1e4, 0], [-np.inf, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
    target = np.array([0, 1, 2])
    out, saved = cross_entropy_forward(x, target, reduction="none")
    close(out, np.array([0, 0, np.log(3)]), dtype)
    gx = cross_entropy_backward(np.ones(3, dtype), saved)
    close(gx, np.array([[0, 0, 0], [0, 0, 0], [1 / 3, 1 / 3, -2 / 3]]), dtype)
    wrong, _ = cross_entropy_forward(x, np.array([1, 2, 0]), reduction="none")
    close(wrong, np.array([2e4, 2e4, np.log(3)]), dtype)


def test_a_confident_prediction_keeps_its_digits():
    x = np.array([[18.0, 2.0, 1.0]], "f")
    out, _ = cross_entropy_forward(x, np.array([0]))
    expected = np.log1p(np.exp(-16.0) + np.exp(-17.0))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1.5e-7)  # the logit's rounding: 1e-6


def test_ignored_rows_may_hold_anything():
    x = np.array([[np.inf, np.nan, 0], [1, 2, 3]], "f")
    target = np.array([-100, 1])
    for reduction in REDUCTIONS:
        out, saved = cross_entropy_forward(x, target, reduction=reduction)
        assert np.isfinite(out).all()
        gx = cross_entropy_backward(np.ones_like(out), saved)
        assert (gx[0] == 0).all() and np.isfinite(gx).all()


def test_mean_over_nothing_is_nan():
    out, _ = cross_entropy_forward(np.ones((2, 3), "f"), np.array([-100, -100]))
    assert np.isnan(out) and out.dtype == np.float32
    out, saved = cross_entropy_forward(np.ones((0, 3), "f"), np.zeros(0, "l"))
    assert np.isnan(out) and cross_entropy_backward(out, saved).shape == (0, 3)
    out, _ = cross_entropy_forward(np.ones((2, 3), "f"), np.array([-100, -100]), reduction="sum")
    assert out == 0


def test_errors():
    x = np.ones((2, 3), "f")
    for bad in (3, -1):
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds"):
            cross_entropy_forward(x, np.array([0, bad]))
    with pytest.raises(ValueError, match="batch_size"):
        cross_entropy_forward(x, np.array([0, 1, 2]))
    with pytest.raises(RuntimeError, match="shape"):
        cross_entropy_forward(np.ones((2, 3, 4)), np.zeros((2, 5), "l"))
    with pytest.raises(RuntimeError, match="weight"):
        cross_entropy_forward(x, np.array([0, 1]), np.ones(2, "f"))
    with pytest.raises(ValueError, match="reduction"):
        cross_entropy_forward(x, np.array([0, 1]), reduction="median")
    with pytest.raises(RuntimeError, match="label_smoothing"):
        cross_entropy_forward(x, np.array([0, 1]), label_smoothing=1.5)
    with pytest.raises(RuntimeError, match="probabilities"):
        cross_entropy_probabilities_forward(x, np.ones((2, 4), "f"))


@pytest.mark.parity
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_against_torch(dtype, scale):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    loss = torch.nn.functional.cross_entropy
    weights = (None, rng.random(4).astype(dtype))
    for shape, weight, smoothing, ignore_index, reduction in itertools.product(
        [(5, 4), (4,), (3, 4, 2), (0, 4)], weights, (0.0, 0.1), (-100, 2), REDUCTIONS
    ):
        x = (rng.standard_normal(shape) * scale).astype(dtype)
        target = np.asarray(rng.integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ()))
        if target.ndim and target.size:
            target.flat[0] = ignore_index
        tx = torch.from_numpy(x).requires_grad_()
        tw = None if weight is None else torch.from_numpy(weight)
        common = {"reduction": reduction, "label_smoothing": smoothing}
        expected = loss(tx, torch.from_numpy(target), tw, ignore_index=ignore_index, **common)
        out, saved = cross_entropy_forward(x, target, weight, ignore_index, smoothing, reduction)
        close(out, expected.detach().numpy(), atol=1e-5 if dtype == "f" else 1e-11)
        g = np.asarray(rng.standard_normal(out.shape), dtype)
        expected.backward(torch.from_numpy(g))
        close(cross_entropy_backward(g, saved), tx.grad.numpy(), atol=4e-6)

        mass = rng.random(shape).astype(dtype)
        tx, tm = torch.from_numpy(x).requires_grad_(), torch.from_numpy(mass).requires_grad_()
        expected = loss(tx, tm, tw, **common)
        out, saved = cross_entropy_probabilities_forward(x, mass, weight, smoothing, reduction)
        close(out, expected.detach().numpy())
        expected.backward(torch.from_numpy(g))
        gx, gm = cross_entropy_probabilities_backward(g, saved)
        close(gx, tx.grad.numpy())
        close(gm, tm.grad.numpy())
