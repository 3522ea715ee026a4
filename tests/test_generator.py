"""The random engine and the samplers, by what must hold whatever PyTorch does."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zth import generator as engine
from tinygrad_zth import sampling as draw
from tinygrad_zth.generator import Generator, default_generator, fork_rng, manual_seed
from tinygrad_zth.sampling import fill, gaussian, integers
from tinygrad_zth.sampling.multinomial import RULES

seeds = st.integers(-(2**63), 2**64 - 1)
sizes = st.integers(0, 40) | st.sampled_from([311, 312, 313, 623, 624, 625, 1249, 5000])
FLOATS = (np.float16, np.float32, np.float64)

# Each draws one result of a given size, and between them they use every way into the stream.
DRAWS = {
    "rand": lambda n, g: draw.uniform_(np.empty(n, np.float32), generator=g),
    "rand64": lambda n, g: draw.uniform_(np.empty(n), -1, 2, generator=g),
    "randn": lambda n, g: draw.normal_(np.empty(n, np.float32), generator=g),
    "randn64": lambda n, g: draw.normal_(np.empty(n), 1, 2, generator=g),
    "scattered": lambda n, g: draw.normal_(np.empty(2 * n)[::2], generator=g),
    "randint": lambda n, g: draw.random_(np.empty(n, np.int64), -3, 10, generator=g),
    "wide": lambda n, g: draw.random_(np.empty(n, np.int64), generator=g),
    "perm": lambda n, g: draw.randperm(n, generator=g),
    "coins": lambda n, g: draw.bernoulli_(np.empty(n, np.bool_), 0.3, generator=g),
    "dropout": lambda n, g: draw.dropout_mask_(np.empty(n, np.float16), 0.3, generator=g),
    "expo": lambda n, g: draw.exponential_(np.empty(n), 2.0, generator=g),
    "multi": lambda n, g: draw.multinomial(np.arange(1.0, n + 2), n + 1, generator=g),
    "replaced": lambda n, g: draw.multinomial(np.ones(3), n + 2, True, generator=g),
}
calls = st.lists(st.tuples(st.sampled_from(sorted(DRAWS)), sizes), max_size=6)


def play(made, g):
    return [DRAWS[name](n, g).copy() for name, n in made]


def repeating(word):
    """A generator whose first 624 words are all ``word``."""
    g = Generator()
    g._take_up(np.full(624, word, np.uint32), 0)
    return g


def same(some, others):
    for one, two in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, two)


# -- state ---------------------------------------------------------------------------------------


@given(seeds, calls, calls)
def test_the_state_says_all_there_is_to_say(seed, before, after):
    g = Generator().manual_seed(seed)
    play(before, g)
    state = g.state_bytes()
    assert state.dtype == np.uint8 and state.shape == (5056,)
    copies = [g.clone(), copy.deepcopy(g), pickle.loads(pickle.dumps(g)), Generator()]
    copies[-1].manual_seed(7).words(100)
    copies[-1].set_state_bytes(state)
    expected = play(after, g)
    for other in copies:
        assert other.initial_seed() == seed % 2**64
        np.testing.assert_array_equal(other.state_bytes(), state)
        same(play(after, other), expected)
        np.testing.assert_array_equal(other.state_bytes(), g.state_bytes())
    np.testing.assert_array_equal(copies[0].clone().state_bytes(), copies[0].state_bytes())


@pytest.mark.parametrize("used", [0, 1, 2, 623, 624, 625, 1248])
def test_a_state_is_taken_up_in_the_midst_of_another_stream(used):
    g, busy = Generator().manual_seed(5), Generator().manual_seed(9)
    g.words(used)
    busy.words(used % 2)
    busy.uniform53(3)  # the reals of this block are buffered now
    busy.set_state_bytes(g.state_bytes())
    np.testing.assert_array_equal(busy.state_bytes(), g.state_bytes())
    np.testing.assert_array_equal(busy.uniform53(300), g.uniform53(300))
    np.testing.assert_array_equal(busy.state_bytes(), g.state_bytes())


@pytest.mark.parametrize("step", [1, 16, 300, 624, 1250])
def test_words_are_drawn_ahead_and_the_state_is_that_of_the_last_one_handed_out(step):
    """NumPy's own engine, which draws nothing ahead, says where the stream stands."""
    g, engine = Generator().manual_seed(6), np.random.RandomState(6)
    for _ in range(3 * 4992 // step):
        np.testing.assert_array_equal(g.words(step), engine.randint(0, 2**32, step, np.uint32))
        if step > 1 or g._at % 104 == 0:
            state, expected = g.state_bytes(), engine.get_state(legacy=False)["state"]
            np.testing.assert_array_equal(state[24 : 24 + 8 * 624].view("<u8"), expected["key"])
            assert state[16:24].view("<u8")[0] == expected["pos"]
    assert len(g._buffer) == 8 * 624 and g._bits.random_raw() != g.clone().words(1)[0]
    g.words(10_000)  # too many to be kept: the next few bring in few again
    assert len(g._buffer) == 624


def test_what_is_made_of_words_is_made_of_those_that_are_left_and_once():
    g, made_of = Generator().manual_seed(8), []

    def doubled(words):
        made_of.append(len(words))
        return np.stack((words, 2 * words))

    words = g.clone().words(3000)
    g.words(600)
    for at, n in ((600, 10), (610, 10), (620, 500), (1120, 1880)):
        np.testing.assert_array_equal(g.made_of_words(doubled, n), [words[at : at + n], 2 * words[at : at + n]])
    assert made_of == [24, 1248, 2496]


def test_what_is_buffered_cannot_be_written_to():
    g = Generator()
    g.words(1)
    for buffered in (g.uniform53(3), g.words(3)):
        with pytest.raises(ValueError, match="read-only"):
            buffered[0] = 1


@given(seeds, calls)
def test_the_default_generator_and_an_explicit_one_give_the_same(seed, made):
    manual_seed(seed)
    expected = play(made, None)
    g = Generator().manual_seed(seed)
    same(play(made, g), expected)
    np.testing.assert_array_equal(g.state_bytes(), default_generator.state_bytes())


@given(seeds, calls, calls)
def test_two_generators_do_not_disturb_each_other(seed, mine, yours):
    alone = play(mine, Generator().manual_seed(seed))
    g, other = Generator().manual_seed(seed), Generator().manual_seed(seed)
    together = []
    for i, call in enumerate(mine):
        together += play([call], g)
        play(yours[i : i + 1], other)
    same(together, alone)


@given(seeds, st.lists(sizes, max_size=12))
def test_words_do_not_depend_on_how_many_are_asked_for_at_once(seed, parts):
    whole = Generator().manual_seed(seed).words(sum(parts))
    reference = np.random.RandomState(seed % 2**32).randint(0, 2**32, sum(parts), np.uint32)
    g = Generator().manual_seed(seed)
    pieces = [g.words(n).copy() for n in parts]
    np.testing.assert_array_equal(np.concatenate([*pieces, whole[:0]]), whole)
    np.testing.assert_array_equal(whole, reference)


@given(seeds, st.lists(sizes, max_size=8), st.integers(0, 3))
def test_reals_do_not_depend_on_how_many_are_asked_for_at_once(seed, parts, skipped):
    for reals in (Generator.uniform53, Generator.uniform24):
        g, h = Generator().manual_seed(seed), Generator().manual_seed(seed)
        g.words(skipped), h.words(skipped)
        whole = reals(g, sum(parts))
        pieces = [reals(h, n).copy() for n in parts]
        np.testing.assert_array_equal(np.concatenate([*pieces, whole[:0]]), whole)
        assert ((whole >= 0) & (whole < 1)).all()


@pytest.mark.parametrize("name", sorted(DRAWS))
def test_results_do_not_depend_on_the_size_of_the_chunks(name, monkeypatch):
    n = 1000
    expected = play([(name, n), ("rand", 3)], Generator().manual_seed(3))
    monkeypatch.setattr(fill, "_CHUNK", 64)
    monkeypatch.setattr(gaussian, "_PAIRS", 8 * 7)
    same(play([(name, n), ("rand", 3)], Generator().manual_seed(3)), expected)


def test_fork_rng_puts_the_generators_back():
    g = Generator().manual_seed(1)
    g.cached_normal = 0.5
    states = [g.state_bytes(), default_generator.state_bytes()]
    with pytest.raises(KeyError), fork_rng(g, default_generator):
        play([("rand", 700), ("randn", 3)], g), play([("rand", 700)], None)
        raise KeyError
    same([g.state_bytes(), default_generator.state_bytes()], states)
    with fork_rng():
        manual_seed(12)
        g.words(1)
    np.testing.assert_array_equal(default_generator.state_bytes(), states[1])
    assert (g.state_bytes() != states[0]).any()
    with fork_rng(enabled=False):
        manual_seed(12)
    assert (default_generator.state_bytes() != states[1]).any()


def test_seeding():
    g = Generator()
    assert g.initial_seed() == 67280421310721
    assert g.manual_seed(-1).initial_seed() == 2**64 - 1
    first = g.seed()
    assert g.initial_seed() == first < 2**53 and g.seed() != first
    for seed in (True, 3.7, "5", np.float64(2), np.int64(4)):
        assert manual_seed(seed) is default_generator
        assert engine.initial_seed() == int(seed)
    assert engine.seed() == engine.initial_seed()
    g.cached_normal = 1.0
    assert g.manual_seed(42).cached_normal is None
    np.testing.assert_array_equal(g.words(5), Generator().manual_seed(2**32 + 42).words(5))


def test_states_that_are_none_are_refused():
    g = Generator().manual_seed(0)
    before = g.state_bytes()
    with pytest.raises(RuntimeError, match="5056 but found the input RNG state size to be 10"):
        g.set_state_bytes(np.zeros(10, np.uint8))
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state_bytes(np.zeros(5056, np.int32))
    for at, value in ((12, 0), (8, 0), (8, 3), (9, 7), (16, 5)):
        wrong = before.copy()
        wrong[at] = value
        with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
            g.set_state_bytes(wrong)
    np.testing.assert_array_equal(g.state_bytes(), before)


def test_threads_get_whole_results_and_nothing_is_drawn_twice(monkeypatch):
    monkeypatch.setattr(fill, "_CHUNK", 64)  # many draws a call, so that threads may meet
    g, n, got = Generator().manual_seed(0), 5001, []
    start = threading.Barrier(6)

    def work():
        start.wait()
        for _ in range(5):
            got.append(draw.uniform_(np.empty(n, np.float32), generator=g))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    serial = Generator().manual_seed(0)
    expected = {draw.uniform_(np.empty(n, np.float32), generator=serial).tobytes() for _ in got}
    assert {part.tobytes() for part in got} == expected
    np.testing.assert_array_equal(g.state_bytes(), serial.state_bytes())


# -- order in memory -----------------------------------------------------------------------------


@given(seeds, st.permutations(range(3)), st.sampled_from(FLOATS))
def test_a_transposed_array_is_filled_in_the_order_of_memory(seed, axes, dtype):
    plain = draw.uniform_(np.empty((2, 5, 3), dtype), generator=Generator().manual_seed(seed))
    turned = np.empty((2, 5, 3), dtype)
    draw.uniform_(turned.transpose(axes), generator=Generator().manual_seed(seed))
    np.testing.assert_array_equal(turned, plain)
    sliced = np.zeros((4, 5, 6), dtype)
    draw.uniform_(sliced[::2, :, ::-2], generator=Generator().manual_seed(seed))
    np.testing.assert_array_equal(sliced[::2, :, ::-2], plain)
    assert not sliced[1::2].any() and not sliced[:, :, ::2].any()


def test_memory_order_of_ties():
    assert fill.memory_order((2, 3, 4), (12, 4, 1)) == [0, 1, 2]
    assert fill.memory_order((4, 3, 2), (1, 4, 12)) == [2, 1, 0]
    # Equal strides: the shorter axis is the faster; stride 0 compares with none.
    assert fill.memory_order((1, 5), (8, 8)) == [1, 0]
    assert fill.memory_order((5, 1), (8, 8)) == [0, 1]
    assert fill.memory_order((5, 5), (0, 8)) == [0, 1]


def test_empty_like_keeps_the_order_of_the_axes():
    like = draw.empty_like(np.empty((2, 3, 4), np.float32).transpose(2, 0, 1)[:, ::2], np.int64)
    assert like.shape == (4, 1, 3) and like.dtype == np.int64 and like.size == like.base.size
    assert like.strides[2] > like.strides[0]


# -- arithmetic ----------------------------------------------------------------------------------

doubles = st.floats(-(2.0**400), 2.0**400).filter(lambda x: x == 0 or abs(x) > 2.0**-400)
singles = st.floats(-(2.0**40), 2.0**40, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-40)


@given(doubles, doubles, doubles | st.just(1.0))
def test_fma64_rounds_once(x, y, c):
    exact = Fraction(x) * Fraction(y) + Fraction(c)
    assert gaussian.fma64(np.array([x]), y, c)[0] == float(exact)


@given(st.integers(2**52, 2**53 - 1), st.integers(2**52, 2**53 - 1), st.integers(-60, 60))
def test_fma64_rounds_once_near_cancellation_and_ties(x, y, shift):
    c = -float(x * y) + 2.0**shift
    exact = Fraction(x) * Fraction(y) + Fraction(c)
    assert gaussian.fma64(np.array([float(x)]), float(y), c)[0] == float(exact)


def rounded32(exact):
    """The float32 nearest to a Fraction, of two the even one."""
    low = np.float32(float(exact))
    near = [np.nextafter(low, np.float32(-np.inf)), low, np.nextafter(low, np.float32(np.inf))]
    return min(near, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(np.int32)) & 1))


