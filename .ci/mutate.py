"""Is the suite able to see a wrong gradient? Every gradient formula is broken in every small way there is.

    python .ci/mutate.py                    # all; --only NAME ... for some operations; --list to look
    python .ci/mutate.py --budget 600       # stop after so many seconds, and say how far it came

A mutant is one change in the source of one gradient formula, of a fused operation's backward, of a
function that these call, or of the engine's un-broadcasting: a sign flipped, a factor, a term or a call
dropped, an operator, a comparison, a constant or a branch changed, arguments swapped, one saved value
taken for another, a statement left out. It is compiled into the running package, in a process forked for
it, and the proofs of ``tests/properties`` and the traps of ``tests/edges`` that concern the operation
are run from fixed seeds. A mutant that none of them notices survives; the known ones are listed with
their reasons in ``docs/mutation.md``, by the text that this prints.
"""

# ruff: noqa: E402  (threads are switched off before NumPy is imported)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # processes are forked: no threads

import argparse
import ast
import copy
import json
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import tinygrad_zth as torch
from tests.edges.answers import DEVIATIONS, EDGES
from tests.edges.test_edges import evaluated, same
from tests.properties.proofs import PROOFS
from tests.properties.source import Source
from tests.properties.table import case_of, operations
from tinygrad_zth import autograd

SEEDS = 24  # examples of each proof before a mutant counts as unnoticed
TIMEOUT = 20.0
ENGINE = ("_deliver", "_collect", "_sum_to_size_numpy")  # of autograd.py, with these operations:
ENGINE_OPERATIONS = ("add", "mul", "where", "sum_to_size", "stack", "unbind", "split", "masked_fill", "linear", "to")


# ---------------------------------------------------------------------------- what is mutated


class Target(NamedTuple):
    """A function that gradients are computed by, and the operations whose proofs concern it."""

    function: FunctionType
    operations: tuple[str, ...]

    @property
    def where(self) -> str:
        code = self.function.__code__
        path = Path(code.co_filename).relative_to(ROOT / "tinygrad_zth")
        name = code.co_name if code.co_name != "<lambda>" else "lambda " + ", ".join(_arguments(code))
        return f"{path.as_posix()}: {'/'.join(self.operations[:1])}: {name}"


def _arguments(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount]


def targets() -> list[Target]:
    """Formulas, backward functions, and what they call in their own module."""
    concerned: dict[FunctionType, list[str]] = {}

    def visit(function, name: str, depth: int) -> None:
        if not isinstance(function, FunctionType) or not function.__module__.startswith("tinygrad_zth"):
            return
        if not Path(function.__code__.co_filename).is_file():  # written out: inspect the formulas instead
            return
        names = concerned.setdefault(function, [])
        if name not in names:
            names.append(name)
        if depth:
            for called in _called(function):
                if called is not function and getattr(called, "op", None) is None:
                    visit(called, name, depth - 1)

    for name, operation in sorted(operations().items()):
        if operation.backward is not None:
            visit(operation.backward, name, 2)
        for rule in operation.rules:
            if hasattr(rule, "formula"):
                visit(rule.formula, name, 2)
    for name in ENGINE:
        concerned[getattr(autograd, name)] = list(ENGINE_OPERATIONS)
    public = _public()
    return [Target(f, tuple(names)) for f, names in concerned.items() if f not in public]


def _called(function: FunctionType) -> Iterator[FunctionType]:
    """Functions of the same module that a function names."""
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, CodeType)]
    for name in {n for code in codes for n in code.co_names}:
        found = function.__globals__.get(name)
        if isinstance(found, FunctionType) and found.__module__ == function.__module__:
            yield found
    for cell in function.__closure__ or ():
        if isinstance(cell.cell_contents, FunctionType) and cell.cell_contents.__module__ == function.__module__:
            yield cell.cell_contents


def _public() -> set:
    """What users call, kernels of forwards and type conversions: mutated, they would break more than gradients."""
    found = set()
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("tinygrad_zth"):
            for table in ("FUNCTIONS", "METHODS"):
                found |= {f for f in getattr(module, table, {}).values() if isinstance(f, FunctionType)}
    for operation in operations().values():
        found |= {f for f in (operation.forward, operation.plain) if isinstance(f, FunctionType)}
    return found


def source_of(function: FunctionType) -> ast.Lambda | ast.FunctionDef:
    """The syntax tree of a function, found by its place in the file."""
    code = function.__code__
    tree = ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column]
    first, last = min(places), max(places)
    best = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            name = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
            named = tuple(a.arg for a in node.args.posonlyargs + node.args.args)
            inside = (node.lineno, node.col_offset) <= first and last <= (node.end_lineno, node.end_col_offset)
            if name == code.co_name and named == _arguments(code) and inside:
                best = node  # ast.walk goes from the outside in: the last is the innermost
    if best is None:
        raise LookupError(f"no source for {function}")
    return best


