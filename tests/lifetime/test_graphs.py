"""Deep graphs, threads, and errors in the middle of a backward pass."""

from __future__ import annotations

import gc
import sys
import threading
import time

import numpy as np
import pytest

import tinygrad_zth as torch


def chain(n: int):
    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(n):
        y = y * 1.0
    return x, y


def seconds(n: int) -> float:
    x, y = chain(n)
    gc.collect()
    start = time.process_time()
    y.backward()
    taken = time.process_time() - start
    assert x.grad.item() == 1
    return taken


def test_a_graph_of_a_million_nodes_runs_backward_without_recursion():
    limit = sys.getrecursionlimit()
    gc.disable()  # nothing here is for it to find, and it would look a thousand times
    x, y = chain(1_000_000)
    sys.setrecursionlimit(200)
    try:
        y.backward()
        del y  # and is let go without recursion, too
    finally:
        sys.setrecursionlimit(limit)
        gc.enable()
    assert x.grad.item() == 1


def test_backward_takes_linear_time():
    """Ten times the nodes take about ten times as long: far from the hundred of a quadratic pass."""
    small = min(seconds(5_000) for _ in range(3))
    large = min(seconds(50_000) for _ in range(2))
    assert large < 30 * small


def test_recorded_gradients_of_a_deep_graph():
    """The graph of the backward pass is as deep; it is walked in the same way."""
    x, y = chain(20_000)
    (g,) = torch.autograd.grad(y * y, x, create_graph=True)
    (g2,) = torch.autograd.grad(g, x)
    assert (g.item(), g2.item()) == (2, 2)


def test_wide_graphs_add_up():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    sum((x * i for i in range(10_000)), start=torch.zeros((), dtype=torch.float64)).backward()
    assert x.grad.item() == sum(range(10_000))


# ---------------------------------------------------------------------------- threads


def together(functions):
    """Run them at once; raise what one of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(functions))

    def run(function):
        try:
            start.wait()
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def test_grad_mode_is_each_threads_own():
    def off():
        for _ in range(300):
            with torch.no_grad():
                assert not torch.is_grad_enabled()
                assert not (torch.ones(2, requires_grad=True) * 2).requires_grad

    def on():
        for _ in range(300):
            assert torch.is_grad_enabled()
            assert (torch.ones(2, requires_grad=True) * 2).requires_grad

    together([off, on, off, on])
    assert torch.is_grad_enabled()


def test_a_new_thread_records_whatever_its_parent_does():
    seen = []
    with torch.no_grad():
        t = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


def test_threads_with_graphs_of_their_own_get_their_own_results():
    def work(seed):
        def run():
            rng = np.random.default_rng(seed)
            w = torch.tensor(rng.standard_normal((8, 8)), requires_grad=True)
            x = torch.tensor(rng.standard_normal((4, 8)))
            for _ in range(30):
                w.grad = None
                h = (x @ w) * 0.5
                h[0] = 0  # in place, through a view
                (h @ w).softmax(-1).pow(2).sum().backward()
                results[seed].append(w.grad.numpy().copy())
                (g,) = torch.autograd.grad((x @ w).exp().sum(), w, create_graph=True)
                results[seed].append(torch.autograd.grad(g.sum(), w)[0].numpy())

        return run

    results = {seed: [] for seed in range(4)}
    together([work(seed) for seed in results])
    at_once, results = results, {seed: [] for seed in range(4)}
    for seed in results:
        work(seed)()
    for seed, found in at_once.items():
        assert len(found) == 60
        for a, b in zip(found, results[seed], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------------------- errors on the way


class Fails(torch.autograd.Function):
    armed = True

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        if Fails.armed:
            raise ZeroDivisionError("in the middle")
        return g


@pytest.fixture
def armed():
    Fails.armed = True
    yield
    Fails.armed = True


def test_an_error_in_the_middle_leaves_graph_and_grads_usable(armed):
    a, b = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    a.grad = torch.tensor([10.0, 20.0])
    h = Fails.apply(a * b)
    loss = (h * h).sum()
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        loss.backward(retain_graph=True)
    assert torch.is_grad_enabled()
    assert a.grad.tolist() == [10, 20] and b.grad is None
    Fails.armed = False
    loss.backward()
    assert a.grad.tolist() == [10 + 2 * 1 * 9, 20 + 2 * 2 * 16] and b.grad.tolist() == [2 * 1 * 3, 2 * 4 * 4]


def test_an_error_under_create_graph_leaves_the_grad_mode_alone(armed):
    x = torch.tensor(2.0, requires_grad=True)
    y = Fails.apply(x**3)
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        torch.autograd.grad(y, x, create_graph=True)
    with pytest.raises(ZeroDivisionError):
        torch.autograd.grad(y, x, retain_graph=True)
    assert torch.is_grad_enabled()
    Fails.armed = False
    assert torch.autograd.grad(y, x)[0].item() == 12


def test_an_error_in_a_hook_leaves_the_grads_usable():
    x = torch.tensor(2.0, requires_grad=True)
    h = x * 3

    def hook(g):
        raise KeyError("hook")

    handle = h.register_hook(hook)
    y = h * h
    with pytest.raises(KeyError):
        y.backward(retain_graph=True)
    assert x.grad is None
    handle.remove()
    y.backward()
    assert x.grad.item() == 36


def test_a_refused_backward_changes_no_grad():
    x = torch.ones(3, requires_grad=True)
    h = x.exp()
    y = h * 2
    with torch.no_grad():
        h.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    assert x.grad is None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
