"""Size and sign: absolute values, the larger and the smaller of two, clamping.

Where a function has a kink, its slope there is PyTorch's: 0 for ``abs`` at 0, half to each of two
equal sides, all to what lies on a bound, all to both sides of a comparison with NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inplace import twin, write_back, write_out
from ..operation import Applied, as_function, op, together
from ..tensor import Tensor
from ..types import Array, Namespace, Number, Value
from .arithmetic import zeros_of
from .compare import pick

# ---------------------------------------------------------------------------- sign


def _abs(xp: Namespace, x: Array) -> Array:
    if x.dtype.kind == "b":
        raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")
    return xp.absolute(x)


def _sign(xp: Namespace, x: Array) -> Array:
    """-1, 0 or 1; 0 for NaN and for -0."""
    if x.dtype.kind != "f":
        return x.copy() if x.dtype.kind == "b" else xp.sign(x)
    return xp.subtract(x > 0, x < 0, dtype=x.dtype)


abs = op(_abs, name="abs", promote="same", x=lambda g, x: g * sign(x))
sign: Applied = op(_sign, name="sign", promote="same", x=lambda g: zeros_of(g))
sgn = op(_sign, name="sgn", promote="same", x=lambda g: zeros_of(g))


def _signbit(xp: Namespace, x: Array) -> Array:
    return xp.signbit(x) if x.dtype.kind == "f" else x < 0


signbit = op(_signbit, name="signbit", promote="same")
copysign = op(
    np.copysign, name="copysign", promote="float",
    x=lambda g, x, y, out: g * pick(x == 0, 0, out / x),
    y=lambda g: zeros_of(g),
)  # fmt: skip


def _heaviside(xp: Namespace, x: Array, y: Array) -> Array:
    return xp.where(x == 0, y, (x > 0).astype(x.dtype))


_heaviside_op = op(_heaviside, name="heaviside", promote="same")


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 where ``input`` is below 0, 1 above, and ``values`` at 0; the two broadcast. Raises RuntimeError for two dtypes."""
    for name, position, t in (("input", 1, input), ("values", 2, values)):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"heaviside(): argument {name!r} (position {position}) must be Tensor, not {type(t).__name__}"
            )
    if input._array.dtype is not values._array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return _heaviside_op(input, values, out=out)


# ---------------------------------------------------------------------------- the larger, the smaller


def _shared(g: Value, mine: Value, other: Value, loses: Value) -> Value:
    return pick(loses, 0, pick(mine == other, g / 2, g))


maximum = op(
    np.maximum, name="maximum", promote="same",
    x=lambda g, x, y: _shared(g, x, y, x < y),
    y=lambda g, x, y: _shared(g, y, x, x > y),
)  # fmt: skip
minimum = op(
    np.minimum, name="minimum", promote="same",
    x=lambda g, x, y: _shared(g, x, y, x > y),
    y=lambda g, x, y: _shared(g, y, x, x < y),
)  # fmt: skip
fmax = op(
    np.fmax, name="fmax", promote="same",
    x=lambda g, x, y: pick((x >= y) | (y != y), g, 0),
    y=lambda g, x, y: pick((x >= y) | (y != y), 0, g),
)  # fmt: skip
fmin = op(
    np.fmin, name="fmin", promote="same",
    x=lambda g, x, y: pick((x <= y) | (y != y), g, 0),
    y=lambda g, x, y: pick((x <= y) | (y != y), 0, g),
)  # fmt: skip

# ---------------------------------------------------------------------------- clamp


def _clamp(xp: Namespace, x: Array, low: Array, high: Array) -> Array:
    if low is None:
        return xp.minimum(x, high)
    raised = xp.maximum(x, low)
    return raised if high is None else xp.minimum(raised, high)


def _inside(x: Value, low: float | None, high: float | None) -> Value:
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


