"""Scattering with products: what a zero among the factors does to derivatives."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch


def _product(zeros: int):
    x = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    src = torch.tensor([0.0] * zeros + [4.0] * (2 - zeros) + [5.0], dtype=torch.float64, requires_grad=True)
    return x, src, torch.scatter_reduce(x, 0, torch.tensor([0, 0, 1]), src, "prod")


def test_two_zeros_in_one_place_have_first_derivatives_only():
    """The second derivative with respect to the two of them is not 0, as the formula would have it."""
    x, src, out = _product(zeros=2)
    gx, gs = torch.autograd.grad(out.sum(), [x, src], create_graph=True)
    assert gx.tolist() == [0.0, 5.0] and gs.tolist() == [0.0, 0.0, 3.0]
    with pytest.raises(RuntimeError, match="Double backward is unsupported for src when >1 zeros in src"):
        torch.autograd.grad(gs.sum(), [x, src])


def test_one_zero_has_second_derivatives():
    x, src, out = _product(zeros=1)
    (gs,) = torch.autograd.grad(out.sum(), [src], create_graph=True)
    assert gs.tolist() == [8.0, 0.0, 3.0]
    hx, hs = torch.autograd.grad(gs.sum(), [x, src])
    assert hx.tolist() == [4.0, 1.0]  # d(x0 * 4)/dx0, d(x1)/dx1
    assert hs.tolist() == [2.0, 2.0, 0.0]  # d(x0 * s1)/ds1 and d(x0 * s0)/ds0
