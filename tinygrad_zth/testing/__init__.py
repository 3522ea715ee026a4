"""Proofs for code built on the framework: gradients against finite differences, inputs by Hypothesis.

import tinygrad_zth as torch
from tinygrad_zth import testing

def swish(x, beta):
    return x / (1 + (-beta * x).exp())

x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
assert testing.gradcheck(swish, (x, beta))
assert testing.gradgradcheck(swish, (x, beta))

The strategies (``tensors``, ``shapes``, ``broadcastable``, ``axes``, ``indices``, ``layouts``,
``elements``) need hypothesis, which is imported when one of them is first asked for.
"""

from __future__ import annotations

from typing import Any

from .comparison import assert_close
from .gradcheck import (
    GradcheckError,
    GradientReport,
    check_gradients,
    gradcheck,
    gradgradcheck,
)
from .memory import LAYOUTS, laid_out

_STRATEGIES = ("axes", "broadcastable", "elements", "indices", "layouts", "shapes", "tensors")

__all__ = [
    "LAYOUTS",
    "GradcheckError",
    "GradientReport",
    "assert_close",
    "check_gradients",
    "gradcheck",
    "gradgradcheck",
    "laid_out",
    *_STRATEGIES,
]


def __getattr__(name: str) -> Any:
    if name not in _STRATEGIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from . import strategies
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"testing.{name} is a Hypothesis strategy: install hypothesis, or tinygrad_zth[test]", name="hypothesis"
        ) from error
    found = globals()[name] = getattr(strategies, name)
    return found
