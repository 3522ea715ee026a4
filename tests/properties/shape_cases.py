"""Views, copies, windows, indices, scattering. The oracle is NumPy's indexing and loops."""

from __future__ import annotations

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth.ops import strides

from .case import Case
from .source import Source

# ---------------------------------------------------------------------------- shapes


def _reshape_arguments(s: Source):
    have, want = s.choose(
        (((2, 3), (3, 2)), ((2, 3), (6,)), ((), (1, 1)), ((0, 2), (2, 0, 3)), ((1,), ()), ((4, 1), (2, 2)))
    )
    return s.floats(have), want


def _expand_arguments(s: Source):
    have, want = s.choose(
        (((3,), (2, 3)), ((2, 1), (2, 3)), ((), (2,)), ((1, 1), (2, 2)), ((1,), (0,)), ((2, 3), (2, 3)))
    )
    return s.floats(have), want


def _sum_to_arguments(s: Source):
    want, have = s.choose(
        (
            ((3,), (2, 3)),
            ((2, 1), (2, 3)),
            ((), (2, 2)),
            ((1, 1), (2, 2)),
            ((1,), (0,)),
            ((1, 3), (2, 0, 3)),
            ((0,), (2, 1, 0)),
            ((3,), (2, 2, 3)),
        )
    )
    return s.floats(have), want


def _sum_to(x, shape):
    lead = x.ndim - len(shape)
    x = x.sum(tuple(range(lead))) if lead else x
    for d, n in enumerate(shape):
        if n == 1 and x.shape[d] != 1:
            x = x.sum(d, keepdims=True)
    return x


def _permute_arguments(s: Source):
    dims = s.choose(((1, 0, 2), (2, 0, 1), (1, 2, 0), (0, 1, 2)))
    return s.floats((2, s.choose((3, 0)), 2)), dims


def _swap_arguments(s: Source):
    a, b = s.choose(((0, 1), (1, 0), (0, 2), (1, 1)))
    return s.floats((2, 3, 2)), a, b


def _squeeze_arguments(s: Source):
    shape, dims = s.choose(
        (((1, 3), (0,)), ((2, 1, 1), (1, 2)), ((2, 1, 1), (1,)), ((3,), ()), ((1,), (0,)), ((0, 1), (1,)))
    )
    return s.floats(shape), dims


# ---------------------------------------------------------------------------- windows


def _diagonal_arguments(s: Source):
    shape, offset, a, b = s.choose(
        (
            ((3, 3), 0, 0, 1),
            ((2, 3), 1, 0, 1),
            ((3, 2), -1, 0, 1),
            ((2, 3, 2), 0, 0, 2),
            ((2, 3, 2), 1, 2, 1),
            ((2, 2), 5, 0, 1),
        )
    )
    return s.floats(shape), offset, a, b


def _unfold_arguments(s: Source):
    shape, dim, size, step = s.choose(
        (((5,), 0, 2, 1), ((5,), 0, 3, 2), ((2, 4), 1, 2, 2), ((4, 2), 0, 3, 1), ((2, 3), 1, 3, 1))
    )
    return s.floats(shape), dim, size, step


def _unfold(x, dim, size, step):
    parts = [np.moveaxis(np.take(x, range(i, i + size), dim), dim, -1) for i in range(0, x.shape[dim] - size + 1, step)]
    return np.stack(parts, dim)


def _unfold_backward_arguments(s: Source):
    shape, dim, size, step = _unfold_arguments(s)[0].shape, *s.choose(((0, 2, 1),))
    shape = s.choose(((5,), (4, 2)))
    return s.floats(_unfold(np.zeros(shape), dim, size, step).shape), shape, dim, size, step


def _unfold_backward(x, shape, dim, size, step):
    whole = np.zeros(shape)
    for i in range(x.shape[dim]):
        key = [slice(None)] * len(shape)
        for j in range(size):
            key[dim] = i * step + j
            whole[tuple(key)] += np.take(x[..., j], i, dim)
    return whole


_PATHS = ((slice(None, 2), slice(1, None)), (0,), (slice(None), 1), (slice(None, None, 2), slice(None)))


def _path(key):
    from tinygrad_zth.ops.index import slice_of

    return ((slice_of, (key,)),)


def _embed_arguments(s: Source):
    shape, key = (3, 3), s.choose(_PATHS)
    return s.floats(np.zeros(shape)[key].shape), shape, _path(key)


def _embed(x, shape, path):
    whole = np.zeros(shape)
    whole[path[0][1][0]] = x
    return whole


def _zero_window_arguments(s: Source):
    return s.floats((3, 3)), _path(s.choose(_PATHS))


def _zero_window(x, path):
    x = x.copy()
    x[path[0][1][0]] = 0
    return x


