"""save_torch and back, without torch: values, shared memory, refusals. tests/parity lets PyTorch read the files."""

import io
import math
import os
import zipfile
from collections import Counter, OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_zth as zth
from tests.checkpoint.test_npz import KEYS, SCALARS, Pair, assert_same, check_depth
from tinygrad_zth import checkpoint, dtypes
from tinygrad_zth.checkpoint import TensorLeaf, load_torch, save_torch
from tinygrad_zth.device import device
from tinygrad_zth.tensor import Size

ARRAYS = hnp.arrays(
    st.sampled_from(["?", "i1", "u1", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "U3", "S2"]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)
STRUCTURES = st.recursive(
    SCALARS | ARRAYS | st.sets(KEYS, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=20,
)


def tensor_of(array, **facts):
    """Something that ``unwrap`` takes for a tensor."""
    return SimpleNamespace(leaf=TensorLeaf(array, array.dtype.name, **facts))


def through_file(structure, wrap=None):
    stream = io.BytesIO()
    save_torch(structure, stream, unwrap=lambda value: getattr(value, "leaf", None))
    return load_torch(stream, wrap=wrap)


@given(STRUCTURES)
def test_any_structure_comes_back(structure):
    assert_same(through_file(structure), structure)


def test_a_training_state_comes_back():
    state = {
        "optimizer": {"state": {0: {"step": np.array(3.0)}, 1: {}}, "param_groups": [{"betas": (0.9, 0.999), "fused": None}]},
        "random": ("MT19937", np.arange(624, dtype=np.uint32), 5, 0, -0.0),
        "milestones": Counter({10: 1}),
        "best": math.inf,
        "step": np.int64(7),
        "numbers": [0, 255, 256, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**2030, -(10**6000)],
        "many": [[number] for number in range(300)],  # more than a byte counts
        "dtype": dtypes.float64,
        "device": [device("cuda:1"), device("cpu")],
        "size": Size((2, 3)),
    }  # fmt: skip
    assert_same(through_file(state), state)
    assert found_in(state)[:1] == ["archive/data.pkl"]


def found_in(structure) -> list[str]:
    stream = io.BytesIO()
    save_torch(structure, stream, unwrap=lambda value: getattr(value, "leaf", None))
    return zipfile.ZipFile(stream).namelist()


def test_foreign_byte_order_becomes_the_machines():
    found = through_file([np.arange(3, dtype=">i4"), np.array(1.5, ">f8"), np.dtype(">i2").type(7)])
    assert_same(found, [np.arange(3, dtype="i4"), np.array(1.5), np.int16(7)])


def test_a_state_dict_keeps_its_metadata():
    weights = OrderedDict(w=1)
    weights._metadata = OrderedDict({"": {"version": 2}})
    weights.other = 3
    found = through_file(weights)
    assert type(found) is OrderedDict and vars(found) == {"_metadata": weights._metadata}


def test_one_object_stays_one_and_may_hold_itself():
    inner, pair, array, tensor = [1], (1, 2), np.ones(2), tensor_of(np.zeros(2))
    loop = {
        "inner": inner,
        "again": inner,
        "pair": pair,
        "pairs": [pair],
        "a": array,
        "b": array,
        "t": tensor,
        "u": tensor,
    }
    loop["self"] = loop
    found = through_file(loop)
    assert found["self"] is found and found["inner"] is found["again"] and found["pair"] is found["pairs"][0]
    assert found["a"] is found["b"] and found["t"] is found["u"]


def test_depth_is_not_limited():
    check_depth(through_file)


@st.composite
def windows(draw, elements):
    """Up to five windows on as many elements: (offset, sizes, strides), counted in elements."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        offset = draw(st.integers(0, elements - 1))
        size, stride, left = [], [], elements - 1 - offset
        for _ in range(draw(st.integers(0, 3))):
            step = draw(st.integers(0, 20))
            length = draw(st.integers(0, 4 if step == 0 else min(4, left // step + 1)))
            size.append(length)
            stride.append(step)
            left -= max(length - 1, 0) * step
        found.append((offset, size, stride))
    return found


@given(st.sampled_from(["i2", "f4", "i8"]), windows(60))
def test_windows_share_memory_exactly_where_they_did(dtype, drawn):
    base = np.arange(60, dtype=dtype)
    views = [
        np.lib.stride_tricks.as_strided(base[offset:], size, [step * base.itemsize for step in stride])
        for offset, size, stride in drawn
    ]
    found = through_file([tensor_of(view) for view in views])
    for array, view in zip(found, views, strict=True):
        assert_same(array, view)
        assert view.size == 0 or array.strides == view.strides
    for i, view in enumerate(views):  # what a write changes here, it changes there
        view.fill(-1 - i)
        found[i].fill(-1 - i)
        for array, other in zip(found, views, strict=True):
            assert_same(array, other)


def test_what_no_tensor_shows_is_not_written():
    base = np.arange(10_000.0)
    stream = io.BytesIO()
    save_torch([tensor_of(base[5:7]), tensor_of(base[9000:9003]), tensor_of(base[6:9])], stream, unwrap=lambda v: getattr(v, "leaf", None))  # fmt: skip
    with zipfile.ZipFile(stream) as archive:
        sizes = {i.filename: i.file_size for i in archive.infolist()}
        assert sizes["archive/data/0"] == 4 * 8 and sizes["archive/data/1"] == 3 * 8
        assert archive.read("archive/version") == b"3\n" and archive.read("archive/byteorder") in (b"little", b"big")
    content = stream.getvalue()
    assert content.index(base[5:9].tobytes()) % 64 == content.index(base[9000:9003].tobytes()) % 64 == 0


def test_windows_that_pytorch_lacks_are_written_in_full():
    record = np.zeros(3, "i4, f8")
    for view in (np.arange(6)[::-2], np.arange(3, dtype=">i4"), record["f1"]):
        found = through_file(tensor_of(view))
        assert found.tolist() == view.tolist() and found.dtype == view.dtype.newbyteorder("=")
        assert found.flags.c_contiguous


def test_tensors_are_what_they_were():
    leaves = [tensor_of(np.ones(2, "f4"), requires_grad=r, parameter=p, device=d) for r, p, d in ((False, False, "cpu"), (True, False, "cuda:1"), (True, True, "cpu"), (False, True, "cpu"))]  # fmt: skip
    found = through_file(leaves, wrap=lambda leaf: (leaf.requires_grad, leaf.parameter, leaf.device))
    assert found == [(False, False, "cpu"), (True, False, "cuda:1"), (True, True, "cpu"), (False, True, "cpu")]


def test_memory_seen_as_two_dtypes_is_refused():
    base = np.zeros(4, "f4")
    with pytest.raises(RuntimeError, match="view the same data as different types: float32, int32"):
        through_file([tensor_of(base), tensor_of(base.view("i4"))])
    assert through_file([tensor_of(base[:2]), tensor_of(base.view("i4")[2:])])[1].dtype == np.int32


in_a_tuple: list = []
in_a_tuple.append((1, in_a_tuple))
a_tuple = ([],)
a_tuple[0].append(a_tuple)
counted: Counter = Counter()
counted["self"] = counted  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("structure", "error", "message"),
    [
        ([object()], TypeError, r"the structure\[0\]: an object of type builtins\.object"),
        (Pair(1, 2), TypeError, r"the structure: .*Pair"),
        ({"k": {frozenset(): 1}}, TypeError, r"the structure\['k'\]: its key frozenset\(\)"),
        ([{(1, (2,))}], TypeError, r"the structure\[0\]: its key \(1, \(2,\)\)"),
        ({"k": np.array([None])}, TypeError, r"the structure\['k'\]: a ndarray of dtype object"),
        ([np.datetime64("2020")], TypeError, r"the structure\[0\]: a datetime64 of dtype"),
        (np.ma.ones(2), TypeError, r"a MaskedArray of dtype float64"),
        ([tensor_of(np.zeros(2, "c8"))], TypeError, r"the structure\[0\]: a tensor of dtype complex64"),
        (a_tuple, ValueError, r"the structure\[0\]\[0\]: this tuple contains itself"),
        (counted, ValueError, r"this Counter contains itself"),
    ],
)
def test_what_cannot_be_stored_is_named_and_the_file_untouched(tmp_path, structure, error, message):
    path = tmp_path / "state.pt"
    path.write_bytes(b"old")
    with pytest.raises(error, match=f"cannot store {message}|{message}"):
        save_torch(structure, path, unwrap=lambda value: getattr(value, "leaf", None))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_list_in_a_tuple_in_itself():
    found = through_file(in_a_tuple)
    assert found[0][1] is found


def test_equal_structures_make_equal_files():
    one, other = io.BytesIO(), io.BytesIO()
    for stream in (one, other):
        save_torch({"a": np.arange(3), "b": 1}, stream)
    assert one.getvalue() == other.getvalue()


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin", "m", "npz", "m.npz.old", None])
def test_the_default_is_pytorchs_format(tmp_path, name):
    file = io.BytesIO() if name is None else tmp_path / name
    checkpoint.save({"a": 1}, file)
    assert "archive/data.pkl" in zipfile.ZipFile(file).namelist()
    if name is None:
        file.seek(0)
    assert checkpoint.load(file) == {"a": 1}


@pytest.mark.parametrize("name", ["m.npz", "m.NPZ"])
def test_npz_by_name(tmp_path, name):
    checkpoint.save({"a": np.ones(2)}, os.fsencode(tmp_path / name))
    assert zipfile.ZipFile(tmp_path / name).namelist() == ["manifest.json", "a.npy"]


def test_a_model_and_its_optimizer_go_on_from_a_file(tmp_path):
    def made():
        zth.manual_seed(0)
        net = zth.nn.Sequential(zth.nn.Linear(3, 4), zth.nn.BatchNorm1d(4), zth.nn.Linear(4, 1))
        return net, zth.optim.Adam(net.parameters(), 0.1)

    def steps(net, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            net(zth.arange(15.0).view(5, 3)).square().sum().backward()
            optimizer.step()

    net, optimizer = made()
    steps(net, optimizer, 2)
    zth.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "run.pt")
    again, its_optimizer = made()
    state = zth.load(tmp_path / "run.pt")
    again.load_state_dict(state["net"])
    its_optimizer.load_state_dict(state["optimizer"])
    steps(net, optimizer, 2)
    steps(again, its_optimizer, 2)
    for a, b in zip(net.parameters(), again.parameters(), strict=True):
        assert a.tolist() == b.tolist()
