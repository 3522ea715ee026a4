"""Reductions, extremes, norms and running reductions: NumPy, finite differences, torch, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_zth as zth
from tests.ops.oracle import check_gradients, same_as_torch, tensor

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning"),
]
RNG = np.random.default_rng(7)
INF, NAN = math.inf, math.nan


def r(*shape):
    return RNG.normal(size=shape)


@st.composite
def array_and_dim(draw, smallest: int = 0):
    """A float64 array, perhaps transposed or with gaps; a dim, as torch and NumPy both take it."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=smallest, max_side=4))
    a = draw(hnp.arrays(np.float64, shape, elements=st.floats(-8, 8, width=32)))
    layout = draw(st.sampled_from(["plain", "transposed", "gaps"]))
    if layout == "transposed":
        a = a.T
    elif layout == "gaps" and a.ndim:
        a = a.repeat(2, -1)[..., ::2]
    if not a.ndim or draw(st.booleans()):
        return a, None
    dims = draw(st.lists(st.integers(0, a.ndim - 1), min_size=1, max_size=a.ndim, unique=True))
    dims = tuple(d - a.ndim if draw(st.booleans()) else d for d in dims)
    return a, dims[0] if len(dims) == 1 and draw(st.booleans()) else dims


def agrees(mine, expected):
    expected = np.asarray(expected)
    assert tuple(mine.shape) == expected.shape
    np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-9, atol=1e-9)


NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "amax": np.max,
    "amin": np.min,
    "any": np.any,
    "all": np.all,
    "std": lambda a, **k: np.std(a, ddof=1, **k),
    "var": lambda a, **k: np.var(a, ddof=1, **k),
    "logsumexp": lambda a, **k: np.log(np.sum(np.exp(a), **k)),
    "norm": lambda a, **k: np.sqrt(np.sum(a * a, **k)),
    "nansum": np.nansum,
    "nanmean": np.nanmean,
}


@given(array_and_dim(), st.booleans(), st.sampled_from(sorted(NUMPY)))
def test_reductions_agree_with_numpy(case, keepdim, name):
    a, dim = case
    count = a.size if dim is None else math.prod(np.take(a.shape, np.atleast_1d(dim)))
    if name in ("amax", "amin") and (count == 0 or a.size == 0):
        return
    before = a.copy()
    if dim is None and name in ("amax", "amin"):
        mine = getattr(zth, name)(tensor(a), keepdim=keepdim)
    else:
        mine = getattr(zth, name)(tensor(a), dim=dim, keepdim=keepdim)
    agrees(mine, NUMPY[name](a, axis=dim, keepdims=keepdim))
    assert (a == before).all()


@given(array_and_dim(1), st.sampled_from(["cumsum", "cumprod", "argmax", "argmin", "prod"]))
def test_along_one_dimension_agrees_with_numpy(case, name):
    a, dim = case
    if not isinstance(dim, int):
        dim = a.ndim - 1
    if a.ndim:
        agrees(getattr(tensor(a), name)(dim), getattr(np, name)(a, axis=dim))


SMOOTH = [
    "sum(x)", "sum(x, (0, 2))", "sum(x, -1, True)", "mean(x)", "mean(x, 1)",
    "mean(x, (0, -1), True)",
    "var(x)", "var(x, 1)", "var(x, (0, 2), correction=0)", "std(x)", "std(x, 0, keepdim=True)",
    "logsumexp(x, 1)", "logsumexp(x, (0, 2), True)", "prod(x)", "prod(x, 1)", "prod(x, -1, True)",
    "cumsum(x, 1)", "cumprod(x, 0)", "cumprod(x, -1)", "logcumsumexp(x, 1)", "amax(x, 1)",
    "amin(x, (0, 1))", "max(x)", "min(x)", "max(x, 1)[0]", "min(x, 0, True)[0]", "cummax(x, 1)[0]",
    "cummin(x, 0)[0]", "norm(x)", "norm(x, 1, 0)", "norm(x, 3, (0, 2))", "norm(x, 1.5)",
    "norm(x, float('inf'), 1)", "norm(x, -2, -1)", "nansum(x, 1)", "nanmean(x, 0)",
    "var_mean(x, 1)[0]", "std_mean(x, 1)[1]",
]  # fmt: skip


@pytest.mark.parametrize("expression", SMOOTH)
def test_gradients_of_both_orders(expression):
    x = r(2, 3, 2) + 0.2
    check_gradients(lambda x: eval(f"T.{expression}", {"T": zth, "x": x}), x)
    turned = r(2, 3, 2).T  # not contiguous
    check_gradients(lambda x: eval(f"T.{expression}", {"T": zth, "x": x.transpose(0, 2)}), turned, second=False)


