"""tensor_repr against PyTorch's own repr, on arrays biased to where formats change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_zth import dtypes, printing
from tinygrad_zth.device import device
from tinygrad_zth.tensor import Size

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

DTYPES = (
    *("float32", "float64", "float16") * 3,
    *("int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128"),
)
# Zeros of both signs, the non-finite, and neighbours of every bound in the rules: the
# ratio 1000, the magnitudes 1e-4 and 1e8, the ends of the floating-point ranges.
EDGES = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, np.nan, np.inf, -np.inf),
    *(1e-4, 9.99e-5, 1e8, 1.0001e8, 1000.0, 1000.1, 999.99995),
    *(5e-324, 1.7e308, 65504.0, 2.0**53, 123456.0),
)
# Around the threshold of 1000 elements, and around twice the edge items.
LARGE = (
    *((1000,), (1001,), (10, 100), (10, 101), (1001, 1), (1, 1001), (7, 11, 13)),
    *((6, 7, 24), (7, 6, 24), (2, 3, 5, 40), (8, 7, 7, 3), (5000,)),
)
SHAPES = (
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
    | st.sampled_from(LARGE)
    | st.integers(0, 40).map(lambda n: (n,))
)


@st.composite
def arrays(draw) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind == "b":
        values = rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    elif dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        reach = 10 ** draw(st.integers(1, 18))
        low, high = max(bounds.min, -reach), min(bounds.max, reach)
        values = rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    elif dtype.kind == "c":
        values = np.empty(shape, np.complex128)
        values.real, values.imag = draw(_floats(rng, shape)), draw(_floats(rng, shape))
    else:
        values = draw(_floats(rng, shape))
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(dtype)


@st.composite
def _floats(draw, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    kind = draw(st.sampled_from(["edges", "normal", "whole", "scaled whole", "spread", "few"]))
    if kind == "edges":
        values = rng.choice(EDGES, shape)
    elif kind == "few":
        values = rng.choice(draw(st.lists(st.sampled_from(EDGES), min_size=1, max_size=3)), shape)
    elif kind == "normal":
        values = rng.standard_normal(shape) * 10.0 ** draw(st.integers(-6, 9))
    elif kind == "whole":
        values = rng.integers(-20, 21, shape).astype(float)
    elif kind == "scaled whole":
        values = rng.integers(-20, 21, shape) * 10.0 ** rng.integers(-9, 12, shape)
    else:
        spread = draw(st.sampled_from([1.0, 3.0, 30.0]))
        values = np.exp(rng.standard_normal(shape) * spread) * rng.choice([-1.0, 1.0], shape)
    if draw(st.booleans()):
        values = np.where(rng.random(shape) < 0.2, rng.choice(EDGES[:8], shape), values)
    return values


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.sampled_from([0, 1, 2, 6, 10, 17]),
        "threshold": st.sampled_from([0, 1, 5, 20, 100, float("inf")]),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.sampled_from([1, 10, 20, 40, 79, 80, 81, 120, 200]),
        "profile": st.sampled_from(["default", "short", "full", "no such profile"]),
        "sci_mode": st.sampled_from([True, False, None]),
    },
)


# Formatting is cheap: eight times the examples of the profile in force.
@settings(max_examples=8 * settings().max_examples)
@given(
    array=arrays(),
    options=st.just({}) | OPTIONS,
    default=st.sampled_from(["float32", "float32", "float64", "float16"]),
    grad=st.sampled_from([None, "leaf", "node"]),
)
def test_text_is_that_of_torch(array, options, default, grad):
    tensor = torch.from_numpy(array.copy())
    if not (tensor.is_floating_point() or tensor.is_complex()):
        grad = None
    if grad is not None:
        tensor.requires_grad_()
    if grad == "node":
        tensor = tensor.clone()
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, default))
    try:
        with torch._tensor_str.printoptions(**options), printing.printoptions(**options):
            assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
            expected = repr(tensor)
            printed = printing.tensor_repr(
                array,
                default_dtype=f"torch.{default}",
                requires_grad=grad is not None,
                grad_fn="CloneBackward0" if grad == "node" else None,
            )
    finally:
        torch.set_default_dtype(before)
    assert printed == expected


def test_the_values_beside_tensors():
    for shape in ((), (0,), (2, 3)):
        assert repr(Size(shape)) == repr(torch.Size(shape))
    for arguments in (("cpu",), ("cuda",), ("cuda", 1), ("cuda:2",)):
        assert repr(device(*arguments)) == repr(torch.device(*arguments))
        assert str(device(*arguments)) == str(torch.device(*arguments))
    for dtype in dtypes.ALL:
        assert repr(dtype) == repr(getattr(torch, dtype.name))


def test_parameters():
    values = torch.arange(6.0).reshape(2, 3)
    text = printing.tensor_repr(values.numpy(), requires_grad=True)
    assert printing.parameter_repr(text) == repr(torch.nn.Parameter(values))

    class Mine(torch.nn.Parameter):
        pass

    text = printing.tensor_repr(values.numpy(), requires_grad=True, class_name="Mine")
    assert printing.parameter_repr(text, subclass=True) == repr(Mine(values))
