"""Scattering: the largest and smallest of every dtype, and what a zero among factors does to derivatives."""

from __future__ import annotations

import itertools
import math

import pytest

import tinygrad_zth as torch

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64,
]  # fmt: skip
NAN = math.nan


def _winner(values: list, largest: bool):
    return NAN if any(v != v for v in values) else max(values) if largest else min(values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_the_largest_and_the_smallest_of_every_dtype(dtype, how, include_self):
    """Also where nothing was atomic: narrow dtypes. NaN wins, as in PyTorch."""
    floating = dtype.is_floating_point
    rows = [[1.0, 0.0, 3.0, -0.0, 2.0], [2.0, NAN, -math.inf, 0.0, 5.0]] if floating else [[1, 0, 3, 0, 2]] * 2
    sources = (
        [[4.0, NAN, 2.0, NAN, -1.0, 0.0], [0.0, 1.0, math.inf, -math.inf, 7.0, 1.0]]
        if floating
        else [[4, 0, 2, 1, 0, 7]] * 2
    )
    places = [[0, 0, 2, 1, 4, 4], [4, 0, 0, 2, 3, 3]]
    x, src, index = torch.tensor(rows, dtype=dtype), torch.tensor(sources, dtype=dtype), torch.tensor(places)
    expected = x.tolist()
    for r, c in itertools.product(range(2), range(5)):
        met = [v for v, i in zip(src[r].tolist(), places[r], strict=True) if i == c]
        if met:
            expected[r][c] = _winner(met + [expected[r][c]] * include_self, how == "amax")
    found = x.scatter_reduce(1, index, src, how, include_self=include_self)
    assert found.dtype is dtype
    torch.testing.assert_close(found, torch.tensor(expected, dtype=dtype), rtol=0, atol=0, equal_nan=True)


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