@given(singles, singles, singles)
def test_fma32_rounds_once(x, y, c):
    exact = Fraction(x) * Fraction(y) + Fraction(c)
    assert gaussian.fma32(np.array([x], np.float32), y, c)[0] == rounded32(exact)


@given(st.integers(2**22, 2**23 - 1), st.integers(15, 23), st.sampled_from([-1, 1]), st.booleans())
def test_fma32_sees_what_is_beyond_a_tie_in_float64(half_c, k, sign, negate):
    """c +- (half an ulp less 2**-2k of it), c odd: float64 sees a tie, and would leave c."""
    c = np.float32(2 * half_c + 1)
    x, y = np.float32(0.5 * (1 + 2.0**-k)), np.float32(sign * (1 - 2.0**-k))
    if negate:
        c, y = -c, -y
    naive = (np.float64(x) * np.float64(y) + np.float64(c)).astype(np.float32)
    assert gaussian.fma32(np.array([x]), y, c)[0] == c
    assert naive != c


@given(st.integers(2**51, 2**52 - 1), st.integers(27, 52), st.sampled_from([-1, 1]), st.booleans())
def test_fma64_sees_what_is_far_beyond_a_tie(half_c, k, sign, negate):
    """The same in float64: half an ulp less 2**-2k of it; c is odd, and the nearest."""
    c = float(2 * half_c + 1)
    x, y = 0.5 * (1 + 2.0**-k), sign * (1 - 2.0**-k)
    if negate:
        c, y = -c, -y
    assert gaussian.fma64(np.array([x]), y, c)[0] == c


