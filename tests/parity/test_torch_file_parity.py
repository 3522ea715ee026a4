"""load_torch and the safetensors functions against files that PyTorch itself writes."""

import io
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as zth
from tests.checkpoint.test_torch_writer import windows
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


@given(windows(60))
def test_windows_on_a_shared_storage(drawn):
    base = torch.arange(60)
    views = [base.as_strided(size, stride, offset) for offset, size, stride in drawn]
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


def read_by_torch(value, **options):
    stream = io.BytesIO()
    zth.save(value, stream)
    stream.seek(0)
    return torch.load(stream, **{"weights_only": True, **options})


def assert_as_ours(found, ours):
    """What PyTorch read is what was written, in its own types."""
    if isinstance(ours, zth.Tensor):
        assert isinstance(found, torch.nn.Parameter) == isinstance(ours, zth.nn.Parameter)
        assert found.requires_grad == ours.requires_grad and str(found.dtype) == repr(ours.dtype)
        assert tuple(found.shape) == tuple(ours.shape)
        assert found.detach().numpy().tobytes() == ours.detach().numpy().tobytes()
        assert not found.numel() or found.stride() == ours.stride()
    elif isinstance(ours, dict):
        assert type(found) is type(ours) and list(found) == list(ours)
        assert getattr(found, "_metadata", None) == getattr(ours, "_metadata", None)
        for key in ours:
            assert_as_ours(found[key], ours[key])
    elif isinstance(ours, (list, tuple)):
        assert type(found).__name__ == type(ours).__name__ and len(found) == len(ours)
        for each, other in zip(found, ours, strict=True):
            assert_as_ours(each, other)
    else:
        assert repr(found) == repr(ours).replace("tinygrad_zth", "torch")


DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**2000), 2**2000) | st.floats() | st.text(st.characters())
    | st.binary() | st.complex_numbers(allow_nan=False)
)  # fmt: skip


@st.composite
def windows(draw):
    """A tensor of ours: a window of any dtype on memory of its own."""
    base = zth.arange(draw(st.integers(1, 40))).to(getattr(zth, draw(st.sampled_from(DTYPES))))
    shape = draw(st.sampled_from([(), (0,), (3,), (2, 3), (1, 2, 0)]))
    stride = [draw(st.integers(0, 5)) for _ in shape]
    reach = sum((n - 1) * s for n, s in zip(shape, stride)) if 0 not in shape else 0
    if reach >= len(base):
        return base
    made = base.as_strided(shape, stride, draw(st.integers(0, len(base) - 1 - reach)))
    if made.is_floating_point() and draw(st.booleans()):
        return zth.nn.Parameter(made.detach(), draw(st.booleans()))
    return made


@given(
    st.recursive(
        SCALARS | windows(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=3)
            | st.dictionaries(st.text(), inner, max_size=3).map(OrderedDict)
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_torch_reads_whatever_we_write(structure):
    assert_as_ours(read_by_torch(structure), structure)


@pytest.mark.host  # a PyTorch without CUDA reads no device's tensors unless it is told where to put them
@given(st.data())
def test_torch_finds_the_windows_on_shared_memory(data):
    base = zth.arange(60)
    views = []
    for _ in range(data.draw(st.integers(1, 4))):
        step, offset = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 50))
        length = data.draw(st.integers(0, (59 - offset) // step + 1))
        views.append(base.as_strided((length,), (step,), offset))
    found = read_by_torch(views)
    for i, view in enumerate(views):
        view.fill_(-i)
        found[i].fill_(-i)
        assert [v.tolist() for v in found] == [v.tolist() for v in views]


@pytest.mark.host
@pytest.mark.parametrize("options", [{}, {"weights_only": False}, {"map_location": "cpu"}])
def test_torch_goes_on_from_our_training_state(options):
    def made(t):
        t.manual_seed(3)
        net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.LayerNorm(4), t.nn.Linear(4, 1))
        return net, t.optim.AdamW(net.parameters(), 0.1)

    def steps(t, net, optimizer):
        for _ in range(2):
            optimizer.zero_grad()
            net(t.arange(15.0).view(5, 3)).square().sum().backward()
            optimizer.step()
        return [p.detach().numpy().copy() for p in net.parameters()]

    ours, theirs = made(zth), made(torch)
    steps(zth, *ours)
    state = {"net": ours[0].state_dict(), "optimizer": ours[1].state_dict(), "rng": zth.get_rng_state(), "size": ours[0][0].weight.shape, "dtype": zth.float32, "device": zth.device("cpu"), "set": {1, 2}, "epoch": 7}  # fmt: skip
    found = read_by_torch(state, **options)
    assert_as_ours(found, state)
    theirs[0].load_state_dict(found["net"])
    theirs[1].load_state_dict(found["optimizer"])
    for a, b in zip(steps(zth, *ours), steps(torch, *theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.host
def test_torch_maps_our_file_into_memory(tmp_path):
    zth.save({"w": zth.arange(6.0), "v": zth.ones(3)}, tmp_path / "w.pt")
    found = torch.load(tmp_path / "w.pt", weights_only=True, mmap=True)
    assert found["w"].tolist() == [0, 1, 2, 3, 4, 5] and found["v"].tolist() == [1, 1, 1]
    assert found["w"].data_ptr() % 64 == found["v"].data_ptr() % 64 == 0


def test_numpy_arrays_travel_both_ways():
    state = {"random": np.random.RandomState(0).get_state(), "best": np.float64(0.5), "words": np.array(["a", "bc"]), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3))}  # fmt: skip
    for found in (read_by_torch(state, weights_only=False), load_torch(saved(state))):
        assert found["random"][0] == "MT19937" and type(found["best"]) is np.float64 and found["best"] == 0.5
        np.testing.assert_array_equal(found["random"][1], state["random"][1], strict=True)
        np.testing.assert_array_equal(found["words"], state["words"], strict=True)
        np.testing.assert_array_equal(found["f"], state["f"], strict=True)


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
