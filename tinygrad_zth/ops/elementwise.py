"""Elementwise operations: y_i = f(x_i). Broadcasting and dtypes are the engine's business.

Read an entry as mathematics: ``tanh``'s gradient is g * (1 - out^2).
"""

from __future__ import annotations

import math

import numpy as np

from ..operation import cast, op
from ..special import erf_array, erfc_array, erfinv_array
from .compare import eq, ge, gt, le, lt, sign

__all__: list[str] = []  # filled below: every operation of this room is public


def unary(forward, name=None, promote="float", **formula):
    return op(forward, name=name, promote=promote, **formula)


# ---------------------------------------------------------------------------- arithmetic

add = op(np.add, name="add", promote="same", x=lambda g: g, y=lambda g: g)
sub = op(np.subtract, name="sub", promote="same", x=lambda g: g, y=lambda g: -g)
mul = op(np.multiply, name="mul", promote="same", x=lambda g, y: g * y, y=lambda g, x: g * x)
div = op(
    np.true_divide,
    name="div",
    promote="float",
    x=lambda g, y: g / y,
    y=lambda g, y, out: -g * out / y,
)
neg = unary(np.negative, "neg", "same", x=lambda g: -g)
positive = unary(np.positive, "positive", "same", x=lambda g: g)