def test_a_negative_zero_mean_is_kept():
    for size in (3, 16):
        z = draw.normal_(np.empty(size, np.float32), -0.0, 0.0, generator=Generator())
        assert not z.any() and np.signbit(z).any() and not np.signbit(z).all()


# -- distributions -------------------------------------------------------------------------------


def test_the_first_moments():
    g, n = Generator().manual_seed(11), 200_000
    for dtype, bound in ((np.float16, 0.01), (np.float32, 0.01), (np.float64, 0.01)):
        z = draw.normal_(np.empty(n, dtype), generator=g).astype(np.float64)
        assert abs(z.mean()) < bound and abs(z.std() - 1) < bound
        assert abs((z**4).mean() - 3) < 0.1
        u = draw.uniform_(np.empty(n, dtype), -1, 3, generator=g).astype(np.float64)
        assert abs(u.mean() - 1) < 0.01 and abs(u.var() - 16 / 12) < 0.02
        e = draw.exponential_(np.empty(n, dtype), 0.5, generator=g).astype(np.float64)
        assert abs(e.mean() - 2) < 0.03
    assert abs(draw.geometric_(np.empty(n, np.int64), 0.25, generator=g).mean() - 4) < 0.05
    assert abs(np.median(draw.cauchy_(np.empty(n), 2, 1, generator=g)) - 2) < 0.02
    assert abs(draw.gumbel_(np.empty(n, np.float32), generator=g).mean() - 0.5772) < 0.02
    assert abs(draw.bernoulli_(np.empty(n, np.int8), 0.3, generator=g).mean() - 0.3) < 0.01
    mask = draw.dropout_mask_(np.empty(n, np.float32), 0.75, generator=g)
    assert set(np.unique(mask)) == {0.0, 4.0} and abs(mask.mean() - 1) < 0.02
    t = draw.trunc_normal_(np.empty(n, np.float32), 0, 1, 1, 2, generator=g)
    assert t.min() >= 1 and t.max() <= 2 and abs(t.mean() - 1.3832) < 0.01


