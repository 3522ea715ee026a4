"""The engine: backward, accumulation, modes, hooks, views and writes, custom Functions, lifetime."""

from __future__ import annotations

import gc
import math
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch


def leaf(*values):
    return torch.tensor(list(values), requires_grad=True)


def test_backward_accumulates_into_leaves_only():
    x = leaf(1.0, 2.0)
    y = x * x
    for expected in ([2.0, 4.0], [4.0, 8.0]):
        y.sum().backward(retain_graph=True)
        assert x.grad.tolist() == expected
    assert y.grad_fn.name() == "MulBackward0" and y.grad is None


def at_zero():
    return torch.tensor([0])


@pytest.mark.parametrize(
    "make",
    [
        *(lambda x: x.exp(), lambda x: x * 2, lambda x: 2 * x, lambda x: x / 2, lambda x: x**2),
        *(lambda x: x[at_zero()], lambda x: x[[0]], lambda x: x[x.detach() > 0], lambda x: x[at_zero()][0]),
        *(lambda x: x.index_select(0, at_zero()), lambda x: x.take(at_zero()), lambda x: x.masked_select(x > 0)),
    ],
)
def test_a_freed_graph_says_so(make):
    y = make(leaf(1.0)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    y = make(leaf(1.0)).sum()
    y.backward(retain_graph=True)
    y.backward()


@pytest.mark.parametrize(
    "make", [lambda x: x[0], lambda x: x[:1], lambda x: x.view(1), lambda x: x + 1, lambda x: x.sum()]
)
def test_a_graph_that_holds_nothing_can_be_passed_again(make):
    x = leaf(1.0)
    y = make(x).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0]


def test_an_index_is_kept_where_the_graph_is():
    x = leaf(1.0, 2.0)
    y = x[at_zero()].sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    assert first.tolist() == [1.0, 0.0]
    y.backward()
    for create_graph in (False, True):
        with pytest.raises(RuntimeError, match="a second time"):
            torch.autograd.grad(y, x, retain_graph=False, create_graph=create_graph)


def test_what_saved_nothing_can_be_passed_again():
    x = leaf(1.0, 2.0)
    y = (x.view(2, 1) - 2).mean()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: leaf(1.0, 2.0).exp().backward(), "implicitly created only for scalar outputs"),
        (lambda: torch.ones(1).backward(), "does not require grad"),
        (lambda: leaf(1.0, 2.0).backward(torch.ones(3)), "Mismatch in shape"),
        (lambda: torch.tensor([1, 2], requires_grad=True), "floating point"),
        (lambda: leaf(1.0).add_(1), "leaf Variable that requires grad"),
        (lambda: leaf(1.0, 2.0)[0].fill_(1), "view of a leaf Variable"),
        (lambda: torch.ones(3).expand(2, 3).add_(1), "single memory location"),
        (lambda: torch.autograd.grad(leaf(1.0).sum(), leaf(2.0)), "not have been used"),
        (lambda: torch.ones(2) + torch.ones(3), "must match the size of tensor b"),
        (lambda: torch.ones(2, 3) @ torch.ones(2, 3), "cannot be multiplied"),
        (lambda: leaf(1.0).numpy(), "requires grad"),
    ],
)
def test_misuse_is_a_runtime_error(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_modes_nest_and_belong_to_their_thread():
    x, seen = leaf(1.0), []
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True] and torch.is_grad_enabled()

    @torch.no_grad()
    def double():
        return x * 2

    assert not double().requires_grad
    with torch.set_grad_enabled(False), torch.inference_mode():
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()


