"""A graph's memory returns when the loss goes out of scope; nothing waits for the garbage collector."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import textwrap
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_zth as torch
from tinygrad_zth import nn
from tinygrad_zth.nn import functional as F


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def training():
    """A model with most of what models are made of, and a function that takes one training step."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(11, 8), nn.Flatten(), nn.Linear(24, 64), nn.BatchNorm1d(64), nn.Tanh(), nn.Dropout(0.1),
        nn.LayerNorm(64), nn.Linear(64, 11),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.randint(0, 11, (256, 3)), torch.randint(0, 11, (256,))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@pytest.mark.host  # the host's allocations are traced
def test_the_traced_memory_of_a_thousand_steps_is_flat(no_collector):
    step = training()
    for _ in range(30):
        step()
    tracemalloc.start()
    try:
        step()
        first, _ = tracemalloc.get_traced_memory()
        peaks = []
        for _ in range(5):
            tracemalloc.reset_peak()
            for _ in range(200):
                step()
            held, peak = tracemalloc.get_traced_memory()
            peaks.append(peak)
    finally:
        tracemalloc.stop()
    # What a step leaves behind, against what it needs: traces of the interpreter's own caches remain.
    assert held - first <= 0.02 * peaks[0], (first, held, peaks)
    assert peaks[-1] <= 1.02 * peaks[0], peaks


def test_the_resident_memory_of_a_thousand_steps_is_flat():
    """In a process of its own, with the collector off from the start."""
    code = """
        import gc; gc.disable()
        import os
        from tests.lifetime.test_memory import training
        def resident():
            with open("/proc/self/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        step = training()
        for _ in range(100): step()
        before = resident()
        for _ in range(1000): step()
        print(before, resident())
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("resident memory is read from /proc")
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    before, after = map(int, run.stdout.split())
    assert after <= 1.02 * before, (before, after)


def test_everything_goes_with_the_loss(no_collector):
    x = torch.randn(4, 5, requires_grad=True)
    h = (x @ x.T).tanh()
    view = h[1:].t()
    loss = (view * view).softmax(0).sum() + h.exp().logsumexp(0).sum()
    watched = [weakref.ref(t) for t in (h, view, loss)] + [weakref.ref(loss.grad_fn), weakref.ref(h.grad_fn)]
    loss.backward()
    del h, view, loss
    assert [w() for w in watched] == [None] * 5
    assert x.grad is not None


def test_everything_goes_without_a_backward(no_collector):
    x = torch.randn(4, requires_grad=True)
    y = x
    for _ in range(100):
        y = (y * 1.01).sin()
        y[0] = 0.5  # writes through views leave no cycle either
    watched = [weakref.ref(y), weakref.ref(y.grad_fn)]
    del y
    assert [w() for w in watched] == [None, None]


def test_recorded_gradients_leave_no_cycle(no_collector):
    x = torch.randn(4, requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (g2,) = torch.autograd.grad((g * g).sum(), x, create_graph=True)
    watched = [weakref.ref(g), weakref.ref(g2), weakref.ref(g2.grad_fn)]
    del g, g2
    assert [w() for w in watched] == [None] * 3


def test_saved_values_are_let_go_by_the_backward(no_collector):
    x = torch.randn(1000, requires_grad=True)
    h = x.exp()
    held = weakref.ref(h._array)
    loss = h.sum()
    del h
    assert held() is not None  # exp keeps its result
    loss.backward()
    assert held() is None


def test_modules_hooks_and_functions_leave_no_cycle(no_collector):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 + 0 * x

    x = torch.randn(3, requires_grad=True)
    h = Twice.apply(x)
    h.register_hook(lambda g: g * 1)
    loss = (h * h).sum()
    watched = [weakref.ref(h), weakref.ref(loss.grad_fn)]
    loss.backward()
    del h, loss
    assert [w() for w in watched] == [None, None]


def test_peak_memory_of_a_step_does_not_grow_with_the_number_of_steps():
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = training()
    for _ in range(200):
        step()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - usage
    assert grown * 1024 < 64e6
    assert np.isfinite(step())
