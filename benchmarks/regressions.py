"""Has something become slower? Ratios against raw NumPy, compared with a stored baseline.

    python -m benchmarks.regressions               compare; fails if a row is more than 30 % worse
    python -m benchmarks.regressions --store       measure and write benchmarks/baseline.json

Both run on one thread: with several, the ratio says how BLAS's threads got on with what else was running.

A time says as much about the machine as about the program, so none is stored: a row is our time divided
by that of raw NumPy code for the same mathematics, both run in turn in one process, and the median of the
rounds. A row that seems worse is measured again, up to four times, before it is believed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import tinygrad_zth as torch

from .peers import raw_numpy
from .workloads import mlp_bn

BASELINE = Path(__file__).with_name("baseline.json")
ALLOWED = 1.3  # times the baseline's ratio
ATTEMPTS = 4
TURN = 0.01  # seconds of a turn
ROUNDS = 15


class Row(NamedTuple):
    """Two functions for the same work: ours, and raw NumPy's."""

    ours: Callable[[], Any]
    raw: Callable[[], Any]


def _array(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape, dtype=np.float32)


def _forward_and_backward(function: Callable[..., Any], *arrays: np.ndarray) -> Callable[[], Any]:
    leaves = [torch.tensor(a).requires_grad_() for a in arrays]
    gradient = torch.ones(function(*leaves).shape)

    def step() -> Any:
        for t in leaves:
            t.grad = None
        function(*leaves).backward(gradient)

    return step


def _operation() -> Row:
    x, y = _array(4, 8), _array(8)
    return Row(_forward_and_backward(lambda a, b: (a * b).tanh(), x, y), lambda: _tanh_of_product(x, y))


def _tanh_of_product(x: np.ndarray, y: np.ndarray) -> Any:
    t = np.tanh(x * y)
    g = 1 - t * t
    return g * y, (g * x).sum(0)


def _without_graph() -> Row:
    x, y = _array(4, 8), _array(4, 8)
    a, b = torch.tensor(x), torch.tensor(y)
    return Row(lambda: a * b + a, lambda: x * y + x)


def _softmax() -> Row:
    x = _array(256, 512)

    def raw() -> Any:
        e = np.exp(x - x.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        g = np.ones_like(p)
        return p * (g - (g * p).sum(1, keepdims=True))

    return Row(_forward_and_backward(lambda a: torch.nn.functional.softmax(a, -1), x), raw)


def _cross_entropy() -> Row:
    x, y = _array(256, 512), np.arange(256)
    target = torch.tensor(y)

    def raw() -> Any:
        shifted = x - x.max(1, keepdims=True)
        e = np.exp(shifted)
        total = e.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - shifted[np.arange(256), y]).mean()
        p = e / total
        p[np.arange(256), y] -= 1
        return loss, p / 256

    return Row(_forward_and_backward(lambda a: torch.nn.functional.cross_entropy(a, target), x), raw)


def _layer_norm() -> Row:
    x, w, b = _array(256, 512), _array(512), _array(512)

    def raw() -> Any:
        centred = x - x.mean(1, keepdims=True)
        rstd = 1 / np.sqrt((centred * centred).mean(1, keepdims=True) + np.float32(1e-5))
        z = centred * rstd
        out = z * w + b
        g = np.ones_like(out)
        h = g * w
        gx = rstd * (h - h.mean(1, keepdims=True) - z * (h * z).mean(1, keepdims=True))
        return gx, (g * z).sum(0), g.sum(0)

    return Row(_forward_and_backward(lambda a, c, d: torch.nn.functional.layer_norm(a, (512,), c, d), x, w, b), raw)


def _gelu() -> Row:
    x = _array(256, 512)
    k = np.float32((2 / np.pi) ** 0.5)

    def raw() -> Any:
        t = np.tanh(k * (x + np.float32(0.044715) * x * x * x))
        out = 0.5 * x * (1 + t)
        return out, 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + np.float32(3 * 0.044715) * x * x)

    return Row(_forward_and_backward(lambda a: torch.nn.functional.gelu(a, approximate="tanh"), x), raw)


def _linear() -> Row:
    x, w, b = _array(256, 256), _array(256, 256), _array(256)

    def raw() -> Any:
        out = x @ w.T + b
        g = np.ones_like(out)
        return g @ w, g.T @ x, g.sum(0)

    return Row(_forward_and_backward(torch.nn.functional.linear, x, w, b), raw)


def _attention() -> Row:
    q, k, v = _array(4, 4, 64, 32), _array(4, 4, 64, 32) + 0, _array(4, 4, 64, 32) * 1
    scale, hidden = np.float32(32**-0.5), np.triu(np.full((64, 64), -np.inf, np.float32), 1)

    def raw() -> Any:
        s = q @ k.swapaxes(-1, -2) * scale + hidden
        e = np.exp(s - s.max(-1, keepdims=True))
        p = e / e.sum(-1, keepdims=True)
        out = p @ v
        g = np.ones_like(out)
        gp = g @ v.swapaxes(-1, -2)
        gs = p * (gp - (gp * p).sum(-1, keepdims=True)) * scale
        return out, gs @ k, gs.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g

    attention = torch.nn.functional.scaled_dot_product_attention
    return Row(_forward_and_backward(lambda a, b, c: attention(a, b, c, is_causal=True), q, k, v), raw)


