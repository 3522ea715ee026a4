"""Calls of the activation functions, their in-place twins and their layers."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.parity.compare import Row, arrays, call, shapes

DTYPES = st.sampled_from(["float32", "float32", "float64", "int64", "float16", "bool"])
FLOATING = st.sampled_from(["float32", "float64"])
X = arrays(shapes(), DTYPES)
FULL = arrays(shapes(low=1), DTYPES)
F = arrays(shapes(), FLOATING)
PLACE = st.booleans()
SMALL = st.sampled_from([0.0, 0.5, 1.0, 2.0, -0.5, 1])
DIM = st.integers(-3, 2)


def _prelu():
    def weights(shape):
        channels = shape[1] if len(shape) > 1 else 1
        sizes = st.sampled_from([(), (1,), (channels,), (channels + 1,), (1, channels)])
        return st.tuples(arrays(st.just(shape), FLOATING), arrays(sizes, "float32"))

    return shapes().flatmap(weights).map(lambda pair: (pair, {}))


FUNCTIONS = {
    "relu": Row(call(X)),
    "relu6": Row(call(X)),
    "leaky_relu": Row(call(X, negative_slope=SMALL)),
    "elu": Row(call(X, alpha=SMALL)),
    "selu": Row(call(X)),
    "celu": Row(call(X, alpha=SMALL)),
    "gelu": Row(call(X, approximate=st.sampled_from(["none", "tanh", "exact"]))),
    "silu": Row(call(X)),
    "mish": Row(call(X)),
    "hardtanh": Row(call(X, min_val=SMALL, max_val=SMALL)),
    # torch rounds 1 / 6 to float32 also where the input is float64.
    "hardsigmoid": Row(call(X), scale=1e3),
    "hardswish": Row(call(X)),
    "hardshrink": Row(call(X, lambd=SMALL)),
    "softshrink": Row(call(X, lambd=SMALL)),
    "threshold": Row(call(X, SMALL, SMALL)),
    "softplus": Row(call(X, beta=st.sampled_from([0.5, 1, 2.0, -1.0]), threshold=st.sampled_from([20, 1.0, 0.5]))),
    "softsign": Row(call(X)),
    "logsigmoid": Row(call(X)),
    "tanhshrink": Row(call(X)),
    "tanh": Row(call(X)),
    "sigmoid": Row(call(X)),
    "glu": Row(call(X, dim=DIM)),
    "prelu": Row(_prelu()),
    "rrelu": Row(call(F, lower=st.sampled_from([0.1, 0.125]), upper=st.sampled_from([0.3, 0.5]), training=PLACE), seeded=True),
    "softmax": Row(call(FULL, dim=DIM)),
    "softmin": Row(call(FULL, dim=DIM)),
    "log_softmax": Row(call(FULL, dim=DIM)),
    "gumbel_softmax": Row(call(F, tau=st.sampled_from([0.5, 1, 2.0]), hard=PLACE, dim=st.integers(-2, 1)), seeded=True),
}  # fmt: skip

# Functions that write into their input: compared on what they return, without gradient.
IN_PLACE = {
    "relu_": Row(call(X), grad=False),
    "leaky_relu_": Row(call(X, negative_slope=SMALL), grad=False),
    "elu_": Row(call(X, alpha=SMALL), grad=False),
    "selu_": Row(call(X), grad=False),
    "celu_": Row(call(X, alpha=SMALL), grad=False),
    "hardtanh_": Row(call(X, min_val=SMALL, max_val=SMALL), grad=False),
    "threshold_": Row(call(X, SMALL, SMALL), grad=False),
    "rrelu_": Row(call(F, training=PLACE), grad=False, seeded=True),
}
