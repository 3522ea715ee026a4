"""Sorting, ranks, quantiles, unique, histograms, searchsorted: NumPy, finite differences, torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_zth as zth
from tests.ops.oracle import check_gradients, same_as_torch, tensor

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
RNG = np.random.default_rng(11)


def r(*shape):
    return RNG.normal(size=shape)


FEW_VALUES = st.integers(-3, 3).map(float)  # so that there are ties


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=5, min_side=1), elements=FEW_VALUES),
    st.booleans(),
    st.data(),
)
def test_sort_is_stable_both_ways(a, descending, data):
    dim = data.draw(st.integers(-a.ndim, a.ndim - 1))
    values, indices = zth.sort(tensor(a), dim, descending)
    key = -a if descending else a
    expected = np.argsort(key, dim, kind="stable")
    assert (indices.numpy() == expected).all()
    assert (values.numpy() == np.take_along_axis(a, expected, dim)).all()
    assert (zth.argsort(tensor(a), dim, descending).numpy() == expected).all()
    k = data.draw(st.integers(0, a.shape[dim]))
    best = zth.topk(tensor(a), k, dim, largest=descending)
    first = np.take(expected, range(k), dim)
    assert (best.values.numpy() == np.take_along_axis(a, first, dim)).all()
    places = best.indices.numpy()  # of equal elements others may be found than by a stable sort
    assert (np.take_along_axis(a, places, dim) == best.values.numpy()).all()
    assert all(len(set(row)) == k for row in np.moveaxis(places, dim, -1).reshape(-1, max(k, 1)).tolist())


def test_nan_is_larger_than_everything():
    x = zth.tensor([2.0, math.nan, 1.0, math.inf])
    assert x.sort().indices.tolist() == [2, 0, 3, 1]
    assert x.sort(descending=True).indices.tolist() == [1, 3, 0, 2]
    assert x.topk(2).indices.tolist() == [1, 3]
    assert math.isnan(x.median().item()) and x.nanmedian().item() == 2
    assert x.median(0).indices.item() == 1


@pytest.mark.parametrize(
    "expression",
    [
        "sort(x, 0)[0]", "sort(x, descending=True)[0]", "msort(x)", "topk(x, 2, 1)[0]",
        "topk(x, 2, 0, largest=False)[0]", "kthvalue(x, 2, 1)[0]", "kthvalue(x, 1, 0, True)[0]",
        "median(x)", "median(x, 1)[0]", "nanmedian(x, 0)[0]", "mode(x, 1)[0]", "quantile(x, 0.3)",
        "quantile(x, 0.7, 1, keepdim=True)", "nanquantile(x, 0.25, 0)",
        "quantile(x, T.tensor([0.1, 0.4, 0.5], dtype=T.float64), 0)",
    ],
)  # fmt: skip
def test_gradients(expression):
    x = RNG.permutation(12).reshape(3, 4) / 3.0
    check_gradients(lambda x: eval(f"T.{expression}", {"T": zth, "x": x}), x)


def test_the_median_of_all_shares_its_gradient_among_equals():
    x = zth.tensor([1.0, 2.0, 2.0, 5.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0]


@given(hnp.arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=6, min_side=0), elements=st.integers(-2, 2)))
def test_unique_agrees_with_numpy(a):
    x = zth.tensor(a)
    values, inverse, counts = zth.unique(x, return_inverse=True, return_counts=True)
    expected = np.unique(a, return_inverse=True, return_counts=True)
    assert (values.numpy() == expected[0]).all() and (counts.numpy() == expected[2]).all()
    assert inverse.shape == x.shape and (values.numpy()[inverse.numpy()] == a).all()


@given(
    hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(-5, 5, width=16)),
    st.integers(1, 8),
    st.booleans(),
)
def test_histogram_agrees_with_numpy(a, bins, density):
    found = zth.histogram(tensor(a), bins, range=(-4.0, 4.0), density=density)
    edges = found.bin_edges.numpy()  # PyTorch's, which round in their own way: a number may lie on one
    np.testing.assert_allclose(edges, np.linspace(-4, 4, bins + 1), atol=1e-14)
    hist, _ = np.histogram(a, edges)
    total = hist.sum() * np.diff(edges)
    expected = hist / total if density else hist
    np.testing.assert_allclose(found.hist.numpy(), expected, rtol=1e-9)


def test_the_lectures_histogram():
    x = zth.randn(32, 100)
    hy, hx = zth.histogram(x, density=True, bins=100)
    assert hy.shape == (100,) and hx.shape == (101,) and hx[:-1].shape == hy.shape
    assert abs((hy * (hx[1:] - hx[:-1])).sum().item() - 1) < 1e-5
    default = zth.histogram(x, 100)
    assert repr(default).startswith("torch.return_types.histogram(\nhist=tensor(")
    assert default.hist.sum().item() == x.numel()


@given(
    hnp.arrays(np.float64, (3, 5), elements=FEW_VALUES),
    hnp.arrays(np.float64, (3, 4), elements=FEW_VALUES),
    st.booleans(),
)
def test_searchsorted_agrees_with_numpy(sequence, values, right):
    sequence = np.sort(sequence, -1)
    side = "right" if right else "left"
    found = zth.searchsorted(tensor(sequence), tensor(values), right=right).numpy()
    for row, s, v in zip(found, sequence, values, strict=True):
        assert (row == np.searchsorted(s, v, side)).all()
    single = zth.bucketize(tensor(values), tensor(sequence[0]), right=right).numpy()
    assert (single == np.searchsorted(sequence[0], values, side)).all()


# ---------------------------------------------------------------------------- torch


WITH_NAN = r(3, 5, 4)
WITH_NAN[0, 1, 0] = WITH_NAN[1, 2, 3] = math.nan
ARRAYS = {
    "float64": r(3, 5, 4),
    "float32": r(3, 5, 4).astype("f4"),
    "nan": WITH_NAN,
    "int64": RNG.integers(-2, 3, (3, 5, 4)),
    "scalar": np.array(2.5),
    "vector": r(6),
    "0x3": np.ones((0, 3)),
}
CALLS = [
    "x.sort()", "x.sort(0)", "x.sort(descending=True)", "x.sort(dim=0, descending=True, stable=True)",
    "T.msort(x)", "x.topk(1)[0]", "x.topk(9)", "x.topk(2, 0)[0]", "x.median()", "x.median(0)[0]",
    "x.median(dim=-1, keepdim=True)[0]", "x.nanmedian()", "x.nanmedian(0)[0]", "x.mode(0)[0]",
    "x.kthvalue(2)[0]", "x.kthvalue(2, dim=0, keepdim=True)[0]", "x.kthvalue(9)", "x.median(5)",
    "x.quantile(0.3)", "x.quantile(0.5, 0)", "x.quantile(0.5, -1, True, interpolation='nearest')",
    "x.quantile(0.3, interpolation='lower')", "x.quantile(0.3, interpolation='higher')",
    "x.quantile(0.3, interpolation='midpoint')", "x.nanquantile(0.3, 0)", "x.quantile(1.5)",
    "x.quantile(0.5, interpolation='other')",
]  # fmt: skip
NO_GRADIENT = [
    "x.unique()", "x.unique(return_inverse=True)", "x.unique(return_inverse=True, return_counts=True)",
    "x.unique(dim=0)", "x.unique(dim=1, return_inverse=True, return_counts=True)",
    "x.unique_consecutive(return_inverse=True, return_counts=True)", "x.unique_consecutive(dim=0)",
]  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("kind", ARRAYS)
def test_parity(kind):
    a = ARRAYS[kind]
    failed = []
    for expression in CALLS + NO_GRADIENT:
        if kind == "nan" and ("unique" in expression or "mode" in expression):
            continue  # nan equals nothing: which of them is taken is an accident there
        if kind == "int64" and "[0]" not in expression and "sort" in expression:
            expression = expression if "stable" in expression else f"{expression}[0]"
        if kind == "0x3" and ("kthvalue" in expression or "nanmedian" in expression):
            continue
        grad = expression in CALLS and kind not in ("nan", "0x3")
        try:
            same_as_torch(expression, a, grad=grad)
        except AssertionError as error:
            failed.append(f"{expression}: {error}")
    assert not failed, "\n".join(failed)


RUNS = np.array([1, 1, 2, 2, 2, 1, 3, 3])
ROWS = np.array([[1, 2], [1, 2], [0, 5], [1, 2]])


@pytest.mark.parity
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_unique_slices(name, dim):
    same_as_torch(f"T.{name}(x, dim={dim}, return_inverse=True, return_counts=True)", ROWS)


@pytest.mark.parity
@pytest.mark.parametrize(
    "expression, arrays",
    [
        ("T.bincount(x)", [RUNS]), ("T.bincount(x, minlength=7)", [RUNS]),
        ("T.bincount(x, y)", [RUNS, r(8)]), ("T.bincount(x, weights=y)", [RUNS, RUNS]),
        ("T.bincount(x, y)", [RUNS, r(8).astype("f4")]), ("T.bincount(x)", [-RUNS]),
        ("T.bincount(x)", [ROWS]), ("T.bincount(x)", [RUNS[:0]]), ("T.bincount(x)", [r(3)]),
        ("T.bincount(x, y)", [RUNS, r(3)]),
        *[
            (f"T.{call}", [a])
            for a in (r(50), r(50).astype("f4"), r(5, 6), np.ones(3), np.ones(0), np.arange(5))
            for call in (
                "histc(x)", "histc(x, bins=4, min=-1, max=1)", "histc(x, 5, 2, 1)", "histc(x, 0)",
                "histogram(x, 5)", "histogram(x, bins=4, range=(-1.0, 1.0))",
                "histogram(x, 10, density=True)", "histogram(x, 4, weight=x * x, density=True)",
                "histogram(x, 5, range=(2.0, 1.0))", "histogram(x, 3, range=(1.0, 1.0))",
            )
        ],
        ("T.histogram(x, y)", [r(40), np.array([-1, 0, 0.5, 2])]),
        ("T.histogram(x, y, density=True)", [r(40), np.array([-1, 0, 0.5, 2])]),
    ],
)  # fmt: skip
def test_counts(expression, arrays):
    same_as_torch(expression, *arrays, grad=False)


@pytest.mark.parity
@pytest.mark.parametrize(
    "options",
    ["", "right=True", "side='right'", "out_int32=True", "side='left', right=True", "side='z'"],
)
def test_searching(options):
    sequence, values = np.sort(r(3, 6), -1), r(3, 4)
    same_as_torch(f"T.searchsorted(x, y, {options})", sequence, values, grad=False)
    same_as_torch(f"T.searchsorted(x, y, {options})", sequence[0], values, grad=False)
    same_as_torch(f"T.searchsorted(x, y, {options})", sequence, values[:2], grad=False)
    same_as_torch("T.searchsorted(x, 0.3)", sequence[0], grad=False)
    same_as_torch("T.bucketize(y, x)", sequence, values, grad=False)
    a = r(5)
    same_as_torch("T.searchsorted(x, y, sorter=w)", a, r(3), np.argsort(a), grad=False)
