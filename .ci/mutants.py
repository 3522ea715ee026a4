"""What the mutation run (mutate.py) breaks: which functions compute gradients, and the changes made to each.

The four kinds of change, each made wherever it can be made:

    sign        a minus dropped, + for - and - for +, a result negated
    factor      a factor, a divisor, a power, a term or a call dropped; a statement that changes an array left out
    argument    two arguments of a call or of an operator that does not commute change places (a condition's two
                outcomes in ``where``, too); one value that a formula is given is taken for another
    broadcast   the engine (autograd.py, broadcasting.py) leaves out what undoes broadcasting, casts and fan-out

A change that is none is not made. These rules, and nothing else, say which those are:

    1. the changed function compiles to the same code as the original;
    2. the arguments of a call that commutes (``maximum(a, b)``, ``swapaxes(0, 1)``) change places;
    3. a name is exchanged only with the name of another *value*, a parameter that was seen to be an array or a
       Tensor, and not where it is asked what it is instead of for its numbers: its shape, dtype, rank or backend,
       whether it is there (``is None``), or by passing it to a function that asks no more than that. Those answers
       are alike for the values of one formula, or differ and break it at once;
    4. a call that changes where, in what or in which shape numbers are kept (``astype``, ``copy``, ``reshape``) is no
       factor, nor is one of Python's own functions (``len``, ``range``, ``tuple``), whose arguments do not change
       places; the minus of an integer literal that is an index or an argument counts a dimension from the end;
    5. text of errors is left alone, and so are a function that is given no array (it finds dimensions, it refuses) and
       calls of CUDA kernels (``tests/gpu/test_mutations.py`` breaks those);
    6. a result that is zero (``g * 0``, ``zeros_of(g)``) has no sign.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.properties.table import operations  # noqa: E402
from tinygrad_zth import autograd, broadcasting  # noqa: E402

ENGINE = [  # is mutated with these operations:
    autograd.run, autograd._collect, broadcasting.fitted, broadcasting._is_to_repeat, broadcasting._sum_to_size,
    broadcasting._sum_to_size_numpy,
]  # fmt: skip
ENGINE_OPERATIONS = ("add", "mul", "split", "where", "sum_to_size", "stack", "unbind", "masked_fill", "linear", "to")
COMMUTE = {
    "_equal",
    "maximum",
    "minimum",
    "swapaxes",
    "logaddexp",
    "multiply",
    "add",
    "vecdot",
    "logical_or",
    "logical_and",
}
KEEPING = {"array", "as_tensor", "ascontiguousarray", "asarray", "astype", "copy", "from_array", "new_tensor", "raw_of"}
KEEPING |= {"_raw", "reshape", "widened", *vars(builtins)} - {"abs", "sum"}  # rule 4
ASKING = {"backend_of", "zeros_of", "empty_like", "zeros_like", "ones_like", "isinstance", "len", "made"}  # rule 3
READ_ONLY = {"shape", "dtype", "ndim", "size", "device", "flags", "strides", "itemsize", "__class__"}  # rule 3


# ---------------------------------------------------------------------------- what is mutated


class Target(NamedTuple):
    """A function that gradients are computed by, and the operations whose proofs concern it."""

    function: FunctionType
    operations: tuple[str, ...]
    is_formula: bool  # it returns gradients

    @property
    def where(self) -> str:
        code = self.function.__code__
        path = Path(code.co_filename).relative_to(ROOT / "tinygrad_zth")
        name = code.co_name if code.co_name != "<lambda>" else "lambda " + ", ".join(parameters_of(code))
        return f"{path.as_posix()}: {'/'.join(self.operations[:1])}: {name}"


def parameters_of(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount]


def targets() -> list[Target]:
    """Formulas, backward functions, and what they call in the rooms of the operations (ops/, fused/, nn/functional)."""
    concerned: dict[FunctionType, list[str]] = {}
    public = _public()
    formulas: set[FunctionType] = set()

    def visit(function, name: str, depth: int) -> None:
        if not isinstance(function, FunctionType) or not Path(function.__code__.co_filename).is_file():
            return  # what is written out (template.py) is mutated where it was written by hand
        if not function.__module__.startswith("tinygrad_zth") or _for_a_device(function):
            return
        names = concerned.setdefault(function, [])
        if name not in names:
            names.append(name)
        if depth:
            for called in _called(function):
                if called not in public and getattr(called, "op", None) is None:
                    visit(called, name, depth - 1)

    for name, operation in sorted(operations().items()):
        found = [operation.backward] if operation.backward is not None else []
        found += [rule.formula for rule in operation.rules if hasattr(rule, "formula")]
        for function in found:
            formulas.add(function)
            visit(function, name, 3)
    for function in ENGINE:
        concerned[function] = list(ENGINE_OPERATIONS)
    return [Target(f, tuple(names), f in formulas) for f, names in concerned.items() if f not in public]


def _for_a_device(function: FunctionType) -> bool:
    """Kernels for CUDA: tests/gpu/test_mutations.py breaks those."""
    return function.__module__.endswith("_cuda")


def _called(function: FunctionType) -> Iterator[FunctionType]:
    """Functions that a function names: of its own module, and of other rooms of operations."""
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, CodeType)]
    names = {n for code in codes for n in code.co_names}
    values = [function.__globals__[n] for n in sorted(names) if n in function.__globals__]
    for module in [v for v in values if isinstance(v, ModuleType)]:  # attention_numpy.attention_backward
        values += [vars(module)[n] for n in sorted(names) if n in vars(module)]
    values += [cell.cell_contents for cell in function.__closure__ or ()]
    for found in values:
        if isinstance(found, FunctionType):
            rooms = ("tinygrad_zth.fused", "tinygrad_zth.ops", "tinygrad_zth.nn.functional", "tinygrad_zth.backends.s")
            if found.__module__ == function.__module__ or found.__module__.startswith(rooms):
                yield found


def _public() -> set:
    """What users call, kernels of forwards and type conversions: mutated, they would break more than gradients."""
    found = set()
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("tinygrad_zth"):
            for table in ("FUNCTIONS", "METHODS"):
                functions = getattr(module, table, {})
                if isinstance(functions, dict):  # and not absent.METHODS, which are names
                    found |= {f for f in functions.values() if isinstance(f, FunctionType)}
    for operation in operations().values():
        found |= {f for f in (operation.forward, operation.plain) if isinstance(f, FunctionType)}
    return found - {*ENGINE}


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
            if name == code.co_name and named == parameters_of(code) and inside:
                best = node  # ast.walk goes from the outside in: the last is the innermost
    if best is None:
        raise LookupError(f"no source for {function}")
    return best


# ---------------------------------------------------------------------------- the changes

_SIGNS: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def replacements(node: ast.expr, values: set[str], parent: ast.AST) -> Iterator[ast.expr]:
    """Everything that an expression may be changed to. ``values`` are the parameters that are arrays."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        literal = isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int)
        if not (literal and isinstance(parent, ast.Subscript | ast.Slice | ast.Tuple | ast.Call | ast.keyword)):
            yield node.operand
    if isinstance(node, ast.BinOp):
        kind = type(node.op)
        if kind in _SIGNS:
            yield ast.BinOp(node.left, _SIGNS[kind](), node.right)
        yield node.left
        if kind is ast.Sub:
            yield ast.UnaryOp(ast.USub(), node.right)
        elif kind in (ast.Add, ast.Mult, ast.MatMult):
            yield node.right
        if kind in (ast.Div, ast.MatMult, ast.Pow):
            yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        if len(node.ops) == 1 and isinstance(parent, ast.BinOp | ast.Call):  # a mask among the values
            yield ast.Compare(node.comparators[0], node.ops, [node.left])
    if isinstance(node, ast.Call):
        plain = [a for a in node.args if not isinstance(a, ast.Starred)]
        if len(plain) == len(node.args) >= 2 and _name(node) not in COMMUTE | set(vars(builtins)):
            yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
            if _name(node) == "where" and len(plain) == 3:
                yield ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], node.keywords)
        if _name(node) not in KEEPING:
            method_of = node.func.value if isinstance(node.func, ast.Attribute) else None
            root = method_of
            while isinstance(root, ast.Attribute):
                root = root.value
            if method_of is not None and (not isinstance(root, ast.Name) or root.id in values):
                yield method_of  # x.cos() -> x
            elif plain:
                yield plain[0]  # exp(x), np.exp(x) -> x
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in values:
        yield from (ast.Name(other, ast.Load()) for other in sorted(values - {node.id}))


