"""The scalar engine against the published micrograd (PyPI: micrograd): a training step.

MLP 2-16-16-1 over 20 points: forward, max-margin loss, backward, gradient descent; the same
weights, the same code around both. Three contestants, in turn, in one process:

    micrograd   the published package
    ours        `tinygrad_zth.value.MLP` as it is, a neuron's weighted sum fused into one node
    ours plain  the same MLP with each neuron written as sum((wi * xi ...), b): the engine alone

A turn is several steps in a row, as in training, so that each pays for its own garbage: the
published package leaves reference cycles to the collector, ours leaves none. Before each turn the
collector runs untimed, so that none pays for another's. Reported: the median time of a step, and
the median over the rounds of the ratio micrograd : ours within a round.

    python -m benchmarks.micrograd [--rounds 15] [--steps 8]
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

from tinygrad_zth.value import MLP, Value, linear_plain

Step = Callable[[], float]


def plain_forward(model: MLP, x: Sequence[Any]) -> Value:
    """What `model(x)` computes, by + and * alone."""
    for layer in model.layers:
        sums = [linear_plain(x, neuron.w, neuron.b) for neuron in layer.neurons]
        x = [s.relu() if n.nonlin else s for s, n in zip(sums, layer.neurons)]
    return x[0]


def training_step(model: Any, forward: Callable[[Any, Any], Any], n: int, lr: float) -> Step:
    """One step of `model` over n fixed points; it returns the loss."""
    rng = random.Random(0)
    xs = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(n)]
    ys = [1 if x * y > 0 else -1 for x, y in xs]
    parameters = model.parameters()

    def step() -> float:
        scores = [forward(model, x) for x in xs]
        loss = sum((1 - y * score).relu() for y, score in zip(ys, scores)) * (1.0 / n)
        model.zero_grad()
        loss.backward()
        for p in parameters:
            p.data -= lr * p.grad
        return loss.data

    return step


def contestants(n: int = 20, lr: float = 0.05) -> dict[str, Step]:
    """The three training steps, from the same weights.

    Raises:
        ModuleNotFoundError: the published package is not installed.
    """
    published = import_module("micrograd.nn")
    models = {"micrograd": published.MLP, "ours": MLP, "ours plain": MLP}
    steps = {}
    for name, make in models.items():
        random.seed(1337)
        forward = plain_forward if name == "ours plain" else lambda model, x: model(x)
        steps[name] = training_step(make(2, [16, 16, 1]), forward, n, lr)
    return steps


def measure(steps: dict[str, Step], rounds: int, per_turn: int) -> dict[str, list[float]]:
    """Seconds a step, for each contestant and round.

    Raises:
        RuntimeError: the contestants' losses differ: they did not do the same work.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        losses = {}
        for name, step in steps.items():
            gc.collect()
            began = time.perf_counter()
            for _ in range(per_turn):
                losses[name] = step()
            seconds[name].append((time.perf_counter() - began) / per_turn)
        if max(losses.values()) - min(losses.values()) > 1e-9:
            raise RuntimeError(f"the losses differ: {losses}")
    return seconds


def ratio(seconds: dict[str, list[float]], name: str) -> float:
    """How many times faster than the published package: the median over the rounds."""
    return median(a / b for a, b in zip(seconds["micrograd"], seconds[name]))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.micrograd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=8, help="steps a turn")
    args = parser.parse_args(argv)
    if args.rounds < 1 or args.steps < 1:
        parser.error("--rounds and --steps must be at least 1")
    if find_spec("micrograd") is None:
        print("the published package is not installed: pip install micrograd", file=sys.stderr)
        return 1
    seconds = measure(contestants(), args.rounds, args.steps)
    print(f"MLP 2-16-16-1, 20 points, Python {platform.python_version()}, {args.rounds} rounds")
    print("             ms a step   times faster")
    for name, times in seconds.items():
        faster = f"{ratio(seconds, name):9.1f}" if name != "micrograd" else ""
        print(f"{name:12s} {1e3 * median(times):9.2f}   {faster}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
