"""What each line of a function costs in the middle of a training step.

    python -m benchmarks.lines mlp_bn fused.cross_entropy:cross_entropy_forward ops.reduce:_mean

Names are ``module:function`` below tinygrad_zth, ``module:Class.method`` too. A line that is measured in a loop of its own has
the caches and the branch predictor to itself; in a step, after everything else, it takes up to twice as long, and
what is worth changing is another line. So the functions are compiled anew with a stamp of the clock after each
statement, and the step of the workload is run as it is.

Microseconds are those of the twentieth of the executions that were fastest, without what a stamp costs; what a line calls is
in them. The test of an ``if`` counts with the first statement behind it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from time import perf_counter
from types import FunctionType
from typing import Any

import tinygrad_zth as torch

from .workloads import WORKLOADS

PACKAGE = "tinygrad_zth"
NOTE, CLOCK = "_benchmarks_note", "_benchmarks_clock"  # what stamps call, among the globals of the function's module
FASTEST = 0.05

Times = dict[tuple[str, int], list[float]]  # (function, line within it): seconds of each execution


def found(name: str) -> FunctionType:
    """The function that ``module:function`` names. Raises ValueError where there is none, or one that cannot be compiled alone."""
    module, _, path = name.partition(":")
    try:
        function: Any = import_module(f"{PACKAGE}.{module}")
        for part in path.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name}: {error}") from None
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType) or function.__closure__ or function.__code__.co_filename.startswith("<"):
        raise ValueError(f"{name} is no plain function: a closure, generated, or written in C")
    if function.__code__.co_name != function.__name__:
        raise ValueError(f"{name} is generated from its entry (template.py)")
    return function


class _Stamps(ast.NodeTransformer):
    """Puts ``_before = note(name, line, _before)`` behind each simple statement, and in front of each return."""

    def __init__(self, name: str) -> None:
        self.name = name

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list) and not isinstance(node, ast.ClassDef | ast.Module):
                setattr(node, field, [new for old in statements for new in self.stamped(old)])
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            node.body[:0] = ast.parse(f"_before = {CLOCK}()").body
        return node

    def stamped(self, statement: ast.stmt) -> list[ast.stmt]:
        stamp = ast.parse(f"_before = {NOTE}({self.name!r}, {statement.lineno}, _before)").body
        if isinstance(statement, ast.Return):
            value = statement.value or ast.Constant(None)
            return [
                ast.Assign([ast.Name("_value", ast.Store())], value),
                *stamp,
                ast.Return(ast.Name("_value", ast.Load())),
            ]
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_simple = isinstance(
            statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Assert | ast.Delete
        )
        return [statement, *stamp] if is_simple and not is_text else [statement]


def noting(times: Times) -> Callable[[str, int, float], float]:
    """The function that a stamp calls: the time since ``before`` is this line's; returns the time of now."""

    def note(name: str, line: int, before: float) -> float:
        times.setdefault((name, line), []).append(perf_counter() - before)
        return perf_counter()

    return note


@contextmanager
def stamped(names: Sequence[str]) -> Iterator[Times]:
    """Inside, the functions note what their lines take. They are what they were afterwards."""
    times: Times = {}
    note = noting(times)
    before: list[tuple[FunctionType, Any]] = []
    try:
        for name in names:
            function = found(name)
            tree = _Stamps(name).visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
            ast.increment_lineno(ast.fix_missing_locations(tree), function.__code__.co_firstlineno - 1)
            code = compile(tree, function.__code__.co_filename, "exec", annotations.compiler_flag, True)
            made: dict[str, Any] = {}
            exec(code, function.__globals__, made)
            before.append((function, function.__code__))
            function.__globals__.update({NOTE: note, CLOCK: perf_counter})
            function.__code__ = made[function.__name__].__code__
        yield times
    finally:
        for function, code in before:
            function.__code__ = code
            for name in (NOTE, CLOCK):
                function.__globals__.pop(name, None)


def measure(step: Callable[[], Any], names: Sequence[str], steps: int) -> Times:
    """The times of the functions' lines in ``steps`` steps, after some that are not counted."""
    with stamped(names) as times:
        for _ in range(max(1, steps // 10)):
            step()
        times.clear()
        for _ in range(steps):
            step()
    return times


def cost_of_a_stamp() -> float:
    """Seconds that a line of nothing is given."""
    times: Times = {}
    note, before = noting(times), perf_counter()
    for _ in range(1000):
        before = note("", 0, before)
    return sorted(times["", 0])[int(FASTEST * 1000)]


def report(times: Times, names: Sequence[str], steps: int) -> Iterator[str]:
    """The lines of the table: microseconds, executions a step, and the source."""
    own = cost_of_a_stamp()
    for name in names:
        source = textwrap.dedent(inspect.getsource(found(name))).splitlines()
        yield name
        lines = sorted(line for function, line in times if function == name)
        if not lines:
            yield "  not called in this step"
        for line in lines:
            seconds = sorted(times[name, line])
            fast = seconds[int(FASTEST * (len(seconds) - 1))] - own
            yield f"{1e6 * fast:9.2f} {len(seconds) / steps:7.1f}  {source[line - 1].strip()}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("functions", nargs="+", metavar="module:function")
    parser.add_argument("--steps", type=int, default=500)
    args = parser.parse_args(argv)
    if args.steps < 1:
        parser.error("--steps: at least one")
    try:
        for name in args.functions:
            found(name)
    except ValueError as error:
        parser.error(str(error))
    times = measure(WORKLOADS[args.workload](torch), args.functions, args.steps)
    print("       us  a step  line")
    for line in report(times, args.functions, args.steps):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