@given(seeds, st.integers(1, 30), st.sampled_from(RULES))
def test_multinomial_draws_what_has_weight_and_without_replacement_no_index_twice(seed, n, rule):
    g = Generator().manual_seed(seed)
    weights = draw.uniform_(np.empty((3, n), np.float32), generator=g)
    weights[:, 0] = 0
    weights[:, -1] = 1
    with draw.multinomial_rule(rule):
        some = draw.multinomial(weights, max(n - 1, 1), generator=g)
        many = draw.multinomial(weights, 50, True, generator=g)
        one = draw.multinomial(weights[1], 1, True, generator=g)
    assert some.shape == (3, max(n - 1, 1)) and some.dtype == np.int64
    assert all(len(set(row)) == len(row) for row in some.tolist())
    rows = np.arange(3)[:, None]
    assert (weights[rows, some] > 0).all() and (weights[rows, many] > 0).all()
    assert one.shape == (1,) and weights[1, one[0]] > 0


def test_multinomial_prefers_heavy_weights_under_every_rule():
    weights = np.array([0.1, 0.0, 0.6, 0.3])
    for rule in RULES:
        g = Generator().manual_seed(0)
        with draw.multinomial_rule(rule):
            drawn = [draw.multinomial(weights, 1, True, generator=g)[0] for _ in range(3000)]
        np.testing.assert_allclose(np.bincount(drawn) / 3000, weights, atol=0.03)