def _overwrite_arguments(s: Source):
    key = s.choose(_PATHS)
    window = np.zeros((3, 3))[key]
    value = s.choose((window.shape, window.shape[-1:], ()))
    return s.floats((3, 3)), s.floats(value), _path(key)


def _overwrite(x, value, path):
    x = x.copy()
    x[path[0][1][0]] = value
    return x


def _as_strided_arguments(s: Source):
    size, stride, offset = s.choose(
        (((2, 2), (1, 1), 0), ((3,), (2,), 1), ((2, 2), (0, 2), 1), ((), (), 3), ((2, 3), (3, 1), 0))
    )
    return s.floats((2, 3)), size, stride, offset


def _as_strided(x, size, stride, offset):
    flat, out = x.reshape(-1), np.empty(size)
    for place in np.ndindex(*size):
        out[place] = flat[offset + sum(i * n for i, n in zip(place, stride, strict=True))]
    return out


def _strided_places(s: Source):
    """Places in a (2, 3) window, repeated ones and one outside (-1) among them."""
    return s.choose((np.array([[0, 1], [1, 2]]), np.array([5, -1, 0]), np.array([[3, 3], [3, -1]])))


def _strided_scatter(x, places, shape):
    flat = np.zeros(int(np.prod(shape)))
    for v, p in zip(x.reshape(-1), places.reshape(-1), strict=True):
        if p >= 0:
            flat[p] += v
    return flat.reshape(shape)


def _strided_gather(x, places, shape):
    flat = x.reshape(-1)
    return np.array([flat[p] if p >= 0 else 0.0 for p in places.reshape(-1)]).reshape(places.shape)


# ---------------------------------------------------------------------------- indices


def _basic_key(s: Source):
    shape, key = s.choose(
        (
            ((3, 4), (slice(1, None), slice(None, None, 2))), ((3, 4), (None, slice(0, 2))), ((2, 3), (slice(5, 2),)),
            ((3,), (slice(None, -1),)), ((0, 2), (slice(None),)), ((2, 3), (1, slice(1, None))),
        )
    )  # fmt: skip
    return s.floats(shape), key


def _select_key(s: Source):
    shape, key = s.choose((((3, 4), (1,)), ((3, 4), (slice(None), -1)), ((3,), (2,)), ((2, 3), (0, 1)), ((2, 0), (1,))))
    return s.floats(shape), key


def _advanced_key(s: Source):
    a = np.array
    shape, key = s.choose(
        (
            ((3, 4), (a([0, 2, 2]),)), ((3, 4), (slice(None), a([[1, 3], [1, 0]]))), ((3, 4), (a([0, 1]), a([3, 3]))),
            ((2, 3), (a([[True, False, True], [False, True, True]]),)), ((3,), (a([], int),)), ((4,), (a([-1, 0, -1]),)),
            ((2, 3, 2), (a([1, 1]), slice(None), a([0, 1]))), ((2, 3), (a([False, False]),)),
        )
    )  # fmt: skip
    return s.floats(shape), key


def _index_put_arguments(s: Source):
    x, key = _advanced_key(s)
    return s.floats(x[key].shape), key, x.shape


def _index_put(x, key, shape):
    whole = np.zeros(shape)
    np.add.at(whole, key, x)
    return whole


def _index_add_arguments(s: Source):
    x, key = _advanced_key(s)
    return x, s.floats(x[key].shape), key


def _index_add(x, source, key):
    whole = x.copy()
    np.add.at(whole, key, source)
    return whole


def _along(s: Source, empty=True):
    """A tensor, a dimension, an index along it with a shape that fits (smaller elsewhere)."""
    shape, dim, index_shape = s.choose(
        (((3, 4), 0, (2, 4)), ((3, 4), 1, (3, 5)), ((3, 4), 1, (2, 3)), ((4,), 0, (6,)), ((2, 3, 2), 1, (2, 2, 1)))
        + ((((3, 2), 0, (0, 2)),) if empty else ())
    )
    return s.distinct(shape), dim, s.integers(0, shape[dim], index_shape)


def _gather(x, dim, index):
    out = np.empty(index.shape)
    for place in np.ndindex(*index.shape):
        out[place] = x[(*place[:dim], index[place], *place[dim + 1 :])]
    return out


def _scatter_arguments(unique: bool):
    def arguments(s: Source):
        x, dim, index = _along(s, empty=False)  # an index without elements is no operation: the input is copied
        if unique:  # which of two writes to one place is the last, PyTorch leaves open
            line = min(index.shape[dim], x.shape[dim])
            index = np.take(
                np.argsort(s.rng.random(index.shape[:dim] + x.shape[dim : dim + 1] + index.shape[dim + 1 :]), dim),
                range(line),
                dim,
            )
        source = tuple(n + s.choose((0, 1)) for n in index.shape)
        return x, dim, index, s.distinct(source) + 0.11

    return arguments


