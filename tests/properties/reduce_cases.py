"""What takes dimensions away, runs along them, or finds elements by rank. The oracle goes through the
elements of each line in Python, with exact sums.
"""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np

from tinygrad_zth.ops.reduce import times_centred

from .case import Case
from .source import Source


def along(function, dtype=np.float64):
    """``function`` of the list of elements of each line, as ``f(x, dim, ..., keepdim)``."""

    def oracle(x, dim, *rest):
        *extra, keepdim = rest
        dims = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        kept = [n for i, n in enumerate(x.shape) if i not in dims]
        lines = np.moveaxis(x, dims, range(x.ndim - len(dims), x.ndim))
        lines = lines.reshape(*kept, math.prod(x.shape[d] for d in dims))
        out = np.empty(kept, dtype)
        for place in np.ndindex(*kept):
            out[place] = function([float(v) for v in lines[place]], *extra)
        return out.reshape([1 if i in dims else n for i, n in enumerate(x.shape)]) if keepdim else out

    return oracle


def running(function, dtype=np.float64):
    """``function`` of a line as a list gives a list of the same length."""

    def oracle(x, dim, *extra):
        lines = np.moveaxis(x, dim, -1)
        out = np.empty(lines.shape, dtype)
        for place in np.ndindex(*lines.shape[:-1]):
            out[place] = function([float(v) for v in lines[place]], *extra)
        return np.moveaxis(out, -1, dim)

    return oracle


def _reduction(*extra, empty=True, values="floats"):
    def arguments(s: Source):
        shape = s.shape(0, empty)
        return getattr(s, values)(shape), s.dims(shape), *[s.choose(e) for e in extra], s.flag()

    return arguments


def _nonempty(*extra, values="floats"):
    return _reduction(*extra, empty=False, values=values)


def _one_dim(*extra, values="distinct", last=True):
    def arguments(s: Source):
        shape = s.choose(((3, 4), (4,), (2, 3, 2), (1, 3)))
        tail = (s.flag(),) if last else ()
        return getattr(s, values)(shape), s.dim(shape), *[s.choose(e) for e in extra], *tail

    return arguments


def _variance(line, correction):
    mean = math.fsum(line) / len(line)
    return math.fsum((v - mean) ** 2 for v in line) / (len(line) - correction)


def _var_arguments(s: Source):
    shape = s.choose(((2, 3), (4,), (2, 3, 2)))
    dim = s.dims(shape)
    smallest = shape[dim] if isinstance(dim, int) else 2
    return s.floats(shape), dim, s.choose((0, 1, 0.5) if smallest > 1 else (0,)), s.flag()


def _norm(line, p):
    if p == 0:
        return float(sum(v != 0 for v in line))
    if math.isinf(p):
        return (max if p > 0 else min)(abs(v) for v in line)
    return math.fsum(abs(v) ** p for v in line) ** (1 / p)


def _spread_arguments(s: Source):
    shape = s.shape(1)
    dim, keepdim = s.dims(shape), s.flag()
    return s.floats(np.zeros(shape).sum(dim, keepdims=keepdim).shape), shape, dim, keepdim


def _spread(x, shape, dim, keepdim):
    return (x if keepdim else x.reshape(np.zeros(shape).sum(dim, keepdims=True).shape)) + np.zeros(shape)


def _whole(values="distinct"):
    return lambda s: (getattr(s, values)(s.shape(0, empty=False)),)


def _arg(find):
    return lambda line: find(range(len(line)), key=line.__getitem__)


def _extreme_along(find, best):
    def arguments(s: Source):
        x, dim, keepdim = _one_dim()(s)
        return x, along(_arg(best), np.int64)(x, dim, keepdim), dim, keepdim

    return Case(arguments, lambda x, indices, dim, keepdim: along(find)(x, dim, keepdim))


