"""Powers, roots, exponentials and logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import array_types, backend_of
from ..dtypes import of
from ..inplace import twin, write_back, write_out
from ..operation import Applied, NotANumber, cast, op, together
from ..tensor import Tensor, from_array
from ..types import Array, Namespace, Number, Value
from .arithmetic import zeros_of
from .compare import pick
from .infix import wrong_operand

# ---------------------------------------------------------------------------- exponentials and logarithms

exp = op(np.exp, name="exp", promote="float", x=lambda g, out: g * out)
exp2 = op(np.exp2, name="exp2", promote="float", x=lambda g, out: g * (out * math.log(2)))
expm1 = op(np.expm1, name="expm1", promote="float", x=lambda g, out: g * (out + 1))
log = op(np.log, name="log", promote="float", x=lambda g, x: g / x)
log2 = op(np.log2, name="log2", promote="float", x=lambda g, x: g / (x * math.log(2)))
log10 = op(np.log10, name="log10", promote="float", x=lambda g, x: g / (x * math.log(10)))
log1p = op(np.log1p, name="log1p", grad_name="Log1PBackward0", promote="float", x=lambda g, x: g / (x + 1))

# ---------------------------------------------------------------------------- a number as the exponent


def _reciprocal_root(xp: Namespace, x: Array) -> Array:
    root = xp.sqrt(x)
    return xp.divide(1, root, out=root) if root.ndim else 1 / root


def _power(xp: Namespace, x: Array, exponent: float) -> Array:
    """x^exponent for a number; the exponents that models use cost what a product or a root costs."""
    if exponent == 2:
        return xp.square(x)
    if exponent == 0.5:
        return xp.sqrt(x)
    if exponent == 3:
        return x * x * x
    if exponent == -1:
        return xp.reciprocal(x)
    if exponent == -0.5:
        return _reciprocal_root(xp, x)
    if exponent == -2:
        return xp.reciprocal(xp.square(x))
    if exponent == 1:
        return x.copy()
    return xp.power(x, exponent)


def _power_slope(g: Value, x: Value, exponent: float) -> Value:
    if exponent == 2:
        return g * (x * 2)
    if exponent == 0:
        return zeros_of(g)
    return g * (power_number(x, exponent - 1) * exponent)


#: tensor ** number
power_number = op(_power, name="pow", x=_power_slope)
sqrt = op(np.sqrt, name="sqrt", promote="float", x=lambda g, out: g / (out * 2))
rsqrt = op(_reciprocal_root, name="rsqrt", promote="float", x=lambda g, out: g * (power_number(out, 3) * -0.5))
reciprocal = op(np.reciprocal, name="reciprocal", promote="float", x=lambda g, out: -g * (out * out))
_square = op(np.square, name="square", grad_name="PowBackward0", promote="same", x=lambda g, x: g * (x * 2))


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input ** 2``, in the input's dtype (bool gives int64)."""
    if isinstance(input, Tensor) and input._array.dtype.kind == "b":
        return pow(input, 2, out=out)
    return _square(input) if out is None else _square(input, out=out)


square.op = _square.op  # type: ignore[attr-defined]

# ---------------------------------------------------------------------------- a tensor as the exponent


def _integer_power(xp: Namespace, x: Array, y: Array) -> Array:
    """Integers to integers; to a negative one, the reciprocal cut off to an integer: 0, 1 or -1."""
    if (x if hasattr(x, "dtype") else y).dtype.kind == "b":
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    x, y = (v if hasattr(v, "dtype") else xp.asarray(v) for v in (x, y))
    below = y < 0
    if backend_of(below).on_host and not below.any():  # a device is not waited for
        return xp.power(x, y)
    unit = abs(x) == 1  # 1 and -1 are their own reciprocals
    power = xp.power(x, xp.where(below, y % 2, y))
    return xp.where(below & ~unit, 0, power).astype(power.dtype)


def _exponential_slope(g: Value, base: float, out: Value, y: Value) -> Value:
    """d(base^y)/dy; at base 0 the power is flat for y >= 0, as PyTorch has it."""
    slope = g * (out * (math.log(base) if base > 0 else -math.inf if base == 0 else math.nan))
    return pick(y >= 0, 0, slope) if base == 0 else slope


