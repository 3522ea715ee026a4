"""Is the suite able to see a wrong gradient? Every gradient formula is broken in every small way there is.

    python .ci/mutate.py                    # all; --only NAME ... for some operations; --list to look
    python .ci/mutate.py --budget 600       # stop after so many seconds, and say how far it came

A mutant is one change in the source of one gradient formula, of a fused operation's backward, of a
function that these call, or of the engine's un-broadcasting: a sign flipped, a factor or a term dropped,
arguments swapped, the un-broadcast skipped (mutants.py has the rules). It is compiled into the running
package, in a process forked for it, and the proofs of ``tests/properties`` and the traps of
``tests/edges`` that concern the operation are run from fixed seeds, until one of them fails. A mutant
that none of them notices survives; the known ones are listed with their reasons in ``docs/mutation.md``,
by the text that this prints. It fails where fewer than 98 % are killed.
"""

# ruff: noqa: E402  (threads are switched off before NumPy is imported)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # processes are forked: no threads

import argparse
import json
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FunctionType

import numpy as np
from mutants import ROOT, Target, mutants_of, parameters_of, targets

import tinygrad_zth as torch
from tests import test_autograd
from tests.edges.answers import DEVIATIONS, EDGES
from tests.edges.test_edges import evaluated, same
from tests.fused import test_counted_masks, test_recurrent_states
from tests.ops import test_scatter
from tests.properties.proofs import PROOFS
from tests.properties.source import Source
from tests.properties.table import case_of, operations
from tinygrad_zth import autograd
from tinygrad_zth.fused import attention_numpy

GOAL = 98.0  # percent
SEEDS = 24  # examples of each proof before a mutant counts as unnoticed
LOOKED_AT = 6  # examples from which it is learned which parameters are arrays and which lines run
CPU_SECONDS = 20.0  # that one proof may take: an endless loop is noticed
BY_HAND = {
    "scatter_prod": test_scatter,
    "split": test_autograd,
    "lstm": test_recurrent_states,
    "scaled_dot_product_attention": test_counted_masks,
}  # tests that concern an operation, or the engine
OPERATIONS = 8  # that use a function, at most, are proved with a mutant of it


def concerned_edges() -> dict[str, list]:
    """For each operation the traps whose graph it is part of."""
    found: dict[str, list] = {}
    for edge in EDGES + DEVIATIONS:
        kept: set[str] = set()
        backward = autograd.run

        def watched(roots, *args, kept=kept, backward=backward, **options):
            stack = [node for node, _ in roots]
            while stack:
                node = stack.pop()
                if node is not None and node.op is not None:
                    kept.add(node.op.name)
                    stack += node.edges
            return backward(roots, *args, **options)

        autograd.run = watched
        try:
            evaluated(edge, torch)
        finally:
            autograd.run = backward
        for name in kept:
            found.setdefault(name, []).append(edge)
    return found


def check(names: Iterable[str], edges: dict[str, list], seeds: Iterable[int]) -> None:
    """Run all that concerns these operations; raises where something is wrong."""
    table = operations()
    for seed in seeds:
        for name in names:
            for proof in PROOFS:
                if proof.__name__ != "value" or seed < 4:
                    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
                    proof(table[name], case_of(table[name]), Source.seeded(seed))
        if seed == 0:
            for module in {BY_HAND[name] for name in names if name in BY_HAND}:
                for test, function in vars(module).items():
                    if test.startswith("test_") and not function.__code__.co_argcount:
                        function()
            for edge in {id(e): e for name in names for e in edges.get(name, ())}.values():
                value, gradients = evaluated(edge, torch)
                same(value, edge.value, "value")
                for k, expected in edge.gradients.items():
                    same(gradients.get(k), expected, k)
    signal.setitimer(signal.ITIMER_PROF, 0)


# ---------------------------------------------------------------------------- what the functions are given


class Watch:
    """Which parameters of the watched functions are arrays, and which of their lines run, while proofs hold."""

    def __init__(self, watched: list[Target]):
        self.index: dict[CodeType, int] = {}  # functions made by one `def` in a loop share their code
        self.same = [self.index.setdefault(t.function.__code__, i) for i, t in enumerate(watched)]
        self.outer = set(self.index)
        inside = [(code, i) for code, i in self.index.items()]
        for code, i in inside:  # the functions and loops within a function are part of it
            for inner in code.co_consts:
                if isinstance(inner, CodeType):
                    self.index.setdefault(inner, i)
                    inside.append((inner, i))
        self.values: list[set[str]] = [set() for _ in watched]
        self.lines: list[set[int]] = [set() for _ in watched]

    def __enter__(self) -> Watch:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_) -> None:
        sys.settrace(None)

    def _call(self, frame, event, arg):
        at = self.index.get(frame.f_code)
        if at is None:
            return None
        kinds = (np.ndarray, np.generic, torch.Tensor)
        for name in parameters_of(frame.f_code):
            if frame.f_code in self.outer and isinstance(frame.f_locals.get(name), kinds):
                self.values[at].add(name)
        lines = self.lines[at]

        def line(frame, event, arg):
            lines.add(frame.f_lineno)
            return line

        return line


