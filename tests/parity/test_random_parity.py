"""The samplers against PyTorch itself: random calls, interleaved, into arrays of all layouts.

After every call both the elements, to the bit, and the generator's whole state are equal.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zth import sampling as draw
from tinygrad_zth.generator import Generator

torch = pytest.importorskip("torch", reason="torch is not installed (extra: parity)")
pytestmark = pytest.mark.parity

FLOATS = ("float16", "float32", "float64")
TYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint8", "bool")
seeds = st.integers(-(2**63), 2**64 - 1)
finite = st.floats(-1e4, 1e4, width=32)
scales = st.floats(2.0**-10, 1e3, width=32)


@st.composite
def layouts(draw_):
    """(shape of the base, slices, permutation): a window on a fresh base, of any layout."""
    shape = draw_(st.lists(st.integers(0, 5) | st.sampled_from([9, 17]), max_size=3))
    if draw_(st.integers(0, 9)) == 0:
        shape = [draw_(st.integers(600, 3000))]
    steps = [draw_(st.sampled_from([1, 1, 1, 2])) for _ in shape]
    return shape, steps, draw_(st.permutations(range(len(shape))))


def windows(layout, dtype):
    shape, steps, permutation = layout
    theirs = torch.zeros([n * step for n, step in zip(shape, steps)], dtype=getattr(torch, dtype))
    ours = theirs.numpy().copy()
    window = tuple(slice(None, None, step) for step in steps)
    return ours[(..., *window)].transpose(permutation), theirs[window].permute(permutation)


# name in torch: arguments. The samplers take the same ones.
FILLS = {
    "normal_": st.tuples(finite | st.just(0.0), scales | st.just(1.0) | st.just(0.0)),
    "uniform_": st.tuples(finite, finite).map(sorted).map(tuple),
    "exponential_": st.tuples(scales),
    "cauchy_": st.tuples(finite, scales),
    "log_normal_": st.tuples(st.floats(-3, 3), st.floats(0.01, 3)),
    "geometric_": st.tuples(st.floats(0.01, 0.99)),
    "bernoulli_": st.tuples(st.floats(0, 1)),
    "random_": st.just(()),
}


@st.composite
def calls(draw_):
    name = draw_(st.sampled_from([*FILLS, "range", "randperm", "multinomial", "probs", "dropout"]))
    layout = draw_(layouts())
    if name == "randperm":
        return name, None, None, (draw_(st.integers(0, 2000)),)
    if name in FILLS:
        types = {"random_": TYPES, "bernoulli_": TYPES, "geometric_": TYPES[:-2]}.get(name, FLOATS)
        return name, layout, draw_(st.sampled_from(types)), draw_(FILLS[name])
    if name == "range":
        dtype = draw_(st.sampled_from(TYPES[1:]))
        info = np.iinfo(dtype) if "int" in dtype else None
        least, most = (info.min, info.max) if info else (0, 1) if dtype == "bool" else (-(2**24), 2**24)
        low, high = sorted(draw_(st.tuples(*[st.integers(int(least), int(most))] * 2)))
        return name, layout, dtype, (low, min(high + 1, 2**63 - 1))
    return name, layout, draw_(st.sampled_from(FLOATS)), (draw_(st.floats(0, 1)),)


def replay(call, g):
    """The call's result in ours and in theirs."""
    name, layout, dtype, arguments = call
    if name == "randperm":
        return draw.randperm(*arguments, generator=g), torch.randperm(*arguments)
    ours, theirs = windows(layout, dtype)
    if name == "range":
        if arguments[0] < arguments[1]:
            draw.random_(ours, *arguments, generator=g)
            theirs.random_(*arguments)
    elif name == "dropout":
        torch.nn.functional.dropout(theirs.fill_(1), arguments[0], inplace=True)
        mask = draw.dropout_mask_(draw.empty_like(ours), arguments[0], generator=g)
        return mask, theirs
    elif name in ("multinomial", "probs"):
        ours[...] = np.random.RandomState(ours.size).rand(*ours.shape)
        theirs.copy_(torch.from_numpy(ours.copy()))
        if name == "probs":
            coins = draw.bernoulli_(np.empty(ours.shape, dtype), ours, generator=g)
            return coins, torch.bernoulli(theirs)
        if ours.ndim not in (1, 2) or 0 in ours.shape:
            return ours, theirs
        count = 1 + int(arguments[0] * 2 * ours.shape[-1])
        # Of exact ties PyTorch's order is not defined, and float16 is full of them.
        again = count > ours.shape[-1] or arguments[0] < 0.25 or dtype == "float16"
        return (
            draw.multinomial(ours, count, again, generator=g),
            torch.multinomial(theirs, count, again),
        )
    else:
        getattr(draw, name)(ours, *arguments, generator=g)
        getattr(theirs, name)(*arguments)
    return ours, theirs


