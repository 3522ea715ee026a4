"""Cost per token of a GPT's training step against its sizes, with the bound that matrix products set.

    python -m benchmarks.scaling                      the six-layer GPT, the four sweeps and the long graph
    python -m benchmarks.scaling --chart FILE.png --json FILE
    python -m benchmarks.scaling --only width,graph --rounds 3

Microseconds a token of forward, backward, clipping and AdamW, on log axes; the bound is the time that the
model's floating-point operations (Size.flops_per_token) take at the rate that sgemm reaches here, measured
in turn with the steps: numpy.matmul of two 1024 x 1024 matrices. ``graph``: nanoseconds an operation,
forward and backward, of a chain of n small operations, up to a million; once as it is, and once with
Python's garbage collector off, which otherwise looks through all that lives again and again.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import tinygrad_zth as torch

from .gpt import Size
from .output import append_json, save_chart
from .workloads import BABY, SMALL, gpt_step

#: The part of the machine's sgemm rate that the six-layer GPT is held to, in model FLOPs.
BAR = 0.75
#: Seconds after a product of BLAS in which its threads may spin, on cores that a step would use.
SETTLE = 0.15
BABY_BATCH, SMALL_BATCH = 8, 12
SWEEPS: dict[str, tuple[int, ...]] = {
    "block": (16, 32, 64, 128, 256, 512),
    "batch": (1, 2, 4, 8, 16, 32),
    "width": (32, 64, 128, 256, 512),
    "depth": (1, 2, 4, 8, 16),
}
NODES = (100, 1_000, 10_000, 100_000, 1_000_000)


def configuration(sweep: str, value: int) -> tuple[Size, int]:
    """The small GPT with one of its sizes changed, and its batch."""
    if sweep == "batch":
        return SMALL, value
    change = {
        "block": {"block": value},
        "width": {"channels": value, "heads": max(1, value // 32)},
        "depth": {"layers": value},
    }[sweep]
    # Long blocks in small batches: the number of tokens in a step stays what it is.
    return replace(SMALL, **change), max(1, SMALL_BATCH * SMALL.block // value) if sweep == "block" else SMALL_BATCH


def timed(function: Callable[[], Any], at_least: float = 0.0) -> float:
    """Seconds of a call; of several, averaged, if one takes less than ``at_least``."""
    calls, began = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - began < at_least:
        function()
        calls += 1
    return (time.perf_counter() - began) / calls


def sgemm(side: int = 1024) -> Callable[[], float]:
    """A function that measures the rate of sgemm, in floating-point operations a second."""
    a, b = (np.random.default_rng(i).random((side, side), dtype=np.float32) for i in range(2))
    out = np.empty_like(a)
    return lambda: 2 * side**3 / timed(lambda: np.matmul(a, b, out), 0.03)


def measure(size: Size, batch: int, rounds: int) -> dict[str, float]:
    """``us_per_token``, ``bound_us`` and ``fraction``: medians over rounds of a step and a product in turn."""
    step, rate = gpt_step(torch, size, batch), sgemm()
    step()
    tokens, flops = batch * size.block, size.flops_per_token()
    found: dict[str, list[float]] = {"us_per_token": [], "bound_us": [], "fraction": []}
    for _ in range(rounds):
        before = rate()
        time.sleep(SETTLE)
        seconds = timed(step, 0.1) / tokens
        speed = (before + rate()) / 2
        found["us_per_token"].append(1e6 * seconds)
        found["bound_us"].append(1e6 * flops / speed)
        found["fraction"].append(flops / speed / seconds)
    return {name: median(values) for name, values in found.items()}


def long_graph(nodes: int, collector: bool = True) -> float:
    """Nanoseconds an operation, forward and backward, in a chain of ``nodes`` operations."""
    x = torch.ones(4, requires_grad=True)
    repetitions = max(1, 20_000 // nodes)
    gc.collect()
    if not collector:
        gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(repetitions):
            y = x
            for _ in range(nodes):
                y = y + 1.0
            y.sum().backward()
            del y
        return (time.perf_counter() - began) / repetitions / nodes * 1e9
    finally:
        gc.enable()


def run(names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure, a line printed for each configuration."""
    found: dict[str, Any] = {}
    if "gpt_baby" in names:
        figures = found["gpt_baby"] = measure(BABY, BABY_BATCH, rounds)
        print(f"gpt_baby: {_line(figures)}; the bar is {BAR:.0%}", flush=True)
    for sweep in SWEEPS:
        if sweep not in names:
            continue
        found[sweep] = {}
        for value in SWEEPS[sweep]:
            figures = found[sweep][value] = measure(*configuration(sweep, value), rounds)
            print(f"{sweep:6s} {value:5d}: {_line(figures)}", flush=True)
    if "graph" in names:
        found["graph"] = {}
        for nodes in NODES:
            times = range(rounds if nodes < NODES[-1] else 1)
            on, off = (min(long_graph(nodes, collector) for _ in times) for collector in (True, False))
            found["graph"][nodes] = {"collector on": on, "collector off": off}
            print(f"graph of {nodes:8d} operations: {on:6.0f} ns each, {off:6.0f} with the collector off", flush=True)
    return found


def _line(figures: dict[str, float]) -> str:
    return (
        f"{figures['us_per_token']:8.1f} us a token, {figures['bound_us']:8.1f} at sgemm's rate: "
        f"{figures['fraction']:4.0%} of it"
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """One panel for each sweep, and one for the long graph. ModuleNotFoundError without matplotlib (extra `plot`)."""
    from matplotlib.figure import Figure

    panels = [name for name in (*SWEEPS, "graph") if name in found]
    figure = Figure(figsize=(3.1 * max(1, len(panels)), 3.2), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, max(1, len(panels)))), panels):
        values = list(found[name])
        if name == "graph":
            for kind, style, color in (("collector on", "o-", "#0072B2"), ("collector off", "s--", "#009E73")):
                axes.plot(values, [found[name][n][kind] for n in values], style, color=color, markersize=4, label=kind)
            axes.set(xscale="log", xlabel="operations in the graph", ylabel="ns an operation", title="long graphs")
            axes.set_ylim(bottom=0)
            axes.legend(frameon=False, fontsize=8, loc="lower right")
            continue
        axes.plot(values, [found[name][v]["us_per_token"] for v in values], "o-", color="#0072B2", label="measured")
        axes.plot(values, [found[name][v]["bound_us"] for v in values], "--", color="#D55E00", label="at sgemm's rate")
        axes.set(xscale="log", yscale="log", xlabel=name, title=name)
        axes.set_xticks(values, [str(v) for v in values])
        axes.minorticks_off()
        axes.set_ylim(0.5, 1000)  # one scale for all sweeps, over which they can be compared
    if panels:
        first = figure.axes[0]
        if panels[0] != "graph":
            first.set_ylabel("us a token")
            first.legend(frameon=False, fontsize=8)
    save_chart(figure, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = ["gpt_baby", *SWEEPS, "graph"]
    parser.add_argument("--only", help=f"some of {','.join(known)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each configuration (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures, as a line of JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the sweeps (PNG)")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else known
    if strange := [name for name in names if name not in known]:
        parser.error(f"no sweep {', '.join(strange)}; there are {', '.join(known)}")
    found = run(names, args.rounds)
    if args.json:
        append_json(args.json, found)
    if args.chart:
        draw(found, args.chart)
    return 0


if __name__ == "__main__":
    sys.exit(main())
