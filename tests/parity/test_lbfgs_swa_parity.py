"""LBFGS and averages of weights against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")
LIBS = (zth, torch)


def problem(name, x, lib):
    if name == "rosenbrock":
        return ((1 - x[:-1]) ** 2).sum() + 100 * ((x[1:] - x[:-1] ** 2) ** 2).sum()
    if name == "quadratic":
        return (x * x * lib.arange(1, len(x) + 1, dtype=lib.float64)).sum() + (x[0] * x[1])
    return (x**4 - 3 * x**2 + x).sum()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["rosenbrock", "quadratic", "quartic"]), st.integers(2, 5), st.sampled_from([None, "strong_wolfe"]),
    st.floats(0.01, 1.0), st.integers(1, 12), st.integers(1, 5), st.none() | st.integers(1, 20), st.integers(1, 3),
    st.integers(0, 2**16),
)  # fmt: skip
def test_lbfgs(name, n, search, lr, max_iter, history, max_eval, steps, seed):
    start = np.random.default_rng(seed).standard_normal(n)
    options = {
        "lr": lr if search or name != "rosenbrock" else lr * 1e-2, "max_iter": max_iter, "history_size": history,
        "line_search_fn": search, "max_eval": max_eval,
    }  # fmt: skip
    results = []
    for lib in LIBS:
        x = lib.tensor(start, requires_grad=True)
        unused = lib.zeros(2, dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.LBFGS([x, unused], **options)
        calls = []

        def closure(lib=lib, x=x, optimizer=optimizer, calls=calls):
            optimizer.zero_grad()
            loss = problem(name, x, lib)
            loss.backward()
            calls.append(loss.item())
            return loss

        losses = [optimizer.step(closure).item() for _ in range(steps)]
        state = optimizer.state[x]
        results.append((losses, x.detach().numpy(), len(calls), state["func_evals"], state["n_iter"], repr(optimizer)))
    (a, x, *counts), (b, y, *theirs) = results
    if not np.isfinite(b).all() or np.abs(b).max() > 1e6:
        return  # it diverged, and rounding with it
    assert counts == theirs
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7)


def test_lbfgs_finds_the_minimum_and_goes_on_from_its_state():
    def run(steps, x, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = problem("rosenbrock", x, zth)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)

    def fresh(values=(-1.5, 2.0)):
        x = zth.tensor(values, dtype=zth.float64, requires_grad=True)
        return x, zth.optim.LBFGS([x], max_iter=5, line_search_fn="strong_wolfe")

    x, optimizer = fresh()
    run(3, x, optimizer)
    again, other = fresh(x.tolist())
    other.load_state_dict(optimizer.state_dict())
    run(8, x, optimizer)
    run(8, again, other)
    assert again.tolist() == x.tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["mean", "ema", "ema of all", "mean of all", "own"]), st.booleans(), st.integers(1, 4))
def test_averaged_model(kind, buffers, count):
    buffers = buffers and kind != "mean of all"  # of which PyTorch has none for integers
    results = []
    for lib in LIBS:
        swa = lib.optim.swa_utils
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4)).double()
        options = {
            "mean": {}, "ema": {"avg_fn": swa.get_ema_avg_fn(0.9)}, "ema of all": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
            "mean of all": {"multi_avg_fn": swa.get_swa_multi_avg_fn()}, "own": {"avg_fn": lambda a, p, n: a + p * n},
        }[kind]  # fmt: skip
        averaged = swa.AveragedModel(model, use_buffers=buffers, **options)
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        for i in range(count):
            x = lib.linspace(-1, 1 + i, 15, dtype=lib.float64).reshape(5, 3)
            (model(x) ** 3).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            averaged.update_parameters(model)
        batches = [lib.linspace(0, 1 + i, 15, dtype=lib.float64).reshape(5, 3) for i in range(2)]
        before = {k: v.detach().numpy().copy() for k, v in averaged.state_dict().items()}
        swa.update_bn([[b, None] for b in batches], averaged)
        after = {k: v.detach().numpy().copy() for k, v in averaged.state_dict().items()}
        assert averaged.training and averaged.module[1].momentum == 0.1
        results.append((before, after, averaged(batches[0]).detach().numpy()))
    for a, b in zip(*results, strict=True):
        if isinstance(b, dict):
            assert list(a) == list(b)
            for key in b:
                np.testing.assert_allclose(a[key], b[key], rtol=1e-7, atol=1e-9, err_msg=key)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 6), st.sampled_from(["cos", "linear"]), st.sampled_from([0.05, [0.05, 0.2]]), st.booleans())
def test_swalr(epochs, strategy, rate, mixed):
    results = []
    for lib in LIBS:
        groups = [{"params": [lib.nn.Parameter(lib.zeros(1))], "lr": r} for r in (0.1, 0.5)]
        optimizer = lib.optim.SGD(groups, lr=0.1)
        first = lib.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        swa = lib.optim.swa_utils.SWALR(optimizer, rate, epochs, strategy)
        rates = []
        for i in range(9):
            optimizer.step()
            (first if mixed and i < 2 else swa).step()
            rates.append([g["lr"] for g in optimizer.param_groups])
        state = {k: v for k, v in swa.state_dict().items() if k != "anneal_func"}
        results.append((rates, state))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)
    assert results[0][1].keys() == results[1][1].keys()


def optimizer(t):
    return t.optim.SGD([t.nn.Parameter(t.zeros(1))], lr=0.1)


BAD = {
    "several groups": lambda t: t.optim.LBFGS([{"params": [t.nn.Parameter(t.zeros(1))]}, {"params": [t.nn.Parameter(t.zeros(1))]}]),
    "rate": lambda t: t.optim.LBFGS([t.nn.Parameter(t.zeros(1))], lr=-1),
    "rates": lambda t: t.optim.LBFGS([t.nn.Parameter(t.zeros(1))], lr=t.tensor([1.0, 2.0])),
    "decay": lambda t: t.optim.swa_utils.get_ema_avg_fn(1.5),
    "decay of all": lambda t: t.optim.swa_utils.get_ema_multi_avg_fn(-0.5),
    "two functions": lambda t: t.optim.swa_utils.AveragedModel(t.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max),
    "strategy": lambda t: t.optim.swa_utils.SWALR(optimizer(t), 0.1, anneal_strategy="sine"),
    "epochs": lambda t: t.optim.swa_utils.SWALR(optimizer(t), 0.1, -1),
    "rates for groups": lambda t: t.optim.swa_utils.SWALR(optimizer(t), [0.1, 0.2]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    with pytest.raises(Exception) as theirs:
        BAD[case](torch)
    with pytest.raises(type(theirs.value)) as mine:
        BAD[case](zth)
    assert str(mine.value)[:60] == str(theirs.value)[:60]


def test_an_unknown_line_search():
    for lib in LIBS:
        x = lib.ones(2, requires_grad=True)

        def closure(x=x):
            x.grad = None
            loss = (x * x).sum()
            loss.backward()
            return loss

        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            lib.optim.LBFGS([x], line_search_fn="armijo").step(closure)