@pytest.mark.parametrize("zeros", [[(0, 1)], [(0, 1), (1, 1)], [(0, 1), (0, 2), (1, 0)]])
@pytest.mark.parametrize("expression", ["prod(x)", "prod(x, 0)", "prod(x, 1)", "cumprod(x, 1)"])
def test_gradients_of_products_with_zeros(zeros, expression):
    x = r(2, 4)
    for place in zeros:
        x[place] = 0
    check_gradients(lambda x: eval(f"T.{expression}", {"T": zth, "x": x}), x)


def test_ties_share_or_go_to_the_first():
    def gradient(f):
        x = zth.tensor([[1.0, 3.0, 3.0], [3.0, 0.0, 2.0]], requires_grad=True)
        f(x).sum().backward()
        return x.grad.tolist()

    third, half = 1 / 3, 0.5
    for f in (lambda x: x.max(), lambda x: -(-x).min(), lambda x: x.amax((0, 1))):
        np.testing.assert_allclose(gradient(f), [[0, third, third], [third, 0, 0]], rtol=1e-6)
    assert gradient(lambda x: x.amax(1)) == [[0, half, half], [1, 0, 0]]
    assert gradient(lambda x: x.max(1).values) == [[0, 1, 0], [1, 0, 0]]
    assert gradient(lambda x: x.max(0).values) == [[0, 1, 1], [1, 0, 0]]
    assert zth.tensor([[1.0, 3, 3]]).argmax().item() == 1
    assert zth.tensor([2, 1, 1]).argmin(0).item() == 1


@pytest.mark.host  # on a device, printing names it
def test_named_tuples_print_and_unpack():
    found = zth.tensor([[1.0, 2.0]]).max(1)
    assert repr(found) == "torch.return_types.max(\nvalues=tensor([2.]),\nindices=tensor([1]))"
    values, indices = found
    assert values is found.values and indices is found[1]
    assert zth.aminmax(zth.arange(3.0)).max.item() == 2


def test_dtypes_of_sums():
    for kind in (zth.bool, zth.uint8, zth.int32, zth.int64):
        x = zth.ones(3, dtype=kind)
        assert (x.sum().dtype, x.prod().dtype, x.cumsum(0).dtype) == (zth.int64,) * 3
    assert zth.full((300,), 255, dtype=zth.uint8).sum().item() == 76500
    for kind in (zth.float16, zth.float32, zth.float64):
        x = zth.ones(3, dtype=kind)
        for f in ("sum", "mean", "var", "std", "prod", "norm", "max", "amin", "nansum"):
            assert getattr(x, f)().dtype == kind, f
        assert x.logsumexp(0).dtype == kind
    assert zth.full((4096,), 20.0, dtype=zth.float16).mean().item() == 20  # its sum overflows
    assert zth.ones(2).sum(dtype=zth.float64).dtype == zth.float64


def test_the_slope_of_a_norm_at_zero_is_zero():
    for expression in ("norm(x)", "norm(x, 1)", "norm(x, 3)", "norm(x, float('inf'))", "std(x)"):
        x = zth.zeros(3, requires_grad=True)
        eval(f"T.{expression}", {"T": zth, "x": x}).backward()
        assert x.grad.tolist() == [0, 0, 0], expression


def test_logsumexp_of_extremes():
    x = zth.tensor([[-INF, -INF], [1000.0, 1000.0], [-INF, 3.0], [INF, 1.0]])
    expected = [-INF, 1000 + math.log(2), 3, INF]
    np.testing.assert_allclose(x.logsumexp(1).numpy(), expected, rtol=1e-6)
    assert zth.zeros(2, 0).logsumexp(1).tolist() == [-INF, -INF]


def test_out_and_numpy_names():
    x, out = tensor(r(2, 3)), zth.empty(3, dtype=zth.float64)
    assert zth.sum(x, axis=0, keepdims=False, out=out) is out
    np.testing.assert_allclose(out.numpy(), x.numpy().sum(0))
    values, indices = zth.empty(2, dtype=zth.float64), zth.empty(2, dtype=zth.int64)
    zth.max(x, 1, out=(values, indices))
    assert values.tolist() == x.max(1).values.tolist() and indices.tolist() == x.argmax(1).tolist()
    with pytest.raises(TypeError, match="multiple values"):
        zth.sum(x, dim=0, axis=1)
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        zth.sum([1.0, 2.0])
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        zth.sum(tensor(r(2, 3), True), 0, out=out)


def test_degrees_of_freedom_are_warned_of():
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert math.isnan(zth.ones(1).var().item())


# ---------------------------------------------------------------------------- torch


