"""Fused operations. The oracle is the definition from the paper, in NumPy; ``plain`` is held equal too."""

from __future__ import annotations

import math

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth.fused.gru import gru
from tinygrad_zth.fused.lstm import lstm
from tinygrad_zth.fused.rnn import rnn
from tinygrad_zth.fused.sequence import Steps
from tinygrad_zth.fused.windows import Geometry

from .case import Case, number_by_number
from .source import Source


def _phi(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _gelu(x, approximate):
    if approximate == "none":
        return number_by_number(lambda v: v * _phi(v))(x)
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _softmax(x, axis):
    e = np.exp(x)
    return e / e.sum(axis, keepdims=True) if x.ndim else np.ones(())


def _row_arguments(s: Source):
    shape = s.choose(((2, 3), (3,), (2, 3, 2), (1,), (0, 3), (2, 1)))
    return s.floats(shape), s.dim(shape)


def _row_gradient_arguments(s: Source, log=False):
    x, axis = _row_arguments(s)
    y = _softmax(x, axis)
    return s.floats(x.shape), np.log(y) if log else y, axis


# ---------------------------------------------------------------------------- normalisation


def _batch_norm_arguments(s: Source):
    shape = s.choose(((4, 2), (3, 2, 2), (2, 2, 2, 2)))
    weight = s.floats((2,), 0.5, 2) if s.choose((True, True, False)) else None
    bias = s.floats((2,)) if s.choose((True, True, False)) else None
    mean, var = s.choose(((None, None), (np.array([0.1, -0.2]), np.array([0.5, 1.5]))))
    return s.distinct(shape, 0.3), weight, bias, mean, var, s.choose((1e-5, 0.1))


def _column(v, x):
    return v.reshape(1, -1, *(1,) * (x.ndim - 2))


def _batch_norm(x, weight, bias, mean, var, eps):
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axes) if mean is None else mean
    var = ((x - _column(mean, x)) ** 2).mean(axes) if var is None else var
    out = (x - _column(mean, x)) / np.sqrt(_column(var, x) + eps)
    out = out if weight is None else out * _column(weight, x)
    return out if bias is None else out + _column(bias, x)


def _layer_norm_arguments(s: Source):
    shape, k = s.choose((((2, 3), 1), ((2, 2, 3), 2), ((4,), 1), ((0, 3), 1), ((2, 1, 3), 1)))
    weight = s.floats(shape[-k:], 0.5, 2) if s.choose((True, True, False)) else None
    bias = s.floats(shape[-k:]) if s.choose((True, True, False)) else None
    return s.distinct(shape), shape[-k:], weight, bias, s.choose((1e-5, 0.1))


def _layer_norm(x, shape, weight, bias, eps):
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, keepdims=True)
    out = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def _rms_norm(x, shape, weight, eps):
    eps = np.finfo(np.float64).eps if eps is None else eps
    out = x / np.sqrt((x**2).mean(tuple(range(-len(shape), 0)), keepdims=True) + eps)
    return out if weight is None else out * weight


def _rms_norm_arguments(s: Source):
    x, shape, weight, _, eps = _layer_norm_arguments(s)
    return x, shape, weight, s.choose((eps, None))


# ---------------------------------------------------------------------------- products


def _linear_arguments(s: Source):
    x, w, b = s.choose(
        (
            ((2, 3), (2, 3), (2,)), ((2, 2, 3), (2, 3), (2,)), ((3,), (2, 3), (2,)), ((2, 3), (2, 3), None),
            ((2, 3), (3,), ()), ((0, 3), (2, 3), (2,)), ((2, 2, 3), (1, 3), (1,)), ((2, 3), (3,), None),
        )
    )  # fmt: skip
    return s.floats(x), s.floats(w), None if b is None else s.floats(b)


def _linear(x, weight, bias):
    out = np.asarray(np.einsum("...i,oi->...o" if weight.ndim == 2 else "...i,i->...", x, weight))
    return out if bias is None else out + bias


