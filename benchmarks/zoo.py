"""Train the models of ``models/`` and write what they reach into ``docs/results.md``.

    python -m benchmarks.zoo              # every row, one after another
    python -m benchmarks.zoo mlp gpt-tiny # these rows; the others keep the figures they have
    python -m benchmarks.zoo --list
    python -m benchmarks.zoo --page       # write the page again from the figures there are

Each row of :data:`ROWS` is a command with a fixed seed and the figure that it has to reach on the real
data. The figures are kept in ``docs/results.json``, from which the page is written.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from data.fetch import write_atomically

ROOT = Path(__file__).resolve().parent.parent
PAGE, FIGURES = ROOT / "docs" / "results.md", ROOT / "docs" / "results.json"
SAMPLE_LINES = 12


@dataclass(frozen=True)
class Row:
    """A run and its bound.

    name: of the row. model, arguments: ``python -m models.MODEL train ARGUMENTS``.
    bound: what ``measure``, a key of the run's summary.json, may be at most; at least where ``higher``.
    split: the part whose loss is the measure instead, over all of it.
    """

    name: str
    model: str
    bound: float
    arguments: str = ""
    measure: str = "val_loss"
    higher: bool = False
    split: str | None = None

    @property
    def command(self) -> str:
        """The command that trains it."""
        return f"python -m models.{self.model} train {self.arguments}".rstrip()

    def met(self, value: float) -> bool:
        """Whether the bound is met, to the four decimals that are written down."""
        value = round(value, 4)
        return value >= self.bound if self.higher else value <= self.bound


ROWS = {
    row.name: row
    for row in (
        Row("micrograd", "micrograd", 1.0, measure="accuracy", higher=True),
        Row("bigram-counts", "bigram", 2.4541, "--preset counts", split="all"),
        Row("bigram-neural", "bigram", 2.48, "--preset neural"),
        Row("mlp", "mlp", 2.17),
        Row("mlp_bn", "mlp_bn", 2.11),
        Row("backprop", "backprop", 2.12),
        Row("wavenet-tree", "wavenet", 2.00, "--preset tree"),
        Row("wavenet-dilated", "wavenet", 2.00, "--preset dilated"),
        Row("rnn", "rnn", 2.05, "--preset rnn"),
        Row("gru", "rnn", 2.05, "--preset gru"),
        Row("lstm", "rnn", 2.05, "--preset lstm"),
        Row("bow", "bow", 2.25),
        Row("transformer", "transformer", 1.99),
        Row("resnet-basic", "resnet", 0.985, "--preset digits", measure="accuracy", higher=True),
        Row("resnet-bottleneck", "resnet", 0.985, "--preset bottleneck", measure="accuracy", higher=True),
        Row("bigram_lm", "bigram_lm", 2.52),
        Row("gpt-tiny", "gpt", 1.88, "--preset tiny"),
        Row("gpt-lecture", "gpt", 1.85, "--preset lecture"),
        Row("seq2seq-pre", "seq2seq", 0.99, "--preset small", measure="exact_match", higher=True),
        Row("seq2seq-post", "seq2seq", 0.99, "--preset paper", measure="exact_match", higher=True),
    )
}


def run(row: Row, folder: Path) -> dict[str, Any]:
    """Train a row in a process of its own. Returns its figures.

    Raises:
        RuntimeError: the command failed.
    """
    command = [sys.executable, *shlex.split(row.command)[1:], "--out", str(folder)]
    began, cpu_before = time.perf_counter(), os.times()
    status = subprocess.run(command, cwd=ROOT).returncode
    seconds, cpu = time.perf_counter() - began, os.times()
    cpu_seconds = cpu.children_user + cpu.children_system - cpu_before.children_user - cpu_before.children_system
    if status:
        raise RuntimeError(f"{row.name}: {row.command} ended with status {status}")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    measure, value = row.measure, summary.get(row.measure)
    if row.split is not None:
        measure, value = f"loss on {row.split}", loss_on(row, folder)
    return {
        "measure": measure,
        "value": value,
        "bound": row.bound,
        "met": row.met(value),
        "minutes": seconds / 60,
        "cpu_minutes": cpu_seconds / 60,
        "machine": machine(),
        "parameters": summary["parameters"],
        "command": row.command,
        "sample": (folder / "sample.txt").read_text(encoding="utf-8"),
        "date": date.today().isoformat(),
    }


def recorded() -> dict[str, Any]:
    """The figures that have been kept: row to figures."""
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}


def loss_on(row: Row, folder: Path) -> float:
    """The loss of a run's best weights on a whole part of the data."""
    from models.shared.trainer import Trainer, TrainSettings

    spec = importlib.import_module(f"models.{row.model}").SPEC
    model, state = spec.restore(folder / "best.npz")
    settings = TrainSettings.from_dict(state["train"])
    data = spec.task.load(None, state["vocabulary"]).batches(model.config, settings.batch_size)
    loss = Trainer(model, data, settings).evaluate_whole(row.split or "val")
    return math.nan if loss is None else loss