def _scatter_prod_arguments(s: Source):
    """Some factors are zero, at most one of those that meet in a place and come from ``src``."""
    x, dim, index, src = _scatter_arguments(False)(s)
    if s.flag():
        x = np.where(s.bools(x.shape), 0.0, x)
    met = set()
    if s.flag():
        for place in np.ndindex(*index.shape):
            to = (*place[:dim], int(index[place]), *place[dim + 1 :])
            if to not in met and s.rng.random() < 0.7:
                met.add(to)
                src[place] = 0.0
    return x, dim, index, src


def _scatter(combine):
    def oracle(x, dim, index, src):
        whole = x.copy()
        for place in np.ndindex(*index.shape):
            to = (*place[:dim], index[place], *place[dim + 1 :])
            whole[to] = combine(whole[to], src[place])
        return whole

    return oracle


def _scatter_alone(combine):
    """Of what was at a named place before, nothing counts."""

    def oracle(x, dim, index, src):
        named = _scatter(lambda old, new: True)(np.zeros(x.shape, bool), dim, index, src)
        worst = -np.inf if combine is max else np.inf
        return _scatter(combine)(np.where(named, worst, x), dim, index, src)

    return oracle


def _masked_fill_arguments(s: Source):
    a, b = s.choose((((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((), ()), ((0, 2), (2,))))
    return s.floats(a), s.bools(b), s.choose((2.5, s.floats(())))


def _pick_arguments(s: Source):
    shape = s.choose(((3, 4), (2, 3, 2), (4,)))
    dim, keepdim = s.dim(shape), s.flag()
    kept = (*shape[:dim], *((1,) if keepdim else ()), *shape[dim + 1 :])
    return s.floats(shape), s.integers(0, shape[dim], kept), dim, keepdim


def _pick(x, indices, dim, keepdim):
    full = indices if keepdim else np.expand_dims(indices, dim)
    found = _gather(x, dim, full)
    return found if keepdim else found.squeeze(dim)


def _place_arguments(s: Source):
    x, indices, dim, keepdim = _pick_arguments(s)
    return s.floats(indices.shape), indices, x.shape, dim, keepdim


def _place(x, indices, shape, dim, keepdim):
    x, indices = (x, indices) if keepdim else (np.expand_dims(x, dim), np.expand_dims(indices, dim))
    return _scatter(lambda old, new: new)(np.zeros(shape), dim, indices, x)


# ---------------------------------------------------------------------------- other places


def _flip_arguments(s: Source):
    shape, dims = s.choose((((2, 3), (1,)), ((2, 3), (0, 1)), ((3,), (0,)), ((), ()), ((2, 0), (1,)), ((2, 3), ())))
    return s.floats(shape), dims


def _flip(x, dims):
    return x[tuple(slice(None, None, -1) if d in dims else slice(None) for d in range(x.ndim))]


def _roll_arguments(s: Source):
    shape, shifts, dims = s.choose(
        (((4,), (1,), (0,)), ((2, 3), (-1, 2), (0, 1)), ((2, 3), (5,), (1,)), ((0,), (1,), (0,)))
    )
    return s.floats(shape), shifts, dims


def _roll(x, shifts, dims):
    for shift, dim in zip(shifts, dims, strict=True):
        n = x.shape[dim]
        x = np.take(x, [(i - shift) % n for i in range(n)], dim) if n else x
    return x


def _triangle_arguments(s: Source):
    return s.floats(s.choose(((3, 3), (2, 3), (2, 3, 2), (0, 2)))), s.choose((0, 1, -1))


def _triangle(keep):
    def oracle(x, diagonal):
        i, j = np.indices(x.shape[-2:])
        return np.where(keep(j - i, diagonal), x, 0.0)

    return oracle


def _pad_arguments(s: Source):
    shape, amounts = s.choose(
        (((2, 3), ((0, 0), (1, 2))), ((3,), ((-1, 1),)), ((2, 2), ((1, 0), (-1, -1))), ((0, 1), ((1, 1), (0, 0))))
    )
    return s.floats(shape), amounts, s.choose((0.0, 1.5))


def _pad(x, amounts, value):
    whole = np.full([n + a + b for n, (a, b) in zip(x.shape, amounts, strict=True)], value)
    for place in np.ndindex(*whole.shape):
        source = tuple(i - a for i, (a, _) in zip(place, amounts, strict=True))
        if all(0 <= i < n for i, n in zip(source, x.shape, strict=True)):
            whole[place] = x[source]
    return whole


def _any(s: Source):
    return (s.floats(s.shape()),)


CASES: dict[str, Case] = {
    "to": Case(lambda s: (s.floats(s.shape()), np.dtype("float64")), lambda x, dtype: x, single=None),
    "alias": Case(_any, lambda x: x), "clone": Case(_any, lambda x: x), "contiguous": Case(
        lambda s: (s.floats(s.shape(1)),), lambda x: x
    ),
    "to_device": Case(
        lambda s: (s.floats(s.shape()), torch.device("cpu"), torch.device("cpu")), lambda x, target, source: x
    ),
    "nothing": Case(_any, lambda x: np.zeros(x.shape)),
    "view": Case(_reshape_arguments, lambda x, shape: x.reshape(shape), layouts=False),
    "reshape": Case(_reshape_arguments, lambda x, shape: x.reshape(shape)),
    "expand": Case(_expand_arguments, lambda x, shape: x + np.zeros(shape)),
    "sum_to_size": Case(_sum_to_arguments, _sum_to),
    "permute": Case(_permute_arguments, lambda x, dims: np.einsum(x, range(3), dims)),
    "transpose": Case(_swap_arguments, lambda x, a, b: np.moveaxis(np.moveaxis(x, a, 0), 0, b) if a == b else np.swapaxes(x, a, b)),
    "t": Case(lambda s: (s.floats((2, 3)), 0, 1), lambda x, a, b: np.array([[x[i, j] for i in range(2)] for j in range(3)])),
    **{
        name: Case(_squeeze_arguments, lambda x, dims: x.reshape([n for i, n in enumerate(x.shape) if i not in dims]))
        for name in ("squeeze", "squeeze_dim", "squeeze_dims")
    },
    "unsqueeze": Case(
        lambda s: (s.floats(shape := s.shape()), s.choose(range(len(shape) + 1))),
        lambda x, dim: x.reshape(*x.shape[:dim], 1, *x.shape[dim:]),
    ),
    "embed": Case(_embed_arguments, _embed), "zero_window": Case(_zero_window_arguments, _zero_window),
    "overwrite": Case(_overwrite_arguments, _overwrite),
    "diagonal": Case(_diagonal_arguments, lambda x, k, a, b: np.diagonal(x, k, a, b)),
    "unfold": Case(_unfold_arguments, _unfold), "unfold_backward": Case(_unfold_backward_arguments, _unfold_backward),
    "as_strided": Case(
        _as_strided_arguments, _as_strided, layouts=False,
        call=lambda x, size, stride, offset: strides.as_strided(x, size, stride, offset), differentiable=(0,),
    ),
    "as_strided_scatter": Case(
        lambda s: (s.floats((places := _strided_places(s)).shape), places, (2, 3)), _strided_scatter
    ),
    "as_strided_gather": Case(lambda s: (s.floats((2, 3)), _strided_places(s), (2, 3)), _strided_gather),
    "slice": Case(_basic_key, lambda x, key: x[key]), "select": Case(_select_key, lambda x, key: x[key]),
    **{name: Case(_advanced_key, lambda x, key: x[key]) for name in ("index", "index_select")},
    "index_put_accumulate": Case(_index_put_arguments, _index_put),
    "index_add": Case(_index_add_arguments, _index_add),
    "gather": Case(_along, _gather),
    "scatter_add": Case(_scatter_arguments(False), _scatter(lambda old, new: old + new)),
    "scatter": Case(_scatter_arguments(True), _scatter(lambda old, new: new)),
    "scatter_value": Case(
        lambda s: (*_scatter_arguments(True)(s)[:3], s.choose((0, 2.5))),
        lambda x, dim, index, value: _scatter(lambda old, new: new)(x, dim, index, np.full(index.shape, value)),
    ),
    "scatter_amax_alone": Case(_scatter_arguments(False), _scatter_alone(max)),
    "scatter_amin_alone": Case(_scatter_arguments(False), _scatter_alone(min)),
    "scatter_amax": Case(_scatter_arguments(False), _scatter(max)),
    "scatter_amin": Case(_scatter_arguments(False), _scatter(min)),
    "scatter_prod": Case(_scatter_prod_arguments, _scatter(lambda old, new: old * new), eps=1e-4),
    "scatter_prod_of_zeros": Case(
        lambda s: (s.floats(s.shape()),), lambda x: x, differentiable=(), why="its gradient is an error: test_scatter.py"
    ),
    "masked_fill": Case(_masked_fill_arguments, lambda x, mask, value: np.where(mask, value, x)),
    **{name: Case(_pick_arguments, _pick) for name in ("pick", "sort_values", "top_values")},
    "place": Case(_place_arguments, _place),
    "flip": Case(_flip_arguments, _flip), "roll": Case(_roll_arguments, _roll),
    "tril": Case(_triangle_arguments, _triangle(lambda k, d: k <= d)),
    "triu": Case(_triangle_arguments, _triangle(lambda k, d: k >= d)),
    "constant_pad_nd": Case(_pad_arguments, _pad),
}  # fmt: skip