def _embedding_arguments(s: Source):
    # What is read at padding_idx has a value and, by definition, no gradient: tests/edges has that.
    return s.floats((4, 2)), s.integers(0, 3, s.choose(((3,), (2, 2), (0,), ()))), s.choose((None, 3))


def _embedding(weight, indices, padding_idx):
    return np.array([weight[i] for i in indices.reshape(-1)]).reshape(*indices.shape, weight.shape[1])


def _attention_arguments(s: Source):
    # 66 queries are more than a block; of 12 and more on one column, the backward computes the exponentials again
    sizes = (((), 2, 3, 2), ((2,), 3, 3, 2), ((1, 2), 2, 2, 2), ((2,), 1, 3, 2), ((), 12, 12, 1), ((), 66, 67, 1))
    lead, L, S, E = s.choose(sizes)
    causal, scale = s.flag(), s.choose((0.5, 1.3))
    kind = s.choose((None, "bool", "additive")) if not causal else None
    mask = None
    if kind == "bool":
        mask = s.bools((L, S)) | (np.arange(S) == 0)
    elif kind == "additive":
        mask = s.floats(s.choose(((L, S), (*lead, L, S), (1, S))))
    noise = np.where(s.bools((*lead, L, S)), 1.25, 0.0) if s.choose((False, False, True)) else None
    high = s.choose((2.0, 2.0, 80.0)) if L == 12 else 2.0  # exponents too large to be taken without a shift
    q, k, v = s.floats((*lead, L, E), -high, high), s.floats((*lead, S, E)), s.floats((*lead, S, 3 if E > 1 else 1))
    return q, k, v, mask, noise, causal, scale


def _attention(q, k, v, mask, noise, causal, scale):
    scores = scale * np.einsum("...le,...se->...ls", q, k)
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    weights = _softmax(scores, -1)
    return np.einsum("...ls,...sf->...lf", weights if noise is None else weights * noise, v)


# ---------------------------------------------------------------------------- windows


_GEOMETRIES = (  # the input's spatial size, and windows on it
    ((4,), Geometry((2,), (1,), (0,), (1,), (3,))), ((4,), Geometry((2,), (2,), (1,), (1,), (3,))),
    ((3, 3), Geometry((2, 2), (1, 1), (0, 0), (1, 1), (2, 2))),
    ((3, 4), Geometry((2, 1), (1, 2), (1, 0), (2, 1), (3, 2))), ((3, 2), Geometry((1, 1), (1, 1), (0, 0), (1, 1), (3, 2))),
    ((2, 2, 2), Geometry((1, 2, 1), (1, 1, 2), (0, 1, 0), (1, 1, 1), (2, 3, 1))),
)  # fmt: skip


def _geometry(s: Source) -> tuple[tuple, Geometry]:
    return s.choose(_GEOMETRIES)


def _seen(size, geometry: Geometry):
    """All triples (window, tap, place in the input) that lie within the input."""
    for window in np.ndindex(*geometry.out):
        for tap in np.ndindex(*geometry.kernel):
            place = tuple(
                w * st - p + t * d
                for w, t, st, p, d in zip(
                    window, tap, geometry.stride, geometry.padding, geometry.dilation, strict=True
                )
            )
            if all(0 <= i < n for i, n in zip(place, size, strict=True)):
                yield window, tap, place


def _im2col(x, geometry):
    n, c = x.shape[:2]
    out = np.zeros((n, c, *geometry.kernel, *geometry.out))
    for window, tap, place in _seen(x.shape[2:], geometry):
        out[(..., *tap, *window)] = x[(..., *place)]
    return out.reshape(n, c * math.prod(geometry.kernel), math.prod(geometry.out))


def _col2im(columns, size, geometry):
    n, k = columns.shape[0], math.prod(geometry.kernel)
    columns = columns.reshape(n, -1, *geometry.kernel, *geometry.out)
    out = np.zeros((n, columns.shape[1], *size))
    assert columns.shape[1] * k == math.prod(columns.shape[1 : 2 + len(size)])
    for window, tap, place in _seen(size, geometry):
        out[(..., *place)] += columns[(..., *tap, *window)]
    return out