def looked_at(chosen: list[Target], edges: dict[str, list], processes: int) -> tuple[list[set[str]], list[set[int]]]:
    """Per function the parameters that are arrays, and the lines that run; also: without a mutant all holds."""
    names = sorted({n for t in chosen for n in t.operations[:OPERATIONS]})

    def one(k: int, out: Path) -> None:
        with Watch(chosen) as watch:
            for name in names[k::processes]:
                check([name], edges, range(LOOKED_AT))
        found = [[sorted(watch.values[i]) for i in watch.same], [sorted(watch.lines[i]) for i in watch.same]]
        out.write_text(json.dumps(found))

    values: list[set[str]] = [set() for _ in chosen]
    lines: list[set[int]] = [set() for _ in chosen]
    for text in in_parallel(one, processes):
        some_values, some_lines = json.loads(text)
        for i in range(len(chosen)):
            values[i] |= set(some_values[i])
            lines[i] |= set(some_lines[i])
    return values, lines


def in_parallel(job: Callable[[int, Path], None], processes: int) -> list[str]:
    """What ``job(k, file)`` writes into its file, for each of the processes."""
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for k in range(processes):
            child = os.fork()
            if child == 0:
                try:
                    job(k, Path(folder, str(k)))
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        if any(statuses):
            raise SystemExit("a process failed: see above")
        return [Path(folder, str(k)).read_text() for k in range(processes)]


# ---------------------------------------------------------------------------- the run


def killed(function: FunctionType, code: CodeType, names: tuple[str, ...], edges, seeds: int) -> bool:
    """Whether the proofs notice the mutant, in a process of its own."""
    child = os.fork()
    if child == 0:
        os.close(1)
        os.close(2)
        try:
            function.__code__ = code
            check(names[:3], edges, range(seeds))
            check(names[3:OPERATIONS], edges, range(seeds // 3))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def known() -> dict[str, str]:
    """The survivors that docs/mutation.md lists, by their text, with the reason given."""
    page = ROOT / "docs" / "mutation.md"
    found = {}
    if page.is_file():
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("| `"):
                text, _, reason = line.strip("| ").partition("` | ")
                found[text.strip("`")] = reason
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", help="operations by name")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--budget", type=float, default=7200, help="seconds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_zth\b")
    # On every machine as on one with AVX-512: where the exponential is e^x, its rate is 1, and to leave it out no change.
    attention_numpy.POWER, attention_numpy.RATE = np.exp2, np.log2(np.e)
    begun = time.monotonic()
    chosen = [t for t in targets() if not options.only or set(options.only) & set(t.operations)]
    edges = concerned_edges()
    values, lines = looked_at(chosen, edges, options.processes)
    jobs = []
    for target, of_it, run in zip(chosen, values, lines, strict=True):
        if not of_it and run:
            continue  # it is given no array
        for text, line, code in mutants_of(target, of_it):
            jobs.append((target, ("" if line in run else "[line not run] ") + f"{target.where}: {text}", code))
    if options.list:
        print(*(text for _, text, _ in jobs), sep="\n")
        return 0
    print(f"{len(jobs)} mutants of {len(chosen)} functions, after {time.monotonic() - begun:.0f} s", flush=True)
    numbered = list(enumerate(jobs))
    random.Random(0).shuffle(numbered)  # what a budget leaves time for is a fair sample

    def work(k: int, out: Path) -> None:
        with open(out, "w") as file:
            for number, (target, _, code) in numbered[k :: options.processes]:
                if time.monotonic() > begun + options.budget:
                    break
                dead = killed(target.function, code, target.operations, edges, options.seeds)
                file.write(json.dumps([number, dead]) + "\n")

    results = sorted(json.loads(line) for text in in_parallel(work, options.processes) for line in text.splitlines())
    listed = known()
    alive = [jobs[number][1] for number, dead in results if not dead]
    for line in alive:
        print(("known    " if line in listed else "SURVIVED ") + line)
    stale = [line for line in listed if line not in alive] if not options.only and len(results) == len(jobs) else []
    for line in stale:
        print("no longer survives: " + line)
    count, dead = len(results), len(results) - len(alive)
    share = 100 * dead / max(count, 1)
    new = [line for line in alive if line not in listed]
    print(
        f"{count} of {len(jobs)} mutants of {len(chosen)} functions run in {time.monotonic() - begun:.0f} s: {dead} killed "
        f"({share:.2f} %), {len(alive) - len(new)} known to survive, {len(new)} new survivors"
    )
    return 0 if share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
