"""Sums, products, quotients, powers and remainders, and Python's operators for them.

Each entry reads as mathematics: the forward, then the derivative by ``x`` and by ``y`` times ``g``.
What a formula keeps is what PyTorch keeps, so that the same in-place writes are allowed afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import backend_of
from ..broadcasting import sum_to
from ..inplace import twin
from ..operation import Applied, as_function, op
from ..tensor import Tensor
from ..types import Array, Namespace, Number, Value
from .infix import function_of, reflected, wrong_operand

_NO_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
    "invert a mask, use the `~` or `logical_not()` operator instead."
)


def _zeros(xp: Namespace, x: Array) -> Array:
    return xp.zeros_like(x)


#: Zeros like ``x``, the gradient of what is constant between jumps (0 also where ``x`` is inf or nan).
zeros_of = op(_zeros, name="zeros_of")

# ---------------------------------------------------------------------------- + - * /


def _summed(g: Value, shape: tuple[int, ...]) -> Value:
    """What the engine would do to ``g`` at last, done where what is left to do is then less."""
    return g if g.shape == shape else sum_to(g, shape)


def _by_divisor(g: Value, x: Value, y: Value) -> Value:
    """-g x / y^2. Where y was broadcast, what goes to each y is summed before the last division, of y's size."""
    return _summed(g * (x / y), y.shape) / -y


_add = op(np.add, name="add", promote="same", infix=True, x=lambda g: g, y=lambda g: g)
_sub = op(
    np.subtract, name="sub", promote="same", infix=True, refuses_bool=_NO_BOOL,
    x=lambda g: g, y=lambda g, y_shape: -_summed(g, y_shape),
)  # fmt: skip
_rsub = op(  # other - self
    np.subtract, name="rsub", grad_name="RsubBackward1", promote="same", infix=True, refuses_bool=_NO_BOOL,
    x=lambda g: g, y=lambda g: -g,
)  # fmt: skip
_mul = op(np.multiply, name="mul", promote="same", infix=True, x=lambda g, y: g * y, y=lambda g, x: g * x)
_div = op(
    np.true_divide, name="div", promote="float", infix=True,
    x=lambda g, y: g / y, y=_by_divisor,
)  # fmt: skip
_rdiv = op(  # number / self
    np.true_divide, name="rdiv", grad_name="MulBackward0", promote="float", infix=True,
    x=lambda g, y: g / y, y=_by_divisor,
)  # fmt: skip
neg = op(
    np.negative, name="neg", promote="same", x=lambda g: -g,
    refuses_bool="Negation, the `-` operator, on a bool tensor is not supported. If you are trying "
    "to invert a mask, use the `~` or `logical_not()` operator instead.",
)  # fmt: skip
neg.__doc__ = "``-input``."

mul = function_of(_mul, "``input * other``, broadcast, in the promoted dtype.")


def _scaled(name: str, other: Value, alpha: Number) -> Value:
    """``alpha * other``; refuses a factor that the result could not hold."""
    kind = other._array.dtype.kind if isinstance(other, Tensor) else np.asarray(other).dtype.kind
    if isinstance(alpha, bool) and kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and kind != "f":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if not isinstance(other, Tensor):
        return other * alpha
    return mul(other, alpha)