#: bounds are numbers, or None
_clamp_numbers = op(
    _clamp, name="clamp", grad_name="ClampBackward1",
    x=lambda g, x, low, high: pick(_inside(x, low, high), g, 0),
)  # fmt: skip
#: bounds are tensors
_clamp_between = op(
    lambda xp, x, low, high: _clamp(xp, x, low, high), name="clamp_tensor", grad_name="ClampBackward0",
    x=lambda g, x, low, high: pick((x >= low) & (x <= high), g, 0),
    low=lambda g, x, low, high: pick((low < high) & (x < low), g, 0),
    high=lambda g, x, low, high: pick((x > high) | (high < low), g, 0),
)  # fmt: skip
_clamp_below = op(
    np.maximum, name="clamp_min", promote="same",
    x=lambda g, x, y: pick(x >= y, g, 0), y=lambda g, x, y: pick(x < y, g, 0),
)  # fmt: skip
_clamp_above = op(
    np.minimum, name="clamp_max", promote="same",
    x=lambda g, x, y: pick(x <= y, g, 0), y=lambda g, x, y: pick(x > y, g, 0),
)  # fmt: skip


def clamp(
    input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``input`` raised to ``min`` and lowered to ``max``; where ``min > max`` the result is ``max``.

    The bounds are numbers or tensors (broadcast), at least one of them not None. Raises
    RuntimeError if both are None, TypeError for a number with a tensor.
    """
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        result = _clamp_by_tensors(input, min, max)
    else:
        if min is None and max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        bounds = [b for b in (min, max) if b is not None]
        d = input._array.dtype
        if d.kind != "f" or any(b.__class__ not in (int, float) for b in bounds):
            input, *_ = together("clamp", (input, *bounds), names=("input", "min", "max"))
            as_number = float if input._array.dtype.kind == "f" else int
            kind = input._array.dtype.type
            min, max = (None if b is None else kind(np.asarray(as_number(b)).astype(kind)) for b in (min, max))
        result = _clamp_numbers(input, min, max)
    return result if out is None else write_out(out, result, "clamp")


def _clamp_by_tensors(input: Tensor, min: Any, max: Any) -> Tensor:
    if not all(b is None or isinstance(b, Tensor) for b in (min, max)):
        raise TypeError("clamp(): min and max must both be numbers or both be Tensors")
    if max is None:
        return _clamp_below(input, min)
    if min is None:
        return _clamp_above(input, max)
    return _clamp_between(*together("clamp", (input, min, max)))


as_function(clamp, _clamp_numbers.op)


def clamp_min(input: Tensor, min: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """``input`` raised to ``min``, a number or a tensor."""
    if isinstance(min, Tensor):
        return _clamp_below(input, min, out=out)
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Tensor | Number, *, out: Tensor | None = None) -> Tensor:
    """``input`` lowered to ``max``, a number or a tensor."""
    if isinstance(max, Tensor):
        return _clamp_above(input, max, out=out)
    return clamp(input, None, max, out=out)


# ---------------------------------------------------------------------------- what the room offers

FUNCTIONS = {
    "abs": abs, "absolute": abs, "sign": sign, "sgn": sgn, "signbit": signbit, "copysign": copysign,
    "heaviside": heaviside, "maximum": maximum, "minimum": minimum, "fmax": fmax, "fmin": fmin,
    "clamp": clamp, "clip": clamp, "clamp_min": clamp_min, "clamp_max": clamp_max,
}  # fmt: skip
METHODS = {
    **FUNCTIONS,
    "abs_": twin(abs), "absolute_": twin(abs), "sign_": twin(sign), "sgn_": twin(sgn),
    "copysign_": twin(copysign), "heaviside_": twin(heaviside), "clamp_": twin(clamp), "clip_": twin(clamp), "clamp_max_": write_back("clamp_max_", clamp_max), "clamp_min_": write_back("clamp_min_", clamp_min),
    "__abs__": abs,
}  # fmt: skip
