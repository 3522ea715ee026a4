"""Operations that are operators of Python's, too: ``x + y`` is ``add(x, y)``.

The operator is the operation itself, without a function between. It differs from the function of
the same name in one thing: an operand that is neither tensor nor number is not its error to raise;
it answers ``NotImplemented``, and Python asks the operand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..operation import Applied, NotANumber, as_function
from ..tensor import Tensor
from ..types import Number

__all__ = ["function_of", "reflected", "wrong_operand"]


def wrong_operand(name: str, other: object, argument: str = "other") -> NotANumber:
    """The error of the function ``name`` for an operand that is neither a tensor nor a number."""
    return NotANumber(f"{name}(): argument {argument!r} (position 2) must be Tensor, not {type(other).__name__}")


def function_of(operator: Applied, doc: str) -> Applied:
    """The function ``name(input, other, *, out=None)`` of an infix operation."""
    name = operator.op.name

    def function(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
        result = operator(input, other) if out is None else operator(input, other, out=out)
        if result is NotImplemented:
            raise wrong_operand(name, other)
        return result

    return as_function(function, operator.op, doc)


def reflected(operator: Applied) -> Callable[..., Any]:
    """The method for ``other op self``, where ``other`` is no tensor."""

    def method(self: Tensor, other: Number) -> Any:
        return operator(other, self)

    method.__name__ = method.__qualname__ = f"__r{operator.op.name}__"
    return method
