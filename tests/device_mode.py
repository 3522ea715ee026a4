"""``pytest --device=...``: the suite as it is, with the tensors on a device.

    cpu         the default
    strict      a stand-in for CuPy that refuses what CuPy refuses, on NumPy (tests/gpu/strict)
    simulated   the real CuPy on a device that the processor simulates (tests/gpu/simulated)
    cuda        the GPU of this machine

New tensors are made on the device, and what a test compares is brought to the host: ``numpy()`` and ``np.asarray`` copy,
``from_numpy`` sends. A test that is about the host's memory itself (sharing with NumPy, threads, files) is marked
``host``, and left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import inspect
import pkgutil
import signal
from collections.abc import Iterator

import pytest

__all__ = ["MODES", "begin", "as_before", "cuda_devices", "settle", "time_allowed", "why_not"]

_where = "cpu"
MODES = ("cpu", "strict", "simulated", "cuda")


@functools.cache
def cuda_devices() -> int:
    """How many CUDA devices the machine has, asked of the driver: CuPy stays unimported, so that it can be simulated."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else 0


def why_not(mode: str) -> str | None:
    """Why the suite cannot run on this device here; None if it can."""
    if mode == "simulated":
        from tests.gpu.simulated import missing

        return missing()
    if mode == "cuda":
        import tinygrad_zth as torch

        return None if cuda_devices() and torch.cuda.is_available() else "no CuPy with a CUDA device"
    return None


def begin(mode: str) -> None:
    """Put the device under the suite. Raises pytest.UsageError where it is not to be had."""
    global _where
    _where = mode
    if mode == "cpu":
        _prepare_simulation()
        return
    if why := why_not(mode):
        raise pytest.UsageError(f"--device={mode}: {why}")
    if mode == "simulated":
        from tests.gpu.simulated import install

        install()
    elif mode == "strict":
        from tests.gpu.strict import install

        install()
    _bridge()


def settle() -> None:
    """Wait for the device, which says only then that an index was out of range. Nothing to do on the host."""
    import tinygrad_zth as torch

    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()


def as_before() -> None:
    """What kernels noted in a test that did not look at their results is no concern of the next, and tensors are made
    where this run makes them, whatever a test has set."""
    if _where == "cpu":
        return
    import tinygrad_zth as torch

    torch.set_default_device("cuda")
    with contextlib.suppress(IndexError, RuntimeError):
        settle()


SIMULATED_SECONDS = 10


@contextlib.contextmanager
def time_allowed() -> Iterator[None]:
    """On the simulated device, which takes a processor's time for every thread, a test that computes for long is broken
    off and left out, saying so. The time is this process's own, not g++'s: which tests are run depends neither on what has
    been compiled before nor on what else the machine does."""
    if _where != "simulated" or not hasattr(signal, "setitimer"):
        yield
        return

    def over(*_: object) -> None:
        pytest.skip(f"computes for more than {SIMULATED_SECONDS} s on the simulated device")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SIMULATED_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _prepare_simulation() -> None:
    """Put the simulated device under CuPy before anything imports it, and hide it until a test of tests/gpu asks."""
    from tests.gpu import simulated

    if not cuda_devices() and simulated.missing() is None:
        simulated.install()
        from tests.gpu.simulated import device

        device.visible = 0


def _bridge() -> None:
    """Tests hand over and look at NumPy arrays: bring them to the device, and back."""
    import tinygrad_zth as torch

    own_numpy, own_from_numpy, own_as_tensor = torch.Tensor.numpy, torch.from_numpy, torch.as_tensor

    def numpy(self, *, force: bool = False):
        if self.is_cuda and not force and not self.requires_grad:
            return own_numpy(self, force=True)
        return own_numpy(self, force=force)

    def from_numpy(ndarray):
        return own_from_numpy(ndarray).to(torch.get_default_device())

    def as_tensor(data, dtype=None, device=None):
        return own_as_tensor(data, dtype, device or torch.get_default_device())

    torch.Tensor.numpy, torch.from_numpy, torch.as_tensor = numpy, from_numpy, as_tensor
    torch.set_default_device("cuda")
    _data_there()


def _data_there() -> None:
    """Batches of the models' tasks go where tensors are made, unless a test says where."""
    import models

    for found in pkgutil.walk_packages(models.__path__, "models."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for cls in (c for c in vars(module).values() if inspect.isclass(c)):
            for function in (cls.__dict__.get("__init__"), cls.__dict__.get("load"), cls.__dict__.get("restore")):
                parameters = inspect.signature(function).parameters if inspect.isfunction(function) else {}
                if "device" not in parameters or parameters["device"].default != "cpu":
                    continue
                if "device" in (function.__kwdefaults__ or {}):
                    function.__kwdefaults__["device"] = "cuda"
                else:
                    named = [p for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
                    with_default = [p for p in named if p.default is not p.empty]
                    function.__defaults__ = tuple("cuda" if p.name == "device" else p.default for p in with_default)