def statements(node: ast.stmt, engine: bool) -> Iterator[ast.stmt | None]:
    """What a statement may be changed to; None where it is left out."""
    if isinstance(node, ast.AugAssign):
        if type(node.op) in _SIGNS:
            yield ast.AugAssign(node.target, _SIGNS[type(node.op)](), node.value)
        yield None
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield None
    if engine and isinstance(node, ast.If):
        yield None


def asked_only(node: ast.AST, space: dict) -> set[ast.AST]:
    """The names within ``node`` that are asked what they are, and not for their numbers: rule 3."""
    found: set[ast.AST] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr in READ_ONLY:
            value = part.value
            if isinstance(value, ast.Call) and _name(value) in KEEPING:
                found |= set(value.args)
            found.add(value)
        elif isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.Is | ast.IsNot):
            found |= {part.left, *part.comparators}
        elif isinstance(part, ast.Call) and _name(part) in ASKING:
            found |= set(part.args)
        elif isinstance(part, ast.Call) and isinstance(space.get(_name(part)), FunctionType):
            called = space[_name(part)]
            if called.__module__.startswith("tinygrad_zth") and Path(called.__code__.co_filename).is_file():
                names = parameters_of(called.__code__)
                found |= {a for a, n in zip(part.args, names, strict=False) if n in _asked_parameters(called)}
    return found


@functools.cache
def _asked_parameters(function: FunctionType) -> frozenset[str]:
    """The parameters of a function that it only asks what they are."""
    tree = source_of(function)
    _asked = asked_only(tree, {})
    loaded = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    used = {n.id for n in loaded if n not in _asked}
    return frozenset({n.id for n in loaded if n in _asked} - used)


