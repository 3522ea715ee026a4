"""Layers: how each is constructed, and on what it is called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests.parity.compare import arrays, call, shapes


class Layer(NamedTuple):
    """Strategies for the constructor's (args, kwargs) and for the inputs; a factor on the tolerance."""

    constructor: st.SearchStrategy
    inputs: st.SearchStrategy
    scale: float = 1.0


FLAG = st.booleans()
X = st.tuples(arrays(shapes(2, 4, 1, 4)))
REDUCTION = st.sampled_from(["mean", "sum", "none"])


def image(n: int, channels: int = 4, low: int = 4, high: int = 7) -> st.SearchStrategy:
    """One (N, C, *spatial) or (C, *spatial)."""
    size = st.tuples(*[st.integers(low, high)] * n)
    lead = st.sampled_from([(2, channels), (channels,)])
    return st.tuples(arrays(st.builds(lambda a, b: (*a, *b), lead, size)))


def batch(n: int, channels: int = 4, low: int = 2, high: int = 5) -> st.SearchStrategy:
    """One (N, C, *spatial)."""
    size = st.tuples(*[st.integers(low, high)] * n)
    return st.tuples(arrays(size.map(lambda s: (3, channels, *s))))


def sizes(n: int, low: int, high: int) -> st.SearchStrategy:
    return st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * n))


def pairs(low: float = -3.0, high: float = 3.0, count: int = 2) -> st.SearchStrategy:
    """Arrays of one shape; all but the first within [low, high]."""
    return shapes(2, 2, 1, 4).flatmap(lambda s: st.tuples(arrays(s), *[arrays(s, "float32", low, high)] * (count - 1)))


def units() -> st.SearchStrategy:
    return shapes(2, 2, 1, 4).flatmap(lambda s: st.tuples(*[arrays(s, "float32", 0.01, 0.99)] * 2))


@st.composite
def classes(draw, spatial: bool = True):
    shape = (3, 4, *draw(shapes(0, 1 if spatial else 0, 1, 3)))
    return draw(arrays(shape)), draw(arrays((3, *shape[2:]), "int64", 0, 3))


@st.composite
def signs(draw, count: int, vectors: bool = False):
    shape = draw(shapes(2, 2, 1, 4))
    y = draw(arrays(shape[:1] if vectors else shape, "float32", 0, 1))
    return (*[draw(arrays(shape)) for _ in range(count)], np.where(y > 0.5, 1.0, -1.0).astype("float32"))


WEIGHT = arrays((4,), "float32", 0.1, 2.0)
MARGIN = st.sampled_from([0.5, 1.0])
ODD = st.sampled_from([1, 2, 3])


def _convolutions(n: int) -> dict[str, Layer]:
    padding = st.one_of(sizes(n, 0, 2), st.sampled_from(["same", "valid", "odd"]))
    common = {"bias": FLAG, "dilation": sizes(n, 1, 2), "groups": st.sampled_from([1, 2, 3, 0])}
    return {
        f"Conv{n}d": Layer(
            call(
                4, st.sampled_from([2, 4]), sizes(n, 1, 3), stride=sizes(n, 1, 2), padding=padding,
                padding_mode=st.sampled_from(["zeros", "reflect", "replicate", "circular", "odd"]), **common,
            ),
            image(n, 4, 5, 7 if n < 3 else 5), 10,
        ),
        f"ConvTranspose{n}d": Layer(
            call(
                4, st.sampled_from([2, 4]), sizes(n, 2, 3), stride=sizes(n, 1, 2), padding=sizes(n, 0, 1),
                output_padding=sizes(n, 0, 1), padding_mode=st.sampled_from(["zeros", "zeros", "reflect"]), **common,
            ),
            image(n, 4, 3, 4), 10,
        ),
    }  # fmt: skip


def _pools(n: int) -> dict[str, Layer]:
    rest = {"stride": st.one_of(st.none(), sizes(n, 1, 3)), "padding": sizes(n, 0, 1), "ceil_mode": FLAG}
    average = {"divisor_override": st.sampled_from([None, 3])} if n > 1 else {}
    output = st.one_of(sizes(n, 1, 6))
    return {
        f"MaxPool{n}d": Layer(
            call(sizes(n, 2, 3), dilation=sizes(n, 1, 2), return_indices=FLAG, **rest), image(n, 4, 5)
        ),
        f"AvgPool{n}d": Layer(call(sizes(n, 2, 3), count_include_pad=FLAG, **rest, **average), image(n, 4, 5)),
        f"LPPool{n}d": Layer(call(2, st.integers(2, 3), ceil_mode=FLAG), image(n), 10),
        f"AdaptiveAvgPool{n}d": Layer(call(output), image(n)),
        f"AdaptiveMaxPool{n}d": Layer(call(output, return_indices=FLAG), image(n)),
        f"MaxUnpool{n}d": Layer(call(2), _unpooled(n)),
    }


