"""Every fused room: kernel equals plain, in value, gradient and second order, to 1e-10 in float64.

The rooms are called through their operations, on Tensors. `test_every_room_is_here` fails when a
fused operation has no case below.
"""

import numpy as np
import pytest

import tinygrad_zth as zth
from tinygrad_zth import fused
from tinygrad_zth.fused import attention as attention_room
from tinygrad_zth.fused import batch_norm as batch_norm_room
from tinygrad_zth.fused import bias_activation as bias_activation_room
from tinygrad_zth.fused import convolution as convolution_room
from tinygrad_zth.fused import cross_entropy as cross_entropy_room
from tinygrad_zth.fused import gelu as gelu_room
from tinygrad_zth.fused import layer_norm as layer_norm_room
from tinygrad_zth.fused import pooling as pooling_room
from tinygrad_zth.fused import softmax as softmax_room
from tinygrad_zth.fused.windows import Geometry

RNG = np.random.default_rng(0)


def array(*shape):
    return RNG.standard_normal(shape)


class Fixed:
    """An argument that is a Tensor without gradient."""

    def __init__(self, value):
        self.value = np.asarray(value)


X = array(3, 4, 5)
CASES = []


def case(operation, *arguments, id=""):
    CASES.append(pytest.param(operation, arguments, id=f"{operation.op.name}-{id}"))


for axis in range(3):
    case(softmax_room.softmax, X * 3, axis, id=str(axis))
    case(softmax_room.log_softmax, X * 3, axis, id=str(axis))
case(softmax_room.softmax, array(), 0, id="0d")
case(softmax_room.log_softmax, X * 300, 1, id="wide")
case(gelu_room.gelu, X * 2, "none", id="erf")
case(gelu_room.gelu, X * 2, "tanh", id="tanh")
for form in ("relu", "none", "tanh"):
    case(bias_activation_room.bias_activation, X * 2, array(X.shape[-1]), form, id=f"bias and {form}")
for reduction in ("none", "mean", "sum"):
    for smoothing in (0.0, 0.1):
        for weight in (None, Fixed(RNG.random(4))):
            index = Fixed(RNG.integers(0, 4, (3, 5)))
            rest = (weight, 1, smoothing, reduction)
            name = f"{reduction}-{smoothing}-{weight is not None}"
            case(cross_entropy_room._of_indices, X, index, *rest, id=name)
            rest = (weight, smoothing, reduction)
            case(cross_entropy_room._of_probabilities, X, RNG.random(X.shape), *rest, id=name)
case(layer_norm_room.layer_norm, X, (4, 5), array(4, 5), array(4, 5), 1e-5, id="affine")
case(layer_norm_room.layer_norm, X, (5,), None, None, 1e-5, id="plain")
case(layer_norm_room.layer_norm, X, (5,), None, array(5), 1e-5, id="bias")
case(layer_norm_room.rms_norm, X, (5,), array(5), None, id="weight")
case(layer_norm_room.rms_norm, X, (4, 5), None, 1e-3, id="plain")
case(batch_norm_room.batch_norm, X, array(4), array(4), None, None, 1e-5, id="training")
case(batch_norm_room.batch_norm, X[:, :, 0], None, None, None, None, 1e-5, id="2d")
case(batch_norm_room.batch_norm, X, array(4), None, Fixed(RNG.random(4)), Fixed(RNG.random(4) + 1), 1e-5, id="running")
GEOMETRY = Geometry((3, 2), (2, 1), (1, 0), (1, 2), (3, 4))
case(convolution_room.convolution, array(2, 4, 5, 6), array(6, 2, 3, 2), array(6), GEOMETRY, 2, id="grouped")
LONG = Geometry((3, 3), (2, 1), (1, 1), (1, 1), (5, 10))
case(convolution_room.convolution, array(2, 4, 9, 10), array(6, 2, 3, 3), array(6), LONG, 2, id="runs")
case(pooling_room.max_pool1d, array(2, 3, 7), Geometry((3,), (2,), (1,), (1,), (4,)), id="ceil")
case(pooling_room.max_pool2d, array(2, 3, 5, 6), Geometry((3, 2), (2, 1), (1, 1), (1, 2), (3, 6)), id="overlap")
case(pooling_room.max_pool2d, array(2, 3, 4, 6), Geometry((2, 2), (2, 2), (0, 0), (1, 1), (2, 3)), id="apart")
case(
    pooling_room.max_pool3d, array(1, 2, 4, 4, 5), Geometry((2, 2, 2), (2, 1, 2), (0,) * 3, (1,) * 3, (2, 3, 2)), id=""
)
BIG = array(6, 8, 1000) * 2 + 1  # past the size where kernels go through memory in blocks
case(batch_norm_room.batch_norm, BIG, array(8), array(8), None, None, 1e-5, id="blocked")
case(batch_norm_room.batch_norm, BIG, None, array(8), None, None, 1e-5, id="blocked-bias")
case(
    batch_norm_room.batch_norm,
    BIG,
    array(8),
    None,
    Fixed(RNG.random(8)),
    Fixed(RNG.random(8) + 1),
    1e-5,
    id="blocked-running",
)
Q, K, V = array(2, 3, 6, 4), array(2, 3, 7, 4), array(2, 3, 7, 5)
NOISE = (RNG.random((2, 3, 6, 7)) > 0.3) / 0.7
case(attention_room.attention, Q, K, V, None, None, False, 0.5, id="free")
case(attention_room.attention, Q, K, V, None, None, True, 0.5, id="causal")
case(attention_room.attention, Q, K, V, array(6, 7), None, False, 0.5, id="mask")
case(attention_room.attention, Q, K, V, Fixed(NOISE > 0), None, False, 0.5, id="bool")
case(attention_room.attention, Q, K, V, None, Fixed(NOISE), True, 0.3, id="dropout")