def bits(array):
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


@given(seeds, st.lists(calls(), min_size=1, max_size=6))
def test_interleaved_calls_give_pytorchs_bits_and_leave_its_state(seed, made):
    g = Generator().manual_seed(seed)
    torch.manual_seed(seed)
    for call in made:
        ours, theirs = replay(call, g)
        assert ours.shape == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype)[6:]
        np.testing.assert_array_equal(bits(ours), bits(theirs.numpy()), err_msg=str(call))
        np.testing.assert_array_equal(g.state_bytes(), torch.get_rng_state().numpy(), str(call))


@pytest.mark.parametrize("size", [15, 5000])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("uniform_", (-0.3, 0.7)),
        ("normal_", (0.1, 0.37)),
        ("exponential_", (1.7,)),
        ("cauchy_", (0.3, 1.7)),
        ("log_normal_", (0.3, 0.7)),
        ("geometric_", (0.03,)),
        ("bernoulli_", (0.3,)),
        ("random_", (-3, 1000)),
    ],
)
def test_each_distribution_gives_pytorchs_bits(name, arguments, dtype, size):
    ours, theirs = windows(([size], [1], [0]), dtype)
    torch.manual_seed(17)
    getattr(theirs, name)(*arguments)
    getattr(draw, name)(ours, *arguments, generator=Generator().manual_seed(17))
    np.testing.assert_array_equal(bits(ours), bits(theirs.numpy()))


@pytest.mark.parametrize("weights", [[3e38, 3e38, 3e38], [1e-45, 1e-40, 2e-45]])
def test_multinomial_with_sums_beyond_float32(weights):
    theirs = torch.tensor(weights)
    for replacement in (True, False):
        wanted = torch.multinomial(theirs, 3, replacement, generator=torch.manual_seed(1))
        g = Generator().manual_seed(1)
        drawn = draw.multinomial(theirs.numpy(), 3, replacement, generator=g)
        np.testing.assert_array_equal(drawn, wanted.numpy())


@given(layouts())
def test_empty_like_has_pytorchs_strides(layout):
    ours, theirs = windows(layout, "float32")
    mine, wanted = draw.empty_like(ours), torch.empty_like(theirs)
    many = [axis for axis, n in enumerate(ours.shape) if n > 1]
    if ours.size:
        assert [mine.strides[a] // 4 for a in many] == [wanted.stride(a) for a in many]


@given(seeds, st.sampled_from(["float32", "float64"]), st.data())
def test_trunc_normal_is_pytorchs(seed, dtype, data):
    ours, theirs = windows(data.draw(layouts()), dtype)
    low, high = sorted(data.draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3))))
    arguments = data.draw(st.floats(-1, 1)), data.draw(st.floats(0.5, 2)), low, high + 0.5
    g = Generator().manual_seed(seed)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draw.trunc_normal_(ours, *arguments, generator=g)
        torch.nn.init.trunc_normal_(theirs, *arguments)
    np.testing.assert_array_equal(bits(ours), bits(theirs.numpy()))
    np.testing.assert_array_equal(g.state_bytes(), torch.get_rng_state().numpy())


@given(seeds, st.sampled_from([(5, 3), (3, 5), (4, 4), (6, 2, 3), (2, 3, 3)]))
def test_orthogonal_is_pytorchs_to_rounding(seed, shape):
    theirs = torch.empty(shape, dtype=torch.float64)
    torch.nn.init.orthogonal_(theirs, 1.5, torch.manual_seed(seed))
    ours = np.empty(shape)
    draw.orthogonal_(ours, 1.5, generator=Generator().manual_seed(seed))
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-10)


