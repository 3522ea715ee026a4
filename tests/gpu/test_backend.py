"""The CUDA backend: making and moving tensors, several devices, mixing them, what follows a module, faults."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zth as torch
from tinygrad_zth import nn
from tinygrad_zth.backends import backend_of, transfers

ROOT = Path(__file__).resolve().parents[2]


# ---------------------------------------------------------------------------- making, moving


@pytest.mark.parametrize(
    "make",
    [
        lambda d: torch.zeros(2, 3, device=d), lambda d: torch.ones(2, device=d), lambda d: torch.full((2,), 3.5, device=d),
        lambda d: torch.arange(2, 9, 2, device=d), lambda d: torch.arange(0, 1, 0.25, device=d),
        lambda d: torch.linspace(0, 1, 5, device=d), lambda d: torch.eye(3, 2, device=d),
        lambda d: torch.tensor([[1, 2], [3, 4]], device=d), lambda d: torch.randn(3, device=d),
        lambda d: torch.rand(3, device=d), lambda d: torch.randint(0, 9, (4,), device=d), lambda d: torch.randperm(5, device=d),
        lambda d: torch.zeros(2, device=d).new_full((3,), 2), lambda d: torch.empty_like(torch.ones(2), device=d).fill_(4),
        lambda d: torch.zeros_like(torch.ones(2, 3).t(), device=d), lambda d: torch.tensor(2.0).to(d),
        lambda d: torch.nn.init.xavier_uniform_(torch.empty(3, 4, device=d)),
    ],
)  # fmt: skip
def test_creation_is_the_same_on_both(cuda, make):
    torch.manual_seed(3)
    here = make("cpu")
    torch.manual_seed(3)
    there = make(cuda)
    assert there.device == torch.device("cuda", 0) and here.device.type == "cpu"
    assert there.dtype is here.dtype and there.cpu().tolist() == here.tolist()


def test_what_the_device_makes_itself_is_not_copied_there(cuda):
    before = transfers["to_device"]
    torch.zeros(2, device=cuda), torch.full((3,), 1.0, device=cuda), torch.arange(5, device=cuda)
    torch.ones(2, device=cuda).new_zeros(4), torch.eye(3, device=cuda)
    assert transfers["to_device"] == before
    torch.tensor([1.0], device=cuda)
    assert transfers["to_device"] == before + 1


def test_there_and_back(cuda):
    x = torch.randn(2, 3, requires_grad=True)
    y = x.to(cuda, torch.float64, non_blocking=True)
    assert y.is_cuda and y.dtype is torch.float64 and y.cuda() is y and x.cpu() is x
    (y.cpu() * 3).sum().backward()
    assert x.grad.device.type == "cpu" and x.grad.tolist() == [[3.0] * 3] * 2
    assert x.to(torch.empty(0, device=cuda)).is_cuda
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        y.detach().numpy()
    assert "device='cuda:0'" in repr(y)


def test_default_device_and_contexts(cuda):
    with torch.device(cuda):
        assert torch.zeros(1).is_cuda and nn.Linear(2, 2).weight.is_cuda
    torch.set_default_device(cuda)
    try:
        assert torch.randn(1).is_cuda
    finally:
        torch.set_default_device(None)
    assert not torch.randn(1).is_cuda


F = nn.functional
MIXED = {  # of x on the host and y on the device, (2, 2) both, and i, j: their indices
    "add": lambda x, y, i, j: x + y, "mul": lambda x, y, i, j: y * x, "matmul": lambda x, y, i, j: y @ x,
    "cat": lambda x, y, i, j: torch.cat([x, y]), "stack": lambda x, y, i, j: torch.stack([y, x]),
    "where": lambda x, y, i, j: torch.where(y > 0, y, x), "einsum": lambda x, y, i, j: torch.einsum("ij,jk", y, x),
    "gather": lambda x, y, i, j: y.gather(1, i), "gather here": lambda x, y, i, j: x.gather(1, j),
    "scatter": lambda x, y, i, j: y.scatter(1, j, x), "scatter_add": lambda x, y, i, j: y.scatter_add(1, i, y),
    "scatter_reduce": lambda x, y, i, j: y.scatter_reduce(1, j, x, "amax"), "take": lambda x, y, i, j: y.take(i),
    "index_select": lambda x, y, i, j: y.index_select(0, i[0]), "index_add": lambda x, y, i, j: y.index_add(0, i[0], y),
    "index_copy": lambda x, y, i, j: y.index_copy(0, j[0], x), "masked_fill": lambda x, y, i, j: y.masked_fill(x > 0, 1.0),
    "masked_select": lambda x, y, i, j: y.masked_select(x > 0), "linear": lambda x, y, i, j: nn.Linear(2, 1)(y),
    "layer_norm": lambda x, y, i, j: F.layer_norm(y, (2,), x[0]), "embedding": lambda x, y, i, j: F.embedding(i, y),
    "attention": lambda x, y, i, j: F.scaled_dot_product_attention(y, y, y, x), "mse_loss": lambda x, y, i, j: F.mse_loss(y, x),
    "cross_entropy": lambda x, y, i, j: F.cross_entropy(y, i[0]), "batch_norm": lambda x, y, i, j: nn.BatchNorm1d(2)(y),
    "batch_norm's own": lambda x, y, i, j: F.batch_norm(y, x[0], y[0], training=True),
    "conv1d": lambda x, y, i, j: nn.Conv1d(2, 1, 1).to(y.device)(x), "attention layer": lambda x, y, i, j: nn.MultiheadAttention(2, 1)(y, y, y),
    **{
        f"{kind.__name__}: {what}": call
        for kind in (nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell)
        for what, call in {
            "weights": lambda x, y, i, j, kind=kind: kind(2, 2)(y),
            "input": lambda x, y, i, j, kind=kind: kind(2, 2).to(y.device)(x),
            "state": lambda x, y, i, j, kind=kind: kind(2, 2).to(y.device)(
                y, (lambda h: (h, h) if "LSTM" in kind.__name__ else h)(x if "Cell" in kind.__name__ else x[:1])
            ),
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_mixing_devices_is_refused_in_pytorchs_words(cuda, name):
    x, i = torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.int64)
    before = dict(transfers)
    y, j = x.to(cuda), i.to(cuda)
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        MIXED[name](x, y, i, j)
    assert transfers["to_host"] == before.get("to_host", 0)  # nor is anything fetched in silence


def test_gradients_and_results_stay_on_their_device(cuda):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, device=cuda)
    with pytest.raises(RuntimeError, match="assigned grad has data located on a different device"):
        x.grad = y
    with pytest.raises(RuntimeError, match="expected device cpu but got cuda:0"):
        (x * 2).backward(y)
    with pytest.raises(RuntimeError, match="Expected out tensor to have device cuda:0, but got cpu instead"):
        torch.add(y, 1, out=torch.empty(2))


def test_a_number_on_the_host_may_stand_beside_a_device(cuda):
    scale = torch.tensor(2.0, requires_grad=True)
    y = torch.ones(3, device=cuda)
    out = y * scale + torch.tensor(1)
    assert out.is_cuda and out.tolist() == [3, 3, 3]
    out.sum().backward()
    assert scale.grad.device.type == "cpu" and scale.grad.item() == 3


def test_a_module_and_its_optimizer_move(cuda):
    def layers():  # no bias before the normalisation: its gradient is rounding, which Adam would scale up
        return nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 1))

    model, same = layers(), layers()
    same.load_state_dict(model.state_dict())
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    weights = model[0].weight
    assert model.to(cuda) is model and model[0].weight is weights and weights.is_cuda and model[1].running_mean.is_cuda

    def train(model, optimizer, x, y, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()

    here, there = torch.optim.Adam(same.parameters(), 0.1), torch.optim.Adam(model.parameters(), 0.1)
    train(same, here, x, y, 2)
    train(model, there, x.to(cuda), y.to(cuda), 2)
    assert there.state[weights]["exp_avg"].is_cuda
    fresh = torch.optim.Adam(model.parameters(), 0.1)
    fresh.load_state_dict(here.state_dict())  # from the host: the states follow the parameters
    assert fresh.state[weights]["exp_avg"].is_cuda
    train(same, here, x, y, 2)
    train(model, fresh, x.to(cuda), y.to(cuda), 2)
    for a, b in zip(same.parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().cpu().numpy(), a.detach().numpy(), rtol=2e-4, atol=2e-4)
    assert not model.cpu()[0].weight.is_cuda


def test_pickled_there_it_comes_back_there(cuda):
    layer = nn.Linear(2, 2).to(cuda)
    optimizer = torch.optim.Adam(layer.parameters(), 0.1)
    nn.functional.mse_loss(layer(torch.ones(1, 2, device=cuda)), torch.zeros(1, 2, device=cuda)).backward()
    optimizer.step()
    again = pickle.loads(pickle.dumps(optimizer))
    for p, q in zip(optimizer.param_groups[0]["params"], again.param_groups[0]["params"], strict=True):
        assert q.device == p.device and again.state[q]["exp_avg"].device == p.device
        q.grad = p.grad.clone()
    optimizer.step(), again.step()
    assert again.param_groups[0]["params"][0].tolist() == layer.weight.tolist()


def test_saved_there_loaded_here(cuda, tmp_path):
    path = tmp_path / "weights.npz"
    torch.save({"w": torch.arange(3.0, device=cuda)}, path)
    assert torch.load(path)["w"].is_cuda
    here = torch.load(path, map_location="cpu")["w"]
    assert here.device.type == "cpu" and here.tolist() == [0, 1, 2]
    assert torch.load(path, map_location={"cuda:0": "cpu"})["w"].device.type == "cpu"


def test_pinned_memory(cuda):
    x = torch.arange(4.0).pin_memory()
    assert x.is_pinned() and not torch.zeros(1).is_pinned() and x.tolist() == [0, 1, 2, 3]
    assert x.to(cuda, non_blocking=True).tolist() == [0, 1, 2, 3]


def test_products_on_tensor_cores_are_asked_for_by_name(only_simulated, rng):
    from tests.gpu.simulated import device

    a, b = (torch.tensor(rng.standard_normal((8, 8)).astype("f"), device="cuda") for _ in range(2))
    kinds = []
    for precision in ("highest", "high", "highest"):
        torch.set_float32_matmul_precision(precision)
        device.log = []
        _ = a @ b
        kinds += [call[-1] for call in device.log if call[0] == "gemm"]
        device.log = None
    assert kinds == [68, 77, 68]  # CUBLAS_COMPUTE_32F, ..._FAST_TF32


# ---------------------------------------------------------------------------- several devices


def test_two_devices(cuda):
    if torch.cuda.device_count() < 2:
        pytest.skip("one device only")
    x = torch.randn(3, 4, device="cuda:1", requires_grad=True)
    w = nn.Linear(4, 2).to("cuda:1")
    loss = nn.functional.cross_entropy(w(x.tanh()), torch.tensor([0, 1, 1], device="cuda:1"))
    loss.backward()
    torch.optim.SGD(w.parameters(), 0.1).step()
    assert {t.device.index for t in (x, loss, x.grad, w.weight, w.weight.grad)} == {1}
    moved = (x.detach().to("cuda:0") * 2).sum()
    assert moved.device.index == 0
    with pytest.raises(RuntimeError, match="at least two devices, cuda:1 and cuda:0"):
        _ = x + torch.ones(3, 4, device="cuda:0")
    elsewhere = torch.ones(4, device="cuda:0")
    rows, classes = x.detach(), torch.zeros(3, dtype=torch.int64, device="cuda:0")
    for use in (
        lambda: rows @ elsewhere, lambda: nn.functional.layer_norm(rows, (4,), elsewhere), lambda: torch.stack([rows[0], elsewhere]),
        lambda: nn.functional.cross_entropy(rows, classes), lambda: nn.functional.embedding(classes, rows),
        lambda: nn.functional.scaled_dot_product_attention(rows, rows, rows, torch.ones(3, 3, device="cuda:0").bool()),
        lambda: rows.scatter_reduce(1, classes.to("cuda:1").view(3, 1), elsewhere[:3].view(3, 1), "amax"),
        lambda: nn.functional.conv1d(rows, elsewhere.view(1, 1, 4).expand(1, 3, 4)),
        lambda: torch.searchsorted(elsewhere, rows), lambda: torch.linalg.solve(rows[:, :3], elsewhere[:3]),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="at least two devices"):
            use()
    with torch.cuda.device(1):
        assert torch.cuda.current_device() == 1 and torch.zeros(1, device="cuda").device.index == 1
    there = torch.ones(2, device="cuda:0", requires_grad=True)
    (there.to("cuda:1") * torch.ones(2, device="cuda:1")).sum().backward()  # a graph over both
    assert there.grad.device.index == 0 and there.grad.tolist() == [1, 1]


def test_what_torch_cuda_says(cuda):
    assert torch.cuda.is_available() and torch.cuda.device_count() >= 1
    torch.cuda.set_device(0)
    assert torch.cuda.current_device() == 0 and isinstance(torch.cuda.get_device_name(0), str)
    assert len(torch.cuda.get_device_capability()) == 2 and torch.cuda.get_device_properties(0).warp_size == 32
    torch.cuda.synchronize()
    s, e = torch.cuda.Stream(), torch.cuda.Event(enable_timing=True)
    with torch.cuda.stream(s):
        y = torch.ones(3, device=cuda) * 2
        e.record()
    e.synchronize()
    s.synchronize()
    assert y.tolist() == [2, 2, 2] and s.query() and torch.cuda.current_stream() == torch.cuda.default_stream()
    torch.cuda.manual_seed(5)
    state = torch.cuda.get_rng_state()
    first = nn.functional.dropout(torch.ones(64, device=cuda)).tolist()
    torch.cuda.set_rng_state(state)
    assert nn.functional.dropout(torch.ones(64, device=cuda)).tolist() == first
    assert nn.functional.dropout(torch.ones(64, device=cuda)).tolist() != first


def test_dropout_takes_the_hosts_masks_if_it_is_told_to(cuda):
    torch.cuda.set_random_source("cpu")
    try:
        torch.manual_seed(1)
        here = nn.functional.dropout(torch.ones(50))
        torch.manual_seed(1)
        assert nn.functional.dropout(torch.ones(50, device=cuda)).tolist() == here.tolist()
    finally:
        torch.cuda.set_random_source("philox")
    with pytest.raises(ValueError, match="philox"):
        torch.cuda.set_random_source("curand")


def test_memory_is_counted(cuda):
    from tinygrad_zth.backends import backend_for

    backend_for(torch.device(cuda)).memory.install()  # through the pool, which these tests leave out
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    x = torch.zeros(1000, 1000, device=cuda)
    assert torch.cuda.memory_allocated() - before >= 4_000_000
    del x
    assert torch.cuda.memory_allocated() == before and torch.cuda.max_memory_allocated() >= before + 4_000_000
    assert torch.cuda.memory_reserved() >= 4_000_000
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() < 4_000_000


# ---------------------------------------------------------------------------- windows by strides

WINDOWS = [
    lambda x: x.diagonal(1), lambda x: x.diagonal(-2)[1:], lambda x: x[1:].diagonal(1).view(3), lambda x: x.unfold(1, 2, 3)[1],
    lambda x: x.as_strided((2, 3), (2, 7), 5), lambda x: x.t().as_strided((3,), (2,)), lambda x: x[1:].unfold(0, 2, 1)[..., 1],
    lambda x: x.as_strided((2, 3), (1, 1), 8).as_strided((4, 6), (6, 1), 0), lambda x: x.t().diagonal(-3).unsqueeze(0),
]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_by_strides_knows_whose_memory_it_shows(cuda, window):
    here, there = (torch.arange(24.0, device=d).reshape(4, 6) for d in ("cpu", cuda))
    expected, found = window(here), window(there)
    assert (found.storage_offset(), found.stride()) == (expected.storage_offset(), expected.stride())
    assert found.data_ptr() - there.data_ptr() == expected.data_ptr() - here.data_ptr()
    assert found.untyped_storage() == there.untyped_storage() and found.untyped_storage().nbytes() == 96
    found += 100
    expected += 100
    assert there.cpu().tolist() == here.tolist() and there._version == here._version


def test_cupy_has_no_public_way_to_a_window_with_a_base(only_simulated):
    """Why ``as_strided`` of the backend takes a private one; it can be let go when this fails."""
    import cupy

    x = cupy.arange(6.0)
    public = cupy.lib.stride_tricks.as_strided(x, (2,), (8,)), cupy.ndarray((2,), x.dtype, x.data, (8,))
    assert [w.base for w in public] == [None, None] and backend_of(x).as_strided(x, (2,), (8,)).base is x
    with pytest.raises(AttributeError):
        public[0].base = x
    with pytest.raises(AttributeError):  # nor the strides of a view
        x.view().strides = (16,)


def test_a_gradient_that_is_a_window_by_strides_is_not_added_to_in_place(cuda):
    x = torch.ones(3, device=cuda, requires_grad=True)
    w = torch.zeros(4, 4, device=cuda, requires_grad=True)
    twice = x * 2  # gets a second gradient after diag_embed's, which is a diagonal of what w is given
    thrice = twice * 3
    torch.autograd.backward([torch.diag_embed(twice, 1) + w, thrice], [torch.ones_like(w), torch.ones_like(x)])
    assert x.grad.tolist() == [8.0] * 3 and w.grad.tolist() == [[1.0] * 4] * 4


# ---------------------------------------------------------------------------- faults


def test_an_index_out_of_range_is_found_when_a_result_is_looked_at(cuda):
    table = nn.Embedding(5, 3).to(cuda)
    good, bad = torch.tensor([0, 4], device=cuda), torch.tensor([0, 5], device=cuda)
    out = table(bad)  # nothing waits here
    with pytest.raises(IndexError, match="index out of range in self"):
        out.cpu()
    assert table(good).cpu().shape == (2, 3)  # the device goes on
    loss = nn.functional.cross_entropy(torch.zeros(2, 3, device=cuda), torch.tensor([0, 7], device=cuda))
    with pytest.raises(IndexError, match="Target 7 is out of bounds"):
        loss.item()
    nn.functional.cross_entropy(torch.zeros(2, 3, device=cuda), torch.tensor([-1, 0], device=cuda))
    with pytest.raises(IndexError, match="Target -1 is out of bounds"):
        torch.cuda.synchronize()


def test_a_full_device_is_emptied_once_and_tried_again(only_simulated):
    from tests.gpu.simulated import device
    from tinygrad_zth.backends import backend_for

    backend_for(torch.device("cuda")).memory.install()
    torch.cuda.empty_cache()
    with device.bounded_memory(3_000_000):
        x = torch.zeros(500_000, device="cuda")
        del x  # 2 MB, which the pool keeps
        y = torch.zeros(600_000, device="cuda")  # 2.4 MB: only if the pool gives them back
        with pytest.raises(
            torch.cuda.OutOfMemoryError,
            match=r"CUDA out of memory. Tried to allocate 2,000,000 bytes. GPU 0 has a total capacity of",
        ):
            torch.zeros(500_000, device="cuda")
        with pytest.raises(RuntimeError, match="CUDA out of memory"):  # in an operation, too
            _ = y + 1
        assert y.sum().item() == 0
    torch.cuda.empty_cache()


def test_anomaly_mode_finds_a_nan_on_the_device(cuda):
    x = torch.tensor([0.0, 1.0], device=cuda, requires_grad=True)
    with torch.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values"):
        (x.sqrt() * 0).sum().backward()


def test_a_device_that_is_not_there(cuda):
    n = torch.cuda.device_count()
    with pytest.raises(RuntimeError, match=f"invalid device ordinal: cuda:{n} was asked for, and {n} device"):
        torch.zeros(1, device=f"cuda:{n}")


def _python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


_USE = "import tinygrad_zth as torch; print(torch.cuda.is_available(), torch.cuda.device_count()); torch.zeros(1).to('cuda')"


def test_without_cupy():
    hidden = "import sys, importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'cupy' else f(n, *a)\n"
    done = _python(hidden + _USE)
    assert done.stdout.split() == ["False", "0"]
    assert "CuPy is not installed" in done.stderr.splitlines()[-1]


def test_with_cupy_and_no_driver(is_simulated):
    if not is_simulated:
        pytest.skip("there is a driver")
    done = _python(_USE)
    assert done.stdout.split() == ["False", "0"]
    assert "Found no NVIDIA driver" in done.stderr.splitlines()[-1]


def test_with_a_cupy_that_cannot_be_imported(tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcublas.so.12: cannot open shared object file')")
    done = _python("import sys; sys.path.insert(0, sys.argv[1])\n".replace("sys.argv[1]", repr(str(tmp_path))) + _USE)
    assert done.stdout.split() == ["False", "0"]
    assert "CuPy cannot be imported: libcublas.so.12" in done.stderr.splitlines()[-1]


def test_with_a_cupy_for_another_cuda_than_the_drivers(tmp_path):
    """CUDA's answer where the driver is older than the runtime that CuPy brings: both versions are named."""
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text(
        "from types import SimpleNamespace\n"
        "def count():\n"
        "    raise RuntimeError('cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version')\n"
        "runtime = SimpleNamespace(getDeviceCount=count, runtimeGetVersion=lambda: 13020, driverGetVersion=lambda: 12040)\n"
        "cuda = SimpleNamespace(runtime=runtime)\n"
    )
    done = _python(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + _USE)
    assert done.stdout.split() == ["False", "0"]
    said = done.stderr.splitlines()[-1]
    assert "older than the CUDA that CuPy was built for (13020; the driver has 12040)" in said


def test_visible_devices_are_cudas_affair(only_simulated, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert torch.cuda.device_count() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert torch.cuda.device_count() == 0 and not torch.cuda.is_available()
    with pytest.raises(RuntimeError, match="No CUDA GPUs are available"):
        torch.zeros(1, device="cuda")


def test_nobody_outside_the_backends_asks_for_the_device():
    """No ``if cuda`` in operations, layers, optimisers or models: they would be two programs."""
    asked = ("is_cuda", '"cuda"', "'cuda'", ".cuda.is_available", "import cupy", '.name == "cupy"')
    allowed = {
        "tinygrad_zth/ops/copy.py",  # `.cuda()`, `.type()` say the word
        "tinygrad_zth/nn/utils/rnn.py",  # so do PackedSequence's
        "models/shared/commands.py",  # --device auto
    }
    found = []
    for folder in ("tinygrad_zth/ops", "tinygrad_zth/nn", "tinygrad_zth/optim", "tinygrad_zth/fused", "models"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if any(word in line for word in asked) and path.relative_to(ROOT).as_posix() not in allowed:
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found
