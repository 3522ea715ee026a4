"""``torch.special``: functions of analysis under the names that SciPy gives them.

Bessel's and Airy's functions and the orthogonal polynomials have no gradient, in PyTorch neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .analysis import airy, bessel, modified_bessel, polynomials
from .dtypes import get_default_dtype, of
from .nn.functional import log_softmax as _log_softmax
from .nn.functional import softmax as _softmax
from .ops import FUNCTIONS
from .ops.calling import by_host, torch_call
from .ops.gamma import digamma, i0, i0e, i1, i1e, polygamma, zeta
from .ops.gamma import lgamma as gammaln
from .tensor import Tensor, from_array
from .types import Array, Number

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t", "chebyshev_polynomial_u",
    "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1",
    "gammainc", "gammaincc", "gammaln", "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e", "i1", "i1e",
    "laguerre_polynomial_l", "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy",
    "zeta",
]  # fmt: skip

erf, erfc, erfinv, exp2, expm1 = (FUNCTIONS[name] for name in ("erf", "erfc", "erfinv", "exp2", "expm1"))
log1p, logit, logsumexp, round, sinc = (FUNCTIONS[name] for name in ("log1p", "logit", "logsumexp", "round", "sinc"))
xlogy, _where = FUNCTIONS["xlogy"], FUNCTIONS["where"]
gammainc, gammaincc = FUNCTIONS["igamma"], FUNCTIONS["igammac"]
expit, psi, multigammaln = FUNCTIONS["sigmoid"], digamma, FUNCTIONS["mvlgamma"]


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """``torch.softmax``."""
    return _softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """``torch.log_softmax``."""
    return _log_softmax(input, dim, dtype=dtype)


@torch_call
def xlog1py(input: Tensor, other: Tensor) -> Tensor:
    """``input * log(1 + other)``, and 0 where ``input`` is 0 (unless ``other`` is NaN)."""
    other = other if isinstance(other, Tensor) else input.new_tensor(other)
    result: Tensor = xlogy(input, other + 1) if not other.is_floating_point() else _where(input == 0, xlogy(input, other + 1), input * log1p(other))  # fmt: skip
    return result


@torch_call
def entr(input: Tensor) -> Tensor:
    """-x log(x); 0 at 0, -inf below."""
    result: Tensor = _where(input < 0, -math.inf, -xlogy(input, input))
    return result


@torch_call
def ndtr(input: Tensor) -> Tensor:
    """The normal distribution's function: the area below ``input``."""
    result: Tensor = erfc(-input * math.sqrt(0.5)) * 0.5
    return result


@torch_call
def log_ndtr(input: Tensor) -> Tensor:
    """log(ndtr(input)), without underflow."""
    t = input * math.sqrt(0.5)
    low = input < -1
    result: Tensor = _where(
        low, (erfcx(_where(low, -t, 1.0)) * 0.5).log() - t * t, log1p(erfc(_where(low, 1.0, t)) * -0.5)
    )
    return result


@torch_call
def ndtri(input: Tensor) -> Tensor:
    """The inverse of ``ndtr``: -inf at 0, inf at 1, NaN outside."""
    result: Tensor = erfinv(input * 2 - 1) * math.sqrt(2)
    return result


@torch_call
def erfcx(input: Tensor) -> Tensor:
    """exp(x^2) erfc(x), without underflow: for large x by its continued fraction."""
    far = input > 8
    x = _where(far, input, 8.0)
    tail = x
    for k in range(24, 0, -1):
        tail = x + (k / 2) / tail
    near = _where(far, 0.0, input)
    result: Tensor = _where(far, 1 / (tail * math.sqrt(math.pi)), (near * near).exp() * erfc(near))
    return result


# ---------------------------------------------------------------------------- without gradients


def _floating(name: str, *operands: Tensor | Number) -> list[Array]:
    """The operands as arrays of one floating dtype. Raises TypeError without a Tensor, NotImplementedError for float16."""
    if not any(isinstance(x, Tensor) for x in operands):
        kinds = ", ".join(type(x).__name__ for x in operands)
        raise TypeError(f"special_{name}(): expected a Tensor, got ({kinds})")
    kind = np.dtype(_result_type(operands[0], operands[-1]).name)
    if kind == np.float16:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{of(kind).legacy}'")
    if kind.kind != "f":
        kind = np.dtype(get_default_dtype().name)
    return [np.asarray(x._array if isinstance(x, Tensor) else x, kind) for x in operands]


