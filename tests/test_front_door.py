"""The names beside tensors: what scripts import and set at their top, and what is deliberately left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_zth as torch
from tinygrad_zth import absent

ROOT = Path(__file__).resolve().parent.parent


def test_a_torch_script_runs_unchanged(tmp_path):
    """``python -m tinygrad_zth script.py`` finds this package under the name torch, and says nothing of it elsewhere."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nimport torch\nimport torch.nn as nn\nfrom torch.nn import functional as F\n"
        "from torch.utils.data import DataLoader\nimport torch.optim.lr_scheduler\n"
        "assert torch.__version__ == '2.13.0+tinygrad.zth' and torch.version.cuda is None\n"
        "print(torch.__name__, F.relu(torch.tensor([-1.0, 2.0])), sys.argv[1:], nn.Linear.__module__)\n"
    )
    command = [sys.executable, "-m", "tinygrad_zth", str(script), "--size", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "tinygrad_zth tensor([0., 2.]) ['--size', '3'] tinygrad_zth.nn.linear\n"
    done = subprocess.run([sys.executable, "-m", "tinygrad_zth"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "usage" in done.stderr


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("complex64", "complex numbers"), ("fft", "Fourier"), ("sparse_coo_tensor", "sparse"), ("qint8", "quantised"),
        ("quantize_per_tensor", "quantised"), ("export", "exported models"), ("view_as_complex", "complex"),
    ],
)  # fmt: skip
def test_what_is_left_out_says_so(name, subject):
    assert not hasattr(torch, name)
    with pytest.raises(AttributeError, match=f"'{name}'.*{subject}.* not supported"):
        getattr(torch, name)


def test_an_unknown_name_is_only_unknown():
    with pytest.raises(AttributeError) as error:
        print(torch.no_such_thing)
    assert "supported" not in str(error.value)
    with pytest.raises(AttributeError, match="sparse"):
        torch.zeros(2).to_sparse()
    with pytest.raises(AttributeError, match="no attribute 'foo'$"):
        print(torch.zeros(2).foo)


def test_tensors_name_what_they_do_without():
    """No ``__getattr__``, which would slow down every attribute: the names are spelled out, and each has its reason."""
    assert not hasattr(torch.Tensor, "__getattr__")
    x = torch.zeros(2)
    for name in absent.METHODS:
        assert not hasattr(x, name) and not hasattr(torch.Tensor, name) and name not in dir(x)
        with pytest.raises(AttributeError, match=f"'Parameter' object has no attribute '{name}': .* not supported"):
            getattr(torch.nn.Parameter(x), name)
    x.names = ("a",)  # a user's own attribute, as any other
    assert x.names == ("a",)


def test_scripts_set_switches():
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    assert not torch.backends.cudnn.is_available() and not torch.backends.mps.is_available()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision(before)
    with pytest.warns(UserWarning, match="nothing was changed"):
        torch.set_float32_matmul_precision("sloppy")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(threads)
    with pytest.raises(RuntimeError, match="positive"):
        torch.set_num_threads(0)
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled() and torch.get_deterministic_debug_mode() == 2
    torch.use_deterministic_algorithms(False)


def test_default_dtype_by_tensor_type():
    torch.set_default_tensor_type(torch.DoubleTensor)
    assert torch.tensor([1.0]).dtype is torch.float64
    torch.set_default_tensor_type("torch.FloatTensor")
    assert torch.tensor([1.0]).dtype is torch.float32
    with pytest.raises(TypeError, match="invalid type"):
        torch.set_default_tensor_type("torch.NoTensor")


def test_device_as_a_context():
    with torch.device("cpu"):
        assert torch.zeros(1).device == torch.device("cpu") == torch.get_default_device()
    torch.set_default_device("cpu")
    assert torch.get_default_device() == torch.device("cpu")
    torch.set_default_device(None)


def test_compile_returns_the_model():
    model = torch.nn.Linear(2, 2)
    assert torch.compile(model) is model

    @torch.compile(mode="max-autotune")
    def double(x):
        return x * 2

    assert double(torch.ones(1)).item() == 2


def test_autocast_keeps_its_book_and_changes_no_result():
    x = torch.randn(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
        assert (x @ x.T).dtype is torch.float32
    assert not torch.is_autocast_enabled("cpu")
    with pytest.warns(UserWarning, match="not supported"):
        context = torch.amp.autocast("cpu", dtype=torch.float32)
    with context:
        assert not torch.is_autocast_enabled("cpu")
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        torch.autocast("tpu")

    @torch.autocast("cpu")
    def inside():
        return torch.is_autocast_enabled("cpu")

    assert inside() and not torch.is_autocast_enabled("cpu")


def test_the_scaler_leaves_out_a_step_with_an_infinity():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([p], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    scaler.scale((p * 3).sum()).backward()
    assert p.grad.tolist() == [24.0, 24.0]
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [-2.0, -2.0] and scaler.get_scale() == 8.0
    p.grad = torch.tensor([float("inf"), 1.0])
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [-2.0, -2.0] and scaler.get_scale() == 4.0
    for _ in range(2):
        p.grad = torch.zeros(2)
        scaler.unscale_(optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 8.0
    p.grad = None
    for call in (lambda: scaler.step(optimizer), scaler.update):
        with pytest.raises(AssertionError, match="No inf checks were recorded"):
            call()
    half = torch.nn.Parameter(torch.ones(1, dtype=torch.float16))
    half.grad = torch.ones_like(half)
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.step(torch.optim.SGD([half], lr=1.0))
    again = torch.amp.GradScaler("cpu")
    again.load_state_dict(scaler.state_dict())
    assert again.get_scale() == 8.0
    off = torch.cuda.amp.GradScaler(enabled=False)
    assert off.scale(p) is p and off.state_dict() == {} and off.get_scale() == 1.0


def test_distributed_says_that_there_is_one_process():
    from tinygrad_zth.distributed import destroy_process_group, init_process_group
    from tinygrad_zth.nn.parallel import DataParallel, DistributedDataParallel

    assert not torch.distributed.is_available() and not torch.distributed.is_initialized()
    for call in (init_process_group, destroy_process_group, torch.distributed.get_rank):
        with pytest.raises(RuntimeError, match="one process"):
            call()
    model = torch.nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="one process"):
        DistributedDataParallel(model, device_ids=[0])
    wrapped = DataParallel(model)
    x = torch.randn(3, 2)
    assert torch.equal(wrapped(x), model(x)) and wrapped.module is model


def test_checkpoint_computes_again_with_the_same_numbers():
    from tinygrad_zth.utils.checkpoint import checkpoint, checkpoint_sequential

    layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    grads = []
    for run in (
        layer,
        lambda x: checkpoint(layer, x, use_reentrant=True),
        lambda x: checkpoint_sequential(layer, 2, x),
    ):
        torch.manual_seed(3)
        layer.zero_grad()
        x = torch.linspace(-1, 1, 6).view(2, 3).requires_grad_()
        run(x).square().sum().backward()
        grads.append([x.grad, *(p.grad for p in layer.parameters())])
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            assert torch.allclose(a, b)


def test_event_files(tmp_path):
    """SummaryWriter takes tensors; without its library, the name says which to install."""
    from tinygrad_zth.utils import tensorboard

    pytest.importorskip("tensorboardX")
    from tinygrad_zth.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=str(tmp_path)) as writer:
        writer.add_scalar("loss", torch.tensor(1.5, requires_grad=True), 3)
        writer.add_histogram("weights", torch.randn(10), 3)
    (file,) = tmp_path.iterdir()
    assert b"loss" in file.read_bytes() and b"weights" in file.read_bytes()
    with pytest.raises(AttributeError, match="tensorboard"):
        print(tensorboard.NoSuchWriter)


def test_event_files_without_the_library(monkeypatch):
    from tinygrad_zth.utils import tensorboard

    tensorboard._writer.cache_clear()
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"tensorboardX, which is not installed.*tinygrad_zth\[tensorboard\]"):
        print(tensorboard.SummaryWriter)


@pytest.mark.host  # on a device, printing names it
def test_what_is_pickled_and_printed():
    import pickle

    p = torch.nn.Parameter(torch.ones(2))
    assert str(p) == repr(p) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert str(pickle.loads(pickle.dumps(p))) == str(p)
    inner = pickle.loads(pickle.dumps(p * 2))
    assert inner.is_leaf and inner.requires_grad and inner.tolist() == [2.0, 2.0]
    x = torch.arange(3.0)
    capsule = torch.utils.dlpack.to_dlpack(x)
    assert "dltensor" in repr(capsule)


def test_legacy_constructors():
    assert torch.FloatTensor([1, 2]).dtype is torch.float32 and torch.LongTensor([1.5, 2]).tolist() == [1, 2]
    assert torch.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(torch.zeros(1), torch.FloatTensor) and not isinstance(torch.zeros(1), torch.LongTensor)
    assert torch.zeros(2).type(torch.LongTensor).dtype is torch.int64
    with pytest.raises(TypeError, match="expected a tensor of dtype"):
        torch.LongTensor(torch.zeros(1))


def test_functions_of_functions():
    x = torch.tensor([1.0, 2.0, 3.0])
    assert torch.func.grad(lambda t: (t**3).sum())(x).tolist() == [3.0, 12.0, 27.0]
    assert torch.func.grad(torch.func.grad(lambda t: t**3))(torch.tensor(2.0)).item() == 12.0
    per_sample = torch.vmap(torch.func.grad(lambda w, a: (w * a).sum()), in_dims=(None, 0))(x, torch.eye(3))
    assert torch.equal(per_sample, torch.eye(3))
    assert torch.func.jacrev(lambda t: t**2)(x).tolist() == [[2.0, 0, 0], [0, 4.0, 0], [0, 0, 6.0]]
    assert torch.func.hessian(lambda t: (t**3).sum())(x).diagonal().tolist() == [6.0, 12.0, 18.0]
    value, pull = torch.func.vjp(lambda t: t * 2, x)
    assert value.tolist() == [2, 4, 6] and pull(torch.ones(3))[0].tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="scalar tensor"):
        torch.func.grad(lambda t: t)(x)
    with pytest.raises(ValueError, match="same size"):
        torch.vmap(lambda a, b: a + b)(torch.zeros(2), torch.zeros(3))
    model = torch.nn.Linear(3, 1)
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    assert torch.func.functional_call(model, zeros, x).tolist() == [0.0] and model.weight.abs().sum() > 0


def test_help_shows_how_an_operation_is_called():
    """Before its first call, too, when the function is not yet written out (template.py)."""
    code = (
        "import inspect, tinygrad_zth as torch; "
        "print(*(inspect.signature(getattr(torch, name)) for name in ('exp', 'tan', 'maximum')), sep='; ')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    unary = "(input: 'Tensor', *, out: 'Tensor | None' = None) -> 'Tensor'"
    binary = "(input: 'Tensor', other: 'Tensor | Number', *, out: 'Tensor | None' = None) -> 'Tensor'"
    assert done.stdout.strip() == f"{unary}; {unary}; {binary}"
