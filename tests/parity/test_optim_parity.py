"""Every optimiser against PyTorch: drawn options, many steps, the states, how they travel, the errors."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")

from .snippets import as_on_host  # noqa: E402

RATE = st.floats(0.0, 0.5)
SMALL = st.sampled_from([0.0, 0.0, 0.01, 0.3])
BETAS = st.tuples(st.floats(0.0, 0.95), st.floats(0.5, 0.9999))
EPS = st.sampled_from([1e-8, 1e-4, 0.1])
SWITCH = st.booleans()

OPTIONS = {
    "SGD": {
        "lr": RATE, "momentum": SMALL, "dampening": SMALL, "weight_decay": SMALL, "nesterov": SWITCH, "maximize": SWITCH,
    },
    "Adam": {
        "lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": SMALL, "amsgrad": SWITCH, "maximize": SWITCH,
        "decoupled_weight_decay": SWITCH,
    },
    "AdamW": {"lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": SMALL, "amsgrad": SWITCH, "maximize": SWITCH},
    "RMSprop": {
        "lr": RATE, "alpha": st.floats(0.1, 0.999), "eps": EPS, "weight_decay": SMALL, "momentum": SMALL,
        "centered": SWITCH, "maximize": SWITCH,
    },
    "Adagrad": {
        "lr": RATE, "lr_decay": SMALL, "weight_decay": SMALL, "initial_accumulator_value": SMALL, "eps": EPS,
        "maximize": SWITCH,
    },
    "Adadelta": {"lr": RATE, "rho": st.floats(0.0, 1.0), "eps": EPS, "weight_decay": SMALL, "maximize": SWITCH},
    "Adamax": {"lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": SMALL, "maximize": SWITCH},
    "NAdam": {
        "lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": SMALL, "momentum_decay": SMALL,
        "decoupled_weight_decay": SWITCH, "maximize": SWITCH,
    },
    "RAdam": {
        "lr": RATE, "betas": BETAS, "eps": EPS, "weight_decay": SMALL, "decoupled_weight_decay": SWITCH,
        "maximize": SWITCH,
    },
    "ASGD": {
        "lr": RATE, "lambd": SMALL, "alpha": st.floats(0.0, 1.0), "t0": st.integers(0, 4), "weight_decay": SMALL,
        "maximize": SWITCH,
    },
    "Adafactor": {
        "lr": RATE, "beta2_decay": st.floats(-1.0, 0.0), "eps": st.sampled_from([(None, 1e-3), (1e-4, 0.1)]), "d": st.floats(1.0, 2.0),
        "weight_decay": SMALL, "maximize": SWITCH,
    },
    "Rprop": {
        "lr": RATE, "etas": st.tuples(st.floats(0.1, 0.9), st.floats(1.01, 2.0)),
        "step_sizes": st.tuples(st.floats(0.0, 1e-3), st.floats(0.01, 50.0)), "maximize": SWITCH,
    },
}  # fmt: skip
SHAPES = [(), (3,), (2, 3), (0,), (5000,), (4, 2, 2)]


@st.composite
def runs(draw):
    """An optimiser, its options, shapes of parameters and what happens to them."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    options = {k: draw(v) for k, v in OPTIONS[name].items()}
    if options.get("nesterov") and not options["momentum"]:
        options["nesterov"] = False
    if options.get("nesterov"):
        options["dampening"] = 0.0
    if name == "Adam":
        options["decoupled_weight_decay"] = draw(SWITCH)
    # PyTorch's Adafactor divides by the number of elements, also where it is 0.
    shapes = draw(
        st.lists(st.sampled_from([s for s in SHAPES if 0 not in s or name != "Adafactor"]), min_size=1, max_size=4)
    )
    return name, options, shapes, draw(st.integers(0, 2**16)), draw(st.sampled_from(["float64", "float32"]))


def parameters(lib, arrays):
    """Leaves of one library; every second matrix lies transposed in memory."""
    made = []
    for i, a in enumerate(arrays):
        t = lib.tensor(a.T.copy()).t() if a.ndim == 2 and i % 2 else lib.tensor(a)
        made.append(t.requires_grad_())
    return made


