"""Activations that write over their input in the middle of a graph: value and gradient are PyTorch's."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="compared with torch (extra: parity)")

import numpy as np  # noqa: E402

import tinygrad_zth as zth  # noqa: E402

pytestmark = pytest.mark.parity

EXPRESSIONS = [
    "F.relu(v, inplace=True)", "F.relu6(v, inplace=True)", "F.elu(v, 0.7, inplace=True)", "F.selu(v, inplace=True)",
    "F.celu(v, 0.5, inplace=True)", "F.leaky_relu(v, 0.2, inplace=True)", "F.rrelu(v, inplace=True)", "F.rrelu(v, training=True, inplace=True)",
    "F.hardtanh(v, inplace=True)", "F.hardsigmoid(v, inplace=True)", "F.hardswish(v, inplace=True)", "F.silu(v, inplace=True)",
    "F.mish(v, inplace=True)", "F.threshold(v, 0.1, 0.2, inplace=True)", "F.dropout(v, 0.5, True, True)", "F.alpha_dropout(v, 0.5, True, True)",
    "v.sigmoid_()", "v.tanh_()", "v.exp_()", "v.abs().log_()", "v.abs_().sqrt_()", "v.square_()", "v.pow_(3)",  "v.div_(x.abs() + 1)",
    "v.add_(v, alpha=2)", "v.cumsum_(0)", "v.cumprod_(0)", "v.masked_fill_(x > 0, 1)", "v.addcmul_(x, x)", "v.lerp_(x, 0.3)", "v.clamp_(-0.5, 0.5)",
    "v.view(2, 3).renorm_(2, 0, 0.5)",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_the_same_value_and_gradient(text: str) -> None:
    found = []
    for t in (torch, zth):
        x = t.tensor([1.54, -0.29, -2.18, 0.57, -1.08, -1.4])
        leaf = x.clone().requires_grad_()
        v = leaf * 1.5
        t.manual_seed(1)
        result = eval(text, {"t": t, "F": t.nn.functional, "v": v, "x": x})
        (result.reshape(-1) * (x + 2)).sum().backward()
        found.append((result.detach().numpy(), leaf.grad.numpy(), v.detach().numpy()))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "layer", ["LeakyReLU(0.2, {})", "ReLU6({})", "ELU(1.0, {})", "SiLU({})", "Hardswish({})", "Dropout(0.5, {})"]
)
def test_a_layer_in_place_is_the_layer(layer: str) -> None:
    """Between layers that keep their results for the backward pass."""
    grads = []
    for inplace in ("inplace=True", "inplace=False"):
        zth.manual_seed(3)
        nn = zth.nn
        act = eval(f"nn.{layer.format(inplace)}", {"nn": nn})
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), act, nn.Conv2d(4, 2, 3))
        net(zth.randn(2, 1, 6, 6)).square().sum().backward()
        grads.append([p.grad.numpy() for p in net.parameters()])
    for a, b in zip(*grads, strict=True):
        np.testing.assert_array_equal(a, b)
