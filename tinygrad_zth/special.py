"""``torch.special``: functions of analysis under the names that SciPy gives them."""

from __future__ import annotations

import math
from typing import Any

from .nn.functional import log_softmax as _log_softmax
from .nn.functional import softmax as _softmax
from .ops import FUNCTIONS
from .ops.calling import torch_call
from .ops.gamma import digamma, i0, i0e, i1, polygamma
from .ops.gamma import lgamma as gammaln
from .tensor import Tensor

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1",
    "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi",
    "round", "sinc", "softmax", "xlog1py", "xlogy",
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
