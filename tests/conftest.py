"""What every test shares: hypothesis profiles, markers, isolation, and where the real data is."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"

if os.environ.get("PYTEST_XDIST_WORKER"):
    # One BLAS thread a worker, or the workers fight over the cores. Before NumPy is imported.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Tests never reach for the network, and read the real texts where a checkout has them beside it.
os.environ["TINYGRAD_ZTH_OFFLINE"] = "1"
if SHARED_DATA.is_dir():
    os.environ.setdefault("TINYGRAD_ZTH_DATA", str(SHARED_DATA))
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402
from hypothesis import HealthCheck, Phase, settings  # noqa: E402

from tests import device_mode, layers  # noqa: E402

# A shared machine is slow at times: time limits on single examples make flaky tests, not fast code.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, **_COMMON)
settings.register_profile("ci", max_examples=50, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
# On another device the structure of arguments is what is looked at, and the CPU's run has looked for odd numbers.
settings.register_profile(
    "device", max_examples=5, derandomize=True, phases=[Phase.explicit, Phase.generate], **_COMMON
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--perf", action="store_true", help="also run the tests marked perf")
    parser.addoption(
        "--device-tests-on", default="any", choices=("any", "simulated", "cuda"),
        help="the device that tests/gpu need: they fail where it is not to be had",
    )  # fmt: skip
    parser.addoption("--device", default="cpu", choices=device_mode.MODES, help="where tensors live: device_mode.py")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--device") != "cpu":
        settings.load_profile("device")
    device_mode.begin(config.getoption("--device"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    with device_mode.time_allowed():
        return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if lines := layers.table(terminalreporter.stats):
        terminalreporter.section("layers of proof without a GPU")
        for line in lines:
            terminalreporter.write_line(line)


def _have_gpu() -> bool:
    return find_spec("cupy") is not None and device_mode.cuda_devices() > 0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marks = {}
    for name in ("slow", "perf"):
        if not config.getoption(f"--{name}"):
            marks[name] = pytest.mark.skip(reason=f"marked {name}: give --{name} to run it")
    if find_spec("torch") is None:
        marks["parity"] = pytest.mark.skip(reason="torch is not installed (extra: parity)")
    if (where := config.getoption("--device")) != "cpu":
        marks["host"] = pytest.mark.skip(reason=f"about the host's memory, not that of --device={where}")
    if any(item.get_closest_marker("gpu") for item in items) and not _have_gpu():
        marks["gpu"] = pytest.mark.skip(reason="no CuPy with a CUDA device")
    for item in items:
        for name, mark in marks.items():
            if item.get_closest_marker(name):
                item.add_marker(mark)


@pytest.fixture(autouse=True)
def _same_start_for_every_test():
    """Each test starts from one seed and leaves no default dtype or grad mode behind."""
    zth = sys.modules.get("tinygrad_zth")
    if not hasattr(zth, "manual_seed"):  # this test does not use the framework
        yield
        return
    zth.manual_seed(0)
    dtype, grad = zth.get_default_dtype(), zth.is_grad_enabled()
    yield
    zth.set_default_dtype(dtype)
    zth.set_grad_enabled(grad)
    device_mode.as_before()


def _real(name: str) -> str:
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"the real {name} is not at {path}")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def real_names() -> list[str]:
    """The 32,033 names of makemore; skips where they are not beside the checkout."""
    return _real("names.txt").split()


@pytest.fixture(scope="session")
def real_shakespeare() -> str:
    """The 1,115,394 characters of tinyshakespeare; skips where they are not beside the checkout."""
    return _real("tinyshakespeare.txt")