def _with_alpha(operator: Applied, doc: str) -> Applied:
    name = operator.op.name

    def function(input: Tensor, other: Tensor | Number, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
        if alpha != 1 or alpha is True:
            other = _scaled(name, other, alpha)
        result = operator(input, other) if out is None else operator(input, other, out=out)
        if result is NotImplemented:
            raise wrong_operand(name, other)
        return result

    return as_function(function, operator.op, doc)


add = _with_alpha(_add, "``input + alpha * other``, broadcast, in the promoted dtype.")
sub = _with_alpha(
    _sub,
    "``input - alpha * other``, broadcast, in the promoted dtype. Raises RuntimeError for bool tensors.",
)


def rsub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """``other - alpha * input``. Raises RuntimeError for bool tensors."""
    result = _rsub(other, input if alpha == 1 else _scaled("rsub", input, alpha))
    if result is NotImplemented:
        raise wrong_operand("rsub", other)
    return result


# ---------------------------------------------------------------------------- quotients cut to integers


def _no_zero(xp: Namespace, x: Array, y: Array) -> None:
    """Integer division has no infinity to answer with."""
    if not xp.size(x):
        return
    if not hasattr(y, "dtype"):
        if y == 0:
            raise RuntimeError("ZeroDivisionError")
        return
    backend_of(y).check_range(y == 0, 1, "ZeroDivisionError", RuntimeError)


def _is_float(x: Array, y: Array) -> bool:
    return bool((x if hasattr(x, "dtype") else y).dtype.kind == "f")


def _floor_divide(xp: Namespace, x: Array, y: Array) -> Array:
    if not _is_float(x, y):
        _no_zero(xp, x, y)
    return xp.floor_divide(x, y)


def _floor_divide_by_remainder(xp: Namespace, x: Array, y: Array) -> Array:
    """As NumPy and PyTorch have it. CuPy rounds ``x / y`` down, which is 0, not -1, for -3 by infinity, and one too many
    where the quotient itself was rounded up to an integer."""
    if not _is_float(x, y):
        return _floor_divide(xp, x, y)
    rest, quotient = xp.fmod(x, y), xp.true_divide(x, y)
    whole = xp.rint(xp.true_divide(x - rest, y) - ((rest != 0) & ((rest < 0) != (xp.asarray(y) < 0))))
    return xp.where(xp.asarray(y) == 0, quotient, xp.where(whole == 0, xp.copysign(whole, quotient), whole))


def _divide_truncated(xp: Namespace, x: Array, y: Array) -> Array:
    if _is_float(x, y):
        return xp.trunc(xp.true_divide(x, y))
    _no_zero(xp, x, y)
    below = xp.floor_divide(x, y)
    return below + ((below < 0) & (below * y != x)).astype(below.dtype)


def _remainder(xp: Namespace, x: Array, y: Array) -> Array:
    """x - y floor(x / y), with the sign of y; a zero remainder keeps the sign of x."""
    if not _is_float(x, y):
        _no_zero(xp, x, y)
        return xp.remainder(x, y)
    rest = xp.fmod(x, y)
    return xp.where((rest != 0) & ((rest < 0) != (xp.asarray(y) < 0)), rest + y, rest)


def _fmod(xp: Namespace, x: Array, y: Array) -> Array:
    """x - y trunc(x / y), with the sign of x."""
    if not _is_float(x, y):
        _no_zero(xp, x, y)
    return xp.fmod(x, y)


_no_slope: dict[str, Any] = {"x": lambda g: zeros_of(g), "y": lambda g: zeros_of(g)}
_floor_div = op(
    _floor_divide, name="floor_divide", grad_name="DivBackward2", promote="same", infix=True,
    kernels={"cupy": _floor_divide_by_remainder}, **_no_slope,
)  # fmt: skip
_trunc_div = op(_divide_truncated, name="div_trunc", grad_name="DivBackward2", promote="same", infix=True, **_no_slope)
_mod = op(
    _remainder, name="remainder", promote="same", infix=True,
    x=lambda g: g, y=lambda g, x, y: -g * _floor_div(x, y),
)  # fmt: skip
fmod = function_of(
    op(
        _fmod, name="fmod", promote="same", infix=True,
        x=lambda g: g, y=lambda g, x, y: -g * _trunc_div(x, y),
    ),
    "The remainder of ``input / other`` with the sign of ``input``. Raises RuntimeError for an "
    "integer divided by zero.",
)  # fmt: skip
remainder = function_of(
    _mod,
    "The remainder of ``input / other`` with the sign of ``other``, as Python's ``%``. Raises "
    "RuntimeError for an integer divided by zero.",
)
floor_divide = function_of(
    _floor_div,
    "``input / other`` rounded down, in the promoted dtype. Raises RuntimeError for an integer divided by zero.",
)


def div(
    input: Tensor, other: Tensor | Number, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """``input / other``, broadcast. Integers give the default floating type.

    With ``rounding_mode`` "trunc" or "floor" the quotient is cut to an integer in the promoted
    dtype, and has no slope. Raises RuntimeError for another mode, or integers divided by zero.
    """
    if rounding_mode is None:
        operator = _div
    elif rounding_mode == "floor":
        operator = _floor_div
    elif rounding_mode == "trunc":
        operator = _trunc_div
    else:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    result = operator(input, other) if out is None else operator(input, other, out=out)
    if result is NotImplemented:
        raise wrong_operand("div", other)
    return result


as_function(div, _div.op)


def true_divide(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """``div`` without rounding."""
    return div(input, other, out=out)


def positive(input: Tensor) -> Tensor:
    """``input`` itself. Raises RuntimeError for a bool tensor."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---------------------------------------------------------------------------- what the room offers

_div_ = twin(div)
FUNCTIONS = {
    "add": add, "sub": sub, "subtract": sub, "rsub": rsub, "mul": mul, "multiply": mul, "div": div,
    "divide": div, "true_divide": true_divide, "floor_divide": floor_divide, "remainder": remainder,
    "fmod": fmod, "neg": neg, "negative": neg, "positive": positive,
}  # fmt: skip
METHODS = {name: f for name, f in FUNCTIONS.items() if name != "rsub"} | {
    "add_": twin(add), "sub_": twin(sub), "subtract_": twin(sub), "mul_": twin(mul), "multiply_": twin(mul),
    "div_": _div_, "divide_": _div_, "true_divide_": _div_, "floor_divide_": twin(floor_divide),
    "remainder_": twin(remainder), "fmod_": twin(fmod), "neg_": twin(neg), "negative_": twin(neg),
    "__add__": _add, "__radd__": _add, "__iadd__": twin(add),
    "__sub__": _sub, "__rsub__": reflected(_rsub), "__isub__": twin(sub),
    "__mul__": _mul, "__rmul__": _mul, "__imul__": twin(mul),
    "__truediv__": _div, "__rtruediv__": reflected(_rdiv), "__rdiv__": reflected(_rdiv), "__itruediv__": _div_,
    "__floordiv__": _floor_div, "__rfloordiv__": reflected(_floor_div), "__ifloordiv__": twin(floor_divide),
    "__mod__": _mod, "__rmod__": reflected(_mod), "__imod__": twin(remainder),
    "__neg__": neg, "__pos__": positive,
}  # fmt: skip
