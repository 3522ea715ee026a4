"""Rows of the parity tables: views, shapes, joining and taking apart, indices along dimensions."""

from __future__ import annotations

import numpy as np

from .one_call import Case, Draw, T


def one(least: int = 0, most: int = 3, dtype: str = "any"):
    return lambda d: Case((d.tensor(d.shape(least, most), dtype),))


def factors(d: Draw, n: int) -> list[int]:
    """Sizes whose product is ``n``, one of them perhaps -1."""
    if n == 0:
        return [0, d.int(1, 3)]
    first = d.choice(*[k for k in range(1, n + 1) if n % k == 0])
    sizes = [first, n // first]
    if d.bool():
        sizes[d.int(0, 1)] = -1
    return sizes


def view(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    sizes = factors(d, a.array.size)
    return Case((a, tuple(sizes) if d.bool() else sizes))


def permute(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    order = list(np.random.default_rng(d.int(0, 99)).permutation(a.array.ndim).tolist())
    return Case((a, tuple(i - a.array.ndim if d.bool() else i for i in order)))


def two_dims(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    return Case((a, d.dim(a), d.dim(a)))


def expanding(d: Draw) -> Case:
    shape = tuple(d.choice(1, 1, 2, 3) for _ in range(d.int(0, 3)))
    a = d.tensor(shape, "any")
    target = tuple(d.int(1, 3) if n == 1 else d.choice(n, -1) for n in shape)
    return Case((a, (*([d.int(1, 2)] if d.bool() else []), *target)))


def broadcast_to(d: Draw) -> Case:
    case = expanding(d)
    return Case((case.args[0], tuple(max(n, 1) if n != -1 else n for n in case.args[1])))


def squeeze(d: Draw) -> Case:
    a = d.tensor(tuple(d.choice(1, 1, 2) for _ in range(d.int(0, 3))), "any")
    how = d.int(0, 2)
    if how == 0:
        return Case((a,))
    return Case((a, d.dim(a) if how == 1 or not a.array.ndim else tuple(range(a.array.ndim))[: d.int(1, a.array.ndim)]))


def unsqueeze(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    return Case((a, d.int(-a.array.ndim - 1, a.array.ndim)))


def flatten(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    return Case((a, d.dim(a), d.dim(a)) if d.bool() else (a,))


def unflatten(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "any")
    dim = d.dim(a)
    return Case((a, dim, tuple(factors(d, a.array.shape[dim]))))


def movedim(d: Draw) -> Case:
    a = d.tensor(d.shape(1), "any")
    return Case((a, d.dim(a), d.dim(a)))


def diagonal(d: Draw) -> Case:
    a = d.tensor(d.shape(2, 3), "any")
    return Case((a, d.int(-2, 2)) if d.bool() else (a,))


def unfold(d: Draw) -> Case:
    a = d.tensor(tuple(d.int(1, 4) for _ in range(d.int(1, 2))), "any")
    dim = d.dim(a)
    return Case((a, dim, d.int(1, a.array.shape[dim]), d.int(1, 2)))


def as_strided(d: Draw) -> Case:
    a = T(d.array((12,), "float32"), "C", d.bool())
    return Case((a, (d.int(1, 2), d.int(1, 3)), (d.int(0, 3), d.int(0, 2))), {"storage_offset": d.int(0, 3)})


def tensors(d: Draw, dim: int | None = None, least: int = 1) -> list[T]:
    """Several tensors of one shape; their sizes along ``dim`` may differ."""
    shape = list(d.shape(1 if dim is not None else 0, 3))
    out = []
    for _ in range(d.int(least, 3)):
        if dim is not None:
            shape[dim % len(shape)] = d.int(0, 3)
        out.append(d.tensor(tuple(shape), "any"))
    return out


def cat(d: Draw) -> Case:
    ts = tensors(d, 0)
    return Case((ts if d.bool() else tuple(ts),), {"dim": 0} if d.bool() else {})


def stack(d: Draw) -> Case:
    ts = tensors(d)
    n = ts[0].array.ndim
    return Case((ts, d.int(-n - 1, n)) if d.bool() else (ts,))


def split(d: Draw) -> Case:
    a = d.tensor(d.shape(1), "any")
    dim = d.dim(a)
    n = a.array.shape[dim]
    if d.bool():
        return Case((a, d.int(1, 3), dim))
    first = d.int(0, n)
    return Case((a, [first, n - first], dim))


def sections(d: Draw) -> Case:
    case = split(d)
    return Case((case.args[0], case.args[1] if isinstance(case.args[1], list) else [case.args[1]], case.args[2]))


def chunk(d: Draw) -> Case:
    a = d.tensor(d.shape(1), "any")
    return Case((a, d.int(1, 4), d.dim(a)))


def tensor_split(d: Draw) -> Case:
    a = d.tensor(d.shape(1), "any")
    return Case((a, d.int(1, 4) if d.bool() else (1, 2), d.dim(a)))


def repeat(d: Draw) -> Case:
    a = d.tensor(d.shape(0, 2), "any")
    return Case((a, tuple(d.int(0, 2) for _ in range(a.array.ndim + d.int(0, 1)))))


def repeat_interleave(d: Draw) -> Case:
    a = d.tensor(d.shape(1, 2), "any")
    if d.bool():
        return Case((a, d.int(0, 2)))
    dim = d.dim(a)
    return Case((a, T(d.array((a.array.shape[dim],), "int64", 0, 2)), dim))


def flip(d: Draw) -> Case:
    a = d.tensor(d.shape(), "any")
    return Case((a, tuple(range(a.array.ndim))[: d.int(0, a.array.ndim)]))


def roll(d: Draw) -> Case:
    a = d.tensor(d.shape(1), "any")
    return Case((a, d.int(-3, 3), d.dim(a)) if d.bool() else (a, d.int(-3, 3)))


# ---------------------------------------------------------------------------- indices


def select(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "any")
    dim = d.dim(a)
    n = a.array.shape[dim]
    return Case((a, dim, d.int(-n - (d.int(0, 9) == 0), n - 1)))


def narrow(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "any")
    dim = d.dim(a)
    n = a.array.shape[dim]
    start = d.int(0, n)
    return Case((a, dim, start, d.int(0, n - start)))


def indices(d: Draw, n: int, count: int | None = None) -> T:
    return T(d.array((d.int(0, 4) if count is None else count,), "int64", 0, max(n - 1, 0)))


def index_select(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "any")
    dim = d.dim(a)
    return Case((a, dim, indices(d, a.array.shape[dim])))


def gather(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "any")
    dim = d.dim(a)
    shape = tuple(d.int(1, 4) if i == dim % a.array.ndim else d.int(1, n) for i, n in enumerate(a.array.shape))
    return Case((a, dim, T(d.array(shape, "int64", 0, a.array.shape[dim] - 1))))


def scatter(d: Draw) -> Case:
    a, dim, index = gather(d).args
    distinct = np.argsort(np.random.default_rng(d.int(0, 99)).random(a.array.shape), axis=dim)
    index = T(distinct[tuple(slice(0, min(n, m)) for n, m in zip(index.array.shape, a.array.shape, strict=True))])
    if d.bool():
        return Case((a, dim, index, d.choice(0, 1)))
    return Case((a, dim, index, d.tensor(a.array.shape, str(a.array.dtype))))


def scatter_add(d: Draw) -> Case:
    a, dim, index = gather(d).args
    return Case((a, dim, index, d.tensor(index.array.shape, str(a.array.dtype))), {}, 3.0)


def scatter_reduce(d: Draw) -> Case:
    a = d.tensor(d.shape(1, empty=False), "f")
    dim = d.dim(a)
    index = T(d.array(a.array.shape, "int64", 0, a.array.shape[dim] - 1))
    how = d.choice("sum", "prod", "mean", "amax", "amin")
    return Case(
        (a, dim, index, d.tensor(a.array.shape, str(a.array.dtype)), how),
        {"include_self": d.bool() or how.startswith("am")},
        5.0,
    )


def along_dim(d: Draw) -> Case:
    a, dim, index = gather(d).args
    return Case((a, index, dim))


def index_write(name: str):
    def row(d: Draw) -> Case:
        a = d.tensor(d.shape(1, empty=False), "n")
        dim = d.dim(a)
        n = a.array.shape[dim]
        index = T(np.random.default_rng(d.int(0, 99)).permutation(n)[: d.int(1, n)])
        if name == "index_fill":
            return Case((a, dim, index, d.choice(0, 2)))
        shape = tuple(index.array.size if i == dim % a.array.ndim else m for i, m in enumerate(a.array.shape))
        kwargs = {"alpha": 2} if name == "index_add" and d.bool() else {}
        return Case((a, dim, index, d.tensor(shape, str(a.array.dtype))), kwargs)

    return row


def index_put(d: Draw) -> Case:
    a = d.tensor((3, 2), "f")
    index = T(np.random.default_rng(d.int(0, 99)).permutation(3)[:2])
    return Case((a, (index,), d.tensor((2, 2), str(a.array.dtype))), {"accumulate": d.bool()})


def masked(name: str):
    def row(d: Draw) -> Case:
        a = d.tensor(d.shape(), "any")
        mask = T(d.array(d.broadcastable(a.array.shape), "bool"))
        if name == "masked_select":
            return Case((a, mask))
        if name == "masked_fill":
            return Case((a, mask, d.choice(0, 1, True)))
        return Case((a, mask, d.tensor((max(a.array.size, 1),), str(a.array.dtype))))

    return row


def window_scatter(name: str):
    def row(d: Draw) -> Case:
        a = d.tensor((3, 4), "f")
        kind = str(a.array.dtype)
        if name == "select_scatter":
            return Case((a, d.tensor((3,), kind), 1, d.int(-4, 3)))
        if name == "slice_scatter":
            return Case((a, d.tensor((3, 2), kind)), {"dim": 1, "start": 1, "end": 3})
        return Case((a, d.tensor((3,), kind)), {"offset": d.int(0, 1)})

    return row


ROWS = {
    "view": view, "reshape": view, "permute": permute, "transpose": two_dims, "swapaxes": two_dims, "swapdims": two_dims,
    "expand": expanding, "broadcast_to": broadcast_to, "squeeze": squeeze, "unsqueeze": unsqueeze, "flatten": flatten,
    "unflatten": unflatten, "movedim": movedim, "moveaxis": movedim, "ravel": one(), "t": one(0, 2), "adjoint": one(2),
    "diagonal": diagonal, "unfold": unfold, "as_strided": as_strided, "clone": one(), "contiguous": one(), "detach": one(),
    "view_as": lambda d: (lambda a: Case((a, d.tensor((a.array.size,), "n"))))(d.tensor(d.shape(), "any")),
    "reshape_as": lambda d: (lambda a: Case((a, d.tensor((a.array.size,), "n"))))(d.tensor(d.shape(), "any")),
    "expand_as": lambda d: Case((d.tensor((1, 2), "any"), d.tensor((3, 2), "any"))),
    "cat": cat, "concat": cat, "concatenate": cat, "stack": stack,
    **{name: lambda d: Case((tensors(d, 0),)) for name in ("vstack", "row_stack")},
    **{name: lambda d: Case((tensors(d),)) for name in ("hstack", "dstack", "column_stack")},
    **{name: lambda d: Case(tuple(d.tensor(d.shape(0, 2), "float32") for _ in range(d.int(1, 2)))) for name in ("atleast_1d", "atleast_2d", "atleast_3d", "block_diag")},
    "split": split, "split_with_sizes": sections, "chunk": chunk, "tensor_split": tensor_split,
    "unbind": lambda d: (lambda a: Case((a, d.dim(a))))(d.tensor(d.shape(1), "any")),
    "unsafe_chunk": lambda d: Case(chunk(d).args), "unsafe_split": lambda d: (lambda c: Case((c.args[0], 2, c.args[2])))(chunk(d)),
    "hsplit": lambda d: Case((d.tensor((2, 4), "any"), d.choice(2, (1, 3), 3))),
    "vsplit": lambda d: Case((d.tensor((4, 2), "any"), d.choice(2, (1, 3), 3))),
    "dsplit": lambda d: Case((d.tensor((1, 2, 4), "any"), d.choice(2, (1, 3)))),
    "tile": repeat, "repeat": lambda d: (lambda c: Case((c.args[0], c.args[1])))(repeat(d)), "repeat_interleave": repeat_interleave,
    "flip": flip, "fliplr": one(1), "flipud": one(0), "roll": roll,
    "rot90": lambda d: Case((d.tensor(d.shape(2, 3), "any"), d.int(-1, 4))),
    "broadcast_tensors": lambda d: (lambda a: Case((a, d.tensor(d.broadcastable(a.array.shape), "any"))))(d.tensor(d.shape(), "any")),
    "broadcast_shapes": lambda d: Case((d.choice((2, 1), (1,), (3, 2)), d.choice((1, 2), (2, 2), (3, 1), 1))),
    "meshgrid": lambda d: Case((d.tensor((2,), "float32"), d.tensor((3,), "float32")), {"indexing": d.choice("ij", "xy")}),
    "cartesian_prod": lambda d: Case(tuple(d.tensor((d.int(1, 3),), "float32") for _ in range(d.int(1, 3)))),
    "combinations": lambda d: Case((d.tensor((d.int(0, 4),), "float32"),), {"r": d.int(1, 3), "with_replacement": d.bool()}),
    "sum_to_size": lambda d: Case((d.tensor((2, 3), "f"), d.choice((1, 3), (2, 1), (3,), (1,), (2, 3)))),
    "tril": lambda d: Case((d.tensor(d.shape(2, 3), "any"), d.int(-2, 2))), "triu": lambda d: Case((d.tensor(d.shape(2, 3), "any"), d.int(-2, 2))),
    "diag": lambda d: Case((d.tensor(d.shape(1, 2), "any"), d.int(-2, 2))),
    "diagflat": lambda d: Case((d.tensor(d.shape(0, 2), "any"), d.int(-1, 1))),
    "diag_embed": lambda d: Case((d.tensor(d.shape(1, 2), "any"),), {"offset": d.int(-1, 1)}),
    "select": select, "narrow": narrow, "narrow_copy": narrow, "index_select": index_select, "gather": gather,
    "scatter": scatter, "scatter_add": scatter_add, "scatter_reduce": scatter_reduce, "take_along_dim": along_dim,
    "take": lambda d: (lambda a: Case((a, indices(d, a.array.size))))(d.tensor(d.shape(1, empty=False), "any")),
    "put": lambda d: (lambda a, n: Case((a, T(np.arange(n)), d.tensor((n,), str(a.array.dtype))), {"accumulate": d.bool()}))(d.tensor((2, 3), "f"), d.int(1, 6)),
    "index_put": index_put, **{name: index_write(name) for name in ("index_add", "index_copy", "index_fill")},
    **{name: masked(name) for name in ("masked_fill", "masked_select", "masked_scatter")},
    **{name: window_scatter(name) for name in ("select_scatter", "slice_scatter", "diagonal_scatter")},
    "nonzero": lambda d: Case((d.tensor(d.shape(), "any", grad=False),), {"as_tuple": True} if d.bool() else {}),
    "argwhere": lambda d: Case((d.tensor(d.shape(), "any", grad=False),)),
    "nonzero_static": lambda d: Case((d.tensor(d.shape(1), "any", grad=False),), {"size": d.int(0, 4)}),
    "unravel_index": lambda d: Case((T(d.array(d.shape(0, 2, empty=False), "int64", 0, 5)), (2, 3))),
    "fill": lambda d: Case((d.tensor(dtype="any"), d.choice(0, 1))),
    "constant_pad_nd": lambda d: Case((d.tensor((2, 3), "n"), [d.int(0, 2), d.int(0, 2)], d.choice(0, 1))),
    "size": lambda d: (lambda a: Case((a, d.dim(a)) if d.bool() and a.array.ndim else (a,)))(d.tensor(dtype="any")),
    **{name: one() for name in ("dim", "ndimension", "nelement", "element_size", "is_contiguous")},
}  # fmt: skip
SKIP: dict[str, tuple[str, ...]] = {"detach": ("in_place",), "diagonal": ("in_place",)}
