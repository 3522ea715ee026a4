"""load_torch and the safetensors functions against files that PyTorch itself writes."""

import io
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zth.checkpoint import load_safetensors, load_torch, save_safetensors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

NATIVE = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
WIDENED = {
    **dict.fromkeys(
        ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
        torch.float32,
    ),
    "complex32": torch.complex64,
}


def saved(value, **options) -> io.BytesIO:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    stream.seek(0)
    return stream


def assert_equals_tensor(array, tensor):
    assert array.shape == tuple(tensor.shape)
    expected = tensor.detach().numpy()
    assert array.dtype == expected.dtype
    assert array.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (5,), (2, 3)])
def test_native_dtypes(name, shape):
    count = int(np.prod(shape))
    raw = np.random.default_rng(0).integers(0, 2, (count, np.dtype(name).itemsize), np.uint8)
    array = raw.reshape(-1).view(name).reshape(shape)
    tensor = torch.from_numpy(array)
    assert_equals_tensor(load_torch(saved(tensor)), tensor)


@pytest.mark.parametrize("name", WIDENED)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_dtypes_that_numpy_lacks_are_widened(name):
    dtype = getattr(torch, name)
    raw = np.arange(1 << 16, dtype=np.uint16)
    if dtype.itemsize == 1:
        raw = raw[:256].astype(np.uint8)
    elif dtype.itemsize == 4:
        raw = np.stack((raw, raw[::-1]), -1)
    tensor = torch.from_numpy(raw).view(dtype).reshape(-1)[1:]
    found = load_torch(saved([tensor, tensor[3:]]))
    expected = tensor.to(WIDENED[name]).numpy()
    np.testing.assert_array_equal(found[0], expected)
    numbers = found[0].view("f4"), expected.view("f4")
    assert (np.signbit(numbers[0]) == np.signbit(numbers[1]))[~np.isnan(numbers[0])].all()
    assert np.shares_memory(found[0], found[1])
    leaf = load_torch(saved(tensor), wrap=lambda leaf: leaf)
    assert leaf.dtype == name


@given(st.data())
def test_windows_on_a_shared_storage(data):
    base = torch.arange(60)
    views = []
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(0, 59))
        size, stride, left = [], [], 59 - offset
        for _ in range(data.draw(st.integers(0, 3))):
            step = data.draw(st.integers(0, 20))
            length = data.draw(st.integers(0, 4 if step == 0 else min(4, left // step + 1)))
            size.append(length)
            stride.append(step)
            left -= max(length - 1, 0) * step
        views.append(base.as_strided(size, stride, offset))
    found = load_torch(saved(views))
    for array, view in zip(found, views, strict=True):
        assert_equals_tensor(array, view)
        if view.numel():
            assert array.strides == tuple(8 * step for step in view.stride())
    written = next((i for i, view in enumerate(views) if view.numel()), None)
    if written is not None:  # what one write changes here, it changes there
        views[written].fill_(-1)
        found[written].fill(-1)
        for array, view in zip(found, views, strict=True):
            assert_equals_tensor(array, view)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_whole_training_state_in_every_protocol(protocol):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Embedding(5, 2))
    optimizer = torch.optim.AdamW(net[:2].parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2, 2])
    net[:2](torch.randn(6, 3)).sum().backward()
    optimizer.step()
    state = {
        "model": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": {"milestones": scheduler.state_dict()["milestones"]},
        "parameters": list(net.parameters()),
        "frozen": torch.nn.Parameter(torch.ones(2), requires_grad=False),
        "random": torch.get_rng_state(),
        "conj": torch.tensor([1 + 2j]).conj(),
        "neg": torch.tensor([1 + 2j]).conj().imag,
        "size": net[0].weight.shape,
    }
    found = load_torch(saved(state, pickle_protocol=protocol))
    assert_same(found, state)
    leaves = load_torch(saved(state, pickle_protocol=protocol), wrap=lambda leaf: leaf)
    assert [(leaf.parameter, leaf.requires_grad) for leaf in leaves["parameters"]] == (
        [(True, True)] * len(state["parameters"])
    )
    assert (leaves["frozen"].parameter, leaves["frozen"].requires_grad) == (True, False)
    assert (leaves["random"].parameter, leaves["random"].requires_grad) == (False, False)


def assert_same(found, expected):
    if isinstance(expected, torch.Tensor):
        assert_equals_tensor(found, expected.resolve_conj().resolve_neg())
    elif isinstance(expected, dict):
        assert type(found) is type(expected) and list(found) == list(expected)
        assert getattr(found, "_metadata", None) == getattr(expected, "_metadata", None)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert type(found).__name__ == type(expected).__name__ and len(found) == len(expected)
        for each, other in zip(found, expected, strict=True):
            assert_same(each, other)
    else:
        assert found == expected and type(found) is type(expected)


def test_the_same_tensor_twice_is_one_object():
    tensor = torch.ones(2)
    found = load_torch(saved([tensor, tensor]))
    assert found[0] is found[1]


@pytest.mark.parametrize("make", [lambda: torch.nn.Linear(2, 2), lambda: torch.ones(2).to_sparse()])
def test_other_objects_are_refused_by_name(make):
    import pickle

    with pytest.raises(pickle.UnpicklingError, match=r"refused '?torch\.\w+"):
        load_torch(saved(make()))


def test_safetensors_travel_both_ways(tmp_path):
    library = pytest.importorskip("safetensors.torch")
    theirs = OrderedDict(
        {
            name: torch.arange(6).reshape(2, 3).to(getattr(torch, name))
            for name in ("bool", "uint8", "int16", "int64", "uint32", "float16", "float32")
        }
    )
    theirs["float64"] = torch.tensor(2.5, dtype=torch.float64)
    theirs["empty"] = torch.zeros(2, 0)
    theirs["bfloat16"] = torch.tensor([1.5, -3.140625]).to(torch.bfloat16)
    theirs["float8_e4m3fn"] = torch.tensor([1.5, -240.0]).to(torch.float8_e4m3fn)
    library.save_file(theirs, tmp_path / "theirs.safetensors")
    ours = load_safetensors(tmp_path / "theirs.safetensors")
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert_equals_tensor(ours[name], tensor.to(WIDENED.get(name, tensor.dtype)))
    ours["turned"] = np.arange(6.0).reshape(2, 3).T
    save_safetensors(ours, tmp_path / "ours.safetensors")
    back = library.load_file(tmp_path / "ours.safetensors")
    assert sorted(back) == sorted(ours)
    for name, tensor in back.items():
        np.testing.assert_array_equal(tensor.numpy(), ours[name], strict=True)
