"""WaveNet: the tree and its BatchNorm, the dilated convolutions and what they cannot see."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models.wavenet import BatchNormLast, CausalConv1d, FlattenConsecutive, Tree, WaveNet, WaveNetConfig, build
from tinygrad_zth import nn


def test_consecutive_neighbours_lie_side_by_side():
    x = torch.arange(24.0).view(2, 4, 3)
    pairs = FlattenConsecutive(2)(x)
    assert torch.equal(pairs, torch.cat((x[:, ::2], x[:, 1::2]), dim=2)) and pairs.shape == (2, 2, 6)
    assert torch.equal(FlattenConsecutive(4)(x), x.view(2, 12))  # one group: no dimension of one is left
    with pytest.raises(ValueError, match="4 positions cannot be grouped by 3"):
        FlattenConsecutive(3)(x)


# ---- BatchNorm over three dimensions: the lecture's bug and its fix ------------------------------


def lecture_batch_norm(x, dims):
    """The lecture's BatchNorm1d in training, its gain one: statistics over ``dims``."""
    mean, var = x.mean(dims, keepdim=True), x.var(dims, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt(), mean


def test_the_bug_broadcasts_without_a_word():
    x = torch.randn(32, 4, 10) + torch.arange(4.0).view(4, 1)  # the places differ in their means
    out, mean = lecture_batch_norm(x, 0)
    assert out.shape == x.shape  # nothing looks wrong,
    assert mean.shape == (1, 4, 10)  # but there are four means a channel, of 32 numbers each,
    assert out.mean(0).abs().max() < 1e-5  # and what told the places apart is gone
    fixed, mean = lecture_batch_norm(x, (0, 1))
    assert mean.shape == (1, 1, 10)
    assert fixed.mean((0, 1)).abs().max() < 1e-5
    assert (fixed.mean((0, 2)).diff() > 0.5).all()  # places differ as they did


def test_the_fix_is_the_lectures():
    x = torch.randn(8, 4, 10) * 3 + 1
    layer = BatchNormLast(10)
    # The lecture divides by the unbiased variance, PyTorch's BatchNorm by the biased one.
    n = 8 * 4
    expected = lecture_batch_norm(x, (0, 1))[0] * math.sqrt(n / (n - 1))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)
    assert layer.running_mean.shape == (10,)
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean((0, 1)))
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * x.var((0, 1)))
    # Channels first is what nn.BatchNorm1d takes three dimensions for.
    torch.testing.assert_close(layer(x), nn.BatchNorm1d(10)(x.transpose(1, 2)).transpose(1, 2))
    with pytest.raises(RuntimeError):
        nn.BatchNorm1d(10)(x)


def test_two_dimensions_are_as_ever():
    x = torch.randn(16, 10)
    assert torch.equal(BatchNormLast(10)(x), nn.BatchNorm1d(10)(x))


# ---- the tree -----------------------------------------------------------------------------------


def test_the_lectures_tree_has_its_size_and_begins_unsure():
    model = build(WaveNetConfig())
    assert isinstance(model, Tree)
    assert sum(p.numel() for p in model.parameters()) == 76_579  # as printed in the lecture
    x, y = torch.randint(27, (64, 8)), torch.randint(27, (64,))
    logits, loss = model(x, y)
    assert logits.shape == (64, 27)
    assert abs(loss.item() - math.log(27)) < 0.1


