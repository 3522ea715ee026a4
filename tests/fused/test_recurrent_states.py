"""Gradients that reach a recurrent operation through its last state alone, and what they are written to."""

from __future__ import annotations

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth import nn


def _lstm():
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3, dtype=torch.float64)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    h, c = (torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    return layer, x, h, c


def test_the_cell_state_alone_passes_a_gradient():
    layer, x, h, c = _lstm()
    found = torch.autograd.grad(layer(x, (h, c))[1][1].sum(), [x, h, c, *layer.parameters()])
    # by hand, with the layer's own weights
    hidden, cell = h[0], c[0]
    for step in x:
        gates = step @ layer.weight_ih_l0.t() + layer.bias_ih_l0 + hidden @ layer.weight_hh_l0.t() + layer.bias_hh_l0
        i, f, g, o = gates.chunk(4, -1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
    wanted = torch.autograd.grad(cell.sum(), [x, h, c, *layer.parameters()])
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_the_gradient_of_a_state_is_not_written_to():
    layer, x, h, c = _lstm()
    _, (last, cell) = layer(x, (h, c))
    g = torch.full((1, 2, 3), 2.0, dtype=torch.float64)
    torch.autograd.grad([last, cell], [x, c], [g, g])
    np.testing.assert_array_equal(g.numpy(), np.full((1, 2, 3), 2.0))