_exponential = op(  # number ** tensor
    np.power, name="rpow", grad_name="PowBackward2", promote="same", infix=True,
    y=lambda g, x, out, y: _exponential_slope(g, x, out, y),
)  # fmt: skip
_power_of: Applied = op(  # tensor ** tensor
    np.power, name="pow_tensor", grad_name="PowBackward1", promote="same", infix=True,
    x=lambda g, x, y: pick(y == 0, 0, g * (y * _power_of(x, y - 1))),
    y=lambda g, x, y, out: pick((x == 0) & (y >= 0), 0, g * (out * log(x))),
)  # fmt: skip
_power_int = op(_integer_power, name="pow_int", promote="same", infix=True)


def _pow(input: Tensor, exponent: Any) -> Tensor:
    """The operator ``**``."""
    c = exponent.__class__
    if (c is float or c is int) and input._array.dtype.kind == "f":
        return power_number(input, exponent)
    if c in array_types:
        exponent = from_array(exponent)
    if isinstance(exponent, Tensor):
        floating = input._array.dtype.kind == "f" or exponent._array.dtype.kind == "f"
        return (_power_of if floating else _power_int)(input, exponent)
    try:
        base = together("pow", (input, exponent), names=("input", "exponent"))[0]
    except NotANumber:
        result: Tensor = NotImplemented
        return result
    if base._array.dtype.kind == "f":
        return power_number(base, float(exponent))
    if exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if base._array.dtype.kind == "b":  # a truth value to a truth value
        return base.clone() if exponent else base | True
    return power_number(base, int(exponent))


def _rpow(exponent: Tensor, base: float) -> Tensor:
    """The operator ``number ** tensor``."""
    floating = exponent._array.dtype.kind == "f" or isinstance(base, float)
    if not floating:
        powers: Tensor = _power_int(base, exponent)
        return powers
    if isinstance(base, np.generic):
        base = base.item()
    if exponent._array.dtype.kind != "f":
        exponent = together("pow", (exponent, base))[0]
    result: Tensor = _exponential(base, exponent)
    return result


def pow(input: Tensor, exponent: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent``, broadcast, for tensors and numbers; at least one is a Tensor.

    Raises:
        RuntimeError: for integers to a negative number.
        TypeError: for what is neither a tensor nor a number.
    """
    if isinstance(input, Tensor):
        result = _pow(input, exponent)
    elif isinstance(exponent, Tensor):
        result = _rpow(exponent, input)
    elif input.__class__ in array_types or isinstance(input, np.generic):
        return power_number(input, exponent)  # a formula at work on arrays
    else:
        result = NotImplemented
    if result is NotImplemented:
        raise wrong_operand("pow", exponent, "exponent")
    return result if out is None else write_out(out, result, "pow")


pow.op = power_number.op  # type: ignore[attr-defined]


def float_power(input: Tensor, exponent: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent`` computed in float64, which is the result's dtype."""
    double = np.dtype("float64")
    sides: list[Any] = [cast(t, double) if isinstance(t, Tensor) else float(t) for t in (input, exponent)]
    return pow(*sides, out=out)


def _float_power_(self: Tensor, exponent: Tensor) -> Tensor:
    """In-place version of ``float_power``, for float64. Raises RuntimeError for any other dtype."""
    if self._array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {of(self._array.dtype).legacy} but the operation's result "
            "requires dtype Double"
        )
    return write_back("float_power_", float_power)(self, exponent)


# ---------------------------------------------------------------------------- what the room offers

_UNARY: dict[str, Callable[..., Any]] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log, "log2": log2, "log10": log10, "log1p": log1p,
    "sqrt": sqrt, "rsqrt": rsqrt, "reciprocal": reciprocal, "square": square,
}  # fmt: skip
FUNCTIONS = {**_UNARY, "pow": pow, "float_power": float_power}
METHODS = {
    **FUNCTIONS,
    **{name + "_": twin(f) for name, f in _UNARY.items()},
    "pow_": twin(pow),
    "float_power_": _float_power_,
    "__pow__": _pow,
    "__rpow__": _rpow,
    "__ipow__": twin(pow),
}
