"""GELU, x Phi(x) with Phi the normal distribution function: both forms, forward and backward.

Hendrycks and Gimpel, Gaussian Error Linear Units (2016): the exact form by erf, and the tanh form
0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Either way the forward keeps what Phi came out
as, so that the backward need not compute it again: Phi(x) + x Phi'(x).
"""

from __future__ import annotations

import math

import numpy as np

from ..approximations import TANH_OF_ERF, erf, horner
from ..backends import Kernels
from ..backends.exponential import POWER, RATE
from ..backends.parallel import on_blocks
from ..operation import op
from ..ops.error_function import erf as erf_op
from ..tensor import Tensor
from ..types import Array
from . import gelu_cuda as cuda
from .rows import constants, narrowed, widened

__all__ = ["gelu", "gelu_backward", "gelu_forward", "gelu_tanh_backward", "gelu_tanh_forward"]

_K = math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715
# erf(x / sqrt 2) = tanh(x R(x^2)): the coefficients of Q with the division by sqrt 2 worked in.
_TANH_OF_NORMAL = tuple(c * 0.5 ** (len(TANH_OF_ERF) - 1 - i) * math.sqrt(0.5) for i, c in enumerate(TANH_OF_ERF))
# exp(-x^2 / 2) / sqrt(2 pi) = POWER(x^2 _DENSITY_SCALE + _DENSITY_SHIFT)
_DENSITY_SCALE = -0.5 * RATE
_DENSITY_SHIFT = -0.5 * math.log(2.0 * math.pi) * RATE


def gelu_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(x Phi(x), Phi(x))`, shapes and dtypes of `x` (for float16, Phi stays float32)."""
    flat = _flat(x)
    cdf, out = np.empty_like(flat), np.empty_like(flat)
    on_blocks(_exact, 1.0, flat, cdf, out)
    return narrowed(out.reshape(x.shape), x.dtype), cdf.reshape(x.shape)


def _exact(x: Array, phi: Array, out: Array) -> None:
    if x.dtype.char == "d":
        np.multiply(x, math.sqrt(0.5), out)
        phi[...] = erf(out)
    else:
        np.multiply(x, x, out)
        horner(constants[x.dtype, *_TANH_OF_NORMAL], out, phi)
        phi *= x
        np.tanh(phi, phi)
    _halve(x, phi, out)


def gelu_backward(g: np.ndarray, x: np.ndarray, cdf: np.ndarray) -> np.ndarray:
    """g (Phi(x) + x phi(x)), phi the normal density; shape and dtype of `x`."""
    flat = _flat(x)
    gx = np.empty_like(flat)
    on_blocks(_exact_slope, 0.55, flat, _flat(g), cdf.reshape(-1), gx)
    return narrowed(gx.reshape(x.shape), x.dtype)


def _exact_slope(x: Array, g: Array, phi: Array, out: Array) -> None:
    scale, shift = constants[x.dtype, _DENSITY_SCALE, _DENSITY_SHIFT]
    np.multiply(x, x, out)
    out *= scale
    out += shift
    POWER(out, out)
    out *= x
    out += phi
    out *= g


def gelu_tanh_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tanh form and what it puts in the place of Phi; shapes and dtypes as `gelu_forward`."""
    flat = _flat(x)
    cdf, out = np.empty_like(flat), np.empty_like(flat)
    on_blocks(_by_tanh, 0.55, flat, cdf, out)
    return narrowed(out.reshape(x.shape), x.dtype), cdf.reshape(x.shape)


def _by_tanh(x: Array, phi: Array, out: Array) -> None:
    cubic, linear = constants[x.dtype, _K * _CUBIC, _K]
    np.multiply(x, x, phi)
    phi *= cubic
    phi += linear
    phi *= x
    np.tanh(phi, phi)
    _halve(x, phi, out)


def gelu_tanh_backward(g: np.ndarray, x: np.ndarray, cdf: np.ndarray) -> np.ndarray:
    """Gradient of the tanh form: with c its Phi and u the argument of its tanh,
    g (c + 2 c (1 - c) x u'(x)); shape and dtype of `x`."""
    flat = _flat(x)
    gx = np.empty_like(flat)
    on_blocks(_slope_by_tanh, 0.6, flat, _flat(g), cdf.reshape(-1), gx)
    return narrowed(gx.reshape(x.shape), x.dtype)


def _slope_by_tanh(x: Array, g: Array, c: Array, out: Array) -> None:
    cubic, linear, one = constants[x.dtype, 6.0 * _K * _CUBIC, 2.0 * _K, 1.0]
    # Far out, c (1 - c) is exactly 0, and x u' must stay finite to meet it.
    x = np.clip(x, -100.0, 100.0)
    np.multiply(x, x, out)
    out *= cubic
    out += linear
    out *= x
    out *= c
    out *= np.subtract(one, c, x)
    out += c
    out *= g


def _halve(x: np.ndarray, phi: np.ndarray, out: np.ndarray) -> None:
    """From erf or tanh in `phi` make Phi, and `out = x Phi`."""
    (half,) = constants[x.dtype, 0.5]
    phi *= half
    phi += half
    np.multiply(x, phi, out)


def _flat(x: np.ndarray) -> np.ndarray:
    """`x` as a contiguous vector in the dtype it is computed in."""
    return np.ascontiguousarray(widened(x)).reshape(-1)


def _forward(x: Array, approximate: str) -> tuple[Array, ...]:
    if approximate == "none":
        return gelu_forward(x)
    if approximate == "tanh":
        return gelu_tanh_forward(x)
    raise RuntimeError("approximate argument must be either none or tanh.")


def _slope(g: Array, x: Array, cdf: Array, approximate: str) -> Array:
    backward = gelu_backward if approximate == "none" else gelu_tanh_backward
    return backward(g, x, cdf)


_gradient = Kernels(_slope, {"cupy": lambda g, x, cdf, approximate: cuda.gelu_backward(g, x, approximate)})


def _backward(g: Array, needs: tuple[bool, ...], x: Array, cdf: Array, approximate: str) -> tuple[Array, ...]:
    return (_gradient[g.__class__](g, x, cdf, approximate),)


def plain(x: Tensor, approximate: str) -> Tensor:
    """The definition, a composition of primitives."""
    if approximate == "none":
        return x * 0.5 * (1 + erf_op(x * math.sqrt(0.5)))
    return x * 0.5 * (1 + ((x + x * x * x * _CUBIC) * _K).tanh())


gelu = op(
    _forward, name="gelu", inputs=("x",), extras=("cdf",), backward=_backward, plain=plain,
    kernels={"cupy": cuda.gelu_forward},
)  # fmt: skip
