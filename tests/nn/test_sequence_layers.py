"""Layers for sequences, against what they are by definition, written out with elementary operations."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zth as torch
from tinygrad_zth import nn
from tinygrad_zth.nn import functional as F

DOUBLE = {"dtype": torch.float64}


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def rnn_step(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity=torch.tanh):
    return nonlinearity(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)


def lstm_step(x, h, c, w_ih, w_hh, b_ih, b_hh):
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(x, h, w_ih, w_hh, b_ih, b_hh):
    from_x, from_h = (x @ w_ih.T + b_ih).chunk(3, -1), (h @ w_hh.T + b_hh).chunk(3, -1)
    r, z = (from_x[0] + from_h[0]).sigmoid(), (from_x[1] + from_h[1]).sigmoid()
    return (1 - z) * (from_x[2] + r * from_h[2]).tanh() + z * h


STEPS = {
    nn.RNN: lambda x, s, w: (rnn_step(x, s[0], *w),), nn.LSTM: lambda x, s, w: lstm_step(x, *s, *w),
    nn.GRU: lambda x, s, w: (gru_step(x, s[0], *w),),
}  # fmt: skip


def by_hand(layer, x, states):
    """(L, B, n) through all layers and directions, one step at a time; ``states`` are (layers * directions, B, h) each."""
    step, directions = STEPS[type(layer)], 2 if layer.bidirectional else 1
    last = [[] for _ in states]
    for n in range(layer.num_layers):
        both = []
        for d in range(directions):
            at, suffix = n * directions + d, "_reverse" if d else ""
            weights = [
                getattr(layer, f"{kind}_l{n}{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            state, outs = tuple(s[at] for s in states), [None] * len(x)
            for t in reversed(range(len(x))) if d else range(len(x)):
                state = step(x[t], state, weights)
                outs[t] = state[0]
            both.append(torch.stack(outs))
            for place, s in zip(last, state):
                place.append(s)
        x = torch.cat(both, -1)
    return x, tuple(torch.stack(s) for s in last)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True}]
)
def test_a_recurrent_layer_is_its_steps(kind, options):
    """Outputs, last states, and the gradients of input, first states and all weights."""
    torch.manual_seed(0)
    layer = kind(3, 4, **options, **DOUBLE)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    x = torch.randn(5, 2, 3, requires_grad=True, **DOUBLE)
    states = [torch.randn(count, 2, 4, requires_grad=True, **DOUBLE) for _ in range(2 if kind is nn.LSTM else 1)]
    out, last = layer(x, tuple(states) if kind is nn.LSTM else states[0])
    last = last if kind is nn.LSTM else (last,)
    wanted, wanted_last = by_hand(layer, x, states)
    close(out, wanted)
    for a, b in zip(last, wanted_last, strict=True):
        close(a, b)
    leaves = [x, *states, *layer.parameters()]
    weight = torch.randn(out.shape, **DOUBLE)
    found = torch.autograd.grad((out * weight).sum() + sum(s.square().sum() for s in last), leaves)
    expected = torch.autograd.grad((wanted * weight).sum() + sum(s.square().sum() for s in wanted_last), leaves)
    for a, b in zip(found, expected, strict=True):
        close(a, b, 1e-8)


@pytest.mark.parametrize("kind, cell", [(nn.RNN, nn.RNNCell), (nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell)])
def test_a_cell_is_one_step_of_the_layer(kind, cell):
    torch.manual_seed(1)
    layer, one = kind(3, 4, **DOUBLE), cell(3, 4, **DOUBLE)
    one.load_state_dict({name.removesuffix("_l0"): w for name, w in layer.state_dict().items()})
    x = torch.randn(4, 2, 3, **DOUBLE)
    out, _ = layer(x)
    state = None
    for t in range(4):
        state = one(x[t], state)
        close(state[0] if kind is nn.LSTM else state, out[t])
    unbatched = one(x[0, 0])
    close(unbatched[0] if kind is nn.LSTM else unbatched, out[0, 0])


def test_relu_projection_batch_first_and_no_bias():
    torch.manual_seed(2)
    x = torch.randn(2, 5, 3, **DOUBLE)
    relu = nn.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True, **DOUBLE)
    h, outs = torch.zeros(2, 4, **DOUBLE), []
    for t in range(5):
        h = (x[:, t] @ relu.weight_ih_l0.T + h @ relu.weight_hh_l0.T).relu()
        outs.append(h)
    close(relu(x)[0], torch.stack(outs, 1))
    projected = nn.LSTM(3, 4, proj_size=2, batch_first=True, **DOUBLE)
    h, c = torch.zeros(2, 2, **DOUBLE), torch.zeros(2, 4, **DOUBLE)
    weights = [projected.weight_ih_l0, projected.weight_hh_l0, projected.bias_ih_l0, projected.bias_hh_l0]
    for t in range(5):
        h, c = lstm_step(x[:, t], h, c, *weights)
        h = h @ projected.weight_hr_l0.T
    out, (last, cell) = projected(x)
    close(out[:, -1], h)
    close(last[0], h)
    close(cell[0], c)
    assert [tuple(p.shape) for p in projected.parameters()] == [(16, 3), (16, 2), (16,), (16,), (2, 4)]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_sequences_are_run_one_by_one(kind, bidirectional):
    torch.manual_seed(3)
    layer = kind(2, 3, 2, bidirectional=bidirectional, **DOUBLE)
    sequences = [torch.randn(n, 2, **DOUBLE) for n in (2, 4, 1)]
    padded = nn.utils.rnn.pad_sequence(sequences, padding_value=9.0)
    packed = nn.utils.rnn.pack_padded_sequence(padded, torch.tensor([2, 4, 1]), enforce_sorted=False)
    out, last = layer(packed)
    out, lengths = nn.utils.rnn.pad_packed_sequence(out)
    assert lengths.tolist() == [2, 4, 1]
    for i, sequence in enumerate(sequences):
        alone, alone_last = layer(sequence.unsqueeze(1))
        close(out[: len(sequence), i], alone[:, 0])
        assert not out[len(sequence) :, i].any()
        h, h_alone = (last[0], alone_last[0]) if kind is nn.LSTM else (last, alone_last)
        close(h[:, i], h_alone[:, 0])


def test_dropout_between_layers_only_and_only_in_training():
    torch.manual_seed(4)
    x = torch.randn(6, 2, 3)
    layer = nn.GRU(3, 4, 2, dropout=0.5)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    close(layer(x)[0], layer(x)[0])
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer"):
        single = nn.GRU(3, 4, 1, dropout=0.5)
    close(single(x)[0], single(x)[0])


@pytest.mark.parametrize("wrong", [
    lambda: nn.LSTM(3, 4)(torch.zeros(2, 2, 5)), lambda: nn.GRU(3, 4)(torch.zeros(2, 2, 3), torch.zeros(2, 2, 4)),
    lambda: nn.RNN(3, 4)(torch.zeros(2)), lambda: nn.LSTMCell(3, 4)(torch.zeros(2, 5)),
])  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(wrong):
    with pytest.raises((RuntimeError, ValueError)):
        wrong()


# ---------------------------------------------------------------------------- attention


def attention_by_hand(layer, q, k, v, forbidden=None):
    """(L, B, E), with the layer's own weights; the result and the weights of all heads (B, H, L, S)."""
    wq, wk, wv = layer.in_proj_weight.chunk(3)
    bq, bk, bv = layer.in_proj_bias.chunk(3)
    heads, size = layer.num_heads, layer.head_dim
    q, k, v = (F.linear(x, w, b) for x, w, b in ((q, wq, bq), (k, wk, bk), (v, wv, bv)))
    q, k, v = (t.view(t.shape[0], t.shape[1], heads, size).permute(1, 2, 0, 3) for t in (q, k, v))
    scores = q @ k.transpose(-2, -1) / size**0.5
    if forbidden is not None:
        scores = scores.masked_fill(forbidden, -float("inf"))
    weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
    mixed = (weights @ v).permute(2, 0, 1, 3).flatten(2)
    return layer.out_proj(mixed), weights


