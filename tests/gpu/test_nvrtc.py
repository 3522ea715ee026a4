"""Every CUDA source of the project compiled by NVRTC, the compiler that CuPy uses, for real architectures. No device."""

from __future__ import annotations

import pytest

from tinygrad_zth.backends.cuda_source import CudaSource

from .test_mutations import PROOFS

SOURCES: dict[str, CudaSource] = {name: source for name, (source, _) in PROOFS.items()}


def compile_for(text: str, arch: str) -> None:
    """Compile by the real NVRTC, which the simulated device keeps. Raises AssertionError with its log."""
    from .simulated import nvrtc

    program = nvrtc.REAL["createProgram"](text, "kernel.cu", (), ())
    options = (f"-arch={arch}", "--std=c++17", f"-I{cuda_headers()}")
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


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_source_compiles(only_simulated, name, arch):
    for dtype in "fde":
        compile_for(SOURCES[name].text(dtype), arch)


def test_an_error_is_seen(only_simulated):
    with pytest.raises(AssertionError, match="INFINITY"):
        compile_for('extern "C" __global__ void k(float* x) { *x = INFINITY; }', "sm_90")
