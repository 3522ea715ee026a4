"""Calls of the losses and of the distances they are made of."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.parity.compare import Row, arrays, call, shapes

FLOATING = st.sampled_from(["float32", "float64"])
REDUCTION = st.sampled_from(["mean", "sum", "none", "bad"])
RETIRED = {"size_average": st.sampled_from([None, True, False]), "reduce": st.sampled_from([None, True, False])}
MARGIN = st.sampled_from([0.0, 0.5, 1.0, -0.5])


def _alike(*ranges: tuple[float, float], least: int = 0, most: int = 3, mixed: bool = True) -> st.SearchStrategy:
    """Tuples of arrays of one shape and dtype; now and then the last is of another shape."""

    def build(shape, dtype, odd):
        made = [arrays(shape, dtype, *r) for r in ranges]
        if mixed and odd:
            made[-1] = arrays(odd, dtype, *ranges[-1])
        return st.tuples(*made)

    odd = st.one_of(st.none(), st.none(), st.none(), shapes(least, most, 1, 3))
    return st.tuples(shapes(least, most, 1, 4), FLOATING, odd).flatmap(lambda t: build(*t))


def _with(tensors: st.SearchStrategy, **named) -> st.SearchStrategy:
    """(args, kwargs): args from ``tensors``, keywords as ``call`` takes them."""

    def fit(pair):
        args, kwargs = pair[0], pair[1][1]
        return args, {n: v.astype(args[0].dtype) if isinstance(v, np.ndarray) else v for n, v in kwargs.items()}

    return st.tuples(tensors, call(**named)).map(fit)


NORMAL, UNIT = (-3.0, 3.0), (0.01, 0.99)


def _signs(least=0, most=3):
    """(x, y) with y in -1, 1."""

    def build(shape, dtype):
        return st.tuples(
            arrays(shape, dtype), arrays(shape, "float32", 0, 1).map(lambda a: np.asarray((a > 0.5) * 2.0 - 1.0))
        ).map(lambda t: (t[0], np.asarray(t[1], t[0].dtype)))

    return st.tuples(shapes(least, most, 1, 4), FLOATING).flatmap(lambda t: build(*t))


def _pairs_and_signs(vectors: bool):
    def build(shape, dtype):
        inner = shape[:-1] if vectors else shape
        return st.tuples(arrays(shape, dtype), arrays(shape, dtype), arrays(inner, "float32", 0, 1)).map(
            lambda t: (t[0], t[1], np.asarray((t[2] > 0.5) * 2.0 - 1.0, dtype))
        )

    least = 1 if vectors else 0
    return st.tuples(shapes(least, 2, 1, 4), FLOATING).flatmap(lambda t: build(*t))


@st.composite
def _classes(draw, log=False, most=4, index_low=-1):
    """(logits, indices) and, as a keyword, weights: (C,), (N, C), (N, C, d...)."""
    shape = draw(shapes(1, most, 1, 4))
    dtype = draw(FLOATING)
    channels = shape[0] if len(shape) == 1 else shape[1]
    x = draw(arrays(shape, dtype))
    inner = () if len(shape) == 1 else (shape[0], *shape[2:])
    if len(shape) > 1 and draw(st.integers(0, 9)) == 0:
        inner = draw(shapes(0, 2, 1, 3))
    low, high = (0, channels - 1) if draw(st.integers(0, 5)) else (index_low, channels)
    y = draw(arrays(inner, draw(st.sampled_from(["int64", "int64", "int64", "int64", "int32", "float32"])), low, high))
    kwargs = draw(
        st.fixed_dictionaries({}, optional={"ignore_index": st.sampled_from([0, 1, -100, -1]), "reduction": REDUCTION})
    )
    if draw(st.booleans()):
        size = channels if draw(st.integers(0, 9)) else channels + 1
        kwargs["weight"] = draw(arrays((size,), dtype, 0.1, 2.0))
    return (x, y), kwargs


@st.composite
def _cross_entropy(draw):
    args, kwargs = draw(_classes())
    if draw(st.booleans()):
        kwargs["label_smoothing"] = draw(st.sampled_from([0.0, 0.1, 0.5, 1.5]))
    if draw(st.integers(0, 3)) == 0:
        x = args[0]
        args = (x, draw(arrays(x.shape, str(x.dtype), 0.0, 1.0)))
        kwargs.pop("ignore_index", None)
    return args, kwargs


@st.composite
def _multi_margin(draw):
    batched = draw(st.booleans())
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    dtype = draw(FLOATING)
    x = draw(arrays((n, c) if batched else (c,), dtype))
    y = draw(arrays((n,) if batched else (), "int64", 0, c - 1 if draw(st.integers(0, 5)) else c))
    kwargs = draw(
        st.fixed_dictionaries({}, optional={"p": st.sampled_from([1, 2, 3]), "margin": MARGIN, "reduction": REDUCTION})
    )
    if draw(st.booleans()):
        kwargs["weight"] = draw(arrays((c,), dtype, 0.1, 2.0))
    return (x, y), kwargs


@st.composite
def _multilabel(draw):
    batched = draw(st.booleans())
    n, c = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    x = draw(arrays((n, c) if batched else (c,), draw(FLOATING)))
    y = draw(arrays(x.shape if draw(st.integers(0, 9)) else (c + 1,), "int64", -1, c - 1))
    return (x, y), draw(st.fixed_dictionaries({}, optional={"reduction": REDUCTION}))


@st.composite
def _poisson(draw):
    args = draw(_alike(UNIT, (0.0, 5.0)))
    return args, draw(
        st.fixed_dictionaries(
            {}, optional={"log_input": st.booleans(), "full": st.booleans(), "eps": st.sampled_from([1e-8, 0.1]), "reduction": REDUCTION}
        )
    )  # fmt: skip


@st.composite
def _gaussian(draw):
    shape = draw(shapes(1, 3, 1, 4))
    dtype = draw(FLOATING)
    x, y = draw(arrays(shape, dtype)), draw(arrays(shape, dtype))
    kind = draw(st.integers(0, 4))
    var_shape = {0: shape, 1: (*shape[:-1], 1), 2: shape[:-1], 3: shape, 4: (*shape, 2)}[kind]
    var = draw(arrays(var_shape, dtype, -0.1 if kind == 3 else 1e-9, 1.0))
    if kind == 3 and draw(st.booleans()):
        var = draw(st.sampled_from([0.5, 1e-9, -1.0]))
    return (x, y, var), draw(
        st.fixed_dictionaries({}, optional={"full": st.booleans(), "eps": st.sampled_from([1e-6, 0.1, -1.0]), "reduction": REDUCTION})
    )  # fmt: skip


@st.composite
def _triplet(draw, distance=False):
    args = draw(_alike(NORMAL, NORMAL, NORMAL, least=1, most=3))
    options = {"margin": st.sampled_from([1.0, 0.5, 0.0, -1.0]), "swap": st.booleans(), "reduction": REDUCTION}
    if not distance:
        options |= {"p": st.sampled_from([1.0, 2, 3.0]), "eps": st.sampled_from([1e-6, 1e-3])}
    return args, draw(st.fixed_dictionaries({}, optional=options))


WEIGHTED = arrays(shapes(0, 1, 1, 2), FLOATING, 0.1, 2.0)

FUNCTIONS = {
    "mse_loss": Row(_with(_alike(NORMAL, NORMAL), reduction=REDUCTION, **RETIRED)),
    "l1_loss": Row(_with(_alike(NORMAL, NORMAL), reduction=REDUCTION, **RETIRED)),
    "smooth_l1_loss": Row(_with(_alike(NORMAL, NORMAL), reduction=REDUCTION, beta=st.sampled_from([0.0, 0.5, 1.0, -1.0]), **RETIRED)),
    "huber_loss": Row(_with(_alike(NORMAL, NORMAL), reduction=REDUCTION, delta=st.sampled_from([0.5, 1.0, 0.0, -1.0]))),
    "cross_entropy": Row(_cross_entropy(), constant=("weight",)),
    "nll_loss": Row(_classes(), constant=("weight",)),
    "kl_div": Row(_with(_alike(NORMAL, UNIT), reduction=st.sampled_from(["mean", "batchmean", "sum", "none", "bad"]), log_target=st.booleans())),
    "binary_cross_entropy": Row(_with(_alike((0.0, 1.0), UNIT), reduction=REDUCTION, weight=WEIGHTED), constant=("weight",)),
    "binary_cross_entropy_with_logits": Row(_with(_alike(NORMAL, UNIT), reduction=REDUCTION, weight=WEIGHTED, pos_weight=WEIGHTED), constant=("weight", "pos_weight")),
    "poisson_nll_loss": Row(_poisson()),
    "gaussian_nll_loss": Row(_gaussian()),
    "soft_margin_loss": Row(_with(_signs(), reduction=REDUCTION), constant=(1,)),
    "hinge_embedding_loss": Row(_with(_signs(), reduction=REDUCTION, margin=MARGIN)),
    "margin_ranking_loss": Row(_with(_pairs_and_signs(False), reduction=REDUCTION, margin=MARGIN)),
    "cosine_embedding_loss": Row(_with(_pairs_and_signs(True), reduction=REDUCTION, margin=MARGIN)),
    "multi_margin_loss": Row(_multi_margin(), constant=("weight",)),
    "multilabel_margin_loss": Row(_multilabel()),
    "multilabel_soft_margin_loss": Row(_with(_alike(NORMAL, UNIT, least=1), reduction=REDUCTION, weight=WEIGHTED), constant=("weight",)),
    "triplet_margin_loss": Row(_triplet()),
    "triplet_margin_with_distance_loss": Row(_triplet(distance=True)),
    "pairwise_distance": Row(_with(_alike(NORMAL, NORMAL, least=1), p=st.sampled_from([1.0, 2.0, 3.0, float("inf")]), eps=st.sampled_from([1e-6, 0.1]), keepdim=st.booleans())),
    "cosine_similarity": Row(_with(_alike(NORMAL, NORMAL, least=1), dim=st.integers(-2, 2), eps=st.sampled_from([1e-8, 5.0]))),
    "normalize": Row(call(arrays(shapes(1, 3, 1, 4), FLOATING), p=st.sampled_from([1.0, 2.0, 3, float("inf")]), dim=st.integers(-2, 1), eps=st.sampled_from([1e-12, 5.0]))),
    "pdist": Row(call(arrays(shapes(1, 3, 1, 4), FLOATING), p=st.sampled_from([1.0, 2.0, 3.0, float("inf"), -1.0]))),
}  # fmt: skip