def test_multihead_attention_is_its_formula():
    torch.manual_seed(5)
    layer = nn.MultiheadAttention(6, 2, **DOUBLE)
    nn.init.normal_(layer.in_proj_bias)
    q, kv = torch.randn(3, 2, 6, requires_grad=True, **DOUBLE), torch.randn(4, 2, 6, requires_grad=True, **DOUBLE)
    out, weights = layer(q, kv, kv)
    wanted, each = attention_by_hand(layer, q, kv, kv)
    close(out, wanted)
    close(weights, each.mean(1))
    close(layer(q, kv, kv, average_attn_weights=False)[1], each)
    without, nothing = layer(q, kv, kv, need_weights=False)
    close(without, wanted)
    assert nothing is None
    leaves = [q, kv, *layer.parameters()]
    for a, b in zip(
        torch.autograd.grad(without.square().sum(), leaves), torch.autograd.grad(wanted.square().sum(), leaves)
    ):
        close(a, b, 1e-8)


def test_masks_of_attention():
    torch.manual_seed(6)
    layer = nn.MultiheadAttention(4, 2, batch_first=True, **DOUBLE)
    x = torch.randn(2, 5, 4, **DOUBLE)
    future = torch.ones(5, 5).triu(1).bool()
    padding = torch.tensor([[False] * 5, [False, False, False, True, True]])
    wanted, each = attention_by_hand(layer, *(x.transpose(0, 1),) * 3, forbidden=future | padding[:, None, None, :])
    out, weights = layer(x, x, x, attn_mask=future, key_padding_mask=padding)
    close(out, wanted.transpose(0, 1))
    close(weights, each.mean(1))
    additive = torch.zeros(5, 5, **DOUBLE).masked_fill(future, -float("inf"))
    unseen = torch.zeros(2, 5, **DOUBLE).masked_fill(padding, -float("inf"))
    close(layer(x, x, x, attn_mask=additive, key_padding_mask=unseen, need_weights=False)[0], out)
    # What is masked has no influence.
    other = x.clone()
    other[:, 3:] += 1
    close(
        layer(other, other, other, attn_mask=future, need_weights=False)[0][:, :3],
        layer(x, x, x, attn_mask=future)[0][:, :3],
    )