def test_hooks_see_and_replace_the_gradient():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]] and y.grad.tolist() == [2.0, 2.0] and x.grad.tolist() == [6.0, 6.0]
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_gradients_of_gradients():
    x = leaf(2.0, 3.0)
    g = (x**4).sum()
    for expected in ([32.0, 108.0], [48.0, 108.0], [48.0, 72.0], [24.0, 24.0]):
        (g,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        assert g.tolist() == expected


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2**31 - 1))
def test_broadcasting_is_undone(a, b, seed):
    """A gradient has its tensor's shape, dtype and value, whatever was broadcast."""
    rng = np.random.default_rng(seed)
    full = tuple(rng.integers(1, 4, 3))
    shapes = [tuple(1 if rng.random() < 0.4 else n for n in full[k:]) for k in (a, b)]
    x, y = (torch.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes)
    out = x * y + x
    w = rng.standard_normal(tuple(out.shape))
    out.backward(torch.tensor(w))
    wide = np.broadcast_to(w, out.shape)
    for t, slope in ((x, y.detach().numpy() + 1), (y, x.detach().numpy())):
        expected = wide * slope
        while expected.ndim > t.dim():
            expected = expected.sum(0)
        for d, n in enumerate(t.shape):
            if n == 1:
                expected = expected.sum(d, keepdims=True)
        assert t.grad.shape == t.shape and t.grad.dtype == t.dtype
        np.testing.assert_allclose(t.grad.numpy(), expected, rtol=1e-10, atol=1e-12)


def test_two_leaves_never_share_a_gradient_buffer():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.tolist() == [1.0, 1.0]


def test_overwritten_values_are_noticed():
    x, w = leaf(1.0, 2.0), leaf(1.0, 1.0)
    h = x * 2
    out = (h * w).sum()
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()
    y = x.exp()
    y[0] = 0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_writes_through_views_of_views_are_differentiable():
    x, v = leaf(1.0, 2.0, 3.0, 4.0), leaf(10.0)
    h = (x * 1).reshape(2, 2)
    row = h[1]
    row[0:1] = v
    row.mul_(3)
    assert h.tolist() == [[1.0, 2.0], [30.0, 12.0]]
    h.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 3.0] and v.grad.tolist() == [3.0]


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return x * x * k, x + 1

    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return 2 * ctx.k * x * g + h, None


def test_custom_function():
    x = leaf(1.0, 2.0)
    a, b = Scale.apply(x, 3.0)
    (g,) = torch.autograd.grad((a + b).sum(), x, create_graph=True)
    assert g.tolist() == [7.0, 13.0]
    (second,) = torch.autograd.grad(g.sum(), x)
    assert second.tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Scale()


def test_anomaly_mode_names_the_operation():
    x = leaf(0.0)
    with torch.autograd.detect_anomaly():
        y = x.sqrt() * 0
        with pytest.raises(RuntimeError, match=r"SqrtBackward0(.|\n)*test_autograd"):
            y.sum().backward()


def test_a_graph_goes_when_its_loss_goes():
    """Without the garbage collector: there are no reference cycles."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        h = (x * 2).tanh()
        node = weakref.ref(h.grad_fn)
        a, b = h.unbind()
        loss = (h[0] + a * b).sum()
        loss.backward()
        del loss, h, a, b
        assert node() is None
    finally:
        gc.enable()


def test_a_long_chain():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1.0
    del y  # neither does the end of a long graph recurse


def test_unused_outputs_and_inputs():
    x, z = leaf(1.0, 2.0, 3.0), leaf(1.0)
    first, _, _ = x.unbind()
    g = torch.autograd.grad(first * 2, [x, z], allow_unused=True)
    assert g[0].tolist() == [2.0, 0.0, 0.0] and g[1] is None


def test_a_gradient_that_two_inputs_receive_is_not_added_to_in_place():
    """c = a + b hands its gradient to both; what later arrives at a must not change what b was given."""
    x, y = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    a, b = x * 1, y * 1
    d = a * 3
    c = a + b
    (c * 2 + d).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0, 5.0]
    assert y.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_divisors_gradient_does_not_pass_through_what_overflows():
    """g / y is infinite in float16 here; g (x / y) / -y is not."""
    x, y = torch.tensor([0.0, 1e-5]).half(), torch.tensor([0.01, 1e-3]).half().requires_grad_()
    (x / y).backward(torch.tensor([1000.0, 100.0]).half())
    assert y.grad[0] == 0 and abs(y.grad[1] + 1001) < 2


def test_tensors_and_their_gradients_are_checked_one_after_the_other():
    first = torch.ones(2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        torch.autograd.backward([first, torch.ones(1)])
    with pytest.raises(RuntimeError, match="element 1 of tensors"):
        torch.autograd.backward([first.sum(), torch.ones(2)])


def test_a_target_behind_another_target_gets_its_gradient_too():
    x = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
    one = x.tanh()
    two = one * 1  # hands its gradient on unchanged
    loss = (two * two).sum() + two.sum() + one.sum()
    expected = {}
    for name, t in (("x", x), ("one", one), ("two", two)):
        (expected[name],) = torch.autograd.grad(loss, t, retain_graph=True)
    for order in (("x", "one", "two"), ("two", "x"), ("one", "x"), ("one", "two")):
        inputs = [{"x": x, "one": one, "two": two}[name] for name in order]
        for create_graph in (False, True):
            found = torch.autograd.grad(loss, inputs, retain_graph=True, create_graph=create_graph)
            for name, g in zip(order, found):
                assert torch.equal(g, expected[name]), (order, name)


class _ExpAndDouble(torch.autograd.Function):
    """Two outputs, of which one is saved: under ``create_graph`` its gradient arrives at the producer twice."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y, 2 * x

    @staticmethod
    def backward(ctx, g, h):
        (y,) = ctx.saved_tensors
        return g * y + 2 * h


