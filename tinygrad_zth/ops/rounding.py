"""Rounding to whole numbers. Steps have slope zero, and so have these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends import backend_of
from ..dtypes import of
from ..inplace import twin
from ..operation import Applied, as_function, op
from ..tensor import Tensor, from_array
from ..types import Array, Namespace
from . import return_types
from .compare import pick

__all__ = ["FUNCTIONS", "METHODS", "ceil", "floor", "frac", "round", "trunc"]


def _step(forward: str, name: str) -> Applied:
    """A step function: integers are whole already."""
    return op(_whole(forward), name=name, promote="same", x=lambda g: g * 0)


def _whole(forward: str) -> Callable[..., Any]:
    def kernel(xp: Namespace, x: Array) -> Array:
        if x.dtype.kind == "b":
            raise NotImplementedError(f"\"{forward}_vml_cpu\" not implemented for 'Bool'")
        return getattr(xp, forward)(x) if x.dtype.kind == "f" else x.copy()

    return kernel


ceil, floor, trunc = _step("ceil", "ceil"), _step("floor", "floor"), _step("trunc", "trunc")
_round = _step("rint", "round")


def _frac(xp: Namespace, x: Array) -> Array:
    if x.dtype.kind != "f":
        raise NotImplementedError(f"\"frac_vml_cpu\" not implemented for '{of(x.dtype).legacy}'")
    return x - xp.trunc(x)


frac = op(_frac, promote="same", x=lambda g: g)


class _Unasked(int):
    """The zero that stands for no ``decimals``: PyTorch refuses the others for integers, even a zero."""


_UNASKED = _Unasked()


def round(input: Tensor, *, decimals: int = _UNASKED, out: Tensor | None = None) -> Tensor:
    """To the nearest whole number, halves to even; with ``decimals``, to that many places."""
    if decimals is not _UNASKED and input._array.dtype.kind != "f":
        raise NotImplementedError(f"\"round_vml_cpu\" not implemented for '{of(input._array.dtype).legacy}'")
    if decimals == 0:
        return _round(input, out=out)
    scale = 10.0 ** abs(decimals)
    result = _round(input * scale) / scale if decimals > 0 else _round(input / scale) * scale
    if out is None:
        return result
    from ..inplace import write_out

    return write_out(out, result, "round")


as_function(round, _round.op)


# ---------------------------------------------------------------------------- the parts of a number


def frexp(input: Tensor) -> return_types.frexp:
    """The named tuple (mantissa, exponent): ``input = mantissa * 2 ** exponent``, mantissa in [0.5, 1)."""
    array = input._array
    if array.dtype.kind != "f":
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes. Got: {input.dtype.legacy}")
    mantissa, exponent = _mantissa(input), backend_of(array).xp.frexp(array)[1]
    return return_types.frexp(mantissa, from_array(exponent))


_mantissa = op(
    lambda xp, x: xp.frexp(x)[0], name="frexp", x=lambda g, x, out: g * pick(x == 0, 1, out / pick(x == 0, 1, x))
)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": ceil,
    "floor": floor,
    "frac": frac,
    "round": round,
    "trunc": trunc,
    "fix": trunc,
}
METHODS = {**FUNCTIONS, "frexp": frexp, **{name + "_": twin(f, name + "_") for name, f in FUNCTIONS.items()}}
FUNCTIONS["frexp"] = frexp