# ---------------------------------------------------------------------------- the Transformer


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_layer_is_its_parts(norm_first, activation):
    torch.manual_seed(7)
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation=activation, norm_first=norm_first, **DOUBLE)
    x = torch.randn(3, 2, 4, **DOUBLE)

    def attend(x):
        return layer.self_attn(x, x, x, need_weights=False)[0]

    def forward(x):
        return layer.linear2(getattr(F, activation)(layer.linear1(x)))

    if norm_first:
        h = x + attend(layer.norm1(x))
        wanted = h + forward(layer.norm2(h))
    else:
        h = layer.norm1(x + attend(x))
        wanted = layer.norm2(h + forward(h))
    close(layer(x), wanted)
    stack = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(4, **DOUBLE), enable_nested_tensor=False)
    close(stack(x), stack.norm(stack.layers[1](stack.layers[0](x))))


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_decoder_layer_is_its_parts(norm_first):
    torch.manual_seed(8)
    layer = nn.TransformerDecoderLayer(4, 2, 6, dropout=0.0, norm_first=norm_first, **DOUBLE)
    x, memory = torch.randn(3, 2, 4, **DOUBLE), torch.randn(5, 2, 4, **DOUBLE)
    parts = (
        lambda x: layer.self_attn(x, x, x)[0], lambda x: layer.multihead_attn(x, memory, memory)[0],
        lambda x: layer.linear2(layer.linear1(x).relu()),
    )  # fmt: skip
    wanted = x
    for part, norm in zip(parts, (layer.norm1, layer.norm2, layer.norm3)):
        wanted = wanted + part(norm(wanted)) if norm_first else norm(wanted + part(wanted))
    close(layer(x, memory), wanted)


def test_a_causal_transformer_does_not_look_ahead():
    torch.manual_seed(9)
    model = nn.Transformer(4, 2, 1, 2, 6, dropout=0.0, batch_first=True, **DOUBLE)
    source, target = torch.randn(2, 4, 4, **DOUBLE), torch.randn(2, 5, 4, **DOUBLE)
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    assert mask[0].tolist() == [0.0] + [-float("inf")] * 4 and not mask[4].any()
    out = model(source, target, tgt_mask=mask)
    changed = target.clone()
    changed[:, 3:] = 7
    close(model(source, changed, tgt_mask=mask)[:, :3], out[:, :3])
    assert not torch.allclose(model(source, changed, tgt_mask=mask)[:, 3:], out[:, 3:])
    ignored = torch.tensor([[False, False, False, True]]).expand(2, 4)
    other = source.clone()
    other[:, 3] = 5
    close(
        model(source, target, tgt_mask=mask, src_key_padding_mask=ignored, memory_key_padding_mask=ignored),
        model(other, target, tgt_mask=mask, src_key_padding_mask=ignored, memory_key_padding_mask=ignored),
    )
    model.train()
    out.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
