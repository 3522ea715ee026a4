"""Rows of the parity tables: what takes dimensions away, runs along one, sorts and counts."""

from __future__ import annotations

import numpy as np

from .one_call import Case, D, Draw, T


def reduction(dtype: str = "any", several: bool = True, keep: bool = True, empty: bool = True, named: bool = False, none: bool = True, edges: bool = False, to: bool = False):  # fmt: skip
    """A tensor, and perhaps one dimension, several or none, and keepdim."""

    def row(d: Draw) -> Case:
        a = d.tensor(d.shape(empty=empty), dtype, edges=edges)
        kwargs = {}
        how = d.int(0 if none else 1, 3)
        if how == 1 or (how > 1 and not (several and a.array.ndim)):
            kwargs["dim"] = d.dim(a)
        elif how == 2:
            kwargs["dim"] = tuple(range(a.array.ndim))[: d.int(1, a.array.ndim)]
        elif how == 3:
            kwargs["dim"] = [d.dim(a)]
        if kwargs and keep and d.bool():
            kwargs["keepdim"] = True
        if to and d.int(0, 3) == 0:
            kwargs["dtype"] = D(d.choice("float64", "float32"))
        if kwargs and not named and not isinstance(kwargs["dim"] if "dim" in kwargs else [], list) and d.bool():
            return Case((a, kwargs.pop("dim")), kwargs, 3.0)
        return Case((a,), kwargs, 3.0)

    return row


def spread(d: Draw) -> Case:
    a = d.tensor(d.shape(1, 3, empty=False), "f")
    kwargs: dict = {"dim": d.dim(a)} if d.bool() else {}
    kwargs |= d.choice({}, {"unbiased": False}, {"correction": 0}, {"correction": 1}, {"unbiased": True})
    if "unbiased" in kwargs and "dim" not in kwargs:
        return Case((a, kwargs["unbiased"]), {}, 3.0)
    if "dim" in kwargs and d.bool():
        kwargs["keepdim"] = True
    return Case((a,), kwargs, 3.0)


def along(dtype: str = "n", least: int = 0, distinct: bool = False, edges: bool = False):
    """A tensor and one of its dimensions."""

    def row(d: Draw) -> Case:
        a = d.tensor(d.shape(least), dtype, edges=edges)
        return Case((apart(a) if distinct else a, d.dim(a)), {}, 3.0)

    return row


