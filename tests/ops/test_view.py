"""Which windows can be seen in another shape without a copy: NumPy's answer, found without asking NumPy to copy."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from tinygrad_zth.storage import is_window


@st.composite
def windows(draw):
    """Arrays of all kinds of strides: permuted, stepped, reversed, expanded."""
    shape = draw(st.lists(st.sampled_from((1, 2, 3, 4, 6)), max_size=4))
    array = np.arange(math.prod(shape)).reshape(shape).transpose(draw(st.permutations(range(len(shape)))))
    for d in range(array.ndim):
        key = [slice(None)] * array.ndim
        key[d] = draw(
            st.sampled_from([slice(None)] * 3 + [slice(None, None, 2), slice(1, None), slice(None, None, -1), slice(0)])
        )
        array = array[tuple(key)]
    at = draw(st.integers(0, array.ndim))
    wide = (*array.shape[:at], draw(st.sampled_from((1, 1, 3))), *array.shape[at:])
    return np.broadcast_to(np.expand_dims(array, at), wide)


def sizes_for(draw, n):
    """Any sizes that make n elements."""
    sizes = []
    while n > 1:
        sizes.append(draw(st.sampled_from([d for d in range(2, n + 1) if n % d == 0])))
        n //= sizes[-1]
    return tuple(draw(st.permutations(sizes + [1] * draw(st.integers(0, 2)))))


@given(windows(), st.data())
def test_a_window_is_one_where_numpy_copies_nothing(array, data):
    if not array.size:
        assert is_window(array, (0, 3))
        return
    sizes = sizes_for(data.draw, array.size)
    assert is_window(array, sizes) == np.shares_memory(array.reshape(sizes), array)


@given(windows(), st.data())
def test_reshape_gives_the_elements_in_order(array, data):
    """A view where there can be one, else one copy; ``view`` refuses that."""
    x = torch.from_numpy(array.astype(np.float32)).requires_grad_()
    t = x[...] if array.size else x
    sizes = sizes_for(data.draw, array.size) if array.size else (0, 2)
    y = t.reshape(sizes)
    assert y.tolist() == array.reshape(sizes).tolist()
    g = torch.rand(sizes)
    (gx,) = torch.autograd.grad(y, x, g)
    assert torch.equal(gx.reshape(sizes), g)


def test_minus_one_is_the_size_that_it_stands_for():
    """Also in strides that say nothing, those of dimensions of size 1."""
    for x in (torch.arange(2.0).reshape(1, 2)[..., ::2], torch.arange(4.0).reshape(4, 1).transpose(0, -1)):
        n = x.numel()
        assert x.view(n, -1).stride() == x.view(n, 1).stride() == x.reshape(-1, 1).stride()
        assert x.view(-1, n).stride() == x.view(1, n).stride()
