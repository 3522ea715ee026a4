"""Functions of two or three numbers, and a few of one that are compositions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import of
from ..inplace import twin, write_out
from ..operation import op, together
from ..tensor import Tensor
from ..types import Array, Namespace, Number, Value
from .arithmetic import add, div, mul
from .bounds import clamp
from .closeness import isnan
from .compare import pick, where
from .elementwise import cos, sin
from .powers import exp, log

__all__ = ["FUNCTIONS", "METHODS"]


def _over_square(z: Value, x: Value, y: Value) -> Value:
    """z / (x^2 + y^2), and 0 at the origin."""
    square = x * x + y * y
    return pick(square == 0, 0, z / square)


atan2 = op(
    np.arctan2, name="atan2", promote="float",
    x=lambda g, x, y: g * _over_square(y, x, y),
    y=lambda g, x, y: g * _over_square(-x, x, y),
)  # fmt: skip


def _of_floats(name: str) -> Callable[..., Array]:
    """The kernel ``name`` of NumPy's for floating numbers, and for no others: so it is in PyTorch."""

    def kernel(xp: Namespace, x: Array, y: Array) -> Array:
        kind = getattr(x, "dtype", None) or y.dtype
        if kind.kind != "f":
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{of(kind).legacy}'")
        return getattr(xp, name)(x, y)

    return kernel


hypot = op(
    _of_floats("hypot"),
    name="hypot",
    promote="same",
    x=lambda g, x, out: g * (x / out),
    y=lambda g, y, out: g * (y / out),
)
logaddexp = op(
    _of_floats("logaddexp"), name="logaddexp", promote="same",
    x=lambda g, x, y: g / (1 + exp(y - x)),
    y=lambda g, x, y: g / (1 + exp(x - y)),
)  # fmt: skip
nextafter = op(_of_floats("nextafter"), name="nextafter", promote="same",
    x=lambda g, x, y: pick(x == y, 0, g), y=lambda g: g * 0,
)  # fmt: skip
logaddexp2 = op(
    _of_floats("logaddexp2"), name="logaddexp2", promote="same",
    x=lambda g, x, y: g / (1 + exp((y - x) * math.log(2))),
    y=lambda g, x, y: g / (1 + exp((x - y) * math.log(2))),
)  # fmt: skip


def _xlogy(xp: Namespace, x: Array, y: Array) -> Array:
    return xp.where(xp.isnan(y), y, xp.where(x == 0, x.dtype.type(0), x * xp.log(y)))


xlogy_op = op(
    _xlogy, name="xlogy", promote="float",
    x=lambda g, x, y: pick((x == 0) & (y <= 0), g * 0, g * log(y)),
    y=lambda g, x, y: g * x / y,
)  # fmt: skip


def xlogy(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """input * log(other), 0 where ``input`` is 0; tensors or numbers."""
    return xlogy_op(*_tensors("xlogy", input, other), out=out)


def _tensors(name: str, *operands: Any) -> list[Tensor]:
    return together(name, operands, floating=True, names=("input", "other", "third"))


def _stored(result: Tensor, out: Tensor | None, name: str) -> Tensor:
    return result if out is None else write_out(out, result, name)


def lerp(input: Tensor, end: Tensor, weight: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """input + weight * (end - input); from 1/2 on counted from the end, as in PyTorch."""
    if input._array.dtype is not end._array.dtype:
        raise RuntimeError(f"expected dtype {input.dtype} for `end` but got dtype {end.dtype}")
    gap = end - input
    if isinstance(weight, Tensor):
        result = where(weight.abs() < 0.5, input + weight * gap, end - gap * (1 - weight))
    else:
        result = input + weight * gap if abs(weight) < 0.5 else end - gap * (1 - weight)
    return _stored(result, out, "lerp")


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """input + value * tensor1 * tensor2."""
    product = mul(tensor1, tensor2)
    return _stored(add(input, product if value == 1 else product * value), out, "addcmul")


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """input + value * tensor1 / tensor2. Raises RuntimeError for integers."""
    if tensor1._array.dtype.kind != "f" and tensor2._array.dtype.kind != "f":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2."
        )
    quotient = div(tensor1 * value if value != 1 else tensor1, tensor2)
    return _stored(add(input, quotient), out, "addcdiv")


def ldexp(input: Tensor, other: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """input * 2 ** other."""
    return _stored(mul(input, 2.0**other), out, "ldexp")


def _logit(xp: Namespace, x: Array) -> Array:
    return xp.log(x / (1 - x))


_logit_op = op(_logit, promote="float", x=lambda g, x: pick((x < 0) | (x > 1), math.nan, g / (abs(x) * (1 - x))))


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(p / (1 - p)); with ``eps``, p is first held within [eps, 1 - eps]."""
    return _logit_op(input if eps is None else clamp(input, eps, 1 - eps), out=out)


def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """NaN and the infinities replaced; by default by 0 and the largest numbers of the dtype."""
    if not isinstance(input, Tensor):
        raise TypeError(f"nan_to_num(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    kind = input._array.dtype
    if kind.kind != "f":
        return _stored(input.clone(), out, "nan_to_num")
    top = float(np.finfo(kind).max)
    posinf, neginf = (top if posinf is None else posinf), (-top if neginf is None else neginf)
    result = input.masked_fill(isnan(input), 0.0 if nan is None else nan)
    result = result.masked_fill(input == math.inf, posinf).masked_fill(input == -math.inf, neginf)
    return _stored(result, out, "nan_to_num")


def _sinc(xp: Namespace, x: Array) -> Array:
    t = x * math.pi
    return xp.where(x == 0, x.dtype.type(1), xp.sin(t) / xp.where(x == 0, x.dtype.type(1), t))


def _sinc_slope(x: Value) -> Value:
    t = math.pi * x
    return pick(x == 0, x * 0, (t * cos(t) - sin(t)) / (t * x + (x == 0)))


sinc = op(_sinc, promote="float", x=lambda g, x: g * _sinc_slope(x))
deg2rad = op(
    lambda xp, x: x * (math.pi / 180), name="deg2rad", grad_name="Deg2RadBackward0", promote="float",
    x=lambda g: g * (math.pi / 180),
)  # fmt: skip
rad2deg = op(
    lambda xp, x: x * (180 / math.pi), name="rad2deg", grad_name="Rad2DegBackward0", promote="float",
    x=lambda g: g * (180 / math.pi),
)  # fmt: skip

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "addcdiv": addcdiv, "addcmul": addcmul, "arctan2": atan2, "atan2": atan2, "deg2rad": deg2rad, "hypot": hypot,
    "ldexp": ldexp, "lerp": lerp, "logaddexp": logaddexp, "logaddexp2": logaddexp2, "logit": logit, "nextafter": nextafter,
    "nan_to_num": nan_to_num, "rad2deg": rad2deg, "sinc": sinc, "xlogy": xlogy,
}  # fmt: skip
METHODS = {
    **FUNCTIONS,
    **{n + "_": twin(f, n + "_") for n, f in FUNCTIONS.items() if not n.startswith("logadd")},
}