WITH_NAN = r(3, 4, 2)
WITH_NAN[0, 1, 0] = NAN
ZEROS = r(3, 4, 2)
ZEROS[1, 2, 1] = ZEROS[0, 2, 1] = ZEROS[1, 0, 0] = 0
INTS = RNG.integers(-3, 4, (3, 4, 2))
ARRAYS = {
    "float64": r(3, 4, 2),
    "float32": r(3, 4, 2).astype("f4"),
    "ties": INTS.astype("f8"),
    "nan": WITH_NAN,
    "zeros": ZEROS,
    "int64": INTS,
    "uint8": INTS.astype("u1"),
    "bool": INTS > 0,
    "scalar": np.array(2.5),
    "0x3": np.ones((0, 3)),
    "3x0": np.ones((3, 0)),
}
DIMS = [
    "", "0", "-1", "dim=1", "dim=(0, 2)", "dim=(-1, 0), keepdim=True", "axis=1, keepdims=True",
    "dim=5",
]  # fmt: skip
MANY = "sum mean var std amax amin any all logsumexp nansum nanmean norm".split()
ONE = "max min argmax argmin prod cumsum cumprod cummax cummin logcumsumexp count_nonzero".split()


def _calls():
    for name in MANY + ONE:
        for dims in DIMS:
            tuple_dims, keep = "(" in dims, "keep" in dims
            if name in ONE and tuple_dims:
                continue
            if keep and (name.startswith("cum") or name in ("logcumsumexp", "count_nonzero")):
                continue
            if name == "norm" and "axis" in dims:  # torch's method is Python and takes no axis
                continue
            if not dims and (name.startswith(("cum", "log"))):
                continue
            prefix = "'fro', " if name == "norm" and dims[:1].isdigit() or dims[:1] == "-" else ""
            yield f"x.{name}({prefix if name == 'norm' else ''}{dims})"
    yield from (
        "x.var(unbiased=False)", "x.std(False)", "T.var(x, 1, correction=0)", "x.var(0, False)",
        "T.std(x, -1, correction=5)", "x.var(0, correction=3)", "T.var_mean(x, 0)", "T.std_mean(x)",
        "T.aminmax(x)", "T.aminmax(x, dim=0)", "x.norm(1)", "x.norm(p=3, dim=0)", "x.norm(0.5)",
        "x.norm(float('inf'))", "x.norm(-float('inf'), dim=-1)", "x.norm(p=1.5, dim=(0, 1))",
    )  # fmt: skip


def _two_faults(expression: str, kind: str) -> bool:
    """Where several things are wrong, which is reported first is not compared."""
    if "dim=5" in expression:
        return kind in ("int64", "bool", "uint8", "0x3", "3x0")
    return "(0, 2)" in expression and kind in ("0x3", "3x0", "scalar")


@pytest.mark.parity
@pytest.mark.parametrize("kind", ARRAYS)
def test_parity(kind):
    failed = []
    for expression in _calls():
        if _two_faults(expression, kind):
            continue
        try:
            same_as_torch(expression, ARRAYS[kind])
        except AssertionError as error:
            failed.append(f"{expression}: {error}")
    assert not failed, "\n".join(failed)


@pytest.mark.parity
@pytest.mark.parametrize(
    "expression",
    [
        "T.ones(2, 3).sum(2)", "T.ones(2, 3).sum((0, 0))", "T.ones(2, 0).max(1)", "T.ones(0).max()",
        "T.ones(0).argmax()", "T.arange(3).mean()", "T.arange(3).var()", "T.ones(2, 0).amax(1)",
        "T.tensor([True]).argmax()", "T.tensor(1.0).sum(1)", "T.arange(3).norm()",
        "T.arange(3).mean(dtype=T.int64)", "T.arange(3).logcumsumexp(0)",
    ],
)  # fmt: skip
def test_errors_in_torchs_words(expression):
    same_as_torch(expression, message=True)


@pytest.mark.parity
@pytest.mark.parametrize("p", ["", ", p=1", ", p=3.0", ", float('inf')"])
def test_distances(p):
    same_as_torch(f"T.dist(x, y{p})", r(3, 4), r(4))
    same_as_torch(f"T.cdist(x, y{p})", r(2, 5, 3), r(4, 3))
    same_as_torch(f"T.cdist(x, y{p})", r(5, 3), r(4, 2))


def test_every_argument_has_its_name():
    x = zth.arange(4.0)
    assert zth.sum(input=x, dim=0).item() == 6
    assert zth.searchsorted(sorted_sequence=x, input=zth.tensor(1.5)).item() == 2
    assert zth.det(input=zth.eye(2)).item() == zth.linalg.det(A=zth.eye(2)).item() == 1
    with pytest.raises(TypeError, match="argument 'input'"):
        zth.mean(input=[1.0])
