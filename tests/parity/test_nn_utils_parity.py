"""nn.utils against PyTorch: clipping, vectors of parameters, parametrized weights; EmbeddingBag."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")
LIBS = (zth, torch)


def agree(a, b, tolerance=1e-10):
    assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def raises_the_same(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(type(theirs.value)):
        call(zth)


# ---------------------------------------------------------------------------- clipping, vectors

SHAPES = st.lists(st.sampled_from([(), (3,), (0,), (2, 3), (40, 5)]), min_size=1, max_size=4)


def with_gradients(lib, shapes, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    made = []
    for i, s in enumerate(shapes):
        p = lib.zeros(s, dtype=lib.float64, requires_grad=True)
        g = rng.standard_normal(s) * scale
        if i != 1:  # one without a gradient
            p.grad = lib.tensor(g)
        made.append(p)
    return made


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(0, 2**16), st.floats(0.0, 5.0), st.sampled_from([2.0, 1.0, 3.0, 0.5, float("inf"), 2]))
def test_clip_grad_norm(shapes, seed, most, order):
    if order == float("inf") and (0,) in shapes:
        order = 2.0  # the largest of no elements is nothing
    results = []
    for lib in LIBS:
        params = with_gradients(lib, shapes, seed)
        total = lib.nn.utils.clip_grad_norm_(iter(params), most, order)
        results.append((total, [p.grad for p in params]))
    (a, mine), (b, theirs) = results
    agree(a, b)
    for x, y in zip(mine, theirs, strict=True):
        assert (x is None) == (y is None)
        if y is not None:
            agree(x, y)


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.integers(0, 2**16), st.floats(0.0, 2.0))
def test_clip_grad_value(shapes, seed, most):
    both = [with_gradients(lib, shapes, seed) for lib in LIBS]
    for lib, params in zip(LIBS, both, strict=True):
        lib.nn.utils.clip_grad_value_(params, most)
    for x, y in zip(*both, strict=True):
        if y.grad is not None:
            agree(x.grad, y.grad)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_norms_that_are_not_finite(bad):
    results = []
    for lib in LIBS:
        p = lib.zeros(3, requires_grad=True)
        p.grad = lib.tensor([1.0, bad, 2.0])
        with pytest.raises(RuntimeError, match="is non-finite, so it cannot be clipped"):
            lib.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        total = lib.nn.utils.clip_grad_norm_(p, 1.0)
        results.append((total.item(), p.grad.tolist()))
    np.testing.assert_equal(*results)
    for lib in LIBS:
        assert lib.nn.utils.clip_grad_norm_([lib.zeros(2, requires_grad=True)], 1.0).item() == 0
        assert lib.nn.utils.get_total_norm([lib.tensor([3.0]), lib.tensor([4.0])]).item() == 5


def test_vectors_of_parameters():
    vectors = []
    for lib in LIBS:
        lib.manual_seed(0)
        model = lib.nn.Linear(2, 3)
        vector = lib.nn.utils.parameters_to_vector(model.parameters())
        lib.nn.utils.vector_to_parameters(vector.detach() * 2, model.parameters())
        vectors += [vector, lib.nn.utils.parameters_to_vector(model.parameters())]
    agree(vectors[0], vectors[2], 0)
    agree(vectors[1], vectors[3], 0)
    raises_the_same(lambda t: t.nn.utils.vector_to_parameters([1.0], t.nn.Linear(2, 3).parameters()))


# ---------------------------------------------------------------------------- parametrized weights


def normalised(lib, form, module, *arguments, dim=0):
    lib.manual_seed(3)
    made = getattr(lib.nn, module)(*arguments)
    if form == "hook":
        with pytest.warns(FutureWarning, match="is deprecated in favor of"):
            return lib.nn.utils.weight_norm(made, dim=dim)
    if form == "spectral":
        return lib.nn.utils.parametrizations.spectral_norm(made, n_power_iterations=2)
    return lib.nn.utils.parametrizations.weight_norm(made, dim=dim)


@pytest.mark.parametrize("form", ["hook", "weight", "spectral"])
@pytest.mark.parametrize("module, arguments, shape", [
    ("Linear", (4, 3), (2, 4)), ("Conv2d", (2, 3, 2), (1, 2, 4, 4)), ("ConvTranspose1d", (2, 3, 2), (1, 2, 4)),
])  # fmt: skip
@pytest.mark.parametrize("dim", [0, 1, None])
def test_normalised_weights(form, module, arguments, shape, dim):
    x = np.random.default_rng(0).standard_normal(shape)
    made = [normalised(lib, form, module, *arguments, dim=dim) for lib in LIBS]
    assert repr(made[0]) == repr(made[1])
    assert list(made[0].state_dict()) == list(made[1].state_dict())
    for m in made:
        m.double()
    for _ in range(2):  # spectral norm goes on iterating
        outs = [m(lib.tensor(x)) for lib, m in zip(LIBS, made, strict=True)]
        agree(*outs, 1e-6)
    for out in outs:
        (out * out).sum().backward()
    for (name, p), q in zip(made[0].named_parameters(), made[1].parameters(), strict=True):
        agree(p, q, 1e-6)
        agree(p.grad, q.grad, 1e-6)
        assert name in dict(made[1].named_parameters())
    for m in made:
        m.eval()
    agree(*[m(lib.tensor(x)) for lib, m in zip(LIBS, made, strict=True)], 1e-6)
    before = made[0].weight.detach().clone()
    for lib, m in zip(LIBS, made, strict=True):
        if form == "hook":
            lib.nn.utils.remove_weight_norm(m)
        else:
            lib.nn.utils.parametrize.remove_parametrizations(m, "weight")
    assert repr(made[0]) == repr(made[1]) and type(made[0]).__name__ == module
    assert [n for n, _ in made[0].named_parameters()] == [n for n, _ in made[1].named_parameters()]
    assert isinstance(made[0].weight, zth.nn.Parameter) and zth.equal(made[0].weight, before)


def test_states_of_the_older_form_load():
    old, new = normalised(zth, "hook", "Linear", 4, 3), normalised(zth, "weight", "Linear", 4, 3)
    with zth.no_grad():
        old.weight_g.mul_(2)
    new.load_state_dict(old.state_dict())
    x = zth.ones(1, 4)
    assert zth.equal(old(x), new(x))


def test_a_parametrization_of_ones_own():
    for lib in LIBS:
        parametrize = lib.nn.utils.parametrize

        class Symmetric(lib.nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).transpose(-1, -2)

            def right_inverse(self, x):
                return x.triu()

        class Twice(lib.nn.Module):
            calls = 0

            def forward(self, x):
                Twice.calls += 1
                return 2 * x

            def right_inverse(self, x):
                return x / 2

        lib.manual_seed(0)
        m = parametrize.register_parametrization(lib.nn.Linear(3, 3), "weight", Symmetric())
        assert parametrize.is_parametrized(m) and parametrize.is_parametrized(m, "weight")
        assert not parametrize.is_parametrized(m, "bias") and not parametrize.is_parametrized(lib.nn.Linear(1, 1))
        assert parametrize.type_before_parametrizations(m) is lib.nn.Linear
        assert lib.equal(m.weight, m.weight.t())
        parametrize.register_parametrization(m, "weight", Twice())
        value = lib.eye(3) * 6
        m.weight = value
        assert lib.equal(m.weight, value) and m.parametrizations.weight.original[0, 0].item() == 3
        with parametrize.cached():
            before = Twice.calls
            assert m.weight is m.weight and Twice.calls == before + 1
        twin = copy.deepcopy(m)
        with lib.no_grad():
            twin.parametrizations.weight.original.zero_()
        assert lib.equal(m.weight, value) and not twin.weight.any()
        with pytest.raises(RuntimeError, match="only supported through state_dict"):
            copy.copy(m)
        parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)
        assert m.weight[0, 0].item() == 3 and type(m) is lib.nn.Linear


class Reshaped:
    """A parametrization that changes the shape, made for one library."""

    def __new__(cls, t):
        class Module(t.nn.Module):
            def forward(self, x):
                return x.flatten()

        return Module()


BAD = {
    "no such parameter": lambda t: t.nn.utils.parametrizations.weight_norm(t.nn.Linear(2, 3), "weigh"),
    "spectral, no such parameter": lambda t: t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(2, 3), "weigh"),
    "iterations": lambda t: t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(2, 3), n_power_iterations=0),
    "dimension": lambda t: t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(2, 3), dim=2),
    "not normalised": lambda t: t.nn.utils.remove_weight_norm(t.nn.Linear(2, 3)),
    "not parametrized": lambda t: t.nn.utils.parametrize.remove_parametrizations(t.nn.Linear(2, 3), "weight"),
    "several originals": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        t.nn.utils.parametrizations.weight_norm(t.nn.Linear(2, 3)), "weight", leave_parametrized=False
    ),
    "shape": lambda t: t.nn.utils.parametrize.register_parametrization(t.nn.Linear(2, 3), "weight", Reshaped(t)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    raises_the_same(BAD[case])


# ---------------------------------------------------------------------------- EmbeddingBag


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["sum", "mean", "max"]), st.lists(st.integers(0, 3), min_size=1, max_size=4), st.booleans(),
    st.sampled_from([None, 0, -1]), st.booleans(), st.booleans(), st.integers(0, 2**16),
)  # fmt: skip
def test_embedding_bag(mode, lengths, flat, padding, weighted, last, seed):
    rng = np.random.default_rng(seed)
    if flat:
        indices, starts = rng.integers(0, 5, sum(lengths)), np.cumsum([0, *lengths])
        starts = starts if last else starts[:-1]
    else:
        indices, starts, last = rng.integers(0, 5, (3, 2)), None, False
    table, scale = rng.standard_normal((5, 3)), rng.standard_normal(indices.shape)
    results = []
    for lib in LIBS:
        bag = lib.nn.EmbeddingBag(5, 3, mode=mode, padding_idx=padding, include_last_offset=last, dtype=lib.float64)
        with lib.no_grad():
            bag.weight.copy_(lib.tensor(table))
        factors = lib.tensor(scale, requires_grad=True) if weighted and mode == "sum" else None
        out = bag(lib.tensor(indices), None if starts is None else lib.tensor(starts), factors)
        (out * out).sum().backward()
        results.append((out, bag.weight.grad, None if factors is None else factors.grad, repr(bag)))
    (a, ga, fa, ra), (b, gb, fb, rb) = results
    agree(a, b)
    agree(ga, gb)
    if fb is not None:
        agree(fa, fb)
    assert ra == rb


def bag(t, *arguments, mode="mean", **options):
    return t.nn.functional.embedding_bag(*arguments, mode=mode, **options)


BAD_BAGS = {
    "offsets of a matrix": lambda t: bag(t, t.zeros(2, 2, dtype=t.int64), t.zeros(3, 2), t.tensor([0])),
    "no offsets": lambda t: bag(t, t.zeros(2, dtype=t.int64), t.zeros(3, 2)),
    "dimensions": lambda t: bag(t, t.zeros(2, 2, 2, dtype=t.int64), t.zeros(3, 2)),
    "mode": lambda t: bag(t, t.zeros(2, 2, dtype=t.int64), t.zeros(3, 2), mode="median"),
    "factors for a mean": lambda t: bag(
        t, t.zeros(2, 2, dtype=t.int64), t.zeros(3, 2), per_sample_weights=t.zeros(2, 2)
    ),
    "factors of another shape": lambda t: bag(
        t, t.zeros(2, 2, dtype=t.int64), t.zeros(3, 2), mode="sum", per_sample_weights=t.zeros(2)
    ),
    "first offset": lambda t: bag(t, t.zeros(2, dtype=t.int64), t.zeros(3, 2), t.tensor([1])),
    "last offset": lambda t: bag(t, t.zeros(2, dtype=t.int64), t.zeros(3, 2), t.tensor([0, 3])),
    "matrix of offsets": lambda t: bag(t, t.zeros(2, dtype=t.int64), t.zeros(3, 2), t.tensor([[0]])),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_BAGS)
def test_bad_bags(case):
    raises_the_same(BAD_BAGS[case])