# ---------------------------------------------------------------------------- the changes

_OPERATORS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult],
    ast.MatMult: [], ast.FloorDiv: [ast.Mult], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: [ast.LtE, ast.GtE], ast.LtE: [ast.Lt, ast.Gt], ast.Gt: [ast.GtE, ast.LtE], ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
}  # fmt: skip


def replacements(node: ast.AST, parameters: tuple[str, ...]) -> Iterator[ast.AST]:
    """Everything that a node may be changed to."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert | ast.Not):
        yield node.operand
    if isinstance(node, ast.BinOp):
        for kind in _OPERATORS.get(type(node.op), ()):
            yield ast.BinOp(node.left, kind(), node.right)
        yield node.left
        if not isinstance(node.op, ast.Pow):
            yield node.right
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind in _COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [kind()], node.comparators)
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    if isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
        elif isinstance(node.value, float):
            yield ast.Constant(node.value * 1.5 if node.value else 1.0)
    if isinstance(node, ast.Call):
        plain = [a for a in node.args if not isinstance(a, ast.Starred)]
        if len(plain) == len(node.args) >= 2 and ast.dump(node.args[0]) != ast.dump(node.args[1]):
            yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
        if plain and isinstance(node.func, ast.Name):
            yield plain[0]
        if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
            yield node.func.value
        elif isinstance(node.func, ast.Attribute) and node.func.value.id in parameters:
            yield node.func.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in parameters:
        for other in parameters:
            if other != node.id and not {other, node.id} & {"needs", "keep", "xp"}:
                yield ast.Name(other, ast.Load())


def statements(node: ast.stmt) -> Iterator[ast.stmt | None]:
    """What a statement may be changed to; None where it is left out."""
    if isinstance(node, ast.AugAssign):
        for kind in _OPERATORS.get(type(node.op), ()):
            yield ast.AugAssign(node.target, kind(), node.value)
        yield None
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield None
    if isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield None


def mutants_of(function: FunctionType) -> Iterator[tuple[str, ast.AST]]:
    """Pairs (what is changed, the changed tree)."""
    original = source_of(function)
    parameters = _arguments(function.__code__)
    seen = {ast.dump(original)}
    for number, node in enumerate(ast.walk(original)):
        if isinstance(node, ast.arguments | ast.arg):
            continue
        for choice in range(100):
            tree = copy.deepcopy(original)
            place = next(n for i, n in enumerate(ast.walk(tree)) if i == number)
            changed, before, after = _change(tree, place, choice, parameters)
            if not changed:
                break
            if ast.dump(tree) not in seen:
                seen.add(ast.dump(tree))
                yield f"{before}  ->  {after}", tree
    if isinstance(original, ast.Lambda):
        tree = copy.deepcopy(original)
        tree.body = ast.UnaryOp(ast.USub(), tree.body)
        yield "the sign of all of it flipped", tree


def _change(tree: ast.AST, place: ast.AST, choice: int, parameters) -> tuple[bool, str, str]:
    """Make the ``choice``-th change of a node in place. Annotations, defaults and docstrings stay."""
    if isinstance(place, ast.stmt):
        options = list(statements(place))
        if choice >= len(options):
            return False, "", ""
        new = options[choice]
        before, after = _text(place), "(left out)" if new is None else _text(new)
        _swap(tree, place, ast.Pass() if new is None else new)
        return True, before, after
    if not isinstance(place, ast.expr):
        return False, "", ""
    options = list(replacements(place, parameters))
    if choice >= len(options):
        return False, "", ""
    before, after = _text(_around(tree, place)), _text(options[choice])
    before = before if len(before) < 90 else _text(place)
    if not _swap(tree, place, options[choice]):
        return False, "", ""
    return True, f"{_text(place)} in {before}" if before != _text(place) else before, after


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:120]


def _around(tree: ast.AST, place: ast.AST) -> ast.AST:
    """The expression that a node is part of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and any(child is place for child in ast.iter_child_nodes(node)):
            return node
    return place


def _swap(tree: ast.AST, old: ast.AST, new: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments | ast.arg):
            continue
        for field, value in ast.iter_fields(node):
            if value is old:
                setattr(node, field, new)
                return True
            if isinstance(value, list) and any(item is old for item in value):
                value[next(i for i, item in enumerate(value) if item is old)] = new
                return True
    return False