def _sum_pool(x, geometry):
    out = np.zeros((*x.shape[:2], *geometry.out))
    for window, _, place in _seen(x.shape[2:], geometry):
        out[(..., *window)] += x[(..., *place)]
    return out


def _sum_pool_transpose(y, size, geometry):
    out = np.zeros((*y.shape[:2], *size))
    for window, _, place in _seen(size, geometry):
        out[(..., *place)] += y[(..., *window)]
    return out


def _image(s: Source, channels=2, samples=2):
    size, geometry = _geometry(s)
    return s.floats((samples, channels, *size)), geometry


def _col2im_arguments(s: Source):
    size, geometry = _geometry(s)
    return s.floats((2, 2 * math.prod(geometry.kernel), math.prod(geometry.out))), size, geometry


def _conv_shapes(s: Source):
    size, geometry = _geometry(s)
    groups = s.choose((1, 2))
    return (2, 2, *size), (2, 2 // groups, *geometry.kernel), (2, 2, *geometry.out), geometry, groups


def _convolution(x, weight, bias, geometry, groups):
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    out = np.zeros((x.shape[0], weight.shape[0], *geometry.out))
    for o in range(weight.shape[0]):
        c = slice(o // outs * ins, o // outs * ins + ins)
        for window, tap, place in _seen(x.shape[2:], geometry):
            out[(slice(None), o, *window)] += x[(slice(None), c, *place)] @ weight[(o, slice(None), *tap)]
        if bias is not None:
            out[:, o] += bias[o]
    return out


def _conv_input(y, weight, size, geometry, groups):
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    out = np.zeros((y.shape[0], ins * groups, *size))
    for o in range(weight.shape[0]):
        c = slice(o // outs * ins, o // outs * ins + ins)
        for window, tap, place in _seen(size, geometry):
            out[(slice(None), c, *place)] += np.outer(y[(slice(None), o, *window)], weight[(o, slice(None), *tap)])
    return out


def _conv_weight(y, x, weight_shape, geometry, groups):
    outs, ins = weight_shape[0] // groups, weight_shape[1]
    out = np.zeros(weight_shape)
    for o in range(weight_shape[0]):
        c = slice(o // outs * ins, o // outs * ins + ins)
        for window, tap, place in _seen(x.shape[2:], geometry):
            out[(o, slice(None), *tap)] += y[(slice(None), o, *window)] @ x[(slice(None), c, *place)]
    return out


def _convolution_arguments(s: Source):
    x, weight, _, geometry, groups = _conv_shapes(s)
    return s.floats(x), s.floats(weight), s.floats((2,)) if s.flag() else None, geometry, groups


def _conv_input_arguments(s: Source):
    x, weight, out, geometry, groups = _conv_shapes(s)
    return s.floats(out), s.floats(weight), x[2:], geometry, groups


def _conv_weight_arguments(s: Source):
    x, weight, out, geometry, groups = _conv_shapes(s)
    return s.floats(out), s.floats(x), weight, geometry, groups


# ---------------------------------------------------------------------------- losses


def _logits(s: Source):
    return s.choose(((3, 4), (2, 3, 2), (4,)))


def _cross_entropy_arguments(s: Source):
    shape = _logits(s)
    classes = shape[1] if len(shape) > 1 else shape[0]
    target = s.integers(0, classes, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    if target.ndim and s.flag():
        target.reshape(-1)[0] = -100
    weight = s.floats((classes,), 0.5, 2) if s.flag() else None
    return s.floats(shape), target, weight, -100, s.choose((0.0, 0.2)), s.choose(("mean", "sum", "none"))


def _log_softmax(x, axis):
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def _cross_entropy(x, target, weight, ignore_index, smoothing, reduction):
    """Element by element, as PyTorch's documentation writes it."""
    vector = x.ndim == 1
    x, target = (x[None], target[None]) if vector else (x, target)
    classes = x.shape[1]
    w = np.ones(classes) if weight is None else weight
    log_p = np.moveaxis(_log_softmax(x, 1), 1, -1)
    losses, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(*target.shape):
        y = target[place]
        if y != ignore_index:
            losses[place] = -(1 - smoothing) * w[y] * log_p[place][y] - smoothing / classes * (w * log_p[place]).sum()
            total += w[y]
    if reduction == "none":
        return losses[0] if vector else losses
    return np.asarray(losses.sum() / (total if reduction == "mean" else 1))


def _probabilities_arguments(s: Source):
    shape = s.choose((_logits(s), _logits(s), (0, 4)))
    axis = 1 if len(shape) > 1 else 0
    weight = s.floats((shape[axis],), 0.5, 2) if s.flag() else None
    return (
        s.floats(shape),
        _softmax(s.floats(shape), axis),
        weight,
        s.choose((0.0, 0.2)),
        s.choose(("mean", "sum", "none") if 0 not in shape else ("sum", "none")),
    )


def _cross_entropy_of_probabilities(x, target, weight, smoothing, reduction):
    axis = 1 if x.ndim > 1 else 0
    w = np.ones(x.shape[axis]) if weight is None else weight
    w = w.reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    losses = -(((1 - smoothing) * target + smoothing / x.shape[axis]) * w * _log_softmax(x, axis)).sum(axis)
    return np.asarray({"none": losses, "sum": losses.sum(), "mean": losses.sum() / max(losses.size, 1)}[reduction])


# ---------------------------------------------------------------------------- pooling


def _max_pool_arguments(dims: int):
    def arguments(s: Source):
        size, geometry = s.choose([g for g in _GEOMETRIES if len(g[0]) == dims])
        return s.distinct((2, 2, *size)), geometry

    return arguments


def _max_pool(x, geometry):
    out = np.full((*x.shape[:2], *geometry.out), -np.inf)
    for window, _, place in _seen(x.shape[2:], geometry):
        out[(..., *window)] = np.maximum(out[(..., *window)], x[(..., *place)])
    return out


def _taps(s: Source):
    size, geometry = _geometry(s)
    place = s.integers(0, math.prod(geometry.kernel), (2, 2, *geometry.out)).astype(np.uint8)
    return size, geometry, place


def _at_taps(size, place, geometry):
    """Pairs (sample, channel, window) and the place in the input that its tap sees."""
    for window, tap, at in _seen(size, geometry):
        number = np.ravel_multi_index(tap, geometry.kernel)
        for n, c in zip(*np.nonzero(place[(..., *window)] == number), strict=True):
            yield (n, c, *window), (n, c, *at)


def _max_pool_gather(x, place, geometry):
    out = np.zeros(place.shape)
    for window, at in _at_taps(x.shape[2:], place, geometry):
        out[window] = x[at]
    return out


def _max_pool_scatter(y, place, size, geometry):
    out = np.zeros((*y.shape[:2], *size))
    for window, at in _at_taps(size, place, geometry):
        out[at] += y[window]
    return out


def _places_arguments(s: Source):
    size, out = s.choose((((4,), (3,)), ((2, 3), (2, 2)), ((2, 2), (1, 3))))
    return size, s.integers(0, math.prod(size), (2, 2, *out))


def _take_places(x, position):
    n, c = x.shape[:2]
    return np.stack([[x[i, j].reshape(-1)[position[i, j]] for j in range(c)] for i in range(n)])


def _spread_places(y, position, size):
    out = np.zeros((*y.shape[:2], math.prod(size)))
    for place in np.ndindex(*position.shape):
        out[(*place[:2], position[place])] += y[place]
    return out.reshape(*y.shape[:2], *size)


def _resample_arguments(s: Source):
    shape, dim = s.choose((((2, 3), 1), ((3, 2), 0), ((2, 3, 2), 1), ((3, 2, 2), 0)))
    return s.floats(shape), s.floats((2, 3)), dim


# ---------------------------------------------------------------------------- recurrent


def _recurrent_arguments(gates: int, cell: bool = False):
    def arguments(s: Source):
        sizes, reverse = s.choose(((1,), (2, 2), (2, 1), (3, 2, 1))), s.flag()
        total, batch, inputs, hidden = sum(sizes), sizes[0], 2, 2
        out = s.choose((hidden, 1)) if cell else hidden
        bias = s.flag()
        small = {"low": -0.8, "high": 0.8}
        arguments = [s.floats((total, inputs)), s.floats((batch, out))]
        arguments += [s.floats((batch, hidden))] if cell else []
        arguments += [s.floats((gates * hidden, inputs), **small), s.floats((gates * hidden, out), **small)]
        arguments += [s.floats((gates * hidden,)) if bias else None for _ in range(2)]
        if cell:
            arguments.append(None if out == hidden else s.floats((out, hidden), **small))
        return *arguments, Steps(sizes, reverse)

    return arguments


def _walk(x, states, steps, step):
    """Row by row: ``step(row, *state)``; the outputs, and the last states."""
    states = [list(first) for first in states]
    out = [None] * len(x)
    for a, b in steps.rows:
        for i in range(b - a):
            new = step(x[a + i], *(state[i] for state in states))
            out[a + i] = new[0]
            for state, value in zip(states, new, strict=True):
                state[i] = value
    return np.array(out), [np.array(state) for state in states]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _affine(w, x, b):
    return w @ x if b is None else w @ x + b


def _rnn_arguments(s: Source):
    *arguments, steps = _recurrent_arguments(1)(s)
    return *arguments, s.choose(("tanh", "relu")), steps


def _rnn(x, h0, w_ih, w_hh, b_ih, b_hh, nonlinearity, steps):
    f = np.tanh if nonlinearity == "tanh" else lambda z: np.maximum(z, 0)
    return _walk(x, (h0,), steps, lambda row, h: (f(_affine(w_ih, row, b_ih) + _affine(w_hh, h, b_hh)),))[0]


def _gru(x, h0, w_ih, w_hh, b_ih, b_hh, steps):
    def step(row, h):
        (a, b, c), (d, e, f) = np.split(_affine(w_ih, row, b_ih), 3), np.split(_affine(w_hh, h, b_hh), 3)
        r, z = _sigmoid(a + d), _sigmoid(b + e)
        return ((1 - z) * np.tanh(c + r * f) + z * h,)

    return _walk(x, (h0,), steps, step)[0]


def _lstm(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, steps):
    def step(row, h, c):
        i, f, g, o = np.split(_affine(w_ih, row, b_ih) + _affine(w_hh, h, b_hh), 4)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        return (h if w_hr is None else w_hr @ h), c

    out, (_, cells) = _walk(x, (h0, c0), steps, step)
    return np.concatenate([out.reshape(-1), 2 * cells.reshape(-1)])


def _philox(n: int, seed: int) -> list[int]:
    """The four words of counter ``n``, in Python's integers, after the paper's definition."""
    c, k = [n & 0xFFFFFFFF, n >> 32, 0, 0], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        one, two = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [two >> 32 ^ c[1] ^ k[0], two & 0xFFFFFFFF, one >> 32 ^ c[3] ^ k[1], one & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def _counted_dropout(x, p, seed, offset):
    words = [w for i in range(-(-x.size // 4)) for w in _philox(offset + i, seed)]
    keep = np.array([w / 2**32 >= p for w in words[: x.size]], float).reshape(x.shape)
    return x * keep / (1 - p)


CASES: dict[str, Case] = {
    "gelu": Case(lambda s: (s.floats(s.shape(), -3, 3), s.choose(("none", "tanh"))), _gelu),
    "bias_activation": Case(
        lambda s: (
            s.floats((*s.choose(((), (3,), (0,), (2, 2))), 4), -3, 3, avoid=(0.0,), margin=0.5), s.floats((4,), -0.4, 0.4),
            s.choose(("relu", "none", "tanh")),
        ),
        lambda x, bias, form: np.maximum(x + bias, 0) if form == "relu" else _gelu(x + bias, form),
    ),
    "softmax": Case(_row_arguments, _softmax),
    "log_softmax": Case(_row_arguments, lambda x, axis: np.log(_softmax(x, axis))),
    "softmax_backward": Case(
        _row_gradient_arguments, lambda gy, y, axis: y * (gy - (gy * y).sum(axis, keepdims=True))
    ),
    "log_softmax_backward": Case(
        lambda s: _row_gradient_arguments(s, log=True), lambda gy, y, axis: gy - np.exp(y) * gy.sum(axis, keepdims=True)
    ),
    "batch_norm": Case(_batch_norm_arguments, _batch_norm, eps=1e-4, single=1e-3),
    "layer_norm": Case(_layer_norm_arguments, _layer_norm, eps=1e-4, single=1e-3),
    "rms_norm": Case(_rms_norm_arguments, _rms_norm, eps=1e-4, single=1e-3),
    "linear": Case(_linear_arguments, _linear), "embedding": Case(_embedding_arguments, _embedding),
    "dropout": Case(
        lambda s: (s.floats(shape := s.shape()), np.where(s.bools(shape), 2.0, 0.0)), lambda x, noise: x * noise
    ),
    "counted_dropout": Case(
        lambda s: (s.floats(s.shape()), s.choose((0.5, 0.1)), s.choose((0, 2**40 + 7)), s.choose((0, 2**32 - 1))),
        _counted_dropout, layouts=False,
    ),
    "scaled_dot_product_attention": Case(_attention_arguments, _attention),
    "im2col": Case(_image, _im2col), "col2im": Case(_col2im_arguments, _col2im),
    "sum_pool": Case(_image, _sum_pool),
    "sum_pool_transpose": Case(
        lambda s: (s.floats((2, 1, *(g := _geometry(s))[1].out)), g[0], g[1]), _sum_pool_transpose
    ),
    "convolution": Case(_convolution_arguments, _convolution),
    "conv_input": Case(_conv_input_arguments, _conv_input), "conv_weight": Case(_conv_weight_arguments, _conv_weight),
    "max_pool1d": Case(_max_pool_arguments(1), _max_pool), "max_pool2d": Case(_max_pool_arguments(2), _max_pool),
    "max_pool3d": Case(_max_pool_arguments(3), _max_pool),
    "max_pool_gather": Case(lambda s: (s.floats((2, 2, *(t := _taps(s))[0])), t[2], t[1]), _max_pool_gather),
    "max_pool_scatter": Case(lambda s: (s.floats((t := _taps(s))[2].shape), t[2], t[0], t[1]), _max_pool_scatter),
    "take_places": Case(lambda s: (s.floats((2, 2, *(p := _places_arguments(s))[0])), p[1]), _take_places),
    "spread_places": Case(lambda s: (s.floats((p := _places_arguments(s))[1].shape), p[1], p[0]), _spread_places),
    "resample": Case(_resample_arguments, lambda x, m, dim: np.moveaxis(np.moveaxis(x, dim, -1) @ m.T, -1, dim)),
    "rnn": Case(_rnn_arguments, _rnn, call=rnn), "gru": Case(_recurrent_arguments(3), _gru, call=gru),
    "lstm": Case(
        _recurrent_arguments(4, cell=True), _lstm, call=lstm,
        combine=lambda found: torch.cat([found[0].reshape(-1), 2 * found[1].reshape(-1)]),
    ),
    "cross_entropy": Case(_cross_entropy_arguments, _cross_entropy),
    "cross_entropy_of_probabilities": Case(_probabilities_arguments, _cross_entropy_of_probabilities),
}  # fmt: skip
