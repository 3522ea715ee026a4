"""One contestant in a process of its own: it runs a workload when told to, and says how long it took.

    python -m benchmarks.contestant NAME WORKLOAD

"cupy" and "torch_cuda" are ours and PyTorch with their tensors on a GPU; BENCHMARK_DEVICE names a package whose
``install()`` puts another device in its place (benchmarks.gpu --on simulated).

On standard input it reads numbers of steps, one a line; after each it has run so many and prints the
seconds they took and the last loss, as JSON. At the end of the input it prints its peak memory: how far
the process's resident size rose above what it was with the library imported and nothing built.

A process of its own for each, so that neither's threads, caches or allocator settings are the other's.
Only one of them runs at a time: the driver (pairs.py) speaks to them in turn.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .memory import peak, resident

MODULES = {
    "ours": "tinygrad_zth",
    "plain": "tinygrad_zth",
    "torch": "torch",
    "cupy": "tinygrad_zth",
    "torch_cuda": "torch",
}
ON_DEVICE = ("cupy", "torch_cuda")


def build(name: str, workload: str) -> Callable[[], float]:
    """The step of a contestant; imports what it needs.

    Raises ModuleNotFoundError where its library is not installed, KeyError for an unknown workload.
    """
    if name in MODULES:
        torch = import_module(MODULES[name])
        torch.set_num_threads(2)
        if name in ON_DEVICE:
            torch = on_device(name, torch)
        if workload.startswith("kernel:"):
            from .kernels import kernel_step

            return kernel_step(
                torch,
                workload.removeprefix("kernel:"),
                name == "plain",
                look=name not in ON_DEVICE or "BENCHMARK_DEVICE" in os.environ,
            )
        from .workloads import WORKLOADS

        return WORKLOADS[workload](torch)
    from .peers import PEERS

    return PEERS[name]()


def on_device(name: str, torch: Any) -> Any:
    """The framework with its tensors on the GPU. Raises RuntimeError where there is none."""
    if name == "cupy" and (other := os.environ.get("BENCHMARK_DEVICE")):
        import_module(other).install()
    torch.cuda.init()
    torch.set_default_device("cuda")
    if name == "torch_cuda":  # there a device has generators of its own
        torch.Generator = functools.partial(torch.Generator, "cuda")
    return torch


def main(name: str, workload: str) -> int:
    if name in MODULES:
        import_module(MODULES[name]).Tensor  # noqa: B018  ours is loaded when it is first used
    before = resident()
    step = build(name, workload)
    wait = import_module(MODULES[name]).cuda.synchronize if name in ON_DEVICE else lambda: None
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        steps = int(line)
        gc.collect()
        loss = 0.0
        began = time.perf_counter()
        for _ in range(steps):
            loss = step()
        wait()
        took = time.perf_counter() - began
        print(json.dumps({"seconds": took, "loss": loss}), flush=True)
    print(json.dumps({"peak_bytes": max(0, peak() - before)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