def compiled(function: FunctionType, tree: ast.AST) -> CodeType:
    """The code of a mutated tree, with the free variables that the function has."""
    code = function.__code__
    free = [ast.Name(n, ast.Load()) for n in code.co_freevars]
    if isinstance(tree, ast.Lambda):
        dead = ast.Tuple(free, ast.Load())
        inner: ast.AST = ast.Lambda(tree.args, ast.IfExp(ast.Constant(True), tree.body, dead))
        body: list = [ast.Return(inner)]
    else:
        tree.decorator_list, tree.returns = [], None
        if free:
            tree.body.append(ast.Expr(ast.Tuple(free, ast.Load())))  # after the return: never run
        body = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
    bound = [ast.arg(n) for n in code.co_freevars]
    arguments = ast.arguments(posonlyargs=[], args=bound, kwonlyargs=[], kw_defaults=[], defaults=[])
    outer = ast.FunctionDef("outer", arguments, body, [], None)
    module = ast.fix_missing_locations(ast.Module([outer], []))
    space: dict = {}
    exec(compile("from __future__ import annotations", "", "exec"), space)
    exec(compile(module, code.co_filename, "exec", flags=__import__("__future__").annotations.compiler_flag), space)
    made = space["outer"](*[None] * len(bound)) if bound else space["outer"]()
    return made.__code__


# ---------------------------------------------------------------------------- the run


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


def check(names: tuple[str, ...], edges: dict[str, list], seeds: int) -> None:
    """Run all that concerns these operations; raises where something is wrong."""
    table = operations()
    for seed in range(seeds):
        for name in names:
            for proof in PROOFS:
                if proof.__name__ != "value" or seed < 4:
                    proof(table[name], case_of(table[name]), Source.seeded(seed))
        if seed == 0:
            for edge in {id(e): e for name in names for e in edges.get(name, ())}.values():
                value, gradients = evaluated(edge, torch)
                same(value, edge.value, "value")
                for k, expected in edge.gradients.items():
                    same(gradients.get(k), expected, k)


def killed(function: FunctionType, code: CodeType | None, names, edges, seeds: int) -> bool:
    """Whether the proofs notice the mutant, in a process of its own. An endless loop is noticed."""
    child = os.fork()
    if child == 0:
        os.close(1)
        os.close(2)
        try:
            signal.alarm(int(TIMEOUT) + 5)
            function.__code__ = code
            check(names, edges, seeds)
        except BaseException:
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


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


def work(jobs: list, edges, out: Path, ends: float, seeds: int) -> None:
    """One worker: a line of JSON for each mutant."""
    with open(out, "w") as file:
        for number, (target, text, tree) in jobs:
            if time.monotonic() > ends:
                break
            try:
                code = compiled(target.function, tree)
            except (SyntaxError, ValueError):
                continue
            # All operations that use the function concern it; three of them are enough to notice.
            dead = killed(target.function, code, target.operations[:3], edges, seeds)
            file.write(json.dumps([number, target.where, text, dead]) + "\n")
            file.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", help="operations by name")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--budget", type=float, default=3600, help="seconds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_zth\b")
    begun = time.monotonic()
    chosen = [t for t in targets() if not options.only or set(options.only) & set(t.operations)]
    jobs = [(t, text, tree) for t in chosen for text, tree in mutants_of(t.function)]
    if options.list:
        print(*(f"{t.where}: {text}" for t, text, _ in jobs), sep="\n")
        return 0
    edges = concerned_edges()
    names = sorted({n for t in chosen for n in t.operations[:3]})
    for name in names:  # without a mutant everything holds
        check((name,), edges, 2)
    numbered = list(enumerate(jobs))
    random.Random(0).shuffle(numbered)  # what a budget leaves time for is a fair sample
    results: list = []
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for k in range(options.processes):
            child = os.fork()
            if child == 0:
                work(
                    numbered[k :: options.processes], edges, Path(folder, str(k)), begun + options.budget, options.seeds
                )
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        for k in range(options.processes):
            results += [json.loads(line) for line in Path(folder, str(k)).read_text().splitlines()]
    results.sort()
    listed = known()
    alive = [f"{where}: {text}" for _, where, text, dead in results if not dead]
    for line in alive:
        print(("known    " if line in listed else "SURVIVED ") + line)
    stale = [line for line in listed if line not in alive] if not options.only and len(results) == len(jobs) else []
    for line in stale:
        print("no longer survives: " + line)
    count, dead = len(results), len(results) - len(alive)
    new = [line for line in alive if line not in listed]
    print(
        f"{count} of {len(jobs)} mutants of {len(chosen)} functions run in {time.monotonic() - begun:.0f} s: {dead} killed "
        f"({100 * dead / max(count, 1):.2f} %), {len(alive) - len(new)} known to survive, {len(new)} new survivors"
    )
    return 0 if dead >= 0.98 * count else 1


if __name__ == "__main__":
    sys.exit(main())