def tensors_of(arguments):
    made = []
    for a in arguments:
        if isinstance(a, np.ndarray):
            made.append(zth.tensor(a, requires_grad=True))
        else:
            made.append(zth.tensor(a.value) if isinstance(a, Fixed) else a)
    return made


def read(t):
    return t.detach().numpy()


def agree(a, b, **tolerance):
    np.testing.assert_allclose(read(a), read(b), **({"rtol": 1e-10, "atol": 1e-10} | tolerance))


def wanted(arguments):
    return [a for a in arguments if isinstance(a, zth.Tensor) and a.requires_grad]


@pytest.mark.parametrize("operation, arguments", CASES)
def test_kernel_equals_plain(operation, arguments):
    x, y = tensors_of(arguments), tensors_of(arguments)
    out, expected = operation(*x), operation.op.plain(*y)
    agree(out, expected)
    assert out._array.dtype == np.float64
    g = zth.tensor(np.random.default_rng(1).standard_normal(out.shape))
    by_kernel = zth.autograd.grad(out, wanted(x), g)
    by_plain = zth.autograd.grad(expected, wanted(y), g, create_graph=True)
    for a, b in zip(by_kernel, by_plain, strict=True):
        agree(a, b)
    # The second order goes through plain, or through the gradient's own formula.
    recorded = zth.autograd.grad(operation(*x), wanted(x), g, create_graph=True)
    of_kernel = second_order(recorded, wanted(x))
    of_plain = second_order(by_plain, wanted(y))
    for a, b in zip(of_kernel, of_plain, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            agree(a, b, rtol=1e-9)


def second_order(gradients, inputs):
    rng = np.random.default_rng(2)
    directions = [zth.tensor(rng.standard_normal(a.shape)) for a in gradients]
    kept = [(a, d) for a, d in zip(gradients, directions, strict=True) if a.requires_grad]
    return zth.autograd.grad([a for a, _ in kept], inputs, [d for _, d in kept], allow_unused=True)


@pytest.mark.parametrize("operation, arguments", CASES)
def test_float32_stays_float32_and_no_input_changes(operation, arguments):
    narrow = [
        a.astype("f") if isinstance(a, np.ndarray) else
        Fixed(a.value.astype("f")) if isinstance(a, Fixed) and a.value.dtype.kind == "f" else a
        for a in arguments
    ]  # fmt: skip
    x = tensors_of(narrow)
    before = [read(t).copy() for t in wanted(x)]
    out = operation(*x)
    assert out._array.dtype == np.float32
    g = zth.tensor(np.ones(out.shape, "f"))
    first = zth.autograd.grad(out, wanted(x), g, retain_graph=True)
    again = zth.autograd.grad(out, wanted(x), g)
    for a, b, t, old in zip(first, again, wanted(x), before, strict=True):
        assert a._array.dtype == np.float32
        np.testing.assert_array_equal(read(a), read(b))
        np.testing.assert_array_equal(read(t), old)


def test_every_room_is_here():
    import importlib
    import pkgutil

    from tinygrad_zth.operation import OPERATIONS

    modules = [importlib.import_module(f"{fused.__name__}.{m.name}") for m in pkgutil.iter_modules(fused.__path__)]
    names = {
        value.op.name
        for module in modules
        for value in vars(module).values()
        if getattr(getattr(value, "op", None), "plain", None) is not None
    }
    # Three rooms are held by the tests of the functions that are made of them, the recurrent ones by their own.
    covered = {p.values[0].op.name for p in CASES} | {"linear", "embedding", "dropout", "rnn", "lstm", "gru"}
    assert names <= covered, sorted(names - covered)
    assert covered - {"dropout", "rnn", "lstm", "gru"} <= set(OPERATIONS)  # these work on lists