def test_the_mkl_rule_seeds_with_one_where_the_word_is_zero():
    weights = np.linspace(1, 2, 12)
    least = 2.0**-1022
    for word, seed in ((0, 1), (2**31 - 1, 1), (5, 5), (2**31 + 4, 5)):
        g = repeating(word)
        states = [seed * pow(1132489760, k, 2**31 - 1) % (2**31 - 1) for k in range(12)]
        quotients = weights / (-np.log(np.array(states) / (2**31 - 1)) + least)
        with draw.multinomial_rule("mkl"):
            drawn = draw.multinomial(weights, 12, generator=g)
        assert drawn.tolist() == np.argsort(-quotients).tolist() and g._at == 1


def test_multinomial_rules_are_named_nested_and_local_to_the_thread():
    with pytest.raises(ValueError, match="inverse_cdf"), draw.multinomial_rule("cdf"):
        pass
    weights, seen = np.arange(1.0, 28), {}

    def sample(name):
        seen[name] = draw.multinomial(weights, 1, True, generator=Generator().manual_seed(1))[0]

    sample("outside")
    with draw.multinomial_rule("inverse_cdf"):
        sample("inside")
        with draw.multinomial_rule("exponential"):
            sample("nested")
        thread = threading.Thread(target=sample, args=("thread",))
        thread.start()
        thread.join()
        sample("inside again")
    assert seen["outside"] == seen["nested"] == seen["thread"]
    assert seen["inside"] == seen["inside again"] != seen["outside"]