def close(a, b, dtype, what=""):
    assert tuple(a.shape) == tuple(b.shape), what
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    a, b = np.asarray(a.detach().numpy(), "d"), np.asarray(b.detach().numpy(), "d")
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def states_agree(mine, theirs, dtype):
    a, b = mine.state_dict(), theirs.state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for i, state in b["state"].items():
        assert list(a["state"][i]) == list(state)
        for name, value in state.items():
            if torch.is_tensor(value):
                assert str(a["state"][i][name].dtype) == str(value.dtype), name
                close(a["state"][i][name], value, dtype, name)
            else:
                assert a["state"][i][name] is None and value is None


def steps(optimizers, both, rng, count, skip=True):
    """``count`` steps with the same gradients in both; some parameters have none in some steps."""
    for _ in range(count):
        for x, y in zip(*both, strict=True):
            if skip and rng.random() < 0.2:
                x.grad = y.grad = None
                continue
            g = np.asarray(rng.standard_normal(x.shape) * 10.0 ** rng.integers(-2, 2), x.detach().numpy().dtype)
            g[rng.random(g.shape) < 0.1] = 0
            x.grad, y.grad = zth.tensor(g), torch.tensor(g)
        for o in optimizers:
            o.step()


@settings(max_examples=80, deadline=None)
@given(runs(), st.integers(1, 8))
def test_many_steps(run, count):
    name, options, shapes, seed, dtype = run
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    both = parameters(zth, arrays), parameters(torch, arrays)
    optimizers = []
    for lib, ps in zip((zth, torch), both, strict=True):
        groups = [{"params": ps[:1], "lr": 0.1}, *([{"params": ps[1:]}] if ps[1:] else [])]
        optimizers.append(getattr(lib.optim, name)(groups, **options))
    assert repr(optimizers[0]) == repr(optimizers[1])
    steps(optimizers, both, rng, count)
    for x, y in zip(*both, strict=True):
        close(x, y, dtype)
    states_agree(*optimizers, dtype)


def translated(state, lib):
    """A state_dict with its tensors in ``lib``."""
    if isinstance(state, dict):
        return {k: translated(v, lib) for k, v in state.items()}
    if isinstance(state, list):
        return [translated(v, lib) for v in state]
    return lib.tensor(state.detach().numpy().copy()) if hasattr(state, "detach") else state


