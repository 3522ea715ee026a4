"""Every optimiser against its rule as the papers write it, however its parameters lie and are bundled."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as torch
from tinygrad_zth.backends import parallel

_spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

# Optimiser, rule, options of its own that are tried.
RULES = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.2},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ],
    "Adam": [{"lr": 0.1}, {"lr": 0.01, "amsgrad": True, "betas": (0.5, 0.6)}],
    "RMSprop": [{"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "centered": True}],
    "Adagrad": [{"lr": 0.1}, {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3}],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.5, "eps": 1e-3}],
    "Adamax": [{}, {"lr": 0.1, "betas": (0.5, 0.6)}],
    "NAdam": [{}, {"lr": 0.1, "momentum_decay": 0.1}],
    "RAdam": [{}, {"lr": 0.1, "betas": (0.5, 0.8)}],
    "ASGD": [{}, {"lr": 0.1, "lambd": 0.1, "t0": 1}],
    "Rprop": [{}, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.2)}],
}
CASES = [(name, options) for name, several in RULES.items() for options in several]
SHAPES = st.lists(st.sampled_from([(), (1,), (7,), (0, 3), (3, 4), (2, 3, 2), (70, 70)]), min_size=1, max_size=5)


def layout(array, how):
    """A tensor of the same values that lies otherwise in memory."""
    if how == "transposed" and array.ndim:
        return torch.tensor(np.ascontiguousarray(array.T)).permute(*range(array.ndim)[::-1])
    if how == "strided" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
        wide[..., ::2] = array
        return torch.from_numpy(wide)[..., ::2]
    return torch.tensor(array)


def follow(name, options, arrays, rng, steps, weight_decay=0.0, maximize=False, decoupled=False, layouts=None):
    """Run the optimiser and the rule side by side; the parameters of both."""
    params = [layout(a, how).requires_grad_() for a, how in zip(arrays, layouts or [""] * len(arrays), strict=True)]
    more = {"maximize": maximize} | ({} if name == "Rprop" else {"weight_decay": weight_decay})
    more |= {"decoupled_weight_decay": True} if decoupled else {}
    optimizer = getattr(torch.optim, name)(params, **options, **more)
    rule, expected, states = getattr(reference, name.lower()), list(arrays), [{} for _ in arrays]
    lr = optimizer.param_groups[0]["lr"]
    for _ in range(steps):
        for i, p in enumerate(params):
            g = rng.standard_normal(p.shape)
            p.grad = torch.tensor(g)
            before, g = expected[i], -g if maximize else g
            if decoupled:
                before = before * (1 - lr * weight_decay)
            elif name != "Rprop":
                g = g + weight_decay * before
            expected[i] = rule(before, g, states[i], **options)
        optimizer.step()
    return params, expected, optimizer, states


@pytest.mark.parametrize("name, options", CASES)
@settings(max_examples=15, deadline=None)
@given(SHAPES, st.integers(1, 5), st.sampled_from([0.0, 0.3]), st.booleans(), st.data())
def test_rule(name, options, shapes, steps, weight_decay, maximize, data):
    rng = np.random.default_rng(0)
    layouts = [data.draw(st.sampled_from(["", "transposed", "strided"])) for _ in shapes]
    decoupled = name in ("Adam", "NAdam", "RAdam") and data.draw(st.booleans())
    arrays = [rng.standard_normal(s) for s in shapes]
    params, expected, optimizer, states = follow(
        name, options, arrays, rng, steps, weight_decay, maximize, decoupled, layouts
    )
    for p, e, state in zip(params, expected, states, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), e, rtol=1e-6, atol=1e-7)
        for key, value in state.items():
            np.testing.assert_allclose(optimizer.state[p][key].numpy(), value, rtol=1e-6, atol=1e-7, err_msg=key)
            assert optimizer.state[p][key].shape == (p.shape if key not in optimizer.counters else ())


@pytest.mark.parametrize("name, options", CASES)
def test_blocks_and_threads(name, options):
    """More elements than a block, beside small ones, worked off by two threads."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in [(300, 500), (5,), (9, 11), (70000,), (100, 100)]]
    before = parallel.get_num_threads()
    try:
        parallel.set_num_threads(2)
        params, expected, *_ = follow(name, options, arrays, rng, 3)
    finally:
        parallel.set_num_threads(before)
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), e, rtol=1e-6, atol=1e-7)


@pytest.mark.host  # the memory is NumPy's
@pytest.mark.parametrize("name", [*RULES, "AdamW"])
def test_memory_stays_the_users(name):
    """A step writes where the parameter lies, seen by every window on it, and leaves the gradient alone."""
    memory = np.ones((3, 4))
    p = torch.from_numpy(memory).requires_grad_()
    q = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    view, g = p.detach()[1], torch.full((3, 4), 0.5, dtype=torch.float64)
    p.grad = g
    y = p * p
    optimizer = getattr(torch.optim, name)([p, q], lr=0.1)
    optimizer.step()
    assert p.grad is g and bool((g == 0.5).all())
    assert not (memory == 1).any() and view.tolist() == memory[1].tolist()
    assert bool((q == 1).all())  # it had no gradient
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


@pytest.mark.parametrize("name", [*RULES, "AdamW"])
def test_a_saved_run_goes_on_bit_for_bit(name, tmp_path):
    def run(steps, p, q, optimizer, first=0):
        for i in range(first, first + steps):
            p.grad, q.grad = torch.full((3,), 0.1 * i - 0.2), torch.full((2, 2), 0.3 - 0.1 * i)
            optimizer.step()

    def fresh():
        p, q = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))
        return p, q, getattr(torch.optim, name)([{"params": [p]}, {"params": [q], "lr": 0.05}], lr=0.1)

    whole, half, again = fresh(), fresh(), fresh()
    run(6, *whole)
    run(3, *half)
    torch.save({"optimizer": half[2].state_dict(), "p": half[0], "q": half[1]}, tmp_path / "run.npz")
    kept = torch.load(tmp_path / "run.npz")
    with torch.no_grad():
        again[0].copy_(kept["p"])
        again[1].copy_(kept["q"])
    again[2].load_state_dict(kept["optimizer"])
    run(3, *again, first=3)
    assert torch.equal(again[0], whole[0]) and torch.equal(again[1], whole[1])


def test_states_may_be_looked_at_and_replaced():
    p, q = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([p, q], lr=1.0, momentum=0.5)

    def step():
        p.grad, q.grad = torch.ones(3), torch.ones(3)
        optimizer.step()

    step()
    optimizer.state[p]["momentum_buffer"].zero_()  # written to
    optimizer.state[q]["momentum_buffer"] = torch.full((3,), 10.0)  # replaced
    step()
    assert p.tolist() == [-2.0] * 3 and q.tolist() == [-7.0] * 3
    optimizer.state[p]["momentum_buffer"] = torch.zeros(2)
    with pytest.raises(RuntimeError, match="does not fit a parameter of shape"):
        step()


def test_elements_that_share_memory_are_refused():
    p = torch.zeros(1).expand(3).detach().requires_grad_()
    p.grad = torch.ones(3)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.optim.SGD([p], lr=0.1).step()


def test_a_parameter_twice_in_a_group_is_warned_of():
    p = torch.nn.Parameter(torch.zeros(1))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        torch.optim.SGD([p, p], lr=0.1)


def test_a_hook_may_change_the_arguments_and_must_return_two():
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([p], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {}))
    assert optimizer.step() == 7.0
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()
