"""Random numbers: how long a draw takes here and in PyTorch, which draws the same numbers.

    python -m benchmarks.random_streams [--only rand,randn] [--sizes 16,1000] [--rounds 15]

One thread each, in one process, in turn. A turn is as many calls as use some ten thousand words of the stream, since
words are made thousands at a time. Times are the processor's, not the clock's, so that other programs disturb less; of
each contestant the lowest of the rounds counts. Before it is timed, a row draws from the same seed in both libraries,
and the results have to be equal, bit for bit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["BARS", "ROWS", "compare", "main", "same"]

SIZES = (1, 10, 16, 27, 100, 270, 624, 1000, 10_000, 100_000, 1_000_000)
BARS = {"rand": 2.0, "randn": 20.0}  # times PyTorch's time, at every size
Draw = Callable[[], Any]


def _on(fill: Callable[[Any], Any]) -> Callable[[Any, int], Draw]:
    """A row that fills a tensor of n elements in place."""

    def row(torch: Any, n: int) -> Draw:
        t = torch.empty(n)
        return lambda: fill(t)

    return row


def _weights(torch: Any, n: int) -> Any:
    return torch.arange(1, n + 1, dtype=torch.float32) / (n + 1)


def _bernoulli(torch: Any, n: int) -> Draw:
    p = _weights(torch, n)
    return lambda: torch.bernoulli(p)


def _one_of(torch: Any, n: int) -> Draw:
    p = _weights(torch, n)
    return lambda: torch.multinomial(p, 1)


def _some_of_27(torch: Any, n: int) -> Draw:
    p = _weights(torch, 27)
    return lambda: torch.multinomial(p, n, replacement=True)


def _dropout(torch: Any, n: int) -> Draw:
    x = torch.ones(n)
    return lambda: torch.nn.functional.dropout(x, 0.2)


ROWS: dict[str, Callable[[Any, int], Draw]] = {
    "rand": lambda torch, n: lambda: torch.rand(n),
    "randn": lambda torch, n: lambda: torch.randn(n),
    "uniform_": _on(lambda t: t.uniform_(-0.5, 0.5)),
    "normal_": _on(lambda t: t.normal_(0.0, 0.02)),
    "exponential_": _on(lambda t: t.exponential_()),
    "randint": lambda torch, n: lambda: torch.randint(0, 1000, (n,)),
    "randperm": lambda torch, n: lambda: torch.randperm(n),
    "bernoulli": _bernoulli,
    "bernoulli_": _on(lambda t: t.bernoulli_(0.3)),
    "dropout": _dropout,
    "multinomial of n": _one_of,
    "n times of 27": _some_of_27,
}


def same(ours: Any, theirs: Any, row: str, n: int) -> bool:
    """Whether two draws from one seed are equal in both libraries, and the generators' states after them."""
    drawn = []
    for torch in (ours, theirs):
        torch.manual_seed(n)
        draw = ROWS[row](torch, n)
        drawn.append([draw().tolist(), draw().tolist(), torch.get_rng_state().tolist()])
    return bool(drawn[0] == drawn[1])


def compare(ours: Any, theirs: Any, row: str, n: int, rounds: int) -> tuple[float, float]:
    """Microseconds a call, ours and theirs. Raises RuntimeError if they do not draw the same."""
    if not same(ours, theirs, row, n):
        raise RuntimeError(f"{row} of {n}: other numbers than PyTorch's: not the same work")
    draws = [ROWS[row](torch, n) for torch in (ours, theirs)]
    calls = max(1, min(5000, 20_000 // n))
    best = [float("inf")] * 2
    for turn in range(-2, 2 * rounds):  # the first two are a warm-up
        i = turn % 2 if turn // 2 % 2 else 1 - turn % 2
        draw = draws[i]
        began = time.thread_time()
        for _ in range(calls):
            draw()
        if turn >= 0:
            best[i] = min(best[i], (time.thread_time() - began) / calls * 1e6)
    return best[0], best[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 1 if a row is over its bar."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.random_streams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help="rows, with commas between")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of elements, with commas between")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(ROWS)
    if strange := [name for name in names if name not in ROWS]:
        parser.error(f"no row {', '.join(strange)}; the rows are {', '.join(ROWS)}")
    if find_spec("torch") is None:
        parser.error("torch is not installed, and there is nothing to compare with")
    ours, theirs = import_module("tinygrad_zth"), import_module("torch")
    for torch in (ours, theirs):
        torch.set_num_threads(1)
    status = 0
    print(f"{'':18s}{'elements':>9s} {'ours, us':>11s} {'torch, us':>11s}  ours / torch")
    for name in names:
        for n in map(int, args.sizes.split(",")):
            mine, other = compare(ours, theirs, name, n, args.rounds)
            over = mine / other > BARS.get(name, float("inf"))
            status |= over
            print(f"{name:18s}{n:9d} {mine:11.2f} {other:11.2f} {mine / other:10.2f}{' !' if over else ''}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
