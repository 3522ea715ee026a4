"""The GPT against the same one written for PyTorch: the same weights give the same logits, loss and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zth as zth
from models.gpt import GPT, GPTConfig

torch = pytest.importorskip("torch", reason="torch is not installed (extra: parity)")
pytestmark = pytest.mark.parity


def theirs(config: GPTConfig, state: dict, x, y):
    """Logits and loss from the weights ``state``, in PyTorch's functions, layer after layer."""
    F = torch.nn.functional
    B, T = x.shape
    C, H = config.n_embd, config.n_head

    def norm(t, name):
        return F.layer_norm(t, (C,), state[f"{name}.weight"], state.get(f"{name}.bias"))

    def linear(t, name):
        return F.linear(t, state[f"{name}.weight"], state.get(f"{name}.bias"))

    h = state["transformer.wte.weight"][x] + state["transformer.wpe.weight"][:T]
    mask = torch.full((T, T), -math.inf, dtype=h.dtype).triu(1)
    for i in range(config.n_layer):
        block = f"transformer.h.{i}"
        q, k, v = linear(norm(h, f"{block}.ln_1"), f"{block}.attn.c_attn").split(C, 2)
        q, k, v = (t.view(B, T, H, C // H).transpose(1, 2) for t in (q, k, v))
        weights = F.softmax(q @ k.transpose(2, 3) / math.sqrt(C // H) + mask, -1)
        h = h + linear((weights @ v).transpose(1, 2).reshape(B, T, C), f"{block}.attn.c_proj")
        inner = F.gelu(linear(norm(h, f"{block}.ln_2"), f"{block}.mlp.c_fc"))
        h = h + linear(inner, f"{block}.mlp.c_proj")
    logits = linear(norm(h, "transformer.ln_f"), "lm_head")
    return logits, F.cross_entropy(logits.view(B * T, -1), y.view(-1))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_the_same_weights_give_the_same_loss_and_gradients(bias, tied):
    zth.manual_seed(11)
    config = GPTConfig(vocab_size=13, block_size=9, n_layer=2, n_head=2, n_embd=12, bias=bias, tie_weights=tied)
    model = GPT(config).double()
    for p in model.parameters():
        p.data.add_(zth.randn(p.shape, dtype=p.dtype) * 0.3)
    rng = np.random.default_rng(0)
    x, y = rng.integers(13, size=(2, 3, 9))
    logits, loss = model(zth.from_numpy(x), zth.from_numpy(y))
    loss.backward()

    own = dict(model.named_parameters())
    state = {name: torch.tensor(p.detach().numpy(), requires_grad=True) for name, p in own.items()}
    if tied:
        name = "lm_head.weight" if "lm_head.weight" in state else "transformer.wte.weight"
        state["lm_head.weight"] = state["transformer.wte.weight"] = state[name]
    expected, expected_loss = theirs(config, state, torch.from_numpy(x), torch.from_numpy(y))
    expected_loss.backward()
    np.testing.assert_allclose(logits.detach().numpy(), expected.detach().numpy(), rtol=0, atol=1e-12)
    assert loss.item() == pytest.approx(expected_loss.item(), abs=1e-13)
    for name, p in own.items():
        np.testing.assert_allclose(p.grad.numpy(), state[name].grad.numpy(), rtol=0, atol=1e-12, err_msg=name)
