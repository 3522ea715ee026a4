"""Layers that learn their input's size: before the first call, at it, and after."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="compared with torch (extra: parity)")

import numpy as np  # noqa: E402

import tinygrad_zth as zth  # noqa: E402

pytestmark = pytest.mark.parity
LAYERS = [
    ("t.nn.LazyLinear(3)", (2, 4)), ("t.nn.LazyLinear(3, bias=False)", (2, 5, 4)), ("t.nn.LazyLinear(2)", (3,)), ("t.nn.LazyConv1d(4, 2, groups=2)", (1, 2, 5)),
    ("t.nn.LazyConv1d(4, 2)", (2, 5)), ("t.nn.LazyConv2d(3, 2, stride=2, padding=1)", (1, 2, 4, 4)), ("t.nn.LazyConv3d(2, 1)", (1, 2, 2, 2, 2)),
    ("t.nn.LazyConvTranspose1d(2, 3)", (1, 3, 4)), ("t.nn.LazyConvTranspose2d(2, 3, bias=False)", (1, 3, 4, 4)), ("t.nn.LazyConvTranspose3d(2, 2)", (1, 2, 2, 2, 2)),
    ("t.nn.LazyBatchNorm1d()", (4, 3)), ("t.nn.LazyBatchNorm2d(affine=False)", (2, 3, 2, 2)), ("t.nn.LazyBatchNorm3d(momentum=0.3)", (2, 3, 2, 2, 2)),
    ("t.nn.LazyInstanceNorm1d(affine=True)", (2, 3, 4)), ("t.nn.LazyInstanceNorm2d()", (2, 3, 4, 4)), ("t.nn.LazyInstanceNorm3d()", (1, 2, 2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("text, shape", LAYERS)
def test_a_lazy_layer(text: str, shape: tuple[int, ...]) -> None:
    seen = []
    for t in (torch, zth):
        layer = eval(text, {"t": t})
        names = [n for n, _ in layer.named_parameters()]
        kinds = [type(p).__name__ for p in layer.parameters()]
        optimizer = t.optim.SGD(layer.parameters(), lr=0.1) if names else None
        before = repr(layer)
        t.manual_seed(4)
        x = t.randn(shape)
        out = layer(x)
        if optimizer is not None:
            out.square().sum().backward()
            optimizer.step()
        state = {n: v.detach().numpy().copy() for n, v in layer.state_dict().items()}
        seen.append(
            (names, kinds, before, repr(layer), type(layer).__name__, out.detach().numpy(), state, layer(x).shape)
        )
    theirs, ours = seen
    assert theirs[:5] == ours[:5] and theirs[7] == ours[7]
    np.testing.assert_allclose(ours[5], theirs[5], rtol=1e-5, atol=1e-6)
    assert list(theirs[6]) == list(ours[6])
    for name, values in theirs[6].items():
        np.testing.assert_allclose(ours[6][name], values, rtol=1e-5, atol=1e-6)


def test_what_is_not_known_cannot_be_asked() -> None:
    for t in (torch, zth):
        layer = t.nn.LazyLinear(3)
        with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
            layer.weight.shape  # noqa: B018
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
            sum(p.numel() for p in layer.parameters())
        assert repr(layer.weight) == "<UninitializedParameter>"
        with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
            t.nn.LazyConv2d(1, 1)(t.zeros(2, 2))
