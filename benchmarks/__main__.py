"""The benchmark: the same training steps on tinygrad_zth, PyTorch and the other libraries, in turn.

    python -m benchmarks                     every training step and the kernels at three sizes
    python -m benchmarks --quick             fewer rounds
    python -m benchmarks --only mlp_bn,lstm  these rows
    python -m benchmarks --json FILE --chart FILE.png

Times are medians; a ratio is the median over the rounds of (their time / our time) within a round:
above 1, ours is faster. Two threads for everybody. Contestants whose library is not installed are named
and left out. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import kernels
from .output import append_json, save_chart
from .pairs import Result, compare
from .peers import PEERS
from .workloads import BARS, WORKLOADS

NAMES = ("ours", "torch")
PEER_BAR = 2.5  # mlp_bn against the other autograd libraries
LIBRARIES = ("numpy", "torch", "mygrad", "dezero", "autograd")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((s.split(":", 1)[1].strip() for s in info.read_text().splitlines() if "model name" in s), model)
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "blas": {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS_", "OMP_", "MKL_"))},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def run(rows: Sequence[str], rounds: int) -> list[Result]:
    """Measure the rows, a line of the table printed as each is done."""
    print(f"{'row':28s} {'ours ms':>10s} {'torch ms':>10s} {'ratio':>7s} {'bar':>6s} {'memory MB ours/torch':>22s}")
    results = []
    for row in rows:
        names = [*NAMES, *(PEERS if row == "mlp_bn" else ("plain",) if row.startswith("kernel:") else ())]
        result = compare(row, names, rounds)
        results.append(result)
        print(line(result), flush=True)
        for name in (*PEERS, "plain"):
            if name in result.seconds:
                ratio = result.ratio(name)
                bar = "" if name in ("numpy", "plain") else verdict(ratio, PEER_BAR)
                print(f"  {name:26s} {'':10s} {1e3 * result.time(name):10.3f} {ratio:7.2f} {bar:>6s}")
        for name, why in result.missing.items():
            print(f"  {name} left out: {why}")
    return results


def verdict(ratio: float, bar: float) -> str:
    """The bar, marked where it is not reached."""
    return f"{bar:g}" if ratio >= bar else f"{bar:g} !"


def line(result: Result) -> str:
    """A row of the table."""
    row = result.workload.removeprefix("kernel:")
    if "torch" not in result.seconds:
        return f"{row:28s} {1e3 * result.time('ours'):10.3f}"
    ratio = result.ratio("torch")
    bar = verdict(ratio, BARS[row]) if row in BARS else ""
    memory = "/".join(f"{result.peak[n] / 2**20:.0f}" for n in NAMES)
    return (
        f"{row:28s} {1e3 * result.time('ours'):10.3f} {1e3 * result.time('torch'):10.3f} {ratio:7.2f} {bar:>6s} "
        f"{memory:>22s}"
    )


def draw(results: Sequence[Result], path: Path) -> None:
    """A bar for each row: torch's time over ours. Raises ModuleNotFoundError without matplotlib (extra `plot`)."""
    from matplotlib.figure import Figure

    shown = [r for r in results if "torch" in r.seconds]
    figure = Figure(figsize=(8, 0.34 * len(shown) + 1.2), layout="constrained")
    axes = figure.subplots()
    ratios = [r.ratio("torch") for r in shown]
    places = range(len(shown))[::-1]
    axes.barh(places, ratios, color="#0072B2")
    for place, result, ratio in zip(places, shown, ratios):
        bar = BARS.get(result.workload, 0.0)
        if bar:
            axes.plot([bar] * 2, [place - 0.4, place + 0.4], color="#D55E00", linewidth=2)
        axes.text(max(ratio, bar, 1.0), place, f" {ratio:.2f}", va="center", fontsize=8)  # right of both lines
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.margins(x=0.1)  # room for the numbers
    axes.set_yticks(list(places), [r.workload.removeprefix("kernel:") for r in shown])
    axes.set(xlabel="PyTorch's time / our time (right of the line: ours is faster; orange: the bar)")
    save_chart(figure, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="rows, with commas between; a kernel row is kernel:softmax:small")
    parser.add_argument("--quick", action="store_true", help="training steps only, 7 rounds instead of 25")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the figures, as a line of JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a bar chart (PNG)")
    args = parser.parse_args(argv)
    known = [*WORKLOADS, *kernels.rows()]
    rows = args.only.split(",") if args.only else [*WORKLOADS] if args.quick else known
    if strange := [row for row in rows if row not in known]:
        parser.error(f"no row {', '.join(strange)}; the rows are {', '.join(known)}")
    rounds = args.rounds or (7 if args.quick else 25)
    about = machine()
    print(
        f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, load {about['load']}; {about['versions']}"
    )
    results = run(rows, rounds)
    if args.json:
        append_json(args.json, {"machine": about, "rows": [r.to_dict() for r in results]})
    if args.chart:
        draw(results, args.chart)
    return 0


if __name__ == "__main__":
    sys.exit(main())