@st.composite
def _unpooled(draw, n: int):
    spatial = draw(st.tuples(*[st.integers(1, 3)] * n))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    total, count = int(np.prod(spatial)) * 2**n, int(np.prod(spatial))
    places = np.stack([rng.permutation(total)[:count] for _ in range(6)]).reshape(2, 3, *spatial)
    return draw(arrays((2, 3, *spatial))), places


def _pads(n: int) -> dict[str, Layer]:
    amounts = st.one_of(st.integers(0, 3), st.tuples(*[st.integers(0, 3)] * (2 * n)))
    x = image(n, 3, 4, 5)
    plain = {f"{name}Pad{n}d": Layer(call(amounts), x) for name in ("Zero", "Reflection", "Replication", "Circular")}
    return plain | {f"ConstantPad{n}d": Layer(call(amounts, st.sampled_from([0, 1.5])), x)}


def _norms(n: int) -> dict[str, Layer]:
    options = {
        "eps": st.sampled_from([1e-5, 1e-2]), "affine": FLAG, "track_running_stats": FLAG, "bias": FLAG,
        "momentum": st.sampled_from([0.1, 0.5, None]),
    }  # fmt: skip
    return {
        f"BatchNorm{n}d": Layer(call(4, **options), batch(n), 100),
        f"InstanceNorm{n}d": Layer(call(4, **options | {"momentum": st.sampled_from([0.1, 0.5])}), image(n), 100),
    }


def _dropouts() -> dict[str, Layer]:
    options = {"p": st.sampled_from([0.0, 0.3, 1.0, 1.5]), "inplace": st.just(False)}
    inputs = {"Dropout": X, "Dropout1d": batch(1), "Dropout2d": batch(2), "Dropout3d": batch(3), "AlphaDropout": X,
              "FeatureAlphaDropout": batch(2)}  # fmt: skip
    return {name: Layer(call(**options), x) for name, x in inputs.items()}


SLOPE = st.sampled_from([0.01, 0.5, 1.0, 2.0])
ACTIVATIONS = {
    "ReLU": call(), "ReLU6": call(), "LeakyReLU": call(negative_slope=SLOPE), "ELU": call(alpha=SLOPE),
    "CELU": call(alpha=SLOPE), "SELU": call(), "SiLU": call(), "Mish": call(), "Hardsigmoid": call(),
    "Hardswish": call(), "Hardtanh": call(min_val=st.sampled_from([-2.0, -1, 3]), max_val=st.sampled_from([0.5, 2])),
    "Threshold": call(SLOPE, SLOPE), "GELU": call(approximate=st.sampled_from(["none", "tanh"])), "Tanh": call(),
    "Sigmoid": call(), "LogSigmoid": call(), "Softsign": call(), "Tanhshrink": call(),
    "Softplus": call(beta=SLOPE, threshold=st.sampled_from([1, 20.0])), "Hardshrink": call(lambd=SLOPE),
    "Softshrink": call(lambd=SLOPE), "Softmax": call(dim=st.integers(-1, 1)), "Softmin": call(dim=st.integers(-1, 1)),
    "LogSoftmax": call(dim=st.integers(-1, 1)), "RReLU": call(lower=st.sampled_from([0.1, 0.2])),
    "Identity": call(3), "Flatten": call(start_dim=st.integers(0, 1), end_dim=st.sampled_from([-1, 1])),
}  # fmt: skip

