"""``nn.init``: bit for bit PyTorch's, and the stream left where PyTorch leaves it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="initialisations are compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

pytestmark = pytest.mark.parity
CASES = [
    ("uniform_", (4, 5), {}), ("uniform_", (3,), {"a": -1.0, "b": 2.0}), ("normal_", (4, 5), {}), ("normal_", (3,), {"mean": 1.0, "std": 0.02}),
    ("trunc_normal_", (40, 5), {}), ("trunc_normal_", (40, 5), {"mean": 1.0, "std": 0.5, "a": -1.0, "b": 2.0}),
    ("xavier_uniform_", (4, 5), {}), ("xavier_normal_", (4, 5), {"gain": 2.0}), ("kaiming_uniform_", (4, 5), {}),
    ("kaiming_uniform_", (4, 5, 3, 3), {"a": 5**0.5}), ("kaiming_normal_", (4, 5), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("sparse_", (8, 5), {"sparsity": 0.3}), ("dirac_", (4, 4, 3), {}), ("dirac_", (4, 2, 3, 3), {"groups": 2}), ("eye_", (3, 4), {}),
    ("ones_", (2,), {}), ("zeros_", (2,), {}), ("constant_", (2,), {"val": 0.3}), ("orthogonal_", (4, 5), {}), ("orthogonal_", (6, 3), {"gain": 2.0}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "shape", "options"), CASES)
def test_the_same_numbers(name, shape, options, dtype):
    drawn = []
    for t in (torch, zth):
        t.manual_seed(1)
        filled = getattr(t.nn.init, name)(t.empty(shape, dtype=getattr(t, dtype)), **options)
        drawn.append((filled.numpy(), t.get_rng_state().numpy().tobytes()))
    (theirs, their_state), (ours, our_state) = drawn
    assert our_state == their_state
    if name == "orthogonal_":  # two LAPACKs
        np.testing.assert_allclose(ours, theirs, atol=1e-6 if dtype == "float32" else 1e-14)
    else:
        assert ours.tobytes() == theirs.tobytes()


def test_the_same_arguments_and_gains():
    for name in {name for name, _, _ in CASES}:
        ours, theirs = (list(inspect.signature(getattr(t.nn.init, name)).parameters) for t in (zth, torch))
        assert ours == theirs, name
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert zth.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
