"""The benchmark on a GPU: every row of ``python -m benchmarks`` on the CPU, on CuPy, and on PyTorch's CUDA if it is there.

    python -m benchmarks.gpu                     on the machine's GPU
    python -m benchmarks.gpu --on simulated      on the device that the tests simulate: that it runs and computes the same
    python -m benchmarks.gpu --only softmax      rows with this in their name (commas between several)
    python -m benchmarks.gpu --json FILE --chart FILE.png

A kernel's row says what part of the memory's speed it reaches: the bytes that forward and backward must at least read and
write, by the time of both with their launches, against what the maker names for this device, or else against a copy of a
large array, measured here. A step of a workload reads its loss, as a user's does, and waits for it. Times of the simulated
device are the processor's: they are not shown, nor kept.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tinygrad_zth as torch

from . import kernels
from .__main__ import machine
from .output import append_json, save_chart
from .pairs import Contestant, Missing, Result, compare
from .workloads import WORKLOADS

SIMULATED = "tests.gpu.simulated"
NAMES = ("ours", "cupy", "torch_cuda")
#: Memory's speed as the makers state it, in GB/s, by a part of the device's name; the first that fits.
STATED = {
    "B200": 8000, "H200": 4800, "GH200": 4000, "H100 PCIe": 2000, "H100 NVL": 3900, "H100": 3350, "A100-SXM4-80GB": 2039,
    "A100 80GB PCIe": 1935, "A100": 1555, "V100": 900, "L40S": 864, "L4": 300, "A10G": 600, "A10": 600, "T4": 320,
    "RTX 5090": 1792, "RTX 4090": 1008, "RTX 4080": 717, "RTX 3090": 936, "RTX 3080": 760,
}  # fmt: skip
#: How often forward and backward together must at least go through an array of the input's size.
PASSES = {"softmax": 5, "log_softmax": 5, "cross_entropy": 3, "layer_norm": 5, "batch_norm": 5, "gelu": 5}


def least_bytes(row: str) -> int | None:
    """The bytes of float32 that a kernel's row must at least move; None for a row that is no kernel."""
    if not row.startswith("kernel:"):
        return None
    _, kernel, size = row.split(":")
    if kernel == "attention":
        return 4 * 12 * math.prod(kernels.ATTENTION[size])  # q k v out; q k v out g, and three gradients
    n, m = kernels.SIZES[size]
    if kernel == "linear":
        x, w, y = n * m, m * m // 2, n * m // 2
        return 4 * (3 * x + 3 * w + 2 * y)  # forward x w -> y, backward g x w -> dx dw
    return 4 * PASSES[kernel] * n * m


def flops(row: str) -> int | None:
    """Multiplications and additions of a row that is made of matrix products; None for others."""
    _, kernel, size = row.split(":") if row.startswith("kernel:") else ("", "", "")
    if kernel == "linear":
        n, m = kernels.SIZES[size]
        return 3 * 2 * n * m * m // 2
    if kernel == "attention":
        b, h, length, e = kernels.ATTENTION[size]
        return 7 * 2 * b * h * length * length * e // 2  # two products forward, five backward; causal: half of each
    return None


def copy_speed(megabytes: int = 256, times: int = 20) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    source = torch.zeros(megabytes * 2**18, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    for _ in range(times):
        target.copy_(source)
    ended.record()
    ended.synchronize()
    return 2 * source.nbytes * times / (began.elapsed_time(ended) / 1e3)


def device() -> dict[str, Any]:
    """The device: its name, and how fast its memory is, as stated and as measured."""
    found = torch.cuda.get_device_properties(0)
    return {
        "name": found.name,
        "capability": f"{found.major}.{found.minor}",
        "memory_gb": found.total_memory / 1e9,
        "stated_gb_s": next((v for part, v in STATED.items() if part in found.name), None),
        "copy_gb_s": copy_speed() / 1e9,
    }


class Row:
    """A row of the table: the times, and what follows from them."""

    def __init__(self, result: Result, about: dict[str, Any] | None) -> None:
        self.result, self.about = result, about
        self.name = result.workload
        self.seconds = {n: result.time(n) for n in result.seconds}
        moved = least_bytes(self.name)
        took = self.seconds.get("cupy")
        self.gb_s = moved / took / 1e9 if moved and took and about else None
        peak = (about or {}).get("stated_gb_s") or (about or {}).get("copy_gb_s")
        self.fraction = self.gb_s / peak if self.gb_s and peak else None
        work = flops(self.name)
        self.tflop_s = work / took / 1e12 if work and took and about else None

    def line(self) -> str:
        """As text."""

        def ms(name: str) -> str:
            return f"{1e3 * self.seconds[name]:10.3f}" if name in self.seconds else f"{'-':>10s}"

        ratio = (
            f"{self.seconds['ours'] / self.seconds['cupy']:7.2f}"
            if {"ours", "cupy"} <= set(self.seconds)
            else f"{'-':>7s}"
        )
        gb_s = f"{self.gb_s:8.1f}" if self.gb_s else f"{'-':>8s}"
        part = f"{100 * self.fraction:6.1f}%" if self.fraction else f"{'-':>7s}"
        tflop_s = f"{self.tflop_s:8.2f}" if self.tflop_s else f"{'-':>8s}"
        return f"{self.name:28s} {ms('ours')} {ms('cupy')} {ratio} {ms('torch_cuda')} {gb_s} {part} {tflop_s}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.result.to_dict(), "gb_s": self.gb_s, "fraction_of_peak": self.fraction, "tflop_s": self.tflop_s,
        }  # fmt: skip


