"""Elementwise functions of analysis: y_i = f(x_i). Broadcasting and dtypes are the engine's business.

Read an entry as mathematics: ``tanh``'s gradient is g * (1 - out^2). Arithmetic, powers, bounds and
comparisons have rooms of their own and can be had from here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..inplace import twin
from ..operation import Applied, op
from ..types import Array, Namespace
from .arithmetic import add, div, mul, neg, remainder, sub, zeros_of
from .bounds import abs, clamp, fmax, fmin, maximum, minimum, sign
from .compare import eq, ge, gt, le, logical_not, lt, ne, pick, where
from .powers import exp, log, log1p, pow, reciprocal, rsqrt, sqrt, square

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atanh", "clamp", "cos", "cosh", "div", "eq", "exp",
    "fmax", "fmin", "ge", "gt", "le", "log", "log1p", "logical_not", "lt", "maximum", "minimum", "mul", "ne",
    "neg", "pick", "pow", "reciprocal", "remainder", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square",
    "sub", "tan", "tanh", "where", "zeros_of",
]  # fmt: skip


def _function(forward: Callable[..., Any], name: str, **formula: Any) -> Applied:
    return op(forward, name=name, promote="float", **formula)


# ---------------------------------------------------------------------------- circular

sin = _function(np.sin, "sin", x=lambda g, x: g * cos(x))
cos: Applied = _function(np.cos, "cos", x=lambda g, x: -g * sin(x))
tan = _function(np.tan, "tan", x=lambda g, out: g * (out * out + 1))
asin = _function(np.arcsin, "asin", x=lambda g, x: g * rsqrt(1 - x * x))
acos = _function(np.arccos, "acos", x=lambda g, x: -g * rsqrt(1 - x * x))
atan = _function(np.arctan, "atan", x=lambda g, x: g / (x * x + 1))

# ---------------------------------------------------------------------------- hyperbolic

sinh = _function(np.sinh, "sinh", x=lambda g, x: g * cosh(x))
cosh: Applied = _function(np.cosh, "cosh", x=lambda g, x: g * sinh(x))
tanh = _function(np.tanh, "tanh", x=lambda g, out: g * (1 - out * out))
asinh = _function(np.arcsinh, "asinh", x=lambda g, x: g * rsqrt(x * x + 1))
acosh = _function(np.arccosh, "acosh", x=lambda g, x: g * rsqrt(x * x - 1))
atanh = _function(np.arctanh, "atanh", x=lambda g, x: g / (1 - x * x))


def _sigmoid(xp: Namespace, x: Array) -> Array:
    """1 / (1 + exp(-x)); exp overflows to inf far left, where the quotient is the right 0."""
    y = xp.exp(xp.negative(x))
    if not y.ndim:
        return 1 / (y + 1)
    y += 1
    return xp.divide(1, y, out=y)


sigmoid = _function(_sigmoid, "sigmoid", x=lambda g, out: g * ((1 - out) * out))

# ---------------------------------------------------------------------------- what the room offers

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan,
    "arcsin": asin, "arccos": acos, "arctan": atan,
    "sinh": sinh, "cosh": cosh, "tanh": tanh, "asinh": asinh, "acosh": acosh, "atanh": atanh,
    "arcsinh": asinh, "arccosh": acosh, "arctanh": atanh, "sigmoid": sigmoid,
}  # fmt: skip
METHODS = {**FUNCTIONS, **{name + "_": twin(f) for name, f in FUNCTIONS.items()}}