def apart(a: T) -> T:
    """``a`` with elements that are all different: which of equals is found is not said."""
    import numpy as np

    places = np.random.default_rng(a.array.size).permutation(a.array.size).reshape(a.array.shape)
    return T((places - a.array.size // 2).astype(a.array.dtype), a.layout, a.grad)


def sorting(d: Draw) -> Case:
    a = d.tensor(d.shape(), "n")
    kwargs = {"dim": d.dim(a)} if d.bool() else {}
    if d.bool():
        kwargs["descending"] = True
    return Case((a,), {**kwargs, "stable": True})


def largest(d: Draw) -> Case:
    a = d.tensor(d.shape(1, side=5), "n", -2, 2)
    dim = d.dim(a)
    k = d.int(0, a.array.shape[dim])
    return Case((a, k, dim), d.choice({}, {"largest": False}, {"sorted": True}, {"sorted": False}))


def kth(d: Draw) -> Case:
    a = d.tensor(d.shape(1, side=5, empty=False), "n", -2, 2)
    dim = d.dim(a)
    return Case((a, d.int(1, a.array.shape[dim]), dim), {"keepdim": d.bool()})


def median(d: Draw) -> Case:
    a = apart(d.tensor(d.shape(1, empty=False), "n"))
    return Case((a,), {"dim": d.dim(a), "keepdim": d.bool()} if d.bool() else {})


def quantile(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), d.choice("float32", "float64"))
    q = d.choice(0.0, 0.3, 0.5, 1.0, T(np.asarray([0.2, 0.9], a.array.dtype), "C", d.bool()))
    return Case((a, q), {"dim": d.dim(a), "keepdim": d.bool(), "interpolation": d.choice("linear", "lower", "higher", "nearest", "midpoint")} if d.bool() else {})  # fmt: skip


def norm(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "f")
    p = d.choice(2, 1, 3, float("inf"), 0, "fro")
    return Case((a, p), {"dim": d.dim(a), "keepdim": d.bool()} if d.bool() else {}, 5.0)


def vector_norm(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "f")
    return Case((a, d.choice(2, 1, 3, float("inf"), float("-inf"), 0, 0.5)), {"dim": d.dim(a), "keepdim": d.bool()} if d.bool() else {}, 5.0)  # fmt: skip


def unique(d: Draw) -> Case:
    a = d.tensor(d.shape(), "int64", 0, 3)
    kwargs = {"return_inverse": d.bool(), "return_counts": d.bool()}
    if a.array.ndim and a.array.size and d.bool():
        kwargs["dim"] = d.dim(a)
    return Case((a,), kwargs)


def bins(d: Draw) -> Case:
    a = d.tensor((d.int(0, 6),), "int64", 0, 5)
    return Case(
        (a,), {"minlength": d.choice(0, 8)} if d.bool() else {"weights": d.tensor(a.array.shape, "float32", grad=False)}
    )


def histogram(d: Draw) -> Case:
    a = d.tensor((d.int(2, 12),), "float32", grad=False)
    if d.bool():
        a.array[...] = np.round(a.array * 4) / 4  # so that some lie on edges
    return Case((a, d.int(1, 7)), d.choice({}, {"density": True}, {"range": (-2.0, 2.5)}, {"range": (-1.0, 0.7)}))


def search(d: Draw) -> Case:
    edges = T(d.array((d.int(1, 5),), "float32"))
    edges.array.sort()
    return Case(
        (edges, d.tensor(dtype="float32", grad=False)),
        d.choice({}, {"right": True}, {"side": "right"}, {"out_int32": True}),
    )


def bucketize(d: Draw) -> Case:
    case = search(d)
    case.kwargs.pop("side", None)
    return Case((case.args[1], case.args[0]), case.kwargs)


def trapezoid(d: Draw) -> Case:
    a = d.tensor(d.shape(1, 2, empty=False), "f")
    dim = d.dim(a)
    if d.bool():
        return Case((a,), {"dim": dim, "dx": 0.5})
    return Case((a, d.tensor((a.array.shape[dim],), str(a.array.dtype), grad=False)), {"dim": dim})


ROWS = {
    **{name: reduction(to=name in ("sum", "nansum")) for name in ("sum", "nansum")},
    **{name: reduction("f", to=True) for name in ("mean", "nanmean")},
    "logsumexp": reduction("f", none=False, named=False),
    **{name: reduction("any", several=False) for name in ("all", "any")},
    "prod": reduction("any", several=False, to=True),
    "count_nonzero": reduction("any", keep=False),
    **{name: reduction("n", empty=False) for name in ("amax", "amin")},
    "aminmax": reduction("n", several=False, empty=False, named=True),
    **dict.fromkeys(("var", "std", "var_mean", "std_mean"), spread),
    **{name: lambda d: (lambda a: Case((a,), {"dim": d.dim(a), "keepdim": d.bool()} if d.bool() else {}))(apart(d.tensor(d.shape(empty=False), "n"))) for name in ("max", "min", "argmax", "argmin")},
    **{name: along("n", edges=True) for name in ("cumsum", "cumprod")},
    "logcumsumexp": along("float64"),
    **{name: along("n", distinct=True) for name in ("cummax", "cummin")},
    "sort": sorting, "argsort": sorting, "msort": lambda d: Case((d.tensor(d.shape(1), "n"),)),
    "topk": largest, "kthvalue": kth, "median": median, "nanmedian": median, "quantile": quantile, "nanquantile": quantile,
    "mode": lambda d: (lambda a: Case((a, d.dim(a)), {"keepdim": d.bool()}))(apart(d.tensor(d.shape(1, empty=False), "n"))),
    "norm": norm, "linalg.vector_norm": vector_norm,
    "dist": lambda d: (lambda a: Case((a, d.tensor(a.array.shape, str(a.array.dtype)), d.choice(2, 1, 3.0)), {}, 5.0))(d.tensor(d.shape(empty=False), "f")),
    "cdist": lambda d: Case((d.tensor((2, d.int(1, 3), 3), "float64"), d.tensor((2, d.int(1, 3), 3), "float64")), {"p": d.choice(2.0, 1.0, 3.0)}, 5.0),
    "unique": unique, "unique_consecutive": unique, "bincount": bins, "histogram": histogram,
    "histc": lambda d: Case((d.tensor((d.int(1, 12),), "float32", grad=False),), {"bins": d.int(1, 5), "min": -2, "max": 2}),
    "searchsorted": search, "bucketize": bucketize, "trapezoid": trapezoid, "trapz": trapezoid, "cumulative_trapezoid": trapezoid,
    "cov": lambda d: Case((d.tensor((d.int(1, 3), d.int(2, 5)), "float64"),), {"correction": d.choice(0, 1)}, 10.0),
    "corrcoef": lambda d: Case((d.tensor((d.int(1, 3), d.int(3, 5)), "float64"),), {}, 100.0),
    "gradient": lambda d: (lambda a: Case((a,), {"dim": d.dim(a), "edge_order": d.choice(1, 2), "spacing": d.choice(1, 0.5)}))(d.tensor((d.int(3, 5), 4), "float64")),
    "diff": lambda d: (lambda a: Case((a,), {"n": d.int(0, 2), "dim": d.dim(a)}))(d.tensor(d.shape(1), "n")),
    "item": lambda d: Case((d.tensor(d.choice((), (1,), (1, 1), (2,)), "any"),)),
    "tolist": lambda d: Case((d.tensor(dtype="any", grad=False),)),
    "is_nonzero": lambda d: Case((d.tensor(d.choice((), (1,), (1, 1), (2,)), "any"),)),
}  # fmt: skip
SKIP: dict[str, tuple[str, ...]] = {}