def measure(rows: Sequence[str], rounds: int, about: dict[str, Any]) -> list[Row]:
    """Measure the rows on the GPU, a line of the table printed as each is done."""
    print(
        f"{'row':28s} {'CPU ms':>10s} {'CuPy ms':>10s} {'CPU/CuPy':>7s} {'torch ms':>10s} {'GB/s':>8s} {'of peak':>7s} {'TFLOP/s':>8s}"
    )
    found = []
    for name in rows:
        found.append(Row(compare(name, NAMES, rounds), about))
        print(found[-1].line(), flush=True)
        for contestant, why in found[-1].result.missing.items():
            print(f"  {contestant} left out: {why}")
    return found


def agreement(rows: Sequence[str], allowed: float = 1e-2) -> list[Row]:
    """Run each row once on the CPU and once on the simulated device and compare what comes out. No times are kept.

    Raises RuntimeError if they differ by more than ``allowed`` of the value, or of 1.
    """
    print(f"{'row':28s} {'CPU loss':>12s} {'device loss':>12s}")
    found = []
    for name in rows:
        losses, missing = {}, {}
        for contestant in ("ours", "cupy"):
            try:
                process = Contestant(contestant, name)
            except Missing as error:
                missing[contestant] = str(error)
                continue
            losses[contestant] = process.run(1)[1]
            process.finish()
        found.append(Row(Result(name, {}, losses, {}, missing), None))
        if missing:
            raise RuntimeError(f"{name}: {missing}")
        a, b = losses["ours"], losses["cupy"]
        print(f"{name:28s} {a:12.6f} {b:12.6f}", flush=True)
        if abs(a - b) > allowed * max(1.0, abs(a)):
            raise RuntimeError(f"{name}: the CPU has {a}, the device {b}: not the same work")
    return found


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """CPU over CuPy for each row; of the simulated device, which rows agree."""
    from matplotlib.figure import Figure

    timed = any("cupy" in r.seconds for r in rows)
    values = [r.seconds["ours"] / r.seconds["cupy"] if timed else 1.0 for r in rows]
    figure = Figure(figsize=(8, 0.3 * len(rows) + 1.4), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))[::-1]
    axes.barh(places, values, color="#0072B2" if timed else "#999999")
    for place, row, value in zip(places, rows, values):
        more = f", {100 * row.fraction:.0f}% of peak" if row.fraction else ""
        axes.text(value, place, f" {value:.1f}{more}" if timed else " agrees", va="center", fontsize=8)
    axes.set_yticks(list(places), [r.name.removeprefix("kernel:") for r in rows])
    axes.set(title=title, xlabel="the CPU's time / CuPy's time" if timed else "no times: the device is simulated")
    if timed:
        axes.set_xscale("log")
        axes.axvline(1.0, color="black", linewidth=0.8)
    save_chart(figure, path)


def chosen(only: str | None) -> list[str]:
    """The rows to run: all, or those that are named."""
    known = [*WORKLOADS, *kernels.rows()]
    if only:
        parts = only.split(",")
        found = [row for row in known if any(part in row for part in parts)]
        if not found:
            raise SystemExit(f"no row has {only} in its name; the rows are {', '.join(known)}")
        return found
    return known


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Inside, processes that are started find these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--on", choices=("cuda", "simulated"), default="cuda", help="the device (cuda)")
    parser.add_argument("--only", help="rows with this in their name, with commas between several")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each row (15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures, as a line of JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart (PNG)")
    args = parser.parse_args(argv)
    simulated = args.on == "simulated"
    rows = chosen(args.only)
    if args.chart and find_spec("matplotlib") is None:  # said before minutes of work, not after
        print("error: --chart needs matplotlib (extra: plot)", file=sys.stderr)
        return 1
    host = machine()
    if simulated:
        if why := import_module(SIMULATED).missing():
            print(f"error: the simulated device cannot be had: {why}", file=sys.stderr)
            return 1
        title = "SIMULATED DEVICE: that it runs and agrees with the CPU. Nothing here says how fast a GPU is."
        about: dict[str, Any] = {"name": "simulated device", "simulated": True}
    else:
        try:
            torch.cuda.init()
            about = device()
        except RuntimeError as error:
            print(f"error: no GPU to measure: {error}\n`--on simulated` runs the rows without one.", file=sys.stderr)
            return 1
        title = (
            f"{about['name']}, memory {about['stated_gb_s'] or '?'} GB/s stated, {about['copy_gb_s']:.0f} GB/s copying"
        )
    print(f"{title}\n{host['cpu']}, {host['cores']} cores, Python {host['python']}; {host['versions']}")
    if simulated:
        about["reduced"] = True
        print(
            "Batches are a sixteenth, gpt_baby's block is 64, attention:large has 2 heads: on the CPU as on the device."
        )
        with _environment(BENCHMARK_DEVICE=SIMULATED, BENCHMARK_REDUCED="1"):
            found = agreement(rows)
        print(title)
    else:
        found = measure(rows, args.rounds, about)
    if args.json:
        append_json(args.json, {"machine": host, "device": about, "rows": [r.to_dict() for r in found]})
    if args.chart:
        draw(found, title.partition(":")[0] if simulated else title, args.chart)
    return 0


if __name__ == "__main__":
    sys.exit(main())