def test_every_character_of_a_context_counts():
    model = build(WaveNetConfig(n_embd=4, n_hidden=8)).eval()
    x = torch.zeros(9, 8, dtype=torch.int64)
    for i in range(8):
        x[i + 1, i] = 5
    logits, _ = model(x)
    assert ((logits[1:] - logits[0]).abs().amax(1) > 1e-6).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="power of 2, got 6"):
        WaveNetConfig(block_size=6)
    with pytest.raises(ValueError, match=r"\(B, 8\), got \(2, 7\)"):
        build(WaveNetConfig())(torch.zeros(2, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"\(B, T\), got \(7,\)"):
        build(WaveNetConfig(kind="dilated"))(torch.zeros(7, dtype=torch.int64))
    with pytest.raises(ValueError, match="kind: expected one of tree, dilated"):
        WaveNetConfig(kind="forest")


# ---- the dilated convolutions -------------------------------------------------------------------


def test_a_causal_convolution_is_its_sum():
    layer = CausalConv1d(3, 2, 2, dilation=4)
    x = torch.randn(1, 3, 9)
    out = layer(x)
    assert out.shape == (1, 2, 9)
    for t in range(9):
        now, then = x[0, :, t], x[0, :, t - 4] if t >= 4 else torch.zeros(3)
        expected = layer.weight[:, :, 1] @ now + layer.weight[:, :, 0] @ then + layer.bias
        torch.testing.assert_close(out[0, :, t], expected)


@given(data=st.data())
def test_no_output_depends_on_a_later_input(data):
    draw = data.draw
    config = WaveNetConfig(
        kind="dilated",
        block_size=draw(st.integers(2, 17), label="block_size"),
        n_stack=draw(st.integers(1, 2), label="n_stack"),
        n_hidden=draw(st.integers(1, 6), label="n_hidden"),
        n_skip=3,
    )
    torch.manual_seed(draw(st.integers(0, 99), label="seed"))
    model = build(config)
    T = draw(st.integers(2, 20), label="T")
    t = draw(st.integers(0, T - 2), label="t")
    x = torch.randint(27, (2, T))
    other = x.clone()
    other[:, t + 1 :] = (x[:, t + 1 :] + torch.randint(1, 27, (2, T - t - 1))) % 27  # every later one differs
    # Beyond rounding: a later input is multiplied by nothing, so not a bit may change.
    assert torch.equal(model(x)[0][:, : t + 1], model(other)[0][:, : t + 1])
    # Nor is there a gradient: that of one output is exactly zero at all later inputs.
    h = model.embed(x).detach().requires_grad_()
    model.embed.forward = lambda _: h
    (g,) = torch.autograd.grad(model(x)[0][:, t].sum(), h)
    assert not g[:, t + 1 :].any()


@pytest.mark.parametrize(("block_size", "n_stack", "field"), [(8, 1, 8), (8, 2, 15), (9, 1, 16), (2, 3, 4)])
def test_the_receptive_field_is_as_long_as_it_says(block_size, n_stack, field):
    model = build(WaveNetConfig(kind="dilated", block_size=block_size, n_stack=n_stack, n_hidden=8)).double()
    assert isinstance(model, WaveNet) and model.field == field
    h = model.embed(torch.randint(27, (1, 24))).detach().requires_grad_()
    model.embed.forward = lambda _: h
    (g,) = torch.autograd.grad(model(torch.zeros(1, 24, dtype=torch.int64))[0][0, -1].sum(), h)
    seen = g[0].abs().sum(1) > 0
    assert seen.tolist() == [False] * (24 - field) + [True] * field


def test_targets_of_minus_one_do_not_count():
    model = build(WaveNetConfig(kind="dilated", n_hidden=8, n_skip=8))
    x, y = torch.randint(27, (3, 6)), torch.randint(27, (3, 6))
    y[0, 3:] = -1
    logits, loss = model(x, y)
    expected = F.cross_entropy(torch.cat((logits[0, :3], logits[1], logits[2])), y[y >= 0])
    torch.testing.assert_close(loss, expected)


def test_a_block_is_the_papers():
    from models.wavenet import GatedBlock

    block = GatedBlock(WaveNetConfig(kind="dilated", n_hidden=4, n_skip=5), dilation=2)
    x = torch.randn(2, 4, 7)
    both = block.filter_gate(x)
    z = torch.tanh(both[:, :4]) * torch.sigmoid(both[:, 4:])
    up, out = block(x)
    torch.testing.assert_close(
        up, x + torch.einsum("oc,bct->bot", block.residual.weight[..., 0], z) + block.residual.bias[:, None]
    )
    torch.testing.assert_close(
        out, torch.einsum("oc,bct->bot", block.skip.weight[..., 0], z) + block.skip.bias[:, None]
    )
