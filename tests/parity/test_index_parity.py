"""Reading and writing by index: the same key in tinygrad_zth and in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as zth

torch = pytest.importorskip("torch")


@st.composite
def keys(draw, shape):
    """A key for ``shape``: integers, slices, None, Ellipsis, index tensors and masks, mixed."""
    items, d, dots = [], 0, False
    batch = draw(st.sampled_from([(2,), (3,), (2, 1), (1, 3), ()]))
    while d < len(shape) and draw(st.integers(0, 5)):
        n = shape[d]
        kind = draw(
            st.sampled_from(["int", "slice", "slice", "none", "dots", "tensor", "tensor", "list", "mask", "mask2"])
        )
        if kind == "int" and n:
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 1, n + 1)
            items.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
        elif kind == "none":
            items.append(None)
            continue
        elif kind == "dots" and not dots:
            items.append(Ellipsis)
            dots = True
            d += draw(st.integers(0, len(shape) - d))
            continue
        elif kind == "tensor" and n:
            size = int(np.prod(batch))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            items.append(np.array(values, np.int64).reshape(batch))
        elif kind == "list" and n:
            items.append(
                draw(
                    st.lists(
                        st.integers(0, n - 1), min_size=batch[-1] if batch else 1, max_size=batch[-1] if batch else 1
                    )
                )
            )
        elif kind == "mask":
            items.append(np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool))
        elif kind == "mask2" and d + 1 < len(shape):
            m = shape[d + 1]
            items.append(np.array(draw(st.lists(st.booleans(), min_size=n * m, max_size=n * m)), bool).reshape(n, m))
            d += 1
        else:
            continue
        d += 1
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)))
    return shape, draw(keys(shape))


def _for(library, key):
    """The key with its arrays as that library's tensors."""
    make = torch.from_numpy if library is torch else zth.from_numpy
    if isinstance(key, tuple):
        return tuple(make(k) if isinstance(k, np.ndarray) else k for k in key)
    return make(key) if isinstance(key, np.ndarray) else key


def _pair(shape):
    values = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    return zth.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)


@given(cases())
def test_reading(case):
    """Value, shape, gradient, and whether the result shares memory."""
    shape, key = case
    mine, theirs = _pair(shape)
    try:
        expected = theirs[_for(torch, key)]
    except (IndexError, RuntimeError) as error:
        with pytest.raises((IndexError, RuntimeError)) as raised:
            mine[_for(zth, key)]
        assert isinstance(raised.value, type(error))
        return
    try:
        got = mine[_for(zth, key)]
    except IndexError:
        assert not mine.numel()  # an index out of range of an empty tensor: PyTorch looks the other way
        return
    assert tuple(got.shape) == tuple(expected.shape)
    np.testing.assert_array_equal(got.detach().numpy(), expected.detach().numpy())
    if got.numel():
        assert (got._base is not None) == expected._is_view()
    (got * got).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_array_equal(mine.grad.numpy(), theirs.grad.numpy())


@given(cases(), st.booleans())
def test_writing(case, with_number):
    """The values after a write, and the gradients of both sides."""
    shape, key = case
    mine, theirs = _pair(shape)
    a, b = mine * 1, theirs * 1
    try:
        window = theirs.detach()[_for(torch, key)]
    except (IndexError, RuntimeError):
        return
    value = np.random.default_rng(0).standard_normal(window.shape)
    v, w = zth.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
    places = theirs.detach().reshape(-1) * 0 + torch.arange(theirs.numel())
    named = places.reshape(theirs.shape)[_for(torch, key)].reshape(-1)
    if len(named.unique()) != len(named):
        return  # which of several writes to one place wins is not defined
    if not mine.numel():
        return  # as above
    a[_for(zth, key)] = 2.0 if with_number else v
    b[_for(torch, key)] = 2.0 if with_number else w
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    (a * a).sum().backward()
    (b * b).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy())
    if not with_number:
        np.testing.assert_allclose(v.grad.numpy(), w.grad.numpy())
