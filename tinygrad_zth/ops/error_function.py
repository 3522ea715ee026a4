"""The error function, its complement and its inverse; ``approximations.py`` computes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import approximations
from ..backends import HOST
from ..inplace import twin
from ..operation import op
from ..types import Array, Namespace
from .powers import exp

__all__ = ["FUNCTIONS", "METHODS", "erf", "erfc", "erfinv"]

_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0


def _erf(x: Array) -> Array:
    return approximations.erf(np.asarray(x))


def _erfc(x: Array) -> Array:
    return approximations.erfc(np.asarray(x))


def _erfinv(x: Array) -> Array:
    return approximations.erfinv(np.asarray(x))


def _on_device(name: str) -> dict[str, Any]:
    """The device's own function, as a kernel of CuPy's making."""

    def kernel(xp: Namespace, x: Array) -> Any:
        return xp.ElementwiseKernel("T x", "T y", f"y = {name}(x)", f"tinygrad_zth_{name}")(x)

    return {"cupy": kernel}


erf = op(_erf, name="erf", promote="float", kernels=_on_device("erf"), x=lambda g, x: g * exp(-x * x) * _SLOPE)
erfc = op(_erfc, name="erfc", promote="float", kernels=_on_device("erfc"), x=lambda g, x: g * exp(-x * x) * -_SLOPE)
erfinv = op(_erfinv, name="erfinv", promote="float", kernels=HOST, x=lambda g, out: g * exp(out * out) * (1 / _SLOPE))

FUNCTIONS = {"erf": erf, "erfc": erfc, "erfinv": erfinv}
METHODS = {**FUNCTIONS, "erf_": twin(erf), "erfc_": twin(erfc), "erfinv_": twin(erfinv)}