def mutants_of(target: Target, values: set[str]) -> Iterator[tuple[str, int, CodeType]]:
    """Triples (what is changed, the line of it, the changed code)."""
    function = target.function
    engine = function.__name__ in ("_deliver", "_collect")
    original = source_of(function)
    seen = {_essence(compiled(function, copy.deepcopy(original)))}
    asked = asked_only(original, function.__globals__)
    for number, (place, parent) in enumerate(_places(original)):
        options: list = []
        if isinstance(place, ast.stmt):
            options = list(statements(place, engine))
            if isinstance(place, ast.Return) and target.is_formula and place.value is not None:
                options += [ast.Return(value) for value in _negated(place.value)]
        elif isinstance(place, ast.expr):
            options = list(replacements(place, set() if place in asked else values, parent))
            if place is getattr(original, "body", None) and target.is_formula:
                options += _negated(place)
        for option in options:
            tree = copy.deepcopy(original)
            there, _ = _places(tree)[number]
            _swap(tree, there, ast.Pass() if option is None else copy.deepcopy(option))
            try:
                code = compiled(function, tree)
            except (SyntaxError, ValueError):
                continue
            if _essence(code) not in seen:
                seen.add(_essence(code))
                around = parent if isinstance(parent, ast.expr) and isinstance(place, ast.expr) else place
                before = _text(place) if around is place else f"{_text(place)} in {_text(around)}"
                yield f"{before}  ->  {'(left out)' if option is None else _text(option)}", place.lineno, code


def _places(tree: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """(node, parent) of everything that may be changed; defaults, annotations and errors' texts may not."""
    found: list[tuple[ast.AST, ast.AST]] = []
    stack: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
    while stack:
        node, parent = stack.pop()
        if isinstance(node, ast.arguments | ast.Raise | ast.Assert) or (node is not tree and node in _skipped(parent)):
            continue
        if isinstance(node, ast.Call) and (_name(node) in ("isinstance", "len") or "_cuda." in ast.unparse(node.func)):
            continue
        found.append((node, parent))
        stack += [(child, node) for child in reversed(list(ast.iter_child_nodes(node)))]
    return found


def _skipped(parent: ast.AST) -> list:
    if isinstance(parent, ast.FunctionDef):
        return [*parent.decorator_list, parent.returns]
    return [parent.annotation] if isinstance(parent, ast.AnnAssign) else []


def _negated(value: ast.expr) -> list[ast.expr]:
    """The returned gradient with its sign flipped; of a tuple of them, each in turn."""
    if isinstance(value, ast.Tuple):
        return [
            ast.Tuple([*value.elts[:i], new, *value.elts[i + 1 :]], ast.Load())
            for i, one in enumerate(value.elts)
            if not isinstance(one, ast.Starred)
            for new in _negated(one)
        ]
    if isinstance(value, ast.IfExp):
        return [ast.IfExp(value.test, new, value.orelse) for new in _negated(value.body)] + [
            ast.IfExp(value.test, value.body, new) for new in _negated(value.orelse)
        ]
    if isinstance(value, ast.Constant | ast.UnaryOp | ast.List | ast.ListComp | ast.GeneratorExp):
        return []
    if isinstance(value, ast.BinOp) and isinstance(value.right, ast.Constant) and value.right.value == 0:
        return []  # rule 6
    if isinstance(value, ast.Call) and _name(value) == "zeros_of":
        return []
    return [ast.UnaryOp(ast.USub(), value)]


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:110].replace("|", "or")


def _swap(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if value is old:
                setattr(node, field, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[next(i for i, item in enumerate(value) if item is old)] = new
                return
    raise LookupError("the place to be changed is not in the tree")


def compiled(function: FunctionType, tree: ast.AST) -> CodeType:
    """The code of a mutated tree, with the free variables that the function has."""
    code = function.__code__
    free: list[ast.expr] = [ast.Name(n, ast.Load()) for n in code.co_freevars]
    body: list[ast.stmt]
    if isinstance(tree, ast.Lambda):
        inner = ast.Lambda(tree.args, ast.IfExp(ast.Constant(True), tree.body, ast.Tuple(free, ast.Load())))
        body = [ast.Return(inner)]
    else:
        assert isinstance(tree, ast.FunctionDef)
        tree.decorator_list, tree.returns = [], None
        if free:
            tree.body.append(ast.Expr(ast.Tuple(free, ast.Load())))  # after the return: never run
        body = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
    bound = [ast.arg(n) for n in code.co_freevars]
    arguments = ast.arguments(posonlyargs=[], args=bound, kwonlyargs=[], kw_defaults=[], defaults=[])
    outer = ast.FunctionDef("outer", arguments, body, [], None)
    module = ast.fix_missing_locations(ast.Module([outer], []))
    space: dict = {}
    exec(compile(module, code.co_filename, "exec", flags=__future__.annotations.compiler_flag), space)
    return space["outer"](*[None] * len(bound)).__code__


def _essence(code: CodeType) -> tuple:
    """What running the code depends on: rule 1."""
    constants = tuple(_essence(c) if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