def test_an_output_reached_over_two_ways_collects_both_gradients():
    x = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    y, z = _ExpAndDouble.apply(x)
    (g,) = torch.autograd.grad((y * torch.tensor([1.0, 3.0]) + z).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g * torch.tensor([5.0, 7.0])).sum() + (y * torch.tensor([2.0, 11.0])).sum(), x)
    e = x.detach().exp()
    torch.testing.assert_close(h, torch.tensor([5.0, 21.0], dtype=torch.float64) * e + torch.tensor([2.0, 11.0]) * e)


def test_inputs_named_twice_count_once_and_run_their_hooks():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 3).sum().backward(inputs=[x, x])
    assert seen == [[3.0, 3.0]]


def test_a_retained_gradient_accumulates_over_passes():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    h = x * 2
    h.retain_grad()
    y = (h * 4).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert h.grad.tolist() == [8.0, 8.0] and x.grad.tolist() == [16.0, 16.0]


def test_a_leaf_that_no_longer_asks_gets_no_gradient():
    x, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    y = (x * w).sum()
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None and w.grad.tolist() == [1.0, 1.0]


def test_a_hook_may_not_change_the_dtype():
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: g.double())
    with pytest.raises(RuntimeError, match="has changed the type of value"):
        (x * 2).sum().backward()


def test_a_pass_that_fails_changes_no_leaf():
    w1, w2 = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    h = w1 * 2

    def fail(g):
        raise ValueError("no")

    h.register_hook(fail)
    with pytest.raises(ValueError, match="no"):
        (h * w2).sum().backward()
    assert w1.grad is None and w2.grad is None


@st.composite
def reduced(draw):
    """A shape, also without elements or dimensions, and some of its dimensions."""
    shape = draw(st.lists(st.sampled_from([0, 1, 1, 2, 3]), max_size=4).map(tuple))
    return shape, draw(st.lists(st.sampled_from(range(len(shape))), unique=True).map(tuple)) if shape else ()


@given(reduced(), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["sum", "mean"]))
def test_the_gradient_of_a_sum_is_repeated_whatever_it_meets(case, keepdim, first, recorded, name):
    """The engine repeats it where it adds it: to nothing, to a buffer of its own or of somebody else's, before or after."""
    shape, dims = case
    x = torch.arange(float(math.prod(shape))).reshape(shape).requires_grad_()
    inner = x * 2  # so that the gradients meet at an inner node

    def by_itself():
        return (inner * (inner.detach() + 1)).sum()

    terms = [by_itself()] if first else []
    small = getattr(inner, name)(dims or None, keepdim)
    w = torch.arange(1.0, 1 + small.numel()).reshape(small.shape)
    terms.append((small * w).sum())
    terms += [] if first else [by_itself()]
    loss = terms[0] + terms[1] + inner.sum()
    (g,) = torch.autograd.grad(loss, x, create_graph=recorded)
    full = np.expand_dims(w.numpy(), dims or tuple(range(len(shape)))) if not keepdim else w.numpy()
    count = math.prod(shape[d] for d in dims) if dims else math.prod(shape)
    full = full / (count if name == "mean" and count else 1)
    np.testing.assert_allclose(g.detach().numpy(), 2 * (full + 2 * x.detach().numpy() + 2), rtol=1e-6)
    assert g.shape == x.shape
