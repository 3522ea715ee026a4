"""The strategies give what they say: legal shapes, dimensions, indices, layouts; and the edges do occur."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import tinygrad_zth as torch
from tinygrad_zth import testing

SHAPE = (2, 0, 3)


def as_numpy(key):
    if isinstance(key, tuple):
        return tuple(as_numpy(k) for k in key)
    return key.numpy() if isinstance(key, torch.Tensor) else key


def mixed(key):
    parts = key if isinstance(key, tuple) else (key,)
    kinds = {type(part) for part in parts}
    return bool(kinds & {torch.Tensor, list, bool}) and (int in kinds or len(parts) > 1)


@given(st.data())
def test_indices_are_legal_and_read_as_numpy_reads_them(data):
    shape = data.draw(testing.shapes())
    key = data.draw(testing.indices(shape))
    values = np.arange(math.prod(shape)).reshape(shape)
    found, expected = torch.tensor(values)[key].numpy(), values[as_numpy(key)]
    if mixed(key):  # where integers stand beside tensors, NumPy orders the result's dimensions by other rules
        found, expected = np.sort(found, None), np.sort(expected, None)
    np.testing.assert_array_equal(found, expected)


@given(st.data())
def test_writable_indices_name_no_place_twice(data):
    shape = data.draw(testing.shapes())
    key = data.draw(testing.indices(shape, writable=True))
    places = torch.arange(math.prod(shape)).reshape(shape)[key].reshape(-1).tolist()
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("kind", [int, slice, type(None), type(Ellipsis), bool, list, torch.Tensor])
def test_every_kind_of_index_occurs(kind):
    def has(key):
        return any(type(part) is kind for part in (key if isinstance(key, tuple) else (key,)))

    find(testing.indices((2, 3, 4)), has, settings=settings(max_examples=5000, database=None))
    if kind in (bool, list, torch.Tensor):
        with pytest.raises(NoSuchExample):
            find(testing.indices((2, 3), basic=True), has, settings=settings(max_examples=100, database=None))


@given(testing.broadcastable(3))
def test_broadcastable_shapes_broadcast(shapes):
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


@given(st.data())
def test_axes_are_dimensions(data):
    shape = data.draw(testing.shapes())
    dim = data.draw(testing.axes(shape, many=True, none=True))
    torch.zeros(shape).sum(dim)
    assert isinstance(data.draw(testing.axes(shape)), int)


@given(testing.tensors(layout=testing.layouts(writable=True), dtype="float64"))
def test_writable_tensors_can_be_written(x):
    x.fill_(3)
    assert (x == 3).all()


@pytest.mark.parametrize("layout", testing.LAYOUTS)
def test_each_layout_holds_the_values_and_is_what_it_says(layout):
    values = np.arange(6.0).reshape(2, 3)
    t = testing.laid_out(values, layout)
    if layout != "expanded":
        np.testing.assert_array_equal(t.numpy(), values)
    signs = {"transposed": (1, 2), "reversed": (-3, -1), "strided": (14, 2), "expanded": (1, 0)}
    assert t.stride() == signs.get(layout, (3, 1))
    assert (t.storage_offset() != 0) == (layout in ("offset", "strided", "reversed"))


def test_an_unknown_layout_is_refused():
    with pytest.raises(ValueError, match="no layout 'spiral'"):
        testing.laid_out(np.zeros(2), "spiral")


@pytest.mark.parametrize(
    "edge",
    [
        lambda v: v == 0 and math.copysign(1, v) < 0,
        math.isnan,
        lambda v: v == math.inf,
        lambda v: v == -math.inf,
        lambda v: 0 < v < float(np.finfo(np.float32).tiny),
        lambda v: v == float(np.finfo(np.float32).max),
    ],
)
def test_the_edges_of_floats_occur(edge):
    find(testing.elements("float32"), edge, settings=settings(max_examples=3000, database=None))


@given(testing.elements("float32", -1.5, 2), testing.elements("float64", finite=True), testing.elements("int8"))
def test_bounds_hold(bounded, finite, small):
    assert -1.5 <= bounded <= 2
    assert math.isfinite(finite)
    assert -128 <= small <= 127


@given(testing.elements("int32", 3, 5), testing.elements(torch.bool))
def test_integers_and_bools(n, flag):
    assert n in (3, 4, 5) and flag in (True, False)


@given(testing.tensors(shape=SHAPE, dtype=torch.int16))
def test_what_is_given_is_kept(x):
    assert x.shape == SHAPE and x.dtype == torch.int16


@given(testing.tensors(dtype=torch.float32, elements=st.just(2.5), requires_grad=True))
def test_elements_and_requires_grad(x):
    assert x.requires_grad and x.is_leaf and (x == 2.5).all()


def test_hypothesis_is_imported_when_first_asked_for():
    code = (
        "import sys; from tinygrad_zth import testing; assert 'hypothesis' not in sys.modules;"
        "testing.shapes; assert 'hypothesis' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys; sys.modules['hypothesis'] = None\nfrom tinygrad_zth import testing\n"
        "try: testing.tensors\nexcept ModuleNotFoundError as e: assert 'install hypothesis' in str(e)\n"
        "else: raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError):
        _ = testing.no_such_name