_result_type, _broadcast = FUNCTIONS["result_type"], FUNCTIONS["broadcast_tensors"]


def _named(function: Callable[..., Tensor], name: str, doc: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return by_host(torch_call(function))


def _of_one(name: str, kernel: Callable[[Array], Array], doc: str) -> Any:
    """The function that ``kernel`` computes of arrays of float64."""

    def function(input: Tensor) -> Tensor:
        (array,) = _floating(name, input)
        with np.errstate(all="ignore"):
            return from_array(np.asarray(kernel(array.astype(np.float64)), array.dtype))

    return _named(function, name, doc + " Element by element; integers become the default floating type.")


def _polynomial(name: str, family: str, doc: str) -> Any:
    """The polynomials of a family, at ``input`` (or, shifted, at 2 input - 1)."""

    def function(input: Tensor | Number, n: Tensor | Number) -> Tensor:
        x, degree = _broadcast(*map(from_array, _floating(name, input, n)))
        at = x._array + x._array - 1 if name.startswith("shifted") else x._array
        with np.errstate(all="ignore"):
            return from_array(polynomials.value(family, at, degree._array))

    return _named(function, name, f"{doc} of degree ``n``, which is cut to a whole number; the two broadcast.")


def _sine_over(x: Array) -> Array:
    value: Array = np.where(x == 0, 1, np.where(np.isinf(x), 0, np.sin(x) / x))
    return value


_FIRST, _SECOND = "The Bessel function of the first kind, of order", "The Bessel function of the second kind, of order"
_I, _K = ("The modified Bessel function of the first kind, of order", "The modified Bessel function of the second kind, of order")  # fmt: skip
airy_ai = _of_one("airy_ai", airy.ai, "Airy's function Ai.")
bessel_j0 = _of_one("bessel_j0", bessel.j0, f"{_FIRST} 0.")
bessel_j1 = _of_one("bessel_j1", bessel.j1, f"{_FIRST} 1.")
bessel_y0 = _of_one("bessel_y0", bessel.y0, f"{_SECOND} 0.")
bessel_y1 = _of_one("bessel_y1", bessel.y1, f"{_SECOND} 1.")
spherical_bessel_j0 = _of_one(
    "spherical_bessel_j0", _sine_over, "sin(x) / x, the spherical Bessel function of order 0."
)
modified_bessel_i0 = _of_one("modified_bessel_i0", modified_bessel.i0, f"{_I} 0.")
modified_bessel_i1 = _of_one("modified_bessel_i1", modified_bessel.i1, f"{_I} 1.")
modified_bessel_k0 = _of_one("modified_bessel_k0", modified_bessel.k0, f"{_K} 0.")
modified_bessel_k1 = _of_one("modified_bessel_k1", modified_bessel.k1, f"{_K} 1.")
scaled_modified_bessel_k0 = _of_one("scaled_modified_bessel_k0", modified_bessel.k0e, f"{_K} 0, times e^input.")
scaled_modified_bessel_k1 = _of_one("scaled_modified_bessel_k1", modified_bessel.k1e, f"{_K} 1, times e^input.")
chebyshev_polynomial_t, chebyshev_polynomial_u, chebyshev_polynomial_v, chebyshev_polynomial_w = (
    _polynomial(family, family, f"Chebyshev's polynomial of the {kind} kind")
    for family, kind in zip(list(polynomials.RECURRENCES)[:4], ("first", "second", "third", "fourth"), strict=True)
)
(
    shifted_chebyshev_polynomial_t, shifted_chebyshev_polynomial_u, shifted_chebyshev_polynomial_v, shifted_chebyshev_polynomial_w,
) = (
    _polynomial(f"shifted_{family}", family, f"Chebyshev's polynomial of the {kind} kind at 2 ``input`` - 1,")
    for family, kind in zip(list(polynomials.RECURRENCES)[:4], ("first", "second", "third", "fourth"), strict=True)
)  # fmt: skip
hermite_polynomial_h = _polynomial("hermite_polynomial_h", "hermite_polynomial_h", "The physicist's Hermite polynomial")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", "hermite_polynomial_he", "The probabilist's Hermite polynomial")  # fmt: skip
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "laguerre_polynomial_l", "Laguerre's polynomial")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "legendre_polynomial_p", "Legendre's polynomial")
