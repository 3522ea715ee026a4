"""Proofs for code built on the framework: gradients against finite differences.

import tinygrad_zth as torch
from tinygrad_zth import testing

def swish(x, beta):
    return x / (1 + (-beta * x).exp())

x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
assert testing.gradcheck(swish, (x, beta))
assert testing.gradgradcheck(swish, (x, beta))
"""

from __future__ import annotations

from .gradcheck import (
    GradcheckError,
    GradientReport,
    check_gradients,
    gradcheck,
    gradgradcheck,
)
from .layouts import LAYOUTS, laid_out

__all__ = [
    "LAYOUTS",
    "GradcheckError",
    "GradientReport",
    "check_gradients",
    "gradcheck",
    "gradgradcheck",
    "laid_out",
]
