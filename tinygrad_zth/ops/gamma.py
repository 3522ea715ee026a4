"""Functions around gamma, and Bessel's I0; ``gamma.py`` a floor below computes them."""

from __future__ import annotations

import math

import numpy as np

from .. import gamma, incomplete_gamma
from ..analysis import modified_bessel
from ..backends import HOST
from ..inplace import twin, write_back
from ..operation import Applied, op
from ..tensor import Tensor
from ..types import Array, Value
from .compare import pick
from .elementwise import sign
from .powers import exp, log

__all__ = ["FUNCTIONS", "METHODS", "digamma", "i0", "i0e", "i1", "i1e", "lgamma", "mvlgamma", "polygamma", "zeta"]


def _lgamma(x: Array) -> Array:
    return gamma.lgamma(np.asarray(x))


def _digamma(x: Array) -> Array:
    return gamma.digamma(np.asarray(x))


def _polygamma(x: Array, order: int) -> Array:
    return gamma.polygamma(order, np.asarray(x))


lgamma = op(_lgamma, name="lgamma", kernels=HOST, promote="float", x=lambda g, x: g * digamma(x))
digamma: Applied = op(_digamma, name="digamma", kernels=HOST, promote="float", x=lambda g, x: g * polygamma_of(x, 1))
polygamma_of: Applied = op(
    _polygamma, name="polygamma", kernels=HOST, x=lambda g, x, order: g * polygamma_of(x, order + 1)
)


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of ``digamma``. Raises RuntimeError for a negative ``n``."""
    if not isinstance(n, int):
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    result = polygamma_of(input if input._array.dtype.kind == "f" else input * 1.0, n)
    if out is None:
        return result
    from ..inplace import write_out

    return write_out(out, result, "polygamma")


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``, for inputs > (p - 1) / 2."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    total = lgamma(input)
    for j in range(1, p):
        total = total + lgamma(input - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


# ---------------------------------------------------------------------------- Bessel


def _i0(x: Array) -> Array:
    x = np.asarray(x)
    with np.errstate(over="ignore"):
        return np.asarray(np.i0(x.astype(np.float64)).reshape(x.shape), x.dtype)


def _i1(x: Array) -> Array:
    x = np.asarray(x)
    return np.asarray(modified_bessel.i1(x.astype(np.float64)), x.dtype)


def _i1e(x: Array) -> Array:
    x = np.asarray(x)
    return np.asarray(modified_bessel.i1e(x.astype(np.float64)), x.dtype)


def _i0e(x: Array) -> Array:
    x = np.asarray(x)
    return np.asarray(modified_bessel.i0e(x.astype(np.float64)), x.dtype)


i0 = op(_i0, name="i0", kernels=HOST, promote="float", x=lambda g, x: g * i1(x))
i1: Applied = op(
    _i1, name="special_i1", kernels=HOST, promote="float", x=lambda g, x, out: g * (i0(x) - _quotient(out, x))
)
i0e: Applied = op(
    _i0e, name="special_i0e", kernels=HOST, promote="float", x=lambda g, x, out: g * (i1e(x) - sign(x) * out)
)
i1e: Applied = op(
    _i1e, name="special_i1e", grad_name="SpecialI1EBackward0", kernels=HOST, promote="float",
    x=lambda g, x, out: g * (i0e(x) - sign(x) * out - _quotient(out, x)),
)  # fmt: skip


def _quotient(out: Value, x: Value) -> Value:
    """I1(x) / x, which is 1/2 at 0."""
    zero = x == 0
    return pick(zero, 0.5, out / pick(zero, 1, x))


def _zeta(x: Array, y: Array) -> Array:
    kind = np.result_type(x, y)
    if kind == np.float16:
        raise NotImplementedError("\"zeta_cpu\" not implemented for 'Half'")
    return np.asarray(gamma.zeta(x, y), kind)


def _no_slope_in_exponent(g: Value, x: Value) -> Value:
    raise NotImplementedError("the derivative for 'zeta' is not implemented.")


zeta: Applied = op(
    _zeta, name="special_zeta", kernels=HOST, promote="float",
    x=_no_slope_in_exponent, y=lambda g, x, y: g * -x * zeta(x + 1, y),
)  # fmt: skip


def _no_slope_in_shape(g: Value, x: Value) -> Value:
    raise NotImplementedError("the derivative for 'self' is not implemented")


def _density(x: Value, y: Value) -> Value:
    """The gamma distribution's density at y, for the shape x: the slope of igamma in its second argument."""
    return exp((x - 1) * log(y) - y - lgamma(x))


igamma: Applied = op(
    lambda x, y: incomplete_gamma.lower(x, y), name="igamma", kernels=HOST, promote="float",
    x=_no_slope_in_shape, y=lambda g, x, y: g * _density(x, y),
)  # fmt: skip
igammac: Applied = op(
    lambda x, y: incomplete_gamma.upper(x, y), name="igammac", kernels=HOST, promote="float",
    x=_no_slope_in_shape, y=lambda g, x, y: -g * _density(x, y),
)  # fmt: skip


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The ``n``-th derivative of ``digamma``, element by element."""
    return polygamma(n, self)


_polygamma_twin = write_back("polygamma_", _polygamma_method)
FUNCTIONS = {
    "digamma": digamma,
    "i0": i0,
    "igamma": igamma,
    "igammac": igammac,
    "lgamma": lgamma,
    "mvlgamma": mvlgamma,
    "polygamma": polygamma,
}
METHODS = {
    "igamma": igamma, "igamma_": twin(igamma), "igammac": igammac, "igammac_": twin(igammac),
    "digamma": digamma, "digamma_": twin(digamma), "i0": i0, "i0_": twin(i0), "lgamma": lgamma, "lgamma_": twin(lgamma),
    "mvlgamma": mvlgamma, "mvlgamma_": write_back("mvlgamma_", mvlgamma),
    "polygamma": _polygamma_method, "polygamma_": _polygamma_twin,
}  # fmt: skip