def _product_arguments(*tail):
    def arguments(s: Source):
        shape = s.choose(((3, 4), (4,), (2, 3, 2), (1, 3), (0, 2)))
        x = s.floats(shape, avoid=(0.0,), margin=0.3)
        zeros = s.choose((0, 1, 2))
        if x.size and zeros:
            x.reshape(-1)[s.rng.permutation(x.size)[:zeros]] = 0.0
        return x, s.dim(shape), *[s.flag() for _ in tail]

    return arguments


def _backwards(function):
    """A running function that may begin at the end."""
    return lambda line, reverse: function(line[::-1])[::-1] if reverse else function(line)


def _sums(line):
    return [math.fsum(line[: i + 1]) for i in range(len(line))]


def _recurrence_arguments(s: Source):
    shape = s.choose(((4,), (2, 3), (3, 2), (0, 2)))
    return s.floats(shape), s.floats(shape), s.dim(shape), s.flag()


def _recurrence(a, b, dim, reverse):
    a, b = np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0).copy()
    order = list(range(len(b)))[:: -1 if reverse else 1]
    for before, i in itertools.pairwise(order):
        b[i] = b[i] + a[i] * b[before]
    return np.moveaxis(b, 0, dim)


def _shift_arguments(s: Source):
    shape = s.choose(((4,), (2, 3), (3, 2)))
    return s.floats(shape), s.dim(shape), s.choose((1, -1, 2, 5)), s.choose((0.0, 1.0))


def _shift(line, step, fill):
    return [line[i - step] if 0 <= i - step < len(line) else fill for i in range(len(line))]


def _shares(x, out, dim, keepdim):
    top = out if keepdim else np.expand_dims(out, dim)
    same = x == top
    return same / same.sum(dim, keepdims=True)


def _ties(s: Source):
    """Few values, so that several elements are the largest."""
    shape = s.choose(((3, 4), (4,), (2, 3, 2)))
    return s.integers(-1, 2, shape).astype(float), s.dim(shape), s.flag()


def _shares_arguments(s: Source):
    x, dim, keepdim = _ties(s)
    return x, x.max(dim, keepdims=keepdim), dim, keepdim


def _signed_shares_arguments(s: Source):
    x, dim, keepdim = _ties(s)
    return x, abs(x).max(dim, keepdims=keepdim), dim, keepdim


def _signed_shares(x, out, dim, keepdim):
    same = abs(x) == (out if keepdim else np.expand_dims(out, dim))
    return np.sign(x) * same / same.sum(dim, keepdims=True)


def _ranked(line, descending):
    return sorted(range(len(line)), key=lambda i: -line[i] if descending else line[i])


def _top(x, k, dim, largest):
    return np.take(running(_ranked, np.int64)(x, dim, largest), range(k), dim)


def _mode_index(line):
    counts = {v: line.count(v) for v in line}
    best = min(v for v in line if counts[v] == max(counts.values()))
    return max(i for i, v in enumerate(line) if v == best)


def _median_index(line, skip):
    return line.index(statistics.median_low(line))


def _positions_arguments(s: Source):
    x, dim, _ = _ties(s)
    return x, np.maximum.accumulate(x, dim), dim


def _positions(x, best, dim):
    lines, tops = np.moveaxis(x, dim, 0), np.moveaxis(best, dim, 0)
    out = np.zeros(lines.shape, np.int64)
    for i in range(len(lines)):
        out[i] = np.where(lines[i] == tops[i], i, out[i - 1] if i else 0)
    return np.moveaxis(out, 0, dim)


def _logsumexp(line):
    return math.log(math.fsum(math.exp(v) for v in line))


