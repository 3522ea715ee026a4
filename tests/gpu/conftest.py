"""What the tests of the GPU backend share: a device to run on, and what is asked of it after each test.

The device is the machine's own GPU, where there is one; else the simulated one (``simulated/``), with a canary behind
every allocation and poison in it; else the tests are skipped, saying what is missing. Outside these tests the simulated
device is hidden, so that the rest of the suite sees a machine without a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

import tinygrad_zth as torch
from tests import device_mode
from tests.gpu import simulated
from tinygrad_zth import backends


@pytest.fixture(scope="session")
def is_simulated(request: pytest.FixtureRequest) -> bool:
    """Whether the device of these tests is the simulated one; skips where there is none at all."""
    wanted = request.config.getoption("--device-tests-on")
    if device_mode.cuda_devices() and wanted != "simulated":
        return False
    if wanted == "cuda":
        pytest.fail("--device-tests-on=cuda, and this machine has no CUDA device (DEVICE=simulated needs none)")
    if why := simulated.missing():
        (pytest.fail if os.environ.get("TINYGRAD_ZTH_GPU_TESTS") == "required" else pytest.skip)(why)
    simulated.install()
    return True


@pytest.fixture
def cuda(is_simulated: bool) -> Iterator[str]:
    """``"cuda"``, to make tensors on. Afterwards no write has gone astray."""
    if not is_simulated:
        yield "cuda"
        return
    import cupy

    from tests.gpu.simulated import device, memory

    device.visible = device.PRESENT
    device.use(0)
    backend = backends.backend_for(torch.device("cuda"))
    cupy.cuda.set_allocator(None)  # no pool: each array has a canary of its own
    try:
        yield "cuda"
        memory.check()
    finally:
        backend.memory.install()
        device.visible = 0


@pytest.fixture
def only_simulated(is_simulated: bool, cuda: str) -> str:
    """As ``cuda``, for tests that look inside the simulated device."""
    if not is_simulated:
        pytest.skip("about the simulated device, and a real one is here")
    return cuda


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
