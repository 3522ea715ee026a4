"""The table of all operations: what each is proved with. An operation that is not here fails the suite.

Add one line to the file of its kind (``elementwise_cases``, ``shape_cases``, ``reduce_cases``,
``algebra_cases``, ``fused_cases``; ``composed_cases`` for those with lists of tensors): how its
arguments are drawn and a NumPy or ``math`` oracle that is not the function itself. A function of one
number whose name ``math`` knows, on (-2, 2), needs no line.
"""

from __future__ import annotations

import math
import sys
from types import FunctionType

import tinygrad_zth as torch  # noqa: F401  (fills the tables)
from tinygrad_zth.operation import OPERATIONS, Operation

from . import algebra_cases, composed_cases, elementwise_cases, fused_cases, reduce_cases, shape_cases
from .case import Case, unary

_FILES = (elementwise_cases, shape_cases, reduce_cases, algebra_cases, fused_cases, composed_cases)
CASES: dict[str, Case] = {}
for _file in _FILES:
    twice = set(CASES) & set(_file.CASES)
    assert not twice, f"{sorted(twice)} in two files"
    CASES.update(_file.CASES)


def defined_operations() -> dict[int, Operation]:
    """Every Operation that some module of the package can reach, by identity: in a table, a
    function's ``op``, or a module's global.
    """
    found: dict[int, Operation] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "tinygrad_zth":
            continue
        for value in list(vars(module).values()):
            values = value.values() if isinstance(value, dict) else (value,)
            for one in values:
                operation = one if isinstance(one, Operation) else getattr(one, "op", None)
                if isinstance(operation, Operation) and not isinstance(one, type):
                    found[id(operation)] = operation
    return found


def _of_the_package(operation: Operation) -> bool:
    """Left out: what a documentation page or a test defined before us in this process."""
    functions = [f for f in (operation.forward, operation.backward) if isinstance(f, FunctionType)]
    functions += [rule.formula for rule in operation.rules if hasattr(rule, "formula")]
    return all(f.__module__.partition(".")[0] == "tinygrad_zth" for f in functions)


def operations() -> dict[str, Operation]:
    """All operations by name: the tables' and those with lists of tensors."""
    found = {name: o for name, o in OPERATIONS.items() if _of_the_package(o)}
    found.update({o.name: o for o in defined_operations().values() if o.apply is None and _of_the_package(o)})
    return found


def case_of(operation: Operation) -> Case | None:
    """The operation's case: from the table, else a default by its arity and name."""
    case = CASES.get(operation.name)
    if case is None and len(operation.parameters) == 1 and callable(getattr(math, operation.name, None)):
        return unary(getattr(math, operation.name))
    return case
