"""Every layer in the table: constructed, drawn, shown, saved and called as in torch."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch, the oracle of the parity tests, is not installed")

torch.set_num_threads(1)  # the tensors are tiny

import tinygrad_zth  # noqa: E402
from tests.parity.compare import Row, agree, run  # noqa: E402
from tests.parity.table_layers import CONSTANT_TARGET, LAYERS  # noqa: E402

DERANDOMIZE = "PARITY_EXAMPLES" not in os.environ
EXAMPLES = int(os.environ.get("PARITY_EXAMPLES", "5"))


def made(lib, name, args, kwargs):
    """The layer from one seed, or the error's type."""
    lib.manual_seed(3)
    args, kwargs = (tuple(args), dict(kwargs))
    kwargs = {n: lib.tensor(v) if isinstance(v, np.ndarray) else v for n, v in kwargs.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(lib.nn, name)(*args, **kwargs)
    except Exception as error:
        return type(error).__name__


def same_state(mine, theirs):
    own, other = mine.state_dict(), theirs.state_dict()
    assert list(own) == list(other)
    for name, value in other.items():
        assert str(own[name].dtype) == str(value.dtype) and tuple(own[name].shape) == tuple(value.shape), name
    return own, other


@pytest.mark.parity
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    layer = LAYERS[name]
    row = Row(st.nothing(), seeded=True, scale=layer.scale, constant=(1,) if name in CONSTANT_TARGET else ())

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=DERANDOMIZE, suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )  # fmt: skip
    @given(layer.constructor, layer.inputs)
    def check(constructor, inputs):
        mine, theirs = (made(lib, name, *constructor) for lib in (tinygrad_zth, torch))
        if isinstance(theirs, str) or isinstance(mine, str):
            assert mine == theirs
            return
        assert repr(mine) == repr(theirs)
        own, other = same_state(mine, theirs)
        for key, value in other.items():  # drawn from the random stream: equal to the bit
            np.testing.assert_array_equal(own[key].numpy(), value.numpy(), err_msg=key)
        layers = {tinygrad_zth: mine, torch: theirs}
        for training in (True, False):
            for each in layers.values():
                each.train(training)
            agree(layers.__getitem__, (inputs, {}), row)
        own, other = same_state(mine, theirs)
        for key, value in other.items():  # running statistics
            np.testing.assert_allclose(own[key].numpy(), value.numpy(), rtol=1e-4, atol=1e-5, err_msg=key)
        if not run(torch, layers.__getitem__, inputs, {}, row).error:
            parameters_agree(layers, inputs, layer.scale)

    check()


def parameters_agree(layers, inputs, scale):
    """The gradients that backward() leaves in the parameters."""
    for lib, layer in layers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = layer(*[lib.tensor(x) for x in inputs])
        out = out[0] if isinstance(out, tuple) else out
        if out.requires_grad:
            out.sum().backward()
    pairs = zip(layers[tinygrad_zth].parameters(), layers[torch].parameters(), strict=True)
    for mine, theirs in pairs:
        assert (mine.grad is None) == (theirs.grad is None)
        if theirs.grad is not None:
            np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=2e-5 * scale, atol=2e-5 * scale)