def test_multinomial_without_replacement_orders_ties_by_index():
    g = Generator().manual_seed(0)
    weights = np.zeros(4000, np.float32)
    weights[[5, 3000]] = 1
    first = draw.multinomial(weights, 7, generator=g)
    assert set(first[:2]) == {5, 3000} and first[2:].tolist() == [0, 1, 2, 3, 4]


def test_multinomial_by_the_inverse_never_runs_past_the_end():
    weights = np.full(3, 0.1, np.float32)  # sums that rounding leaves below one
    for n in range(3, 200):
        g = repeating(0xFFFFFFFF)
        assert (draw.multinomial(np.resize(weights, n), 5, True, generator=g) == n - 1).all()


@given(seeds, st.integers(0, 300))
def test_randperm_is_a_permutation(seed, n):
    order = draw.randperm(n, generator=Generator().manual_seed(seed))
    assert sorted(order.tolist()) == list(range(n)) and order.dtype == np.int64


@given(st.data(), st.integers(1, 60))
def test_exchanges_at_once_are_those_in_turn(data, n):
    """Whatever the partners are: themselves, all the last one, chains."""
    partners = np.array([data.draw(st.integers(i, min(n, i + 2)) | st.integers(i, n)) for i in range(n)], np.uint32)
    in_turn, at_once = integers._exchanged_in_turn(partners), integers._exchanged_at_once(partners)
    assert in_turn.tolist() == at_once.tolist() and in_turn.dtype == at_once.dtype == np.int64


@pytest.mark.parametrize("n", [integers._FEW_EXCHANGES - 1, integers._FEW_EXCHANGES, 5000])
def test_a_long_permutation_is_that_of_the_loop(n):
    g = Generator().manual_seed(n)
    order, partners = list(range(n)), (g.clone().words(n - 1) % np.arange(n, 1, -1)).tolist()
    for i, k in enumerate(partners):
        order[i], order[i + k] = order[i + k], order[i]
    assert draw.randperm(n, generator=g).tolist() == order


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = draw.orthogonal_(np.empty(shape), 2.0, generator=Generator()).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_dropout_draws_nothing_where_nothing_is_left_to_chance():
    g = Generator().manual_seed(3)
    before = g.state_bytes()
    assert (draw.dropout_mask_(np.empty(9, np.float32), 0, generator=g) == 1).all()
    assert (draw.dropout_mask_(np.empty(9, np.float32), 1, generator=g) == 0).all()
    draw.dropout_mask_(np.empty(0, np.float32), 0.5, generator=g)
    np.testing.assert_array_equal(g.state_bytes(), before)


def test_extremes_of_the_stream_raise_no_warning():
    """Words of all zeros and all ones: uniforms of exactly 0 and just under 1."""
    zeros = repeating(0)
    ones = repeating(0xFFFFFFFF)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw.geometric_(np.empty(3), 0.5, generator=zeros).tolist() == [np.inf] * 3
        assert draw.exponential_(np.empty(3), generator=zeros).tolist() == [0.0] * 3
        assert draw.gumbel_(np.empty(3), generator=zeros).tolist() == [np.inf] * 3
        assert draw.multinomial(np.ones(3, np.float32), 1, generator=zeros).tolist() == [0]
        normals = draw.normal_(np.empty(16, np.float32), generator=zeros)
        assert not normals.any() and not np.signbit(normals).any()
        assert draw.uniform_(np.empty(3, np.float32), 1, 2, generator=ones).tolist() == [1.0] * 3
        assert np.isfinite(draw.normal_(np.empty(16, np.float32), generator=ones)).all()
        assert np.isfinite(draw.normal_(np.empty(3), generator=ones)).all()
        assert (draw.uniform_(np.empty(3, np.float16), generator=ones) == 0).all()


def test_narrowed_integer_ranges_warn():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^24\), 2\^24\]"):
        draw.random_(np.empty(2, np.float32), 0, 2**25)


def test_a_mean_far_from_the_interval_warns():
    with pytest.warns(UserWarning, match="more than 2 std"):
        draw.trunc_normal_(np.empty(2), 9.0, 1.0, 0.0, 8.0 - 2)
