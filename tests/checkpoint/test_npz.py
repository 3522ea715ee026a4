"""Nested structures to .npz and back: every value, every refusal, and damaged files."""

import io
import json
import math
import zipfile
from collections import Counter, OrderedDict, namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_zth import checkpoint, dtypes
from tinygrad_zth.checkpoint import TensorLeaf, load_npz, save_npz
from tinygrad_zth.device import device
from tinygrad_zth.tensor import Size


def through_file(structure, **hooks):
    stream = io.BytesIO()
    save_npz(structure, stream, unwrap=hooks.get("unwrap"))
    stream.seek(0)
    return load_npz(stream, wrap=hooks.get("wrap"))


def assert_same(one, other):
    """Equal to the bit, types, orders of keys and dtypes included."""
    assert type(one) is type(other)
    if isinstance(one, (np.ndarray, np.generic)):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()
    elif isinstance(one, dict):
        assert len(one) == len(other)
        for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=True):
            assert_same(key, other_key)
            assert_same(value, other_value)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for each, other_each in zip(one, other, strict=True):
            assert_same(each, other_each)
    elif isinstance(one, float):
        # The bits of a NaN are not part of a Python number: text has one NaN.
        assert np.array(one).tobytes() == np.array(other).tobytes() or (one != one and other != other)
    else:
        assert one == other


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())  # lone surrogates too
    | st.binary()
)
ARRAYS = hnp.arrays(
    st.sampled_from(["?", "i1", "u1", "<i4", ">i4", "i8", "u8", "f2", "f4", "f8", ">f8", "c8", "U3", "M8[s]"]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)
KEYS = SCALARS.filter(lambda key: key == key) | st.tuples(st.integers(), st.text())
STRUCTURES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict)
    ),
    max_leaves=20,
)


@given(STRUCTURES)
def test_any_structure_comes_back(structure):
    assert_same(through_file(structure), structure)


def test_a_training_state_comes_back():
    state = {
        "model": OrderedDict({"0.weight": np.eye(3, dtype=np.float32), "0.bias": np.zeros(3)}),
        "optimizer": {
            "state": {0: {"step": np.array(3.0), "exp_avg": np.ones((2, 0))}, 1: {}},
            "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "fused": None, "params": [0, 1]}],
        },
        "random": ("MT19937", np.arange(624, dtype=np.uint32), 5, 0, -0.0),
        "milestones": Counter({10: 1}),
        "best": math.inf,
        "step": np.int64(7),
        "wide": -(10**6000),
        "dtype": dtypes.bfloat16,
        "device": device("cuda:1"),
        "size": Size((2, 3)),
    }
    assert_same(through_file(state), state)


def check_depth(through_file):
    """Lists and dicts in one another, deeper than Python recurses."""
    nested = [np.float32(1)]
    for level in range(50_000):
        nested = [nested] if level % 2 else {"in": nested}
    found = through_file(nested)
    for level in reversed(range(50_000)):
        (found,) = found if level % 2 else found.values()
    assert_same(found, [np.float32(1)])


def test_depth_is_not_limited():
    check_depth(through_file)


@pytest.mark.parametrize(
    "view",
    [
        np.arange(24.0).reshape(4, 6)[::2, ::-3],
        np.arange(24.0).reshape(4, 6).T,
        np.broadcast_to(np.arange(3.0), (4, 3)),
        np.arange(10)[5:5],
        np.arange(10)[3:4].reshape(()),
        np.frombuffer(b"\x00\x01\x02\x03\x04", np.uint8)[1:],
    ],
)
def test_views_come_back_bit_equal_and_writable(view):
    found = through_file({"view": view})["view"]
    assert_same(found, view)
    found[...] = 1


def test_tied_weights_stay_tied_and_are_stored_once():
    table = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = {"embedding": table, "head": table.view(), "copy": table.copy(), "T": table.T}
    stream = io.BytesIO()
    save_npz(state, stream)
    found = load_npz(stream)
    assert np.shares_memory(found["embedding"], found["head"])
    assert not np.shares_memory(found["embedding"], found["copy"])
    assert len(zipfile.ZipFile(stream).namelist()) == 1 + 3
    assert_same(found, {**state, "head": table})