_EXTREMES = {"values": "distinct"}
CASES: dict[str, Case] = {
    **{name: Case(_reduction(), along(math.fsum)) for name in ("sum", "sum_along")},
    **{name: Case(_nonempty(), along(lambda line: math.fsum(line) / len(line))) for name in ("mean", "mean_along")},
    "spread": Case(_spread_arguments, _spread),
    "var": Case(_var_arguments, along(_variance)),
    "times_centred": Case(
        lambda s: (s.floats((x := s.floats((2, 3, 2))).mean(dim := s.dims(x.shape), keepdims=True).shape), x, dim),
        lambda scale, x, dim: scale * (x - x.mean(dim, keepdims=True)),
        call=lambda scale, x, dim: times_centred(scale, x, x.detach().mean(dim, keepdim=True), dim),
    ),
    "std": Case(_var_arguments, along(lambda line, c: math.sqrt(_variance(line, c))), eps=1e-4),
    "logsumexp": Case(_nonempty(), along(_logsumexp)),
    "vector_norm": Case(
        lambda s: ((x := _nonempty(values="distinct")(s))[0], s.choose((2.0, 1.0, 3.0, 0.0, math.inf, -math.inf, 1.5)), *x[1:]),
        lambda x, p, dim, keepdim: along(lambda line: _norm(line, p))(x, dim, keepdim), eps=1e-4,
    ),
    "prod": Case(_product_arguments("keepdim"), along(math.prod)),
    "count_numbers": Case(
        lambda s: (np.where(s.bools((3, 2)), math.nan, 1.0), s.dims((3, 2)), s.flag()),
        along(lambda line: sum(not math.isnan(v) for v in line), np.int64),
    ),
    "amax": Case(_nonempty(**_EXTREMES), along(max)), "amin": Case(_nonempty(**_EXTREMES), along(min)),
    "max": Case(_whole(), lambda x: np.asarray(max(x.reshape(-1).tolist()))),
    "min": Case(_whole(), lambda x: np.asarray(min(x.reshape(-1).tolist()))),
    "max_along": _extreme_along(max, max), "min_along": _extreme_along(min, min),
    "median": Case(
        lambda s: (s.distinct(s.choose(((4,), (5,), (1,)))), s.flag()),
        lambda x, skip: np.asarray(statistics.median_low(x.tolist())),
    ),
    "shares": Case(_shares_arguments, _shares), "signed_shares": Case(_signed_shares_arguments, _signed_shares),
    "shares_of_all": Case(
        lambda s: (x := _ties(s)[0], np.asarray(x.max())), lambda x, out: (x == out) / np.count_nonzero(x == out)
    ),
    # running
    "cumsum": Case(_one_dim(values="floats"), running(_backwards(_sums))),
    "cumprod": Case(_product_arguments("reverse"), running(_backwards(lambda v: list(itertools.accumulate(v, lambda a, b: a * b))))),
    "linear_recurrence": Case(_recurrence_arguments, _recurrence),
    "shift": Case(_shift_arguments, running(_shift)),
    "maximum_accumulate": Case(_one_dim(last=False), running(lambda v: list(itertools.accumulate(v, max)))),
    "minimum_accumulate": Case(_one_dim(last=False), running(lambda v: list(itertools.accumulate(v, min)))),
    "running_positions": Case(_positions_arguments, _positions),
    "logaddexp_accumulate": Case(
        _one_dim(values="floats", last=False), running(lambda v: [_logsumexp(v[: i + 1]) for i in range(len(v))])
    ),
    "logcumsumexp": Case(_one_dim(values="floats", last=False), running(lambda v: [_logsumexp(v[: i + 1]) for i in range(len(v))])),
    # by rank
    "order": Case(lambda s: _ties(s), running(_ranked, np.int64)),
    "top": Case(lambda s: ((x := _ties(s))[0], s.choose((0, 1, 2)), x[1], x[2]), _top),
    "rank_index": Case(
        lambda s: ((x := _ties(s))[0], s.choose((0, 1)), x[1], x[2]),
        lambda x, k, dim, keepdim: along(lambda line: _ranked(line, False)[k], np.int64)(x, dim, keepdim),
    ),
    "median_index": Case(
        lambda s: ((x := _one_dim()(s))[0], x[1], x[2], s.flag()),
        lambda x, dim, keepdim, skip: along(lambda line: _median_index(line, skip), np.int64)(x, dim, keepdim),
    ),
    "mode_index": Case(lambda s: _ties(s), along(_mode_index, np.int64)),
}  # fmt: skip