@settings(max_examples=40, deadline=None)
@given(runs(), SWITCH)
def test_states_travel(run, to_torch):
    """A state saved by one library is taken up by the other as it is by its own."""
    name, options, shapes, seed, _ = run
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s) for s in shapes]
    both = parameters(zth, arrays), parameters(torch, arrays)
    optimizers = [getattr(lib.optim, name)(ps, **options) for lib, ps in zip((zth, torch), both, strict=True)]
    steps(optimizers, both, rng, 3, skip=False)
    state = optimizers[0 if to_torch else 1].state_dict()
    for i, (lib, ps) in enumerate(zip((zth, torch), both, strict=True)):
        optimizers[i] = getattr(lib.optim, name)(ps, lr=0.9)
        optimizers[i].load_state_dict(translated(state, lib))
    steps(optimizers, both, rng, 3, skip=False)
    for x, y in zip(*both, strict=True):
        close(x, y, "float64")
    states_agree(*optimizers, "float64")


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_signature(name):
    def of(lib):
        signature = inspect.signature(getattr(lib.optim, name).__init__)
        return [(p.name, p.kind, p.default) for p in signature.parameters.values()]

    assert of(zth) == of(torch)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_closure_and_tensor_rate(name):
    results = []
    for lib in (zth, torch):
        x = lib.tensor([1.0, -2.0], dtype=lib.float64, requires_grad=True)
        optimizer = getattr(lib.optim, name)([x], lr=lib.tensor(0.1, dtype=lib.float64))

        def closure(lib=lib, x=x, optimizer=optimizer):
            assert lib.is_grad_enabled()
            optimizer.zero_grad()
            loss = (x * x).sum()
            loss.backward()
            return loss

        with lib.no_grad():
            losses = [optimizer.step(closure).item() for _ in range(3)]
        results.append((losses, x.tolist()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-6)


OUT_OF_RANGE = {
    "lr": -0.1, "momentum": -0.1, "weight_decay": -0.1, "eps": -1.0, "betas": (1.0, 0.9), "alpha": -0.1, "rho": 1.5,
    "lr_decay": -1.0, "initial_accumulator_value": -1.0, "momentum_decay": -1.0, "etas": (1.5, 1.2),
}  # fmt: skip


@pytest.mark.parametrize(
    "name, option",
    [(n, o) for n in sorted(OPTIONS) for o in [*OPTIONS[n], "several", "fused", "differentiable", "foreach"]],
)
def test_refused_arguments(name, option):
    """A value out of its range raises the same error with the same message, or is accepted by both."""
    messages = []
    for lib in (zth, torch):
        options = {
            "several": {"lr": lib.tensor([0.1, 0.2])},
            "fused": {"fused": True, "differentiable": True},
            "differentiable": {"fused": True, "foreach": True},
            "foreach": {"lr": lib.tensor(0.1), "foreach": True},
        }.get(option, {option: OUT_OF_RANGE.get(option, (0.9, -0.5))})
        try:
            getattr(lib.optim, name)([lib.nn.Parameter(lib.zeros(2))], **options)
        except Exception as error:
            messages.append((type(error), str(error)))
        else:
            messages.append(None)
    if name == "SGD" and option == "nesterov" and messages[1] is None:
        pytest.skip("nothing to refuse")
    assert messages[0] == messages[1]


BAD = {
    "a tensor": lambda t: t.optim.SGD(t.zeros(2)),
    "nothing": lambda t: t.optim.SGD([]),
    "numbers": lambda t: t.optim.SGD([1.0]),
    "not a leaf": lambda t: t.optim.SGD([t.zeros(2, requires_grad=True) * 2]),
    "twice": lambda t: (lambda p: t.optim.SGD([{"params": [p]}, {"params": [p]}]))(t.nn.Parameter(t.zeros(2))),
    "a set": lambda t: t.optim.SGD([{"params": {t.nn.Parameter(t.zeros(2))}}]),
    "nesterov": lambda t: t.optim.SGD([t.nn.Parameter(t.zeros(2))], nesterov=True),
    "dampened": lambda t: t.optim.SGD([t.nn.Parameter(t.zeros(2))], momentum=0.9, dampening=0.1, nesterov=True),
    "betas of two kinds": lambda t: t.optim.Adam([t.nn.Parameter(t.zeros(2))], betas=(0.9, t.tensor(0.99))),
    "no dict": lambda t: t.optim.SGD([t.nn.Parameter(t.zeros(2))]).add_param_group([t.nn.Parameter(t.zeros(2))]),
    "other groups": lambda t: t.optim.SGD([t.nn.Parameter(t.zeros(2))]).load_state_dict({"state": {}, "param_groups": []}),
    "group of other size": lambda t: t.optim.SGD([t.nn.Parameter(t.zeros(2))]).load_state_dict(
        {"state": {}, "param_groups": [{"params": [0, 1]}]}
    ),
    "names for some": lambda t: t.optim.SGD([("a", t.nn.Parameter(t.zeros(2))), t.nn.Parameter(t.zeros(2))]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    with pytest.raises(Exception) as theirs:
        BAD[case](torch)
    with pytest.raises(type(theirs.value)) as mine:
        BAD[case](zth)
    assert as_on_host(str(mine.value).replace("tinygrad_zth.tensor.", "torch.")) == str(theirs.value)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
def test_groups_hooks_and_names(name):
    seen = []
    for lib in (zth, torch):
        notes = []
        p, q = lib.nn.Parameter(lib.ones(2)), lib.nn.Parameter(lib.ones(3))
        optimizer = getattr(lib.optim, name)([("p", p)], lr=0.1)
        optimizer.add_param_group({"params": [("q", q)], "lr": 0.2})
        before = optimizer.register_step_pre_hook(lambda o, a, k, n=notes: n.append("before"))
        optimizer.register_step_post_hook(lambda o, a, k, n=notes: n.append("after"))
        p.grad, q.grad = lib.ones(2), lib.ones(3)
        optimizer.step()
        before.remove()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        notes += [p.grad.tolist(), [g["lr"] for g in optimizer.param_groups]]
        optimizer.zero_grad()
        notes += [
            p.grad,
            [{k: v for k, v in g.items() if k != "params"} for g in optimizer.state_dict()["param_groups"]],
        ]
        notes.append(np.round(p.tolist() + q.tolist(), 5).tolist())
        seen.append(notes)
    assert seen[0] == seen[1]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(3, 5), (5, 3), (4, 4), (1, 6)]), SWITCH, st.floats(0.0, 0.99), SMALL,
    st.sampled_from([None, "original", "match_rms_adamw"]), st.integers(0, 2**16),
)  # fmt: skip
def test_muon(shape, nesterov, momentum, decay, how, seed):
    """As near as PyTorch's iteration in bfloat16 comes; what is exact there (momentum, decay) is exact here."""
    rng = np.random.default_rng(seed)
    both = parameters(zth, [rng.standard_normal(shape)]), parameters(torch, [rng.standard_normal(shape)])
    both[0][0].data = zth.tensor(both[1][0].detach().numpy().copy())
    options = {"lr": 0.1, "weight_decay": decay, "momentum": momentum, "nesterov": nesterov, "adjust_lr_fn": how}
    optimizers = [lib.optim.Muon(ps, **options) for lib, ps in zip((zth, torch), both, strict=True)]
    assert repr(optimizers[0]) == repr(optimizers[1])
    steps(optimizers, both, rng, 3, skip=False)
    mine, theirs = (o.state_dict() for o in optimizers)
    close(mine["state"][0]["momentum_buffer"], theirs["state"][0]["momentum_buffer"], "float64")
    np.testing.assert_allclose(both[0][0].detach().numpy(), both[1][0].detach().numpy(), atol=0.1 * 3 * 0.1 * 2)