def test_numpy_reads_the_arrays_by_their_keys(tmp_path):
    state = {"model": {"0.weight": np.eye(2)}, "steps": [np.arange(3)], "odd/../key": np.ones(1)}
    save_npz(state, tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as archive:
        assert_same(archive["model/0.weight"], np.eye(2))
        assert_same(archive["steps/0"], np.arange(3))
        assert_same(archive["array 0"], np.ones(1))


def test_equal_structures_make_equal_files():
    one, other = io.BytesIO(), io.BytesIO()
    save_npz({"a": np.arange(3), "b": 1}, one)
    save_npz({"a": np.arange(3), "b": 1}, other)
    assert one.getvalue() == other.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy_savez_are_dicts(tmp_path, save):
    save(tmp_path / "plain.npz", w=np.eye(2), b=np.float32(3))
    found = load_npz(tmp_path / "plain.npz")
    assert_same(found, {"w": np.eye(2), "b": np.array(3, np.float32)})


def test_hooks_take_tensors_apart_and_put_them_together():
    def unwrap(value):
        return value.leaf if isinstance(value, SimpleNamespace) else None

    leaf = TensorLeaf(np.ones(2, np.float32), "bfloat16", True, True, "cuda:0")
    tensor = SimpleNamespace(leaf=leaf)
    state = {"t": tensor, "again": tensor, "array": np.zeros(1), "n": [1]}
    found = through_file(state, unwrap=unwrap, wrap=lambda leaf: SimpleNamespace(leaf=leaf))
    for key in ("t", "again"):
        got = found[key].leaf
        assert_same(got.array, leaf.array)
        assert (got.dtype, got.requires_grad, got.parameter, got.device) == (("bfloat16", True, True, "cuda:0"))
    assert found["t"].leaf.array is found["again"].leaf.array
    assert_same(found["array"], np.zeros(1))
    assert_same(through_file(state, unwrap=unwrap)["t"], leaf.array)


def test_errors_of_wrap_are_the_callers():
    def wrap(leaf):
        raise ValueError("mine")

    stream = io.BytesIO()
    save_npz({1}, stream, unwrap=lambda value: TensorLeaf(np.ones(1), "float64"))
    with pytest.raises(ValueError, match="^mine$"):
        load_npz(stream, wrap=wrap)


def test_a_plain_array_is_nobodys_tensor():
    assert_same(through_file([np.ones(1)], wrap=print, unwrap=lambda value: None), [np.ones(1)])


Pair = namedtuple("Pair", "a b")
loop: list = [1]
loop.append({"back": loop})


@pytest.mark.parametrize(
    ("structure", "error", "message"),
    [
        ({"a": [1, {2}]}, TypeError, r"the structure\['a'\]\[1\]: .* builtins\.set"),
        ({"f": print}, TypeError, r"\['f'\]: .*builtin_function_or_method"),
        ([object()], TypeError, r"the structure\[0\]: an object of type builtins\.object"),
        (Pair(1, 2), TypeError, r"the structure: .*Pair"),
        ({"k": {frozenset(): 1}}, TypeError, r"the structure\['k'\]: its key frozenset\(\)"),
        ({((1,),): 1}, TypeError, "its key"),
        ({"a": {"b": np.array([None])}}, TypeError, r"\['a'\]\['b'\]: an array of dtype object"),
        ([np.ma.ones(3)], TypeError, "MaskedArray"),
        (loop, ValueError, r"the structure\[1\]\['back'\]: this list contains itself"),
    ],
)
def test_what_cannot_be_stored_is_named_and_the_file_untouched(tmp_path, structure, error, message):
    path = tmp_path / "c.npz"
    path.write_bytes(b"old")
    with pytest.raises(error, match=message):
        save_npz(structure, path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["c.npz"]


def _saved() -> bytes:
    stream = io.BytesIO()
    save_npz({"w": np.arange(300, dtype=np.float32), "n": [1, None, "x"]}, stream)
    return stream.getvalue()


@pytest.mark.parametrize("load", [load_npz, checkpoint.load])
def test_truncated_files_are_refused_at_every_length(load):
    content = _saved()
    for length in [*range(0, 300, 7), *range(300, len(content), 53), len(content) - 1]:
        with pytest.raises(RuntimeError, match="cannot read a BytesIO: "):
            load(io.BytesIO(content[:length]))


def test_a_flipped_bit_is_found_or_harmless():
    content = _saved()
    expected = load_npz(io.BytesIO(content))
    found = 0
    for at in range(0, len(content), 11):
        damaged = bytearray(content)
        damaged[at] ^= 0x10
        try:
            state = load_npz(io.BytesIO(damaged))
        except RuntimeError:
            found += 1
        else:  # a field nobody reads: dates, attributes, versions
            assert_same(state, expected)
    assert found > len(content) // 11 * 0.8


def _with_manifest(manifest) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        archive.writestr("manifest.json", text)
    return stream


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [["list", [0]]],
        [["list", [1, 1]], ["int", 1]],
        [["list", [1]], ["list", [1]]],
        [["list", [True]], ["int", 1]],
        [["list", [-1]], ["int", 1]],
        [["list", []], ["int", 1]],
        [["int", 1], ["list", [0]]],
        [["list", [2]], ["int", 1], ["list", [1]]],
        [["eval", "1"]],
        [["int", "x"]],
        [["float", []]],
        [["dtype", "float7"]],
        [["device", "moon"]],
        [["dict", [[["list", []], 1]]], ["int", 1]],
        [["dict", [[["tuple", [["tuple", []]]], 1]]], ["int", 1]],
        [["dict", [1]]],
        ["int", 1],
        [["array", "w", 1]],
        [["tensor", "../w"]],
    ],
)
def test_a_manifest_that_is_no_tree_of_known_nodes_is_refused(nodes):
    manifest = {"format": "tinygrad_zth checkpoint", "version": 1, "nodes": nodes}
    with pytest.raises(RuntimeError, match="cannot read a BytesIO"):
        load_npz(_with_manifest(manifest))


@pytest.mark.parametrize(
    "manifest",
    [
        "{",
        "[" * 100_000,
        {},
        {"format": "other", "version": 1, "nodes": [["int", 1]]},
        {"format": "tinygrad_zth checkpoint", "version": 2, "nodes": [["int", 1]]},
    ],
)
def test_other_manifests_are_refused(manifest):
    with pytest.raises(RuntimeError, match="cannot read a BytesIO"):
        load_npz(_with_manifest(manifest))


def test_an_entry_longer_than_its_array_is_refused():
    entry, stream = io.BytesIO(), io.BytesIO()
    np.save(entry, np.arange(3))
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("w.npy", entry.getvalue() + b"x")
    with pytest.raises(RuntimeError, match=r"'w\.npy': more bytes than the array has"):
        load_npz(stream)


def test_pickled_objects_in_a_file_are_not_loaded(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    np.savez(tmp_path / "hostile.npz", w=np.array([Hostile()], dtype=object))
    for load in (load_npz, checkpoint.load):
        with pytest.raises(RuntimeError, match=r"'w\.npy': Object arrays cannot be loaded"):
            load(tmp_path / "hostile.npz")
    assert not (tmp_path / "ran").exists()
