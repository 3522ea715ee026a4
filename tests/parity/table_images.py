"""Calls of what works on images, volumes and signals: convolution, pooling, padding, resizing, sampling."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.parity.compare import Row, arrays, call, shapes

FLOATING = st.sampled_from(["float32", "float64"])
rarely = st.integers(0, 11).map(lambda n: n == 0)


def sizes(n: int, low: int = 1, high: int = 3) -> st.SearchStrategy:
    """An int, or n of them."""
    each = st.integers(low, high)
    return st.one_of(each, st.tuples(*[each] * n))


@st.composite
def images(draw, n: int, low: int = 1, high: int = 7, channels: int = 3, dtype=FLOATING, odd=True, empty=True):
    """(N, C, *spatial) or (C, *spatial); now and then of another number of dimensions."""
    spatial = draw(st.tuples(*[st.integers(low, high)] * n))
    lead = draw(st.sampled_from([(2, channels), (1, channels), (channels,), (0 if empty else 3, channels)]))
    shape = (*lead, *spatial)
    if odd and draw(rarely):
        shape = draw(st.sampled_from([shape[1:], (2, *shape), (*shape[:-1], 0)]))
    return draw(arrays(shape, dtype))


# ---------------------------------------------------------------------------- convolution


@st.composite
def _conv(draw, n: int, transposed: bool):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    ins, outs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    dtype = draw(FLOATING)
    x = draw(images(n, 1, 7 if n < 3 else 5, ins, st.just(dtype), empty=False))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * n))
    lead = (ins, outs // groups) if transposed else (outs, ins // groups)
    if draw(rarely):
        lead = (lead[0] + 1, lead[1])
    weight = draw(arrays((*lead, *kernel), dtype if not draw(rarely) or x.size == 0 else "float64"))
    options = {"stride": sizes(n, 0 if draw(rarely) else 1), "dilation": sizes(n, 1, 2), "groups": st.just(groups)}
    if transposed:
        options |= {"padding": sizes(n, 0, 2), "output_padding": sizes(n, 0, 1)}
    else:
        options["padding"] = st.one_of(sizes(n, 0, 2), st.sampled_from(["same", "valid", "odd"]))
    kwargs = draw(st.fixed_dictionaries({}, optional=options))
    if transposed and min(x.shape[-n:]) * min(kernel) < 5:
        kwargs.pop("padding", None)  # torch gives an empty result or an error, by which kernel it takes
    if draw(st.booleans()):
        kwargs["bias"] = draw(arrays((outs + draw(rarely),), dtype))
    return (x, weight), kwargs


# ---------------------------------------------------------------------------- pooling


@st.composite
def _pool(draw, n: int, kind: str):
    least = 0 if draw(rarely) else 1
    x = draw(images(n, 1, 7 if n < 3 else 5, odd=kind == "max"))
    options = {"stride": st.one_of(st.none(), sizes(n, least)), "ceil_mode": st.booleans()}
    if kind != "lp":
        options["padding"] = sizes(n, 0, 1 if not draw(rarely) else 2)
    if kind == "max":
        options |= {"dilation": sizes(n, least, 2), "return_indices": st.booleans()}
    if kind == "avg":
        options["count_include_pad"] = st.booleans()
        if n > 1:
            options["divisor_override"] = st.sampled_from([None, 1, 3, 0])
    kwargs = draw(st.fixed_dictionaries({}, optional=options))
    kernel = draw(sizes(n, least)) if n > 1 else draw(st.integers(least, 3))
    return (x, 2, kernel) if kind == "lp" else (x, kernel), kwargs


@st.composite
def _adaptive(draw, n: int, indices: bool):
    x = draw(images(n, 1, 7 if n < 3 else 5, odd=indices))
    size = draw(sizes(n, 1, 8)) if not draw(rarely) else -1
    if n > 1 and draw(st.booleans()):
        size = (None, *(size if isinstance(size, tuple) else (size,) * n)[1:])
    return (x, size), {"return_indices": draw(st.booleans())} if indices else {}


@st.composite
def _unpool(draw, n: int):
    import numpy as np

    spatial = draw(st.tuples(*[st.integers(1, 3)] * n))
    x = draw(arrays((2, 3, *spatial), FLOATING))
    size = [2 * s for s in spatial]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    total, count = int(np.prod(size)), int(np.prod(spatial))
    flat = np.stack([rng.permutation(total)[:count] for _ in range(6)]).reshape(2, 3, *spatial)
    kwargs = {} if draw(st.booleans()) else {"output_size": tuple(s + draw(st.integers(0, 2)) for s in size)}
    return (x, flat, 2), kwargs


# ---------------------------------------------------------------------------- padding, resizing, sampling


@st.composite
def _pad(draw):
    x = draw(arrays(shapes(1, 5, 1, 4), st.sampled_from(["float32", "float64", "int64"])))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular", "odd"]))
    pairs = draw(st.integers(1, 3))
    low = 0 if mode == "circular" else -1  # torch reads foreign memory for a negative circular amount
    amounts = draw(st.lists(st.integers(low, 3), min_size=2 * pairs, max_size=2 * pairs + draw(rarely)))
    kwargs = {"mode": mode} if mode != "constant" or draw(st.booleans()) else {}
    if draw(st.integers(0, 2)) == 0:
        kwargs["value"] = draw(st.sampled_from([0.0, 1.5, -2]))
    return (x, tuple(amounts)), kwargs


@st.composite
def _interpolate(draw, modes: tuple[str, ...] = ()):
    smooth = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
    mode = draw(st.sampled_from(modes or ["nearest", "nearest-exact", "area", *smooth, "odd"]))
    n = smooth.get(mode, draw(st.integers(1, 3)))
    n = draw(st.integers(0, 4)) if draw(rarely) else n
    x = draw(arrays((2, 3, *draw(st.tuples(*[st.integers(1 + (mode == "area"), 6)] * n))), draw(FLOATING)))
    kwargs = {"mode": mode}
    if draw(st.booleans()):
        kwargs["size"] = draw(sizes(max(n, 1), 0 if draw(rarely) else 1, 9))
    else:
        number = st.sampled_from([0.5, 0.7, 1.0, 1.5, 2, 3.0, 2.3])
        kwargs["scale_factor"] = draw(st.one_of(number, st.tuples(*[number] * n)))
        if draw(st.booleans()):
            kwargs["recompute_scale_factor"] = draw(st.booleans())
    if (mode in smooth and draw(st.booleans())) or draw(rarely):
        kwargs["align_corners"] = draw(st.booleans())
    if mode in ("bilinear", "bicubic") and draw(st.booleans()):
        kwargs["antialias"] = True
    if draw(rarely):
        kwargs["size"] = 3
    return (x,), kwargs


@st.composite
def _upsample(draw, more: dict):
    x = draw(arrays((2, 3, *draw(st.tuples(*[st.integers(1, 5)] * 2))), draw(FLOATING)))
    kwargs = {"size": draw(sizes(2, 1, 7))} if draw(st.booleans()) else {"scale_factor": draw(st.sampled_from([2, 3]))}
    return (x,), kwargs | more


@st.composite
def _affine_grid(draw):
    n = draw(st.sampled_from([2, 2, 3, 1]))
    batch = draw(st.integers(1, 2))
    theta = draw(arrays((batch, n, n + 1 + draw(rarely)), FLOATING))
    size = (batch, 3, *draw(st.tuples(*[st.integers(0 if draw(rarely) else 1, 4)] * n)))
    return (theta, size), draw(st.fixed_dictionaries({}, optional={"align_corners": st.booleans()}))


@st.composite
def _grid_sample(draw):
    n = draw(st.sampled_from([2, 2, 3]))
    dtype = draw(FLOATING)
    x = draw(arrays((2, 2, *draw(st.tuples(*[st.integers(1, 5)] * n))), dtype))
    out = draw(st.tuples(*[st.integers(1, 3)] * n))
    grid = draw(arrays((2 + draw(rarely), *out, n + draw(rarely)), dtype, -1.9, 1.8))
    options = {
        "mode": st.sampled_from(["bilinear", "nearest", "bicubic", "odd"]),
        "padding_mode": st.sampled_from(["zeros", "border", "reflection", "odd"]),
    }
    return (x, grid), draw(st.fixed_dictionaries({"align_corners": st.booleans()}, optional=options))


@st.composite
def _fold(draw):
    kernel, stride = draw(sizes(2, 1, 3)), draw(sizes(2, 1, 2))
    dilation, padding = draw(sizes(2, 1, 2)), draw(sizes(2, 0, 1))
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))

    def pair(v):
        return v if isinstance(v, tuple) else (v, v)

    count = 1
    for s, k, t, d, p in zip(size, pair(kernel), pair(stride), pair(dilation), pair(padding), strict=True):
        count *= max((s + 2 * p - d * (k - 1) - 1) // t + 1, 1)
    taps = pair(kernel)[0] * pair(kernel)[1]
    lead = draw(st.sampled_from([(2,), (), (1,)]))
    x = draw(arrays((*lead, taps * 2 + draw(rarely), count + draw(rarely)), FLOATING))
    return (x, size, kernel), {"stride": stride, "dilation": dilation, "padding": padding}


@st.composite
def _unfold(draw):
    options = {"stride": sizes(2, 0 if draw(rarely) else 1), "dilation": sizes(2, 1, 2), "padding": sizes(2, 0, 2)}
    x = draw(images(2, 1, 6, odd=False))
    return (x, draw(sizes(2, 1, 3))), draw(st.fixed_dictionaries({}, optional=options))


FUNCTIONS = (
    {f"conv{n}d": Row(_conv(n, False), scale=10) for n in (1, 2, 3)}
    | {f"conv_transpose{n}d": Row(_conv(n, True), scale=10) for n in (1, 2, 3)}
    | {f"max_pool{n}d": Row(_pool(n, "max")) for n in (1, 2, 3)}
    | {f"avg_pool{n}d": Row(_pool(n, "avg")) for n in (1, 2, 3)}
    | {f"lp_pool{n}d": Row(_pool(n, "lp"), scale=10) for n in (1, 2, 3)}
    | {f"adaptive_avg_pool{n}d": Row(_adaptive(n, False)) for n in (1, 2, 3)}
    | {f"adaptive_max_pool{n}d": Row(_adaptive(n, True)) for n in (1, 2, 3)}
    | {f"max_unpool{n}d": Row(_unpool(n)) for n in (1, 2, 3)}
    | {
        "pad": Row(_pad()),
        "interpolate": Row(_interpolate(), scale=10),
        "upsample": Row(_upsample({})),
        "upsample_nearest": Row(_upsample({})),
        "upsample_bilinear": Row(_upsample({}), scale=10),
        "pixel_shuffle": Row(call(arrays(shapes(2, 5, 1, 4), FLOATING), st.integers(0, 2))),
        "pixel_unshuffle": Row(call(arrays(shapes(2, 5, 1, 4), FLOATING), st.integers(0, 2))),
        "channel_shuffle": Row(call(arrays(shapes(2, 5, 1, 6), FLOATING), st.integers(0, 3))),
        "affine_grid": Row(_affine_grid()),
        "grid_sample": Row(_grid_sample(), scale=10),
        "fold": Row(_fold()),
        "unfold": Row(_unfold()),
    }
)
