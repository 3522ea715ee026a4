"""The layers of proof of the GPU backend, counted each for itself at the end of a test run (docs/gpu.md says what each shows).

contract            the package's calls against CuPy's names and signatures
strict stand-in     the suite on an array that refuses what CuPy refuses; its sessions' tests are counted, not they
simulated device    the real CuPy on the processor
NVRTC               every CUDA source compiled for real architectures
kernel mutations    kernels broken on purpose, each to be caught
"""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["LAYERS", "layer_of", "table"]

LAYERS = ("contract", "strict stand-in", "simulated device", "NVRTC", "kernel mutations")
_BY_FILE = {
    "test_contract.py": "contract",
    "test_strict.py": "strict stand-in",
    "test_nvrtc.py": "NVRTC",
    "test_mutations.py": "kernel mutations",
}


def layer_of(nodeid: str) -> str | None:
    """The layer that a test belongs to; None for one that is no test of the GPU backend."""
    path = nodeid.partition("::")[0].replace("\\", "/")
    if not path.startswith("tests/gpu/"):
        return None
    return _BY_FILE.get(path.rpartition("/")[2], "simulated device")


def table(reports: dict[str, list[Any]]) -> list[str]:
    """A line for each layer, from pytest's reports by outcome; none if no test of theirs was run."""
    counts: dict[str, Counter[str]] = {layer: Counter() for layer in LAYERS}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in reports.get(outcome, ()):
            layer = layer_of(getattr(report, "nodeid", ""))
            if layer is None or (outcome == "passed" and report.when != "call"):
                continue
            within = dict(getattr(report, "user_properties", ())).get("layer_counts")
            if within:
                counts[layer].update(within)
                counts[layer]["failed"] += outcome != "passed" and not within["failed"]
            else:
                counts[layer]["failed" if outcome == "error" else outcome] += 1
    if not any(counts.values()):
        return []
    width = max(map(len, LAYERS))
    return [
        f"{layer:{width}}  {c['passed']:5} passed  {c['failed']:3} failed  {c['skipped']:4} skipped"
        for layer, c in counts.items()
    ]