def test_muons_step_is_orthogonal():
    """Newton and Schulz's iterations bring every singular value between 0.7 and 1.2."""
    for shape in ((4, 9), (9, 4)):
        p = zth.zeros(shape, dtype=zth.float64, requires_grad=True)
        p.grad = zth.tensor(np.random.default_rng(0).standard_normal(shape))
        zth.optim.Muon([p], lr=1.0, weight_decay=0.0, momentum=0.0, adjust_lr_fn="original").step()
        values = np.linalg.svd(p.detach().numpy() / max(1, shape[0] / shape[1]) ** 0.5, compute_uv=False)
        assert values.min() > 0.65 and values.max() < 1.25
        u, _, v = np.linalg.svd(p.grad.numpy(), full_matrices=False)
        assert np.abs(u.T @ -p.detach().numpy() @ v.T - np.diag(np.diag(u.T @ -p.detach().numpy() @ v.T))).max() < 1e-12


@pytest.mark.parametrize(
    "make",
    [
        lambda t, p: t.optim.Muon([p], lr=-1.0), lambda t, p: t.optim.Muon([p], momentum=-1.0), lambda t, p: t.optim.Muon([p], weight_decay=-1.0),
        lambda t, p: t.optim.Muon([p], adjust_lr_fn="x"), lambda t, p: t.optim.Muon([p[0].detach().requires_grad_()]),
        lambda t, p: t.optim.Muon([p], lr=t.ones(2)), lambda t, p: stepped(t.optim.Muon([p], ns_steps=100), p),
        lambda t, p: stepped(t.optim.Muon([p], ns_coefficients=(1.0, 2.0)), p), lambda t, p: t.optim.Adafactor([p], lr=-1.0),
        lambda t, p: t.optim.Adafactor([p], beta2_decay=0.1), lambda t, p: t.optim.Adafactor([p], eps=(-1.0, 1e-3)),
        lambda t, p: t.optim.Adafactor([p], eps=(None, -1.0)), lambda t, p: t.optim.Adafactor([p], d=0.5),
        lambda t, p: t.optim.Adafactor([p], weight_decay=-0.1), lambda t, p: t.optim.SparseAdam([p], lr=0.0),
        lambda t, p: t.optim.SparseAdam([p], eps=0.0), lambda t, p: t.optim.SparseAdam([p], betas=(1.0, 0.9)),
        lambda t, p: t.optim.SparseAdam([p], betas=(0.9, 1.0)), lambda t, p: t.optim.SparseAdam([p], lr=t.ones(2)),
        lambda t, p: stepped(t.optim.SparseAdam([p]), p),
    ],
)  # fmt: skip
def test_what_the_optimisers_of_matrices_refuse(make):
    said = []
    for t in (zth, torch):
        with pytest.raises((ValueError, RuntimeError)) as error:
            make(t, t.ones(2, 3, requires_grad=True))
        said.append((error.type, str(error.value)))
    assert said[0] == said[1]


def stepped(optimizer, p):
    p.grad = p.detach().clone()
    optimizer.step()


def test_a_closure_is_called_first():
    for name in ("Muon", "Adafactor"):
        p = zth.ones(2, 3, requires_grad=True)
        optimizer = getattr(zth.optim, name)([p])

        def closure(p=p):
            assert zth.is_grad_enabled()
            loss = p.square().sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 6 and p.sum() < 6
