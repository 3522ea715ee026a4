"""Every learning rate scheduler against PyTorch: the rates of many steps, the states, errors, warnings."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")

FACTOR = st.floats(0.05, 1.0)
COUNT = st.integers(1, 7)

# How each is made: a function of the library, the optimiser and the drawn options.
OPTIONS = {
    "StepLR": {"step_size": COUNT, "gamma": FACTOR},
    "MultiStepLR": {"milestones": st.lists(st.integers(0, 12), max_size=4), "gamma": FACTOR},
    "ExponentialLR": {"gamma": FACTOR},
    "ConstantLR": {"factor": FACTOR, "total_iters": COUNT},
    "LinearLR": {"start_factor": FACTOR, "end_factor": FACTOR, "total_iters": COUNT},
    "PolynomialLR": {"total_iters": COUNT, "power": st.floats(0.2, 3.0)},
    "CosineAnnealingLR": {"T_max": COUNT, "eta_min": st.floats(0.0, 0.05)},
    "CosineAnnealingWarmRestarts": {"T_0": COUNT, "T_mult": st.integers(1, 3), "eta_min": st.floats(0.0, 0.05)},
    "LambdaLR": {"lr_lambda": st.sampled_from([lambda e: 0.9**e, lambda e: 1.0 / (1 + e)])},
    "MultiplicativeLR": {"lr_lambda": st.sampled_from([lambda e: 0.9, lambda e: 1.0 / (1 + e)])},
    "CyclicLR": {
        "base_lr": st.floats(0.001, 0.1), "max_lr": st.floats(0.2, 1.0), "step_size_up": COUNT,
        "step_size_down": st.none() | COUNT, "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
        "gamma": FACTOR, "cycle_momentum": st.booleans(),
        "scale_fn": st.sampled_from([None, lambda x: 0.9**x]), "scale_mode": st.sampled_from(["cycle", "iterations"]),
    },
    "OneCycleLR": {
        "max_lr": st.floats(0.1, 1.0), "total_steps": st.integers(13, 20), "pct_start": st.floats(0.1, 0.45),
        "anneal_strategy": st.sampled_from(["cos", "linear"]), "three_phase": st.booleans(),
        "cycle_momentum": st.booleans(),
    },
}  # fmt: skip


def made(lib, name, options, kind="SGD", rates=(0.1, 0.3)):
    more = {"momentum": 0.9} if kind == "SGD" else {}
    groups = [{"params": [lib.nn.Parameter(lib.zeros(1))], "lr": r} for r in rates]
    optimizer = getattr(lib.optim, kind)(groups, **more)
    return optimizer, getattr(lib.optim.lr_scheduler, name)(optimizer, **options)


def values(optimizer):
    """What schedulers set, by group."""
    names = ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr", "max_momentum", "base_momentum")
    return [[np.ravel(g[n]).tolist() for n in names if n in g] for g in optimizer.param_groups]


def same(a, b):
    assert repr(type(a)) == repr(type(b)) or isinstance(a, int | float)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, int | float):
        assert a == pytest.approx(b, rel=1e-12, abs=1e-15)
    else:
        assert a == b


@st.composite
def schedules(draw):
    name = draw(st.sampled_from(sorted(OPTIONS)))
    return name, {k: draw(v) for k, v in OPTIONS[name].items()}, draw(st.sampled_from(["SGD", "Adam"]))


@settings(max_examples=80, deadline=None)
@given(schedules(), st.integers(0, 12))
def test_rates_and_states(schedule, count):
    name, options, kind = schedule
    (o, s), (p, t) = (made(lib, name, options, kind) for lib in (zth, torch))
    for _ in range(count):
        same(values(o), values(p))
        same(s.get_last_lr(), t.get_last_lr())
        for x in (o, p, s, t):
            x.step()
    same(values(o), values(p))
    mine, theirs = s.state_dict(), t.state_dict()
    assert {k for k in mine if not k.startswith("_scale_fn")} == {k for k in theirs if not k.startswith("_scale_fn")}
    for key in mine:
        if key not in ("lr_lambdas", "milestones"):
            same(mine[key], theirs[key])


@settings(max_examples=60, deadline=None)
@given(schedules(), st.integers(0, 6))
def test_taken_up_again(schedule, count):
    """A scheduler with a loaded state goes on as the one that it was saved from."""
    name, options, kind = schedule
    optimizer, scheduler = made(zth, name, options, kind)
    for _ in range(count):
        optimizer.step()
        scheduler.step()
    again, fresh = made(zth, name, options, kind)
    again.load_state_dict(optimizer.state_dict())
    fresh.load_state_dict(scheduler.state_dict())
    for _ in range(5):
        for x in (optimizer, scheduler, again, fresh):
            x.step()
        assert values(optimizer) == values(again)


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.filterwarnings("ignore:Detected call of")  # a chain in a sequence begins before the optimiser does
def test_combined(data):
    """Sequences and chains of drawn schedulers, a chain within a sequence among them."""
    simple = ["StepLR", "ExponentialLR", "ConstantLR", "LinearLR", "PolynomialLR", "CosineAnnealingLR"]
    parts = [
        (n, {k: data.draw(v) for k, v in OPTIONS[n].items()})
        for n in data.draw(st.lists(st.sampled_from(simple), min_size=1, max_size=3))
    ]
    sequence = data.draw(st.booleans())
    milestones = sorted(data.draw(st.lists(st.integers(1, 9), min_size=len(parts) - 1, max_size=len(parts) - 1)))
    nested = data.draw(st.booleans())
    pairs = []
    for lib in (zth, torch):
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.zeros(1))], lr=0.5)
        schedulers = [getattr(lib.optim.lr_scheduler, n)(optimizer, **o) for n, o in parts]
        if sequence:
            if nested:
                schedulers[0] = lib.optim.lr_scheduler.ChainedScheduler([schedulers[0]])
            scheduler = lib.optim.lr_scheduler.SequentialLR(optimizer, schedulers, milestones)
        else:
            scheduler = lib.optim.lr_scheduler.ChainedScheduler(schedulers)
        pairs.append((optimizer, scheduler))
    for _ in range(12):
        same(values(pairs[0][0]), values(pairs[1][0]))
        same(pairs[0][1].get_last_lr(), pairs[1][1].get_last_lr())
        for pair in pairs:
            for x in pair:
                x.step()
    mine, theirs = (pair[1].state_dict() for pair in pairs)
    if not nested:
        same(mine, theirs)
        before = values(pairs[0][0])
        pairs[0][1].load_state_dict(theirs)
        assert values(pairs[0][0]) == before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-2, 2) | st.just(float("nan")), min_size=1, max_size=25), st.sampled_from(["min", "max"]),
    st.floats(0.0, 0.99), st.integers(0, 3), st.floats(0.0, 0.5), st.sampled_from(["rel", "abs"]), st.integers(0, 3),
    st.sampled_from([0, 0.05, [0.01, 0.1]]),
)  # fmt: skip
def test_plateau(metrics, mode, factor, patience, threshold, threshold_mode, cooldown, least):
    options = {
        "mode": mode, "factor": factor, "patience": patience, "threshold": threshold, "threshold_mode": threshold_mode,
        "cooldown": cooldown, "min_lr": least,
    }  # fmt: skip
    (o, s), (p, t) = (made(lib, "ReduceLROnPlateau", options) for lib in (zth, torch))
    for m in metrics:
        s.step(zth.tensor(m) if m > 0 else m)
        t.step(torch.tensor(m) if m > 0 else m)
        same(values(o), values(p))
    same(s.state_dict(), t.state_dict())
    again, fresh = made(zth, "ReduceLROnPlateau", {})
    again.load_state_dict(o.state_dict())
    fresh.load_state_dict(t.state_dict())
    s.step(1.0)
    fresh.step(1.0)
    assert values(o) == values(again)


@pytest.mark.parametrize("name", sorted(OPTIONS) + ["ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"])
def test_signature(name):
    def of(lib):
        signature = inspect.signature(getattr(lib.optim.lr_scheduler, name).__init__)
        return [(p.name, p.kind, p.default) for p in signature.parameters.values()]

    assert of(zth) == of(torch)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_rate_that_is_a_tensor_is_set_in_place(name):
    results = []
    for lib in (zth, torch):
        rate = lib.tensor(0.5)
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.zeros(1))], lr=rate, momentum=0.9)
        options = {
            "StepLR": {"step_size": 1}, "MultiStepLR": {"milestones": [1]}, "ExponentialLR": {"gamma": 0.5},
            "CosineAnnealingLR": {"T_max": 3}, "CosineAnnealingWarmRestarts": {"T_0": 3},
            "LambdaLR": {"lr_lambda": lambda e: 0.5**e}, "MultiplicativeLR": {"lr_lambda": lambda e: 0.5},
            "CyclicLR": {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 2}, "OneCycleLR": {"max_lr": 0.3, "total_steps": 9},
        }.get(name, {})  # fmt: skip
        scheduler = getattr(lib.optim.lr_scheduler, name)(optimizer, **options)
        for _ in range(2):
            optimizer.step()
            scheduler.step()
        assert optimizer.param_groups[0]["lr"] is rate
        results.append(rate.item())
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def scheduled(t, name, *arguments, kind="SGD", **options):
    optimizer = getattr(t.optim, kind)([t.nn.Parameter(t.zeros(1))], lr=0.1)
    return getattr(t.optim.lr_scheduler, name)(optimizer, *arguments, **options)


def combination(t, name, *arguments, other=False, kind="StepLR"):
    first, second = (t.optim.SGD([t.nn.Parameter(t.zeros(1))], lr=0.1) for _ in range(2))
    L = t.optim.lr_scheduler
    part = L.ReduceLROnPlateau(first) if kind == "plateau" else L.StepLR(second if other else first, 1)
    parts = [part] if kind != "object" else [object()]
    if name == "ChainedScheduler":
        return L.ChainedScheduler(parts if kind != "none" else [], first)
    return L.SequentialLR(first, parts if kind != "none" else [], *arguments)


BAD = {
    "no optimizer": lambda t: t.optim.lr_scheduler.StepLR(3, 1),
    "no optimizer for a plateau": lambda t: t.optim.lr_scheduler.ReduceLROnPlateau(3),
    "no optimizer for a cycle": lambda t: t.optim.lr_scheduler.OneCycleLR(3, 1.0, 3),
    "no optimizer for cycles": lambda t: t.optim.lr_scheduler.CyclicLR(3, 1.0, 3),
    "constant": lambda t: scheduled(t, "ConstantLR", 2.0),
    "start": lambda t: scheduled(t, "LinearLR", 0.0),
    "end": lambda t: scheduled(t, "LinearLR", 0.5, 2.0),
    "T_0": lambda t: scheduled(t, "CosineAnnealingWarmRestarts", 0),
    "T_mult": lambda t: scheduled(t, "CosineAnnealingWarmRestarts", 1, 0),
    "eta_min": lambda t: scheduled(t, "CosineAnnealingWarmRestarts", 1, 1, "a"),
    "negative epoch": lambda t: scheduled(t, "CosineAnnealingWarmRestarts", 1).step(-1),
    "lambdas": lambda t: scheduled(t, "LambdaLR", [lambda e: 1, lambda e: 1]),
    "no function": lambda t: scheduled(t, "MultiplicativeLR", 0.5),
    "max_lr": lambda t: scheduled(t, "OneCycleLR", [0.1, 0.2], 3, cycle_momentum=False),
    "no steps": lambda t: scheduled(t, "OneCycleLR", 0.1),
    "total steps": lambda t: scheduled(t, "OneCycleLR", 0.1, 0),
    "epochs": lambda t: scheduled(t, "OneCycleLR", 0.1, epochs=0, steps_per_epoch=1),
    "steps per epoch": lambda t: scheduled(t, "OneCycleLR", 0.1, epochs=1, steps_per_epoch=1.5),
    "pct_start": lambda t: scheduled(t, "OneCycleLR", 0.1, 3, pct_start=2.0),
    "strategy": lambda t: scheduled(t, "OneCycleLR", 0.1, 3, anneal_strategy="sine"),
    "no momentum for one cycle": lambda t: scheduled(t, "OneCycleLR", 0.1, 3, kind="Rprop"),
    "no momentum for cycles": lambda t: scheduled(t, "CyclicLR", 0.1, 0.2, kind="Rprop"),
    "mode": lambda t: scheduled(t, "CyclicLR", 0.1, 0.2, mode="square"),
    "base_lr": lambda t: scheduled(t, "CyclicLR", [0.1, 0.1], 0.2),
    "plateau factor": lambda t: scheduled(t, "ReduceLROnPlateau", factor=1.0),
    "plateau mode": lambda t: scheduled(t, "ReduceLROnPlateau", "best"),
    "plateau threshold mode": lambda t: scheduled(t, "ReduceLROnPlateau", threshold_mode="best"),
    "plateau min_lr": lambda t: scheduled(t, "ReduceLROnPlateau", min_lr=[0.1, 0.2]),
    "resumed": lambda t: scheduled(t, "StepLR", 1, last_epoch=3),
    "milestones": lambda t: combination(t, "SequentialLR", [1]),
    "no schedulers in sequence": lambda t: combination(t, "SequentialLR", [], kind="none"),
    "no schedulers in chain": lambda t: combination(t, "ChainedScheduler", kind="none"),
    "other optimizer": lambda t: combination(t, "SequentialLR", [], other=True),
    "other optimizer in chain": lambda t: combination(t, "ChainedScheduler", other=True),
    "plateau in sequence": lambda t: combination(t, "SequentialLR", [], kind="plateau"),
    "plateau in chain": lambda t: combination(t, "ChainedScheduler", kind="plateau"),
    "no scheduler": lambda t: combination(t, "SequentialLR", [], kind="object"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    with pytest.raises(Exception) as theirs:
        BAD[case](torch)
    with pytest.raises(type(theirs.value)) as mine:
        BAD[case](zth)
    assert str(mine.value)[:60] == str(theirs.value)[:60]


def test_too_many_steps_of_one_cycle():
    for lib in (zth, torch):
        optimizer, scheduler = made(lib, "OneCycleLR", {"max_lr": 0.1, "total_steps": 2})
        optimizer.step()
        scheduler.step()
        scheduler.step()
        with pytest.raises(ValueError, match="Tried to step 3 times"):
            scheduler.step()


def test_warnings():
    for lib in (zth, torch):
        optimizer, scheduler = made(lib, "StepLR", {"step_size": 2})
        with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before"):
            scheduler.step()
        with pytest.warns(UserWarning, match="get_last_lr"):
            scheduler.get_lr()
        optimizer.step()
        with pytest.warns(UserWarning, match="The epoch parameter"):
            scheduler.step(5)
        assert scheduler.get_last_lr() == pytest.approx([0.001, 0.003])
        with pytest.warns(UserWarning, match="The epoch parameter"):
            made(lib, "ReduceLROnPlateau", {})[1].step(1.0, 3)


@settings(max_examples=40, deadline=None)
@given(schedules(), st.integers(0, 12))
@pytest.mark.filterwarnings("ignore:The epoch parameter")
def test_an_epoch_gone_to_directly(schedule, epoch):
    name, options, kind = schedule
    (o, s), (p, t) = (made(lib, name, options, kind) for lib in (zth, torch))
    for x in (o, p):
        x.step()
    s.step(epoch)
    t.step(epoch)
    same(values(o), values(p))
