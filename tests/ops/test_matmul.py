"""Products of vectors, matrices, batches and named indices: NumPy, finite differences, torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as zth
from tests.ops.oracle import check_gradients, same_as_torch, tensor

RNG = np.random.default_rng(13)


def r(*shape):
    return RNG.normal(size=shape)


@st.composite
def factors(draw):
    """Two arrays that matmul takes, with broadcast batches, vectors, empty and transposed ones."""
    n, m, k = (draw(st.integers(0, 4)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=2))

    def operand(rows, columns, vector):
        if draw(st.integers(0, 3)) == 0:
            return r(vector)
        own = [1 if draw(st.booleans()) else b for b in batch][draw(st.integers(0, len(batch))) :]
        if draw(st.booleans()):
            return r(*own, columns, rows).swapaxes(-1, -2)
        return r(*own, rows, columns)

    return operand(n, k, k), operand(k, m, k)


@given(factors())
def test_matmul_agrees_with_numpy(operands):
    a, b = operands
    before = a.copy(), b.copy()
    product = tensor(a) @ tensor(b)
    expected = a @ b
    assert product.shape == expected.shape
    np.testing.assert_allclose(product.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert (a == before[0]).all() and (b == before[1]).all()


SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 2, 3), (3, 2)),
    ((2, 2, 3), (3,)), ((3,), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((2, 1, 2, 3), (3, 3, 2)),
    ((2, 2, 3), (2, 3, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((0, 2, 3), (3, 2)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES)
def test_matmul_gradients(shapes):
    check_gradients(lambda x, y: x @ y, *(r(*s) for s in shapes))


def test_gradients_of_transposed_operands():
    x, y = r(3, 2, 4), r(2, 3)
    check_gradients(lambda x, y: x.transpose(0, 2) @ y.t(), x, y)


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bhid,bhjd->bhij", (2, 2, 3, 2), (2, 2, 4, 2)), ("i,j->ij", (2,), (3,)),
    ("ij,ij->ij", (2, 3), (2, 3)), ("ij,ij->i", (2, 3), (2, 3)), ("ij,ij->", (2, 3), (2, 3)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)),
    ("ba", (2, 3)), ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)), ("...ij,...jk", (5, 2, 3), (3, 4)),
    ("i...,i...->...", (3, 2), (3, 2)), ("...->", (2, 3)), ("...i->i...", (2, 3, 4)),
    ("iij,jk->ik", (2, 2, 3), (3, 4)), ("ijk,ilm->jklm", (2, 3, 2), (2, 2, 2)),
    ("bn,anm,bm->ba", (2, 3), (3, 3, 4), (2, 4)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,kj->ik", (2, 1), (4, 3)), ("bij,bjk->bik", (1, 3, 4), (2, 4, 2)),
    ("ab,cd->abcd", (2, 3), (1, 2)), ("ij,jk->k", (2, 3), (3, 4)), ("ij,kl->", (2, 3), (3, 4)),
    (" i j , j k -> i k ", (2, 3), (3, 4)), ("Ab,bC->CA", (2, 3), (3, 4)), ("iijj->ij", (3, 3, 2, 2)),
    ("iii->i", (3, 3, 3)), ("bi,bi->b", (0, 3), (0, 3)), ("ij,jk->ik", (2, 0), (0, 4)),
    ("ijk,kji->", (2, 3, 4), (4, 3, 2)), ("ijab,jbka->ik", (2, 3, 2, 2), (3, 2, 3, 2)),
    (",i->i", (), (3,)), ("...,...->...", (2, 1), (3,)), ("...i,...i", (4, 3), (4, 3)),
    ("b...,b...->b...", (2, 3), (2, 3)), ("a...,b->ab", (2, 3), (4,)),
]  # fmt: skip


def _einsum(equation):
    return lambda *operands: zth.einsum(equation, *operands)


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EINSUMS if () not in s])
def test_einsum(equation, shapes):
    arrays = [r(*s) for s in shapes]
    mine = zth.einsum(equation, *map(tensor, arrays)).numpy()
    if equation not in (
        "a...,b->ab",
        "...->",
    ):  # NumPy does not sum over an ellipsis that the result leaves out
        np.testing.assert_allclose(mine, np.einsum(equation, *arrays), rtol=1e-10, atol=1e-12)
    check_gradients(_einsum(equation), *arrays, second=sum(a.size for a in arrays) < 30)


@pytest.mark.parity
@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EINSUMS])
def test_einsum_is_torchs(equation, shapes):
    names = ", ".join("xyw"[: len(shapes)])
    same_as_torch(f"T.einsum({equation!r}, {names})", *(r(*s) for s in shapes))


@pytest.mark.parity
@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->ikz",
        "ij,jk->ii",
        "i1,jk",
        "ij",
        "ii,jk",
        ".ij,jk",
        "ij,jk,kl",
        "ik,jk",
        "i,jk",
        "ij->i->j",
    ],
)
def test_einsum_refuses(equation):
    same_as_torch(f"T.einsum({equation!r}, x, y)", r(2, 3), r(3, 4))


@pytest.mark.parity
def test_einsum_by_sublists():
    same_as_torch("T.einsum(x, [0, 1], y, [1, 2], [0, 2])", r(2, 3), r(3, 4))
    same_as_torch("T.einsum(x, [0, 1], y, [1, 2])", r(2, 3), r(3, 4))
    same_as_torch("T.einsum(x, [..., 0, 1], y, [..., 1, 2], [..., 0, 2])", r(5, 2, 3), r(5, 3, 4))
    same_as_torch("T.einsum('ij,jk', [x, y])", r(2, 3), r(3, 4))


ALL_SHAPES = [
    (), (3,), (4,), (2, 3), (3, 4), (4, 3), (2, 3, 4), (2, 4, 3), (5, 1, 4, 3), (1, 4, 2), (2, 0), (0, 3),
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("name", ["matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "kron"])
def test_parity_for_all_pairs_of_shapes(name):
    failed = []
    for a, b in itertools.product(ALL_SHAPES, ALL_SHAPES):
        if name == "mv" and a == ():
            continue
        try:
            same_as_torch(f"T.{name}(x, y)", r(*a), r(*b))
        except AssertionError as error:
            failed.append(f"{a} {b}: {error}")
    assert not failed, "\n".join(failed)


@pytest.mark.parity
@pytest.mark.parametrize(
    "expression, arrays",
    [
        ("x @ y", [r(2, 3), r(4, 5)]), ("x @ y", [r(2, 3).astype("f4"), r(3, 2)]),
        ("x @ y", [RNG.integers(0, 5, (2, 3)), r(3, 2)]), ("T.ones(()) @ x", [r(3)]),
        ("x.mm(y)", [r(2, 3), r(3)]), ("x.bmm(y)", [r(2, 3, 4), r(2, 3, 4)]), ("x @ y", [r(3), r(2)]),
        ("x @ y", [r(2, 1, 3, 4), r(3, 5, 4, 2)]), ("x.dot(y)", [r(3), r(3).astype("f4")]),
    ],
)  # fmt: skip
def test_errors_in_torchs_words(expression, arrays):
    same_as_torch(expression, *arrays, grad=False, message=True)


def test_products_in_other_dtypes():
    same_as_torch("x @ y", RNG.integers(0, 5, (2, 3)), RNG.integers(0, 5, (3, 2)))
    same_as_torch("x @ y", r(2, 3).astype("f2"), r(3, 2).astype("f2"), grad=False)
    same_as_torch("x @ y", r(4, 2, 3).astype("f4"), r(3, 2).astype("f4"))


@pytest.mark.parity
@pytest.mark.parametrize("options", ["", "beta=2", "alpha=3", "beta=0", "beta=0.5, alpha=2.5"])
def test_added_products(options):
    for shape in [(2, 4), (4,), (2, 1), (3, 4), (1, 2, 4), ()]:
        same_as_torch(f"T.addmm(w, x, y, {options})", r(2, 3), r(3, 4), r(*shape))
    same_as_torch(f"T.addmv(w, x, y, {options})", r(2, 3), r(3), r(2))
    same_as_torch(f"T.addr(w, x, y, {options})", r(2), r(3), r(2, 3))
    same_as_torch(f"T.baddbmm(w, x, y, {options})", r(2, 3, 4), r(2, 4, 5), r(5))
    same_as_torch(f"T.addbmm(w, x, y, {options})", r(2, 3, 4), r(2, 4, 5), r(3, 5))
    same_as_torch(f"w.addmm_(x, y, {options})", r(2, 3), r(3, 4), r(2, 4), grad=False)


def test_what_is_not_looked_at_may_be_nan():
    nan = zth.full((2, 2), float("nan"))
    assert zth.addmm(nan, zth.ones(2, 2), zth.ones(2, 2), beta=0).tolist() == [[2, 2], [2, 2]]


@pytest.mark.parity
@pytest.mark.parametrize("dims", ["0", "1", "2", "([1], [0])", "([0, 1], [1, 0])", "([-1], [1])", "([0], [0, 1])", "5"])
def test_tensordot(dims):
    same_as_torch(f"T.tensordot(x, y, dims={dims})", r(2, 3), r(3, 2))
    same_as_torch(f"T.tensordot(x, y, {dims})", r(4, 2, 3), r(2, 3, 5))


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")
def test_trace_and_chains():
    same_as_torch("T.trace(x)", r(3, 4))
    same_as_torch("x.trace()", RNG.integers(0, 4, (3, 3)))
    same_as_torch("T.trace(x)", r(3))
    same_as_torch("T.chain_matmul(x, y, w)", r(2, 3), r(3, 5), r(5, 2))


def test_python_operators():
    x = tensor(r(2, 3))
    with pytest.raises(TypeError):
        x @ [1.0, 2.0, 3.0]
    out = zth.empty(2, 2, dtype=zth.float64)
    assert zth.matmul(x, x.T, out=out) is out
    np.testing.assert_allclose(out.numpy(), x.numpy() @ x.numpy().T)
