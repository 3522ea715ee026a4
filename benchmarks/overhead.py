"""What an operation on a small tensor costs above the NumPy call inside it: twenty operations.

    python -m benchmarks.overhead

Microseconds above the raw NumPy call: forward with the graph recorded, forward under ``no_grad``, and
forward and backward together above the NumPy calls of both (the gradient's are counted as they stand in
the table of operations). Lowest of many repetitions, since a small time is only ever disturbed upwards.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

import tinygrad_zth as torch

BARS = {"forward": 1.0, "no_grad": 0.4, "both": 3.5}
SHAPE = (4, 8)


class Case:
    """An operation on tensors, the same in NumPy, and NumPy's share of its gradient."""

    def __init__(self, ours: Callable[..., Any], raw: Callable[..., Any], gradient: Callable[..., Any], n: int = 1):
        self.ours, self.raw, self.gradient, self.inputs = ours, raw, gradient, n


def _cases() -> dict[str, Case]:
    w = np.random.default_rng(0).random((8, 4), dtype=np.float32)
    weight = torch.from_numpy(w)
    return {
        "add": Case(lambda x, y: x + y, lambda x, y: x + y, lambda g, x, y: None, 2),
        "sub": Case(lambda x, y: x - y, lambda x, y: x - y, lambda g, x, y: -g, 2),
        "mul": Case(lambda x, y: x * y, lambda x, y: x * y, lambda g, x, y: (g * y, g * x), 2),
        "div": Case(lambda x, y: x / y, lambda x, y: x / y, lambda g, x, y: (g / y, g * ((x / y) / -y)), 2),
        "mul by a number": Case(lambda x: x * 2.0, lambda x: x * 2.0, lambda g, x: g * 2.0),
        "neg": Case(lambda x: -x, lambda x: -x, lambda g, x: -g),
        "exp": Case(torch.exp, np.exp, lambda g, x: g * x),
        "log": Case(torch.log, np.log, lambda g, x: g / x),
        "sqrt": Case(torch.sqrt, np.sqrt, lambda g, x: g / (2 * x)),
        "tanh": Case(torch.tanh, np.tanh, lambda g, x: g * (1 - x * x)),
        "sin": Case(torch.sin, np.sin, lambda g, x: g * np.cos(x)),
        "cos": Case(torch.cos, np.cos, lambda g, x: -g * np.sin(x)),
        "maximum": Case(torch.maximum, np.maximum, lambda g, x, y: (g * (x >= y), g * (y > x)), 2),
        "sum": Case(lambda x: x.sum(), lambda x: np.add.reduce(x, None), lambda g, x: np.broadcast_to(g, SHAPE)),
        "sum over rows": Case(
            lambda x: x.sum(0), lambda x: np.add.reduce(x, 0), lambda g, x: np.broadcast_to(g, SHAPE)
        ),
        "mean": Case(lambda x: x.mean(), lambda x: np.add.reduce(x, None) / 32, lambda g, x: np.broadcast_to(g, SHAPE)),
        "matmul": Case(lambda x: x @ weight, lambda x: x @ w, lambda g, x: g @ w.T),
        "reshape": Case(lambda x: x.reshape(8, 4), lambda x: x.reshape(8, 4), lambda g, x: g.reshape(4, 8)),
        "transpose": Case(lambda x: x.transpose(0, 1), lambda x: x.swapaxes(0, 1), lambda g, x: g.swapaxes(0, 1)),
        "square": Case(torch.square, np.square, lambda g, x: g * (2 * x)),
    }


def lowest(function: Callable[[], Any], calls: int = 200, repetitions: int = 60) -> float:
    """Microseconds a call, the lowest of the repetitions."""
    best = float("inf")
    for _ in range(repetitions):
        began = time.perf_counter()
        for _ in range(calls):
            function()
        best = min(best, time.perf_counter() - began)
    return best / calls * 1e6


def measure(case: Case) -> dict[str, float]:
    """Microseconds above NumPy: "forward", "no_grad", "both"."""
    rng = np.random.default_rng(1)
    arrays = [rng.random(SHAPE, dtype=np.float32) + 0.5 for _ in range(case.inputs)]
    plain = [torch.from_numpy(a.copy()) for a in arrays]
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    raw = lowest(lambda: case.raw(*arrays))
    with torch.no_grad():
        quiet = lowest(lambda: case.ours(*plain)) - raw
    forward = lowest(lambda: case.ours(*leaves)) - raw
    g_array = np.asarray(case.raw(*arrays))
    g = torch.from_numpy(g_array.copy())

    def both() -> None:
        for t in leaves:
            t.grad = None
        case.ours(*leaves).backward(g)

    return {
        "forward": forward,
        "no_grad": quiet,
        "both": lowest(both, 100) - raw - lowest(lambda: case.gradient(g_array, *arrays)),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="operations, with commas between")
    args = parser.parse_args(argv)
    cases = _cases()
    names = args.only.split(",") if args.only else list(cases)
    if strange := [name for name in names if name not in cases]:
        parser.error(f"no operation {', '.join(strange)}; there are {', '.join(cases)}")
    print(f"us above NumPy        {'forward':>9s} {'no_grad':>9s} {'both':>9s}")
    found: dict[str, list[float]] = {kind: [] for kind in BARS}
    for name in names:
        figures = measure(cases[name])
        for kind, value in figures.items():
            found[kind].append(value)
        print(f"{name:20s}  " + " ".join(f"{figures[kind]:9.2f}" for kind in BARS), flush=True)
    print(f"{'median':20s}  " + " ".join(f"{median(found[kind]):9.2f}" for kind in BARS))
    print(f"{'bar':20s}  " + " ".join(f"{bar:9.2f}" for bar in BARS.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