LAYERS: dict[str, Layer] = (
    {name: Layer(constructor, X) for name, constructor in ACTIVATIONS.items()}
    | {name: layer for n in (1, 2, 3) for make in (_convolutions, _pools, _pads, _norms) for name, layer in make(n).items()}
    | _dropouts()
    | {
        "GLU": Layer(call(dim=1), batch(1)),
        "PReLU": Layer(call(num_parameters=st.sampled_from([1, 4]), init=st.sampled_from([0.25, 0.1])), batch(1)),
        "Softmax2d": Layer(call(), image(2)),
        "Unflatten": Layer(call(1, st.sampled_from([(2, 2), (4, 1), (3, 2), [2, -1], 4, (2.0, 2)])), batch(1)),
        "Linear": Layer(call(4, st.integers(1, 5), bias=FLAG), st.tuples(arrays((2, 3, 4))), 10),
        "Bilinear": Layer(call(3, 4, st.integers(1, 3), bias=FLAG), st.tuples(arrays((2, 3)), arrays((2, 4))), 10),
        "Embedding": Layer(
            call(5, 3, padding_idx=st.sampled_from([None, 0, -1, 5]), scale_grad_by_freq=FLAG),
            st.tuples(arrays((2, 3), "int64", 0, 4)),
        ),
        "LayerNorm": Layer(
            call(st.sampled_from([4, (3, 4), [4]]), eps=st.sampled_from([1e-5, 1e-2]), elementwise_affine=FLAG, bias=FLAG),
            st.tuples(arrays((2, 3, 4))), 100,
        ),
        "RMSNorm": Layer(
            call(st.sampled_from([4, (3, 4)]), eps=st.sampled_from([None, 1e-2]), elementwise_affine=FLAG),
            st.tuples(arrays((2, 3, 4))), 100,
        ),
        "GroupNorm": Layer(call(st.sampled_from([1, 2, 4, 3]), 4, affine=FLAG, bias=FLAG), batch(2), 100),
        "LocalResponseNorm": Layer(call(st.integers(1, 4), alpha=st.sampled_from([1e-4, 0.5])), batch(2)),
        "Upsample": Layer(
            call(
                st.one_of(st.integers(1, 6), st.tuples(st.integers(1, 6), st.integers(1, 6))),
                mode=st.sampled_from(["nearest", "bilinear", "bicubic"]),
            ),
            batch(2), 10,
        ),
        "UpsamplingNearest2d": Layer(call(scale_factor=st.sampled_from([2, (2, 3)])), batch(2)),
        "UpsamplingBilinear2d": Layer(call(st.integers(1, 6)), batch(2), 10),
        "PixelShuffle": Layer(call(st.integers(1, 2)), image(2)),
        "PixelUnshuffle": Layer(call(st.integers(1, 2)), image(2)),
        "ChannelShuffle": Layer(call(st.integers(1, 3)), batch(2)),
        "Fold": Layer(call((4, 5), 2, stride=st.integers(1, 1)), st.tuples(arrays((2, 8, 12)))),
        "Unfold": Layer(call(sizes(2, 1, 3), dilation=sizes(2, 1, 2), padding=sizes(2, 0, 1), stride=sizes(2, 1, 2)), image(2)),
        "CosineSimilarity": Layer(call(dim=st.integers(0, 1)), pairs()),
        "PairwiseDistance": Layer(call(p=st.sampled_from([1.0, 2.0, 3.0]), keepdim=FLAG), pairs()),
        "CrossEntropyLoss": Layer(
            call(weight=WEIGHT, ignore_index=st.sampled_from([-100, 1]), reduction=REDUCTION, label_smoothing=st.sampled_from([0.0, 0.1])),
            classes(),
        ),
        "NLLLoss": Layer(call(weight=WEIGHT, ignore_index=st.sampled_from([-100, 1]), reduction=REDUCTION), classes()),
        "MSELoss": Layer(call(reduction=REDUCTION), pairs()),
        "L1Loss": Layer(call(reduction=REDUCTION), pairs()),
        "SmoothL1Loss": Layer(call(reduction=REDUCTION, beta=st.sampled_from([0.5, 1.0])), pairs()),
        "HuberLoss": Layer(call(reduction=REDUCTION, delta=st.sampled_from([0.5, 1.0])), pairs()),
        "BCELoss": Layer(call(reduction=REDUCTION), units()),
        "BCEWithLogitsLoss": Layer(call(reduction=REDUCTION), pairs(0.0, 1.0)),
        "KLDivLoss": Layer(call(reduction=st.sampled_from(["batchmean", "sum", "none", "mean"]), log_target=FLAG), pairs(0.1, 1.0)),
        "GaussianNLLLoss": Layer(call(full=FLAG, reduction=REDUCTION), pairs(0.1, 1.0, 3)),
        "PoissonNLLLoss": Layer(call(log_input=st.just(True), full=FLAG, reduction=REDUCTION), pairs(0.0, 5.0)),
        "SoftMarginLoss": Layer(call(reduction=REDUCTION), signs(1)),
        "HingeEmbeddingLoss": Layer(call(margin=MARGIN, reduction=REDUCTION), signs(1)),
        "MarginRankingLoss": Layer(call(margin=MARGIN, reduction=REDUCTION), signs(2)),
        "CosineEmbeddingLoss": Layer(call(margin=MARGIN, reduction=REDUCTION), signs(2, True)),
        "MultiMarginLoss": Layer(call(p=ODD, margin=MARGIN, weight=WEIGHT, reduction=REDUCTION), classes(False)),
        "MultiLabelMarginLoss": Layer(
            call(reduction=REDUCTION), st.tuples(arrays((3, 4)), arrays((3, 4), "int64", -1, 3))
        ),
        "MultiLabelSoftMarginLoss": Layer(call(weight=WEIGHT, reduction=REDUCTION), st.tuples(arrays((3, 4)), arrays((3, 4), "float32", 0.0, 1.0))),
        "TripletMarginLoss": Layer(call(margin=MARGIN, p=st.sampled_from([1.0, 2.0]), swap=FLAG, reduction=REDUCTION), pairs(count=3)),
        "TripletMarginWithDistanceLoss": Layer(call(margin=MARGIN, swap=FLAG, reduction=REDUCTION), pairs(count=3)),
    }
)  # fmt: skip

# Layers whose second input takes no gradient in torch.
CONSTANT_TARGET = {"BCEWithLogitsLoss", "SoftMarginLoss"}
