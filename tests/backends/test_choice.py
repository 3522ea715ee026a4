"""The branch-free choice equals numpy.where, to the bit, for every layout and value."""

import numpy as np
import pytest

from tinygrad_zth.backends.choice import select

N = 10000  # past the size where the bits take over
RNG = np.random.default_rng(0)


def floats(dtype):
    x = RNG.standard_normal(N).astype(dtype)
    x[:6] = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0]
    return RNG.permutation(x)


def equal_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["e", "f", "d"])
def test_bits_are_those_of_where(dtype):
    c, x, y = RNG.random(N) < 0.5, floats(dtype), floats(dtype)
    equal_bits(select(c, x, y), np.where(c, x, y))
    equal_bits(select(c, 0, y), np.where(c, dtype_zero(dtype), y))
    equal_bits(select(c, x, 0), np.where(c, x, dtype_zero(dtype)))


def test_a_repeated_operand_is_chosen_by_bits_too():
    c, x = RNG.random((100, 100)) < 0.5, floats("f").reshape(100, 100)
    row, number = np.broadcast_to(x[:1], x.shape), np.broadcast_to(np.float32(2), x.shape)
    for one, other in ((row, x), (x, number), (0, row), (row, number)):
        expected = np.where(c, dtype_zero("f") if one.__class__ is int else one, other)
        equal_bits(select(c, one, other), expected)
        assert select(c, one, other).flags.c_contiguous


def dtype_zero(dtype):
    return np.dtype(dtype).type(0)


@pytest.mark.parametrize(
    "c, x, y",
    [
        (RNG.random((100, 100)) < 0.5, floats("f").reshape(100, 100).T, floats("f").reshape(100, 100)),  # not in a row
        (RNG.random((100, 100)) < 0.5, floats("f").reshape(100, 100), np.float32(2)),  # a number that is not 0
        (RNG.random((100, 1)) < 0.5, floats("f").reshape(100, 100), 0),  # broadcast
        (RNG.random(N) < 0.5, np.arange(N), 0),  # integers
        (RNG.random(N) < 0.5, floats("f"), -0.0),  # a zero with a sign
        (RNG.random(N) < 0.5, floats("f"), floats("d")),  # two dtypes
        (RNG.random(N), floats("f"), 0),  # no bool
        (RNG.random(7) < 0.5, floats("f")[:7], 0),  # small
    ],
)
def test_what_bits_cannot_do_is_done_by_where(c, x, y):
    equal_bits(select(c, x, y), np.where(c, x, y))
