"""torch.linalg over LAPACK: reconstruction, finite differences of both orders, torch, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_zth as zth
from tests.ops.oracle import check_gradients, same_as_torch, tensor

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning"),  # torch's own
]
RNG = np.random.default_rng(17)


def r(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    a = r(*shape)
    return a @ a.swapaxes(-1, -2) + np.eye(shape[-1])


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(-4, 4, width=16),
    )
)
def test_factors_make_the_matrix_again(a):
    x = tensor(a)
    u, s, vh = zth.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(((u * s.unsqueeze(-2)) @ vh).numpy(), a, atol=1e-10)
    q, triangle = zth.linalg.qr(x)
    np.testing.assert_allclose((q @ triangle).numpy(), a, atol=1e-10)
    assert (np.tril(triangle.numpy(), -1) == 0).all()
    symmetric = x @ x.mT
    values, vectors = zth.linalg.eigh(symmetric)
    again = (vectors * values.unsqueeze(-2)) @ vectors.mT
    np.testing.assert_allclose(again.numpy(), symmetric.numpy(), atol=1e-9)
    p = zth.linalg.pinv(x)
    assert p.shape == x.mT.shape
    np.testing.assert_allclose(p.numpy(), np.linalg.pinv(a, rcond=4 * np.finfo(float).eps), atol=1e-6)


SQUARE, WIDE, TALL, BATCH = r(3, 3), r(2, 3), r(3, 2), r(2, 2, 2)
GRADIENTS = [
    ("inv(x)", SQUARE), ("inv(x)", BATCH), ("det(x)", SQUARE), ("det(x)", BATCH),
    ("slogdet(x)[1]", SQUARE), ("pinv(x)", TALL), ("pinv(x)", WIDE), ("pinv(x)", BATCH),
    ("svdvals(x)", TALL), ("svdvals(x)", WIDE), ("svd(x, False)[0] ** 2", TALL),
    ("svd(x, False)[2] ** 2", TALL), ("svd(x, False)[0] ** 2", WIDE), ("svd(x)[2][:2] ** 2", WIDE),
    ("eigvalsh(x + x.mT)", SQUARE), ("eigh(x + x.mT)[1] ** 2", SQUARE), ("qr(x)[0]", TALL),
    ("qr(x)[1]", TALL), ("qr(x)[0]", WIDE), ("qr(x)[1]", WIDE), ("qr(x)[1]", SQUARE),
    ("cholesky(x @ x.mT + 2 * x.new_ones(3).diag())", SQUARE), ("matrix_power(x, 3)", SQUARE),
    ("matrix_power(x, -2)", SQUARE), ("norm(x)", TALL), ("matrix_norm(x, 'nuc')", TALL),
    ("matrix_norm(x, 2)", WIDE), ("matrix_norm(x, -1)", WIDE), ("matrix_norm(x, float('inf'))", TALL),
    ("cond(x)", SQUARE), ("cond(x, 1)", SQUARE), ("vector_norm(x, 3, 0)", TALL),
]  # fmt: skip


@pytest.mark.parametrize("expression, x", GRADIENTS)
def test_gradients_of_both_orders(expression, x):
    check_gradients(lambda x: eval(f"L.{expression}", {"L": zth.linalg, "x": x}), x, tolerance=3e-5)


@pytest.mark.parametrize("shapes", [((3, 3), (3,)), ((2, 2), (2, 3)), ((2, 2, 2), (2, 2)), ((2, 2), (3, 2, 1))])
def test_gradients_of_solve(shapes):
    a, b = (r(*s) for s in shapes)
    a = a + 2 * np.eye(a.shape[-1])
    check_gradients(zth.linalg.solve, a, b)


@pytest.mark.parametrize("shape", [(4, 2), (2, 3), (2, 2)])
def test_gradients_of_least_squares(shape):
    check_gradients(lambda a, b: zth.linalg.lstsq(a, b).solution, r(*shape), r(shape[0], 2))


def test_the_determinant_of_a_singular_matrix_has_a_gradient():
    for x in ([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]], [[0.0, 0], [0, 3]], [[0.0, 0], [0, 0]]):
        check_gradients(zth.linalg.det, np.array(x), second=False)


def test_where_logarithms_survive_the_determinant():
    x = zth.eye(400, dtype=zth.float64) * 100
    assert zth.linalg.det(x).item() == float("inf")
    np.testing.assert_allclose(zth.logdet(x).item(), 400 * np.log(100))


# ---------------------------------------------------------------------------- torch


ARRAYS = {
    "square": r(3, 3),
    "batch": r(2, 3, 3),
    "tall": r(4, 3),
    "wide": r(3, 4),
    "tall batch": r(2, 4, 3),
    "empty": r(0, 0),
    "vector": r(3),
    "int64": np.arange(9).reshape(3, 3),
}
CALLS = [
    "inv(x)", "det(x)", "slogdet(x)", "pinv(x)", "svdvals(x)", "matrix_rank(x)", "cond(x)", "cond(x, -2)",
    "matrix_power(x, 3)", "matrix_power(x, 0)", "matrix_power(x, -2)", "norm(x)", "norm(x, dim=0)",
    "diagonal(x)", "svd(x, full_matrices=False)[1]", "eigvalsh(x)",
    *[f"matrix_norm(x, {o})" for o in ("'fro'", "'nuc'", 1, -1, "float('inf')", "-float('inf')", 2, -2)],
    *[f"norm(x, {o})" for o in (1, 2, "'fro'", "'nuc'", "float('inf')")],
    "matrix_norm(x, 1, keepdim=True)", "matrix_norm(x, 'nuc', keepdim=True)", "norm(x, 2, dim=(0, 1))",
    "matrix_norm(x, 2, dim=(0, 1))", "matrix_norm(x, 1, dim=(1, 0))", "norm(x, 'fro', 0)", "qr(x)",
    "svd(x)[0][..., :2].square()", "svd(x, False)[2].square()",
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("kind", ARRAYS)
def test_parity(kind):
    failed = []
    for expression in [f"T.linalg.{call}" for call in CALLS] + [
        "T.logdet(x)", "x.det()", "x.slogdet()", "x.inverse()", "x.pinverse()", "x.matrix_power(2)",
        "T.svd(x)[1]", "T.qr(x)",
    ]:  # fmt: skip
        if kind == "int64" and "eigvalsh" in expression:
            continue
        if kind == "vector" and expression == "T.linalg.norm(x, 'nuc')":
            continue
        try:
            same_as_torch(expression, ARRAYS[kind], grad=kind != "empty")
        except AssertionError as error:
            failed.append(f"{expression}: {error}")
    assert not failed, "\n".join(failed)


SOLVES = [
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3)), ((2, 3, 3), (2, 3, 4)), ((3, 3), (2, 3, 4)),
    ((3, 3), (4,)), ((3, 4), (3,)), ((3, 3), (4, 2)), ((1, 3, 3), (4, 3, 2)),
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("shapes", SOLVES)
def test_solve(shapes):
    a, b = (r(*s) for s in shapes)
    same_as_torch("T.linalg.solve(x, y)", a, b)
    if len(shapes[1]) > 1:
        for options in ("upper=True", "upper=False", "upper=False, unitriangular=True"):
            same_as_torch(f"T.linalg.solve_triangular(x, y, {options})", a, b)
    same_as_torch("T.linalg.solve(x, y, left=False)", a, b)


@pytest.mark.parity
@pytest.mark.parametrize(
    "shapes",
    [((5, 3), (5, 2)), ((3, 5), (3, 2)), ((2, 5, 3), (2, 5, 2)), ((5, 3), (5,)), ((5, 3), (4, 2))],
)
@pytest.mark.parametrize("driver", ["'gelsy'", "'gelsd'", "None"])
def test_least_squares(shapes, driver):
    a, b = (r(*s) for s in shapes)
    same_as_torch(f"T.linalg.lstsq(x, y, driver={driver})[0]", a, b)
    same_as_torch(f"T.linalg.lstsq(x, y, driver={driver})[1:]", a, b, grad=False)


@pytest.mark.parity
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_cholesky(kind):
    for options in ("", ", upper=True"):
        same_as_torch(f"T.linalg.cholesky(x{options})", positive(3, 3).astype(kind))
        same_as_torch(f"T.linalg.cholesky(x{options})", positive(2, 3, 3).astype(kind))
        same_as_torch(f"T.linalg.cholesky(x{options})", r(3, 4))


@pytest.mark.parity
@pytest.mark.parametrize(
    "expression",
    [
        "T.linalg.inv(T.ones(2, 3))", "T.linalg.inv(T.zeros(3))", "T.linalg.det(T.ones(2, 3))",
        "T.linalg.inv(T.zeros(2, 2, dtype=T.int64))", "T.linalg.solve(T.zeros(2, 2), T.ones(2))",
        "T.linalg.solve(T.eye(2), T.ones(3))", "T.linalg.cholesky(-T.eye(2))",
        "T.linalg.cholesky(T.stack([T.eye(2), -T.eye(2)]))", "T.linalg.qr(T.ones(2, 3), mode='x')",
        "T.linalg.matrix_power(T.ones(2, 3), 2)", "T.linalg.matrix_norm(T.ones(3))",
        "T.linalg.matrix_norm(T.ones(3, 3), 'x')", "T.linalg.cond(T.ones(3, 2), 1)",
        "T.linalg.norm(T.ones(2, 3), ord='fro', dim=0)", "T.linalg.norm(T.ones(2, 3, 4), ord=2)",
        "T.linalg.multi_dot([T.ones(2, 3)])", "T.linalg.inv(T.ones(2, 2, dtype=T.float16))",
    ],
)  # fmt: skip
def test_errors_in_torchs_words(expression):
    same_as_torch(expression, message=True)


def test_singular_matrices_are_refused():
    singular = zth.stack([zth.eye(2), zth.zeros(2, 2)])
    for f in (zth.linalg.inv, lambda a: zth.linalg.solve(a, zth.ones(2, 2, 1))):
        with pytest.raises(zth.linalg.LinAlgError, match=r"\(Batch element 1\).*singular"):
            f(singular)
    assert issubclass(zth.linalg.LinAlgError, RuntimeError)
    inverse, info = zth.linalg.inv_ex(singular)
    assert info.tolist() == [0, 1] and inverse[0].tolist() == [[1, 0], [0, 1]]
    assert zth.linalg.cond(zth.zeros(2, 2), 1).item() == float("inf")


@pytest.mark.parity
def test_chains():
    same_as_torch("T.linalg.multi_dot([x, y, w])", r(2, 3), r(3, 5), r(5, 2))
    same_as_torch("T.linalg.multi_dot([x, y, w])", r(3), r(3, 5), r(5))
    same_as_torch("T.linalg.multi_dot([x, y])", r(3), r(3, 5))
    same_as_torch("T.linalg.vecdot(x, y)", r(2, 3), r(3))


def test_a_chain_is_multiplied_in_the_cheapest_order():
    from tinygrad_zth.ops.linalg import _best_order

    split = _best_order([30, 35, 15, 5, 10, 20, 25])  # the textbook's example: Cormen et al., 15.2
    assert split[0, 5] == 2 and split[0, 2] == 0 and split[3, 5] == 4