def page(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """``docs/results.md`` of the figures, in the order of the table."""
    lines = [
        "# What the models reach",
        "",
        "Each row is trained by its command from a fixed seed, on the real data (`$TINYGRAD_ZTH_DATA`), by",
        "`python -m benchmarks.zoo`, which writes this page. Losses are in nats, on all of the part that is named;",
        "minutes are those of the whole command: of the clock, and of the processor (all threads together; the",
        "smaller the difference, the less else the machine did).",
        "",
        "| row | figure | value | bound | met | minutes | processor | parameters | command |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    known = [name for name in ROWS if name in figures]
    for name in known:
        f = figures[name]
        sign = "at least" if ROWS[name].higher else "at most"
        processor = "-" if f["cpu_minutes"] is None else f"{f['cpu_minutes']:.1f}"  # None: was not measured
        lines.append(
            f"| {name} | {f['measure']} | {f['value']:.4f} | {sign} {f['bound']:g} | {'yes' if f['met'] else '**no**'} "
            f"| {f['minutes']:.1f} | {processor} | {f['parameters']:,} | `{f['command']}` |"
        )
    if missing := [name for name in ROWS if name not in figures]:
        lines += ["", f"Not trained yet: {', '.join(missing)}."]
    for where in dict.fromkeys(figures[name]["machine"] for name in known):
        names = [name for name in known if figures[name]["machine"] == where]
        lines += ["", f"Machine of {', '.join(names)}: {where}."]
    lines += ["", "## Samples", ""]
    for name in known:
        sample = figures[name]["sample"].strip("\n").splitlines()[:SAMPLE_LINES]
        lines += [f"### {name}", "", "```text", *(line.replace("```", "'''") for line in sample), "```", ""]
    return "\n".join(lines)


def machine() -> str:
    """The processor, the cores that may be used, and the versions that matter."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    limit = f", OMP_NUM_THREADS={threads}" if threads else ""
    return f"{model}, {cores} cores{limit}, Python {platform.python_version()}, NumPy {np.__version__}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 1 where a bound is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.zoo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help="which (all)")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--page", action="store_true", help="only write the page of the figures there are")
    parser.add_argument("--runs", type=Path, default=Path("runs/zoo"), help="where the runs go (runs/zoo)")
    args = parser.parse_args(argv)
    if args.list:
        print("\n".join(f"{row.name:14s} {row.command}" for row in ROWS.values()))
        return 0
    if unknown := [name for name in args.rows if name not in ROWS]:
        print(f"error: unknown row {', '.join(unknown)}; the known ones are {', '.join(ROWS)}", file=sys.stderr)
        return 1
    if args.page:
        write_atomically(PAGE, page(recorded()).encode())
        return 0
    missed = []
    for name in args.rows or ROWS:
        print(f"== {name}: {ROWS[name].command}", flush=True)
        result = run(ROWS[name], args.runs.absolute() / name)
        figures = {**recorded(), name: result}
        write_atomically(FIGURES, (json.dumps(figures, indent=1, sort_keys=True) + "\n").encode())
        write_atomically(PAGE, page(figures).encode())
        print(f"== {name}: {result['measure']} {result['value']:.4f}, bound {ROWS[name].bound:g}", flush=True)
        if not result["met"]:
            missed.append(name)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
