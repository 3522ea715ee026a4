"""Bits of integers and truth values: ``&``, ``|``, ``^``, ``~``, shifts; greatest common divisors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..inplace import twin
from ..operation import op
from ..tensor import Tensor
from .infix import function_of, reflected

__all__ = ["FUNCTIONS", "METHODS"]


def _operator(forward: Callable[..., Any], name: str, doc: str) -> tuple[Any, ...]:
    operator = op(forward, name=name, promote="same", infix=True)
    return operator, function_of(operator, f"{doc}, elementwise; integers or bools.")


_and, bitwise_and = _operator(np.bitwise_and, "bitwise_and", "The bits that both have")
_or, bitwise_or = _operator(np.bitwise_or, "bitwise_or", "The bits that either has")
_xor, bitwise_xor = _operator(np.bitwise_xor, "bitwise_xor", "The bits that exactly one has")
_left, bitwise_left_shift = _operator(np.left_shift, "bitwise_left_shift", "Bits moved up by ``other`` places")
_right, bitwise_right_shift = _operator(np.right_shift, "bitwise_right_shift", "Bits moved down by ``other`` places")
bitwise_not = op(np.invert, name="bitwise_not", promote="same")
gcd = op(np.gcd, name="gcd", promote="same")
lcm = op(np.lcm, name="lcm", promote="same")


def _invert(self: Tensor) -> Tensor:
    """``~x``: the bits, or the truth values, turned round."""
    if self._array.dtype.kind == "f":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


FUNCTIONS = {
    "bitwise_and": bitwise_and, "bitwise_or": bitwise_or, "bitwise_xor": bitwise_xor, "bitwise_not": bitwise_not,
    "bitwise_left_shift": bitwise_left_shift, "bitwise_right_shift": bitwise_right_shift, "gcd": gcd, "lcm": lcm,
}  # fmt: skip
METHODS = {
    **FUNCTIONS, **{name + "_": twin(f, name + "_") for name, f in FUNCTIONS.items()},
    "__and__": _and, "__rand__": _and, "__iand__": twin(bitwise_and),
    "__or__": _or, "__ror__": _or, "__ior__": twin(bitwise_or),
    "__xor__": _xor, "__rxor__": _xor, "__ixor__": twin(bitwise_xor),
    "__lshift__": _left, "__rlshift__": reflected(_left), "__ilshift__": twin(bitwise_left_shift),
    "__rshift__": _right, "__rrshift__": reflected(_right), "__irshift__": twin(bitwise_right_shift),
    "__invert__": _invert,
}  # fmt: skip