@given(seeds, st.sampled_from(FLOATS))
def test_gumbel_noise_is_pytorchs_to_an_ulp(seed, dtype):
    torch.manual_seed(seed)
    theirs = -torch.empty(500, dtype=getattr(torch, dtype)).exponential_().log().numpy()
    ours = draw.gumbel_(np.empty(500, dtype), generator=Generator().manual_seed(seed))
    np.testing.assert_array_max_ulp(ours, theirs, 1)


def test_a_state_from_pytorch_is_taken_up_and_given_back():
    torch.manual_seed(5)
    for used in (0, 3, 624, 625, 1300):
        torch.rand(used)
        torch.randn(3)
        g = Generator()
        g.set_state_bytes(torch.get_rng_state().numpy())
        ours = draw.normal_(np.empty(9), generator=g)
        np.testing.assert_array_equal(ours, torch.randn(9, dtype=torch.float64).numpy())
        back = torch.Generator()
        back.set_state(torch.from_numpy(g.state_bytes()))
        wanted = torch.rand(1000, generator=back).numpy()
        np.testing.assert_array_equal(draw.uniform_(np.empty(1000, np.float32), generator=g), wanted)
        torch.manual_seed(used)


def untempered(y):
    """The state words that MT19937 tempers into the words ``y``."""
    y = y ^ (y >> 18)
    y = y ^ ((y << 15) & np.uint32(0xEFC60000))
    x = y
    for _ in range(4):
        x = y ^ ((x << 7) & np.uint32(0x9D2C5680))
    y = x
    for _ in range(2):
        x = y ^ (x >> 11)
    return x


def test_float32_normals_over_the_whole_range_of_uniforms():
    """Every 61st of the 2**24 uniforms, and the ends, as u and, otherwise paired, as v."""
    u = np.arange(0, 1 << 24, 61, dtype=np.uint32)
    u = np.concatenate((u, np.array([1, (1 << 24) - 2, (1 << 24) - 1], np.uint32)))
    u = np.pad(u, (0, -u.size % 304))
    v = np.random.RandomState(0).permutation(u)
    blocks = np.stack((u.reshape(-1, 8), v.reshape(-1, 8)), 1).reshape(-1, 608)
    g = Generator().manual_seed(0)
    g.words(16)
    state = g.state_bytes()
    for words in blocks:
        state[24 + 16 * 8 : 5016].view("<u8")[:] = untempered(words)
        g.set_state_bytes(state)
        torch.set_rng_state(torch.from_numpy(state))
        ours = draw.normal_(np.empty(608, np.float32), generator=g)
        np.testing.assert_array_equal(bits(ours), bits(torch.randn(608).numpy()))


# -- errors --------------------------------------------------------------------------------------


def made(shape, dtype):
    return np.ones(shape, dtype), torch.ones(shape, dtype=getattr(torch, dtype))


ERRORS = [
    ("uniform_", "float32", (2.0, 1.0)),
    ("uniform_", "float32", (-1e39, 1.0)),
    ("uniform_", "float16", (-70000.0, 1.0)),
    ("uniform_", "float64", (0.0, math.inf)),
    ("uniform_", "float32", (math.nan, 1.0)),
    ("uniform_", "float32", (-3e38, 3e38)),
    ("uniform_", "float16", (-50000.0, 50000.0)),
    ("uniform_", "int64", (0.0, 1.0)),
    ("normal_", "float32", (0.0, -1.5)),
    ("normal_", "float32", (0.0, math.nan)),
    ("normal_", "int64", (0.0, 1.0)),
    ("normal_", "bool", (0.0, 1.0)),
    ("exponential_", "float32", (0.0,)),
    ("exponential_", "float32", (math.nan,)),
    ("exponential_", "int32", (1.0,)),
    ("exponential_", "bool", (1.0,)),
    ("cauchy_", "float32", (0.0, 0.0)),
    ("cauchy_", "uint8", (0.0, 1.0)),
    ("cauchy_", "int64", (0.0, 1.0)),
    ("log_normal_", "float32", (0.0, 0.0)),
    ("log_normal_", "int64", (0.0, 1.0)),
    ("geometric_", "float32", (0.0,)),
    ("geometric_", "float32", (1.0,)),
    ("geometric_", "bool", (0.5,)),
    ("bernoulli_", "float32", (1.5,)),
    ("bernoulli_", "float32", (math.nan,)),
    ("random_", "int64", (3, 3)),
    ("random_", "float32", (5, 2)),
    ("random_", "bool", (0, 3)),
    ("random_", "uint8", (0, 300)),
    ("random_", "int8", (-300, 3)),
    ("random_", "int16", (0, 2**31)),
    ("random_", "int32", (0, 2**31 + 1)),
    ("random_", "float16", (0, 70000)),
    ("random_", "float16", (-70000, 3)),
    ("random_", "float32", (2**24, None)),
    ("random_", "float32", (2**24 + 1, None)),
    ("random_", "bool", (2, None)),
    ("random_", "uint8", (-3, None)),
    ("random_", "int32", (-(2**63), None)),
    ("random_", "int64", (0, 2**63)),
]


