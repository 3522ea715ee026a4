"""Comparisons, logic on truth values, and the choice between two values: results without gradient,
and ``where``, which hands its gradient to the side that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from ..backends import array_types, backend_of
from ..backends.choice import select
from ..graph import no_grad
from ..inplace import check_writeable, twin, write_back, write_out
from ..operation import Applied, as_function, op, together
from ..tensor import Tensor, new_tensor, storage_of
from ..types import Array, Namespace, Number, Value
from .infix import function_of

# ---------------------------------------------------------------------------- order

_NAMES = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _comparison(forward: Callable[..., Any], name: str) -> tuple[Any, ...]:
    operator = op(forward, name=name, promote="same", infix=True)
    doc = (
        f"``input {_NAMES[name]} other``, elementwise: a bool tensor of the broadcast shape.\n\n"
        "    Raises TypeError if an operand is neither a Tensor nor a number."
    )
    return operator, function_of(operator, doc)


_eq, eq = _comparison(np.equal, "eq")
_ne, ne = _comparison(np.not_equal, "ne")
_lt, lt = _comparison(np.less, "lt")
_le, le = _comparison(np.less_equal, "le")
_gt, gt = _comparison(np.greater, "gt")
_ge, ge = _comparison(np.greater_equal, "ge")

# ---------------------------------------------------------------------------- logic


def _logical(forward: Callable[..., Any], name: str, doc: str) -> Applied:
    operator = op(forward, name=name, promote="same")

    def function(input: Tensor, other: Tensor | Number, *, out: Any = None) -> Tensor:
        for place, t in (("input", input), ("other", other)):
            if not isinstance(t, Tensor):
                position = 1 if place == "input" else 2
                raise TypeError(
                    f"{name}(): argument '{place}' (position {position}) must be Tensor, not {type(t).__name__}"
                )
        return operator(input, other) if out is None else operator(input, other, out=out)

    return as_function(function, operator.op, doc)


logical_and = _logical(np.logical_and, "logical_and", "Whether both are nonzero, elementwise (bool).")
logical_or = _logical(np.logical_or, "logical_or", "Whether at least one is nonzero, elementwise (bool).")
logical_xor = _logical(np.logical_xor, "logical_xor", "Whether exactly one is nonzero, elementwise (bool).")
logical_not = op(np.logical_not, name="logical_not", promote="same")
logical_not.__doc__ = "Whether each element is zero (bool)."


def logical_not_(self: Tensor) -> Tensor:
    """In-place version of ``logical_not``; as in PyTorch autograd sees nothing of it, but that the memory was written."""
    with no_grad():
        check_writeable(self, "logical_not_")
    self._array[...] = backend_of(self._array).xp.logical_not(self._array)
    storage_of(self).version += 1
    return self


# ---------------------------------------------------------------------------- choice


def _where(xp: Namespace, condition: Array, x: Array, y: Array) -> Array:
    return select(condition, x, y) if xp is np else xp.where(condition, x, y)


#: ``where`` for operands of one dtype (or plain numbers): what gradient formulas use.
pick: Applied = op(
    _where,
    name="where",
    tensors=("condition",),
    x=lambda g, condition: pick(condition, g, 0),
    y=lambda g, condition: pick(condition, 0, g),
)


@overload
def where(condition: Tensor, *, out: None = None) -> tuple[Tensor, ...]: ...
@overload
def where(
    condition: Tensor, input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = None
) -> Tensor: ...
@overload
def where(condition: Array, input: Value, other: Value) -> Array: ...
def where(
    condition: Value,
    input: Tensor | Number | None = None,
    other: Tensor | Number | None = None,
    *,
    out: Tensor | None = None,
) -> Any:
    """``input`` where ``condition`` (bool) holds, ``other`` elsewhere; all three broadcast.

    ``input`` and ``other`` are tensors or numbers, brought to one dtype. With ``condition`` alone:
    the indices of its nonzero elements, a tuple of one int64 tensor per dimension.

    Raises:
        TypeError: if ``condition`` is no tensor, or only one of the two is given.
        RuntimeError: if ``condition`` is not bool, or the shapes do not broadcast.
    """
    if condition.__class__ in array_types or isinstance(condition, np.generic):
        return pick(condition, input, other)  # a formula at work on arrays
    if not isinstance(condition, Tensor):
        raise TypeError(f"where(): argument 'condition' (position 1) must be Tensor, not {type(condition).__name__}")
    if input is None and other is None:
        c = condition._array
        xp = backend_of(c).xp
        if c.ndim == 0:
            c = c.reshape(1)
        return tuple(new_tensor(i) for i in xp.nonzero(c))
    if input is None or other is None:
        raise TypeError("where() takes condition, or condition, input and other")
    kind = condition._array.dtype.kind
    if kind != "b" and condition._array.dtype != np.uint8:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.legacy}"
        )
    if not (isinstance(input, Tensor) and isinstance(other, Tensor) and input._array.dtype is other._array.dtype):
        input, other = together("where", (input, other), names=("condition", "input", "other")[1:], like=condition)
    result = pick(condition, input, other)
    if out is None:
        return result

    return write_out(out, result, "where")


# ---------------------------------------------------------------------------- what the room offers

FUNCTIONS = {
    "eq": eq, "ne": ne, "not_equal": ne, "lt": lt, "less": lt, "le": le, "less_equal": le, "gt": gt,
    "greater": gt, "ge": ge, "greater_equal": ge, "logical_and": logical_and, "logical_or": logical_or,
    "logical_xor": logical_xor, "logical_not": logical_not, "where": where,
}  # fmt: skip


def _where_method(self: Tensor, condition: Tensor, other: Tensor) -> Tensor:
    """``torch.where(condition, self, other)``."""
    result: Tensor = where(condition, self, other)
    return result


_LOGIC = ("logical_and", "logical_or", "logical_xor")
METHODS = {
    **FUNCTIONS,
    **{name + "_": twin(f) for name, f in FUNCTIONS.items() if name not in ("where", *_LOGIC)},
    **{name + "_": write_back(name + "_", FUNCTIONS[name]) for name in _LOGIC},
    "where": _where_method, "logical_not_": logical_not_,
    "__eq__": _eq, "__ne__": _ne, "__lt__": _lt, "__le__": _le, "__gt__": _gt, "__ge__": _ge,
}  # fmt: skip
