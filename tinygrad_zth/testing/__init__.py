"""Proofs for code built on the framework: gradients against finite differences, and random tensors.

Paste this into a test of a model of your own, and run it under pytest (no plugin is needed):

    import tinygrad_zth as torch
    from hypothesis import given
    from tinygrad_zth import testing

    def swish(x, beta):
        return x / (1 + (-beta * x).exp())

    @given(testing.tensors(shape=(2, 3), dtype=torch.float64, elements=(-3.0, 3.0)))
    def test_swish(x):
        x.requires_grad_()
        beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
        assert testing.gradcheck(swish, (x, beta))
        assert testing.gradgradcheck(swish, (x, beta))

``gradcheck`` and ``gradgradcheck`` need NumPy alone. The strategies (``tensors``, ``shapes``,
``broadcastable``, ``axes``, ``indices``, ``layouts``, ``elements``) need hypothesis, which the extra
``test`` brings; they say so when it is missing.
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