@pytest.mark.parametrize(("name", "dtype", "arguments"), ERRORS)
def test_a_refused_call_has_pytorchs_error_and_draws_nothing(name, dtype, arguments):
    ours, theirs = made(4, dtype)
    g = Generator()
    before = g.state_bytes()
    with pytest.raises(Exception) as wanted:
        getattr(theirs, name)(*arguments)
    with pytest.raises(type(wanted.value)) as got:
        getattr(draw, name)(ours, *arguments, generator=g)
    theirs_says = str(wanted.value).split("\n")[0]
    assert str(got.value).startswith(theirs_says[:60])
    np.testing.assert_array_equal(g.state_bytes(), before)


@pytest.mark.parametrize(
    ("weights", "arguments"),
    [
        ([1, 2], (1,)),
        ([1.0, 2.0], (0,)),
        ([1.0, 2.0], (3,)),
        ([1.0, -2.0], (1,)),
        ([0.0, 0.0], (1,)),
        ([math.inf, 0.0], (1,)),
        ([math.nan, 0.0], (1,)),
        ([[[1.0]]], (1,)),
        (1.0, (1,)),
        ([1.0, -2.0], (3, True)),
        ([0.0, 0.0], (3, True)),
        ([[1.0, 1.0], [0.0, 0.0]], (1,)),
        ([math.nan, 0.0], (3, True)),
        ([1.0, math.inf], (3, True)),
        ([], (1,)),
    ],
)
def test_multinomial_refuses_as_pytorch_does(weights, arguments):
    theirs = torch.tensor(weights)
    with pytest.raises(RuntimeError) as wanted:
        torch.multinomial(theirs, *arguments)
    with pytest.raises(RuntimeError) as got:
        draw.multinomial(theirs.numpy(), *arguments)
    assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize(
    ("n", "dtype"),
    [
        (-1, "int64"),
        (257, "uint8"),
        (129, "int8"),
        (40000, "int16"),
        (2050, "float16"),
        (5, "bool"),
    ],
)
def test_randperm_refuses_as_pytorch_does(n, dtype):
    with pytest.raises((RuntimeError, NotImplementedError)) as wanted:
        torch.randperm(n, dtype=getattr(torch, dtype))
    with pytest.raises(type(wanted.value)) as got:
        draw.randperm(n, np.dtype(dtype))
    assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize("seed", [True, 3.7, "5", None, np.int64(3), 2**64, -(2**63) - 1])
def test_generators_refuse_the_same_seeds(seed):
    with pytest.raises((RuntimeError, TypeError, ValueError)) as wanted:
        torch.Generator().manual_seed(seed)
    with pytest.raises(type(wanted.value)):
        Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(data=st.data())
def test_integer_ranges_beyond_a_floats_precision_are_narrowed_alike(dtype, data):
    edge = 2 ** {"float16": 11, "float32": 24, "float64": 53}[dtype]
    near = st.integers(-edge * 4, edge * 4) | st.integers(edge - 4, edge + 9) | st.integers(-edge - 9, 4 - edge)
    low, high = sorted(data.draw(st.tuples(near, near)))
    ours, theirs = made(40, dtype)
    g = Generator().manual_seed(1)
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs.random_(low, high + 1)
        except RuntimeError as refused:
            with pytest.raises(RuntimeError) as got:
                draw.random_(ours, low, high + 1, generator=g)
            assert str(got.value)[:60] == str(refused)[:60]
        else:
            draw.random_(ours, low, high + 1, generator=g)
            np.testing.assert_array_equal(ours, theirs.numpy())
