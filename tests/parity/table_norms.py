"""Calls of normalisation, dropout, affine maps and tables."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.parity.compare import Row, arrays, call, shapes

FLOATING = st.sampled_from(["float32", "float64"])
EPS = st.sampled_from([1e-5, 1e-2])
rarely = st.integers(0, 11).map(lambda n: n == 0)


@st.composite
def _channels(draw, least=1, most=5):
    """(N, C, ...) with its dtype."""
    return draw(arrays(shapes(least, most, 1, 4), FLOATING))


@st.composite
def _batch_norm(draw, instance=False):
    x = draw(_channels(2, 5))
    c = x.shape[1] if x.ndim > 1 else 1
    dtype = str(x.dtype)

    def vector(low, high):
        return draw(arrays((c + draw(rarely),), dtype, low, high))

    mean, var = (vector(-1, 1), vector(0.5, 2)) if draw(st.booleans()) else (None, None)
    kwargs = draw(st.fixed_dictionaries({}, optional={"momentum": st.sampled_from([0.1, 0.5, 0.0]), "eps": EPS}))
    kwargs["use_input_stats" if instance else "training"] = draw(st.booleans())
    for name in ("weight", "bias"):
        if draw(st.booleans()):
            kwargs[name] = vector(-2, 2)
    return (x, mean, var), kwargs


@st.composite
def _over_last(draw, bias: bool):
    x = draw(arrays(shapes(1, 4, 1, 4), FLOATING))
    depth = draw(st.integers(1, x.ndim))
    normalized = x.shape[x.ndim - depth :]
    if draw(rarely):
        normalized = (*normalized[:-1], normalized[-1] + 1)
    kwargs = draw(st.fixed_dictionaries({}, optional={"eps": EPS}))
    for name in ("weight", "bias")[: 1 + bias]:
        if draw(st.booleans()):
            kwargs[name] = draw(arrays(normalized, str(x.dtype)))
    return (x, list(normalized)), kwargs


@st.composite
def _group_norm(draw):
    x = draw(arrays(shapes(1 if draw(rarely) else 2, 5, 1, 4), FLOATING))
    kwargs = draw(st.fixed_dictionaries({}, optional={"eps": EPS}))
    c = x.shape[1] if x.ndim > 1 else 1
    # torch's backward fails for a bias without a weight
    for name in ("weight", "bias")[: draw(st.integers(0, 2))]:
        kwargs[name] = draw(arrays((c + draw(rarely),), str(x.dtype)))
    return (x, draw(st.sampled_from([g for g in range(1, c + 1) if c % g == 0 or draw(rarely)]))), kwargs


@st.composite
def _linear(draw):
    lead = draw(shapes(0, 2, 1, 3))
    a, b = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dtype = draw(FLOATING)
    x = draw(arrays((*lead, a + draw(rarely)), dtype))
    kwargs = {"bias": draw(arrays((b + draw(rarely),), dtype))} if draw(st.booleans()) else {}
    return (x, draw(arrays((b, a), dtype if not draw(rarely) else "float64"))), kwargs


@st.composite
def _bilinear(draw):
    lead = draw(shapes(0, 2, 1, 3))
    a, b, c = (draw(st.integers(1, 3)) for _ in range(3))
    dtype = draw(FLOATING)
    x1, x2 = draw(arrays((*lead, a + draw(rarely)), dtype)), draw(arrays((*lead, b), dtype))
    kwargs = {"bias": draw(arrays((c,), dtype))} if draw(st.booleans()) else {}
    return (x1, x2, draw(arrays((c, a, b), dtype))), kwargs


@st.composite
def _embedding(draw):
    rows = draw(st.integers(1, 5))
    index = draw(arrays(shapes(0, 3, 1, 3), st.sampled_from(["int64", "int64", "int32", "float32"]), 0, rows - 1))
    weight = draw(arrays((rows, draw(st.integers(1, 3))), FLOATING))
    options = {"padding_idx": st.integers(-rows - draw(rarely), rows - 1), "scale_grad_by_freq": st.booleans()}
    return (index, weight), draw(st.fixed_dictionaries({}, optional=options))


def _dropout(low: int, high: int):
    p = st.sampled_from([0.0, 0.2, 0.5, 1.0, -0.1, 1.5])
    return Row(call(arrays(shapes(low, high, 1, 4), FLOATING), p=p, training=st.booleans()), seeded=True)


FUNCTIONS = {
    "batch_norm": Row(_batch_norm(), scale=100, constant=(1, 2)),
    "instance_norm": Row(_batch_norm(instance=True), scale=100, constant=(1, 2)),
    "layer_norm": Row(_over_last(True), scale=100),
    "rms_norm": Row(_over_last(False), scale=100),
    "group_norm": Row(_group_norm(), scale=100),
    "local_response_norm": Row(
        call(
            arrays(shapes(2, 5, 1, 4), FLOATING), st.integers(1, 5), alpha=st.sampled_from([1e-4, 0.5]),
            beta=st.sampled_from([0.75, 0.5]), k=st.sampled_from([1.0, 2.0]),
        )
    ),
    "dropout": _dropout(0, 4),
    "alpha_dropout": _dropout(0, 4),
    "dropout1d": _dropout(1, 4),
    "dropout2d": _dropout(3, 4),
    "dropout3d": _dropout(4, 5),
    "feature_alpha_dropout": _dropout(2, 5),
    "linear": Row(_linear(), scale=10),
    "bilinear": Row(_bilinear(), scale=10),
    "embedding": Row(_embedding()),
    "one_hot": Row(call(arrays(shapes(0, 3, 0, 3), st.sampled_from(["int64", "int64", "int32"]), 0, 4), num_classes=st.sampled_from([-1, 0, 3, 5, 8]))),
}  # fmt: skip