def _convolution() -> Row:
    x, w = _array(16, 8, 16, 16), _array(16, 8, 3, 3)

    def raw() -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))  # (N, C, 14, 14, 3, 3)
        columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 72)
        out = columns @ w.reshape(16, -1).T
        g = np.ones_like(out)
        gw = g.T @ columns
        back = (g @ w.reshape(16, -1)).reshape(16, 14, 14, 8, 3, 3)
        gx = np.zeros_like(x)
        for i in range(3):
            for j in range(3):
                gx[:, :, i : i + 14, j : j + 14] += back[..., i, j].transpose(0, 3, 1, 2)
        return gx, gw

    return Row(_forward_and_backward(torch.nn.functional.conv2d, x, w), raw)


def _embedding() -> Row:
    w, index = _array(65, 128), np.random.default_rng(0).integers(0, 65, (12, 64))
    ix = torch.tensor(index)
    one_hot = (np.arange(65)[:, None] == index.reshape(-1)).astype(np.float32)
    g = np.ones((768, 128), np.float32)

    return Row(
        _forward_and_backward(lambda a: torch.nn.functional.embedding(ix, a), w), lambda: (w[index], one_hot @ g)
    )


def _adamw() -> Row:
    parameters = [torch.nn.Parameter(torch.tensor(_array(64, 64))) for _ in range(20)]
    for p in parameters:
        p.grad = torch.ones(64, 64)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    p, g, m, v = (_array(20 * 64 * 64) * 0 + 1 for _ in range(4))

    def raw() -> Any:
        np.multiply(p, np.float32(1 - 1e-5), out=p)
        np.multiply(m, np.float32(0.9), out=m)
        np.add(m, np.float32(0.1) * g, out=m)
        np.multiply(v, np.float32(0.999), out=v)
        np.add(v, np.float32(0.001) * g * g, out=v)
        np.subtract(p, np.float32(1e-3) * m / (np.sqrt(v) + np.float32(1e-8)), out=p)

    return Row(optimizer.step, raw)


ROWS: dict[str, Callable[[], Row]] = {
    "mlp_bn": lambda: Row(mlp_bn(torch), raw_numpy()),
    "operation": _operation,
    "without a graph": _without_graph,
    "softmax": _softmax,
    "cross_entropy": _cross_entropy,
    "layer_norm": _layer_norm,
    "gelu": _gelu,
    "linear": _linear,
    "attention": _attention,
    "convolution": _convolution,
    "embedding": _embedding,
    "adamw": _adamw,
}


def _turn(function: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - began) / calls


def ratio(row: Row, rounds: int = ROUNDS) -> float:
    """Our time divided by NumPy's: the median over rounds in which both run, in turn."""
    calls = []
    for function in row:
        function()
        calls.append(max(1, round(TURN / max(_turn(function, 3), 1e-7))))
    return median(_turn(row.ours, calls[0]) / _turn(row.raw, calls[1]) for _ in range(rounds))


def judged(name: str, baseline: float | None) -> float:
    """The ratio of a row; if it is out of bounds, the best of several measurements."""
    row = ROWS[name]()
    best = ratio(row)
    for _ in range(ATTEMPTS - 1):
        if baseline is None or best <= ALLOWED * baseline:
            break
        best = min(best, ratio(row))
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if a row has become worse."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regressions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    parser.add_argument("--only", help="rows, with commas between")
    parser.add_argument("--store", action="store_true", help="make these the baseline")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(ROWS)
    if strange := [name for name in names if name not in ROWS]:
        parser.error(f"no row {', '.join(strange)}; the rows are {', '.join(ROWS)}")
    baseline: dict[str, float] = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    worse = []
    print(f"{'our time / NumPy time':24s} {'now':>7s} {'baseline':>9s}")
    for name in names:
        before = None if args.store else baseline.get(name)
        now = judged(name, before)
        bad = before is not None and now > ALLOWED * before
        worse += [name] if bad else []
        print(
            f"{name:24s} {now:7.2f} {'' if before is None else f'{before:9.2f}'}{' worse' if bad else ''}", flush=True
        )
        if args.store:
            baseline[name] = round(now, 3)
    if args.store:
        temporary = BASELINE.with_suffix(".tmp")
        temporary.write_text(json.dumps(baseline, indent=1) + "\n", encoding="utf-8")
        temporary.replace(BASELINE)
    if worse:
        print(f"more than {ALLOWED - 1:.0%} worse than {BASELINE.name}: {', '.join(worse)}", file=sys.stderr)
        return 1
    return 0


ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

if __name__ == "__main__":
    if ONE_THREAD.items() <= os.environ.items():
        sys.exit(main())
    # BLAS asks once, when NumPy is loaded.
    arguments = [sys.executable, "-m", "benchmarks.regressions", *sys.argv[1:]]
    sys.exit(subprocess.run(arguments, env={**os.environ, **ONE_THREAD}, check=False).returncode)
