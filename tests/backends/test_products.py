"""Long products cut between threads equal NumPy's, and know when cutting them is of no use."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from tinygrad_zth.backends import blas, parallel, products
from tinygrad_zth.testing import assert_close

pytestmark = pytest.mark.host
SIZES = st.integers(0, 40)


def array(rng, shape, kind, order):
    """Of this shape, its memory in rows, in columns, or with gaps."""
    if order == "gaps":
        return rng.standard_normal((*shape[:-1], 2 * shape[-1])).astype(kind)[..., ::2]
    x = rng.standard_normal(shape).astype(kind)
    return x if order == "rows" else np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(products, "_cores", products._Cores())
    return products._cores


@st.composite
def operands(draw):
    m, k, n = draw(SIZES), draw(SIZES), draw(SIZES)
    lead = draw(st.sampled_from([(), (), (1,), (2,), (5,), (3, 2)]))
    other = draw(st.sampled_from([lead, lead, (), (1,) * len(lead)]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kind, orders = draw(st.sampled_from("fd")), st.sampled_from(["rows", "columns", "gaps"])
    return array(rng, (*lead, m, k), kind, draw(orders)), array(rng, (*other, k, n), kind, draw(orders))


@given(operands(), st.integers(1, 5), st.booleans(), st.sampled_from([0, 500, 10**9]))
def test_cut_or_not_it_is_numpys_product(xy, threads, among, worth_cutting):
    x, y = xy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_cores", products._Cores())
        patch.setattr(products, "LONG", 10**9 if among else 1)
        patch.setattr(products, "SHORT", 50)
        patch.setattr(products, "WORTH_CUTTING", worth_cutting)
        patch.setattr(parallel, "_threads", threads)
        if among:
            products._cores.are_ours()
        found = products.matmul(x, y)
    expected = np.matmul(x, y)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert_close(found, expected)


@pytest.mark.parametrize("long", [1, 10**9])
def test_what_does_not_fit_is_refused_as_numpy_refuses_it(monkeypatch, fresh, long):
    monkeypatch.setattr(products, "LONG", long)
    monkeypatch.setattr(parallel, "_threads", 2)
    with pytest.raises(ValueError, match="matmul|shapes"):
        products.matmul(np.zeros((40, 30)), np.zeros((29, 40)))
    assert blas.can_limit() is False or blas._users == 0


@pytest.mark.parametrize("shape", [(3, 5), (1, 700_000), (700_000, 1), (1000, 600)])
def test_a_product_with_a_vector(shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    assert_close(products.dot(x, np.ones(shape[1])), x.sum(1))
    assert_close(products.dot(np.ones(shape[0]), x), x.sum(0))


def threads_of_blas(monkeypatch, function, *arguments):
    """How many threads BLAS may use while NumPy multiplies in ``function``."""
    read = blas._controls()[0]
    seen = []

    def watched(*args):
        seen.append(read())
        return np_matmul(*args)

    np_matmul = np.matmul
    with monkeypatch.context() as patch:
        patch.setattr(np, "matmul", watched)
        function(*arguments)
    return seen


@pytest.fixture
def two(monkeypatch, fresh):
    if not blas.can_limit():
        pytest.skip("this NumPy's BLAS is no OpenBLAS")
    monkeypatch.setattr(parallel, "_threads", 2)
    read, write = blas._controls()
    before = read()
    write(2)
    yield fresh
    write(before)


SHORT, MIDDLE, CUT, LONG = (np.ones((n, n), "f") for n in (50, 240, 300, 800))


def test_who_multiplies(monkeypatch, two):
    def used(x):
        return threads_of_blas(monkeypatch, products.matmul, x, x)

    assert used(MIDDLE) == [2] and used(CUT) == [2]  # alone, they are BLAS's
    assert used(LONG) == [1, 1]
    assert used(SHORT) == [2] and used(MIDDLE) == [1] and used(CUT) == [1, 1]  # beside a long one
    two.among -= two.AMONG + 1
    assert used(MIDDLE) == [2] and two.among == 0


def test_long_products_are_left_to_blas_once_cutting_them_is_of_no_use(monkeypatch, two):
    def used():
        return threads_of_blas(monkeypatch, products.matmul, LONG, LONG)

    now = 100.0
    monkeypatch.setattr(products, "perf_counter", lambda: now)
    monkeypatch.setattr(two, "were_ours", lambda *times, told=two.were_ours: told(0.5, 1.0))
    assert used() == [1, 1]
    now += two.ASLEEP / 2
    assert used() == [1, 1]  # BLAS's threads may be falling asleep
    now += two.ASLEEP
    assert used() == [1, 1]
    assert used() == [2]
    assert threads_of_blas(monkeypatch, products.matmul, MIDDLE, MIDDLE) == [2]
    now += two.AGAIN
    assert used() == [1, 1]  # another try
    monkeypatch.undo()
    two.were_ours(0.9, 1.0)
    assert not two.wanting


def test_products_of_tensors_are_cut(monkeypatch, two):
    monkeypatch.setattr(products, "LONG", 10_000)
    monkeypatch.setattr(products, "WORTH_CUTTING", 10_000)
    monkeypatch.setattr(products, "SHORT", 100)
    x, w, b = torch.randn(6, 40, 32), torch.randn(32, 48, requires_grad=True), torch.randn(6, 32, 50)
    for function, parts in (
        (lambda: x @ w, 2),
        (lambda: x[0] @ w, 2),
        (lambda: x @ b, 2),
        (lambda: torch.einsum("bik,kj->bij", x, w), 2),
        (lambda: torch.nn.functional.linear(x, w.t()).sum().backward(), 4),
    ):
        assert threads_of_blas(monkeypatch, function) == [1] * parts


def test_the_sum_of_a_large_array_is_the_calling_threads(two):
    read, seen = blas._controls()[0], []

    class Watched(np.ndarray):
        def dot(self, other):
            seen.append(read())
            return np.asarray(self).dot(other)

    from tinygrad_zth.backends import sums

    for shape in ((1000, 20), (1000, 600)):
        x = np.ones(shape).view(Watched)
        assert (sums.total(x, 1, False) == shape[1]).all()
    assert seen == [2, 1]


@given(st.integers(1, 40), st.integers(0, 70), st.integers(0, 300), st.integers(0, 9))
def test_few_rows_times_a_transposed_matrix(rows, inner, columns, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((rows, inner), "f"), rng.standard_normal((columns, inner), "f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "kernels_for", lambda: "SkylakeX")  # whatever this processor is
        n = products.columns_at_once(rows, inner, columns)
        assert_close(products.times_transposed(x, w), x @ w.T)
    assert n in (0, 32, 64, 128) and rows * n <= 1200
    assert n or not 1 < rows <= products.FEW or inner < 32 or rows * columns <= 1200


@given(
    st.integers(1, 30),
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(0, 40),
    st.sampled_from("fd"),
    st.integers(0, 9),
)
def test_a_product_along_a_long_dimension_part_by_part(m, n, parts, each, dtype, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((rows, parts * each), dtype) for rows in (m, n))
    for kernels in ("SkylakeX", "Haswell"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(products, "kernels_for", lambda kernels=kernels: kernels)
            found = products.along(x, y, parts)
        assert found.dtype == x.dtype and found.flags.c_contiguous
        assert_close(found, x @ y.T, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("outs, samples", [(16, 5), (3, 1)])
def test_a_convolutions_weight_gradient_is_the_same_part_by_part(monkeypatch, outs, samples):
    F = torch.nn.functional
    x, w = torch.randn(samples, 3, 20, 20), torch.randn(outs, 3, 3, 3, requires_grad=True)
    found = []
    for kernels in ("SkylakeX", "Haswell"):
        monkeypatch.setattr(products, "kernels_for", lambda kernels=kernels: kernels)
        y = F.conv2d(x, w, padding=1)
        found += torch.autograd.grad(y, w, torch.ones_like(y))
    assert_close(*found, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kernels, pieces", [("SkylakeX", 128), ("SapphireRapids", 128), ("Haswell", 0), ("", 0)])
def test_pieces_are_for_the_processors_that_gain_by_them(monkeypatch, kernels, pieces):
    monkeypatch.setattr(products, "kernels_for", lambda: kernels)
    assert products.columns_at_once(8, 128, 384) == pieces


def test_blas_says_whom_its_kernels_are_for(monkeypatch):
    assert isinstance(blas.kernels_for(), str) and bool(blas.kernels_for()) == blas.can_limit()
    monkeypatch.setattr(blas, "_library", lambda: None)
    assert blas.kernels_for.__wrapped__() == "" and blas._controls.__wrapped__() is None


@given(st.integers(1, 40), st.sampled_from([(3, 40), (130, 64), (257, 96)]), st.booleans())
def test_linear_is_the_same_in_pieces(rows, shape, biased):
    torch.manual_seed(rows)
    x, w = torch.randn(rows, shape[1], requires_grad=True), torch.randn(*shape, requires_grad=True)
    b = torch.randn(shape[0]) if biased else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "kernels_for", lambda: "SkylakeX")
        found = torch.nn.functional.linear(x, w, b)
    expected = x @ w.t() + (0 if b is None else b)
    near = {"rtol": 1e-4, "atol": 1e-4 * shape[0]}  # of sums of so many products of float32
    torch.testing.assert_close(found, expected, **near)
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), (x, w)), torch.autograd.grad(expected.square().sum(), (x, w)), **near
    )
