"""Every CUDA source of the project compiled by NVRTC, the compiler that CuPy uses, for real architectures. No device."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch
from tinygrad_zth.backends import device_faults
from tinygrad_zth.backends.cuda_source import CudaSource

from .test_mutations import PROOFS
from .test_training import MODELS, train

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
SOURCES: dict[str, CudaSource] = {name: source for name, (source, _) in PROOFS.items()}


def compile_for(text: str, arch: str, given: tuple[str, ...] = ("--std=c++17",)) -> None:
    """Compile by the real NVRTC, which the simulated device keeps. Raises AssertionError with its log."""
    from .simulated import nvrtc

    program = nvrtc.REAL["createProgram"](text, "kernel.cu", (), ())
    options = (f"-arch={arch}", *given, f"-I{cuda_headers()}")
    try:
        nvrtc.REAL["compileProgram"](program, options)
    except Exception as error:
        raise AssertionError(f"{error}: {nvrtc.REAL['getProgramLog'](program)}") from None
    finally:
        nvrtc.REAL["destroyProgram"](program)


def cuda_headers() -> str:
    """Where the nvidia-cuda-runtime wheel keeps cuda_fp16.h."""
    from importlib.metadata import files

    for wheel in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"):
        try:
            found = next(f for f in files(wheel) or () if f.name == "cuda_fp16.h")
        except Exception:
            continue
        return str(found.locate().parent)
    raise AssertionError("no cuda_fp16.h in the nvidia-cuda-runtime wheel")


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_compiles(only_simulated, name, arch):
    for dtype in "fde":
        compile_for(SOURCES[name].text(dtype), arch)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_kernel_that_looks_for_faults_compiles(only_simulated, arch):
    for kind in device_faults.KINDS:
        compile_for(device_faults.source(kind), arch)


def _a_bit_of_everything() -> None:
    """A training step of a GPT, and operations of each kind: what CuPy writes kernels for."""
    losses, _ = train(*MODELS["gpt"], "cuda", steps=1)
    assert losses
    x = torch.rand(3, 4, device="cuda") + 0.5
    i = torch.tensor([0, 2], device="cuda")
    for use in (
        lambda: x.exp() + x.log() - x.sqrt() * x.tanh() / x.sigmoid(), lambda: x.std(0) + x.var(0), lambda: x.argmax(1),
        lambda: x.amax(0), lambda: x.cumsum(1), lambda: x.prod(1), lambda: x.half() @ x.half().t(), lambda: x.double().sum(),
        lambda: (x > 1) & (x < 2), lambda: torch.where(x > 1, x, 0), lambda: x[i], lambda: x.gather(0, i[None].expand(1, 2)),
        lambda: x.index_add(0, i, x[:2]), lambda: x.masked_fill(x > 1, 0), lambda: torch.cat([x, x]), lambda: x.tril(),
        lambda: x.flip(0), lambda: x.to(torch.int64) // 2, lambda: x.norm(), lambda: x.erf(), lambda: x.round(), lambda: x**3,
        lambda: torch.arange(5, device="cuda"), lambda: torch.eye(3, device="cuda"), lambda: x.bool().any(), lambda: x.clamp(0, 1),
        lambda: torch.nn.functional.conv2d(x[None, None], x[None, None, :2, :2]), lambda: x.isnan(), lambda: x.topk(2),
    ):  # fmt: skip
        use()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_cupy_writes_for_us_compiles(only_simulated, arch):
    """Kernels that CuPy generates (element by element, reductions, its own raw ones) from what we call."""
    from .simulated import nvrtc

    _a_bit_of_everything()
    generated = {
        text: options for text, options in nvrtc.sources.items() if "tinygrad_zth" not in text.partition("\n")[0]
    }
    assert len(generated) > 40
    for text, options in generated.items():
        compile_for(text, arch, tuple(o for o in options if "arch" not in o))


def test_an_error_is_seen(only_simulated):
    with pytest.raises(AssertionError, match="INFINITY"):
        compile_for('extern "C" __global__ void k(float* x) { *x = INFINITY; }', "sm_90")
