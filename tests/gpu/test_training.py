"""Every model trains on the device as on the processor: the same losses, step by step, and the same weights."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zth as torch
from models import (
    backprop,
    bigram,
    bigram_lm,
    bow,
    gpt,
    gpt_lecture,
    mlp,
    mlp_bn,
    resnet,
    rnn,
    seq2seq,
    transformer,
    wavenet,
)

V, T = 11, 8
SMALL = {"vocab_size": V, "n_embd": 8}


def _contexts(rng, block, batch=6):
    return rng.integers(0, V, (batch, block)), rng.integers(0, V, batch)


def _windows(rng, batch=3, block=T):
    x = rng.integers(1, V, (batch, block + 1))
    return x[:, :-1], x[:, 1:]


def _images(rng):
    return rng.standard_normal((4, 1, 8, 8)).astype("float32"), rng.integers(0, 10, 4)


# model and its batch
MODELS = {
    "bigram": (lambda: bigram.build(bigram.BigramConfig(vocab_size=V)), lambda r: _contexts(r, 1, 9)),
    "bigram_lm": (lambda: bigram_lm.BigramLanguageModel(bigram_lm.BigramConfig(vocab_size=V)), _windows),
    "mlp": (lambda: mlp.MLP(mlp.MLPConfig(**SMALL, n_hidden=16)), lambda r: _contexts(r, 3)),
    "mlp_bn": (lambda: mlp_bn.MLPBN(mlp_bn.MLPBNConfig(**SMALL, n_hidden=16)), lambda r: _contexts(r, 3)),
    "backprop": (lambda: backprop.BackpropMLP(backprop.BackpropConfig(**SMALL, n_hidden=16)), lambda r: _contexts(r, 3)),
    "wavenet tree": (lambda: wavenet.build(wavenet.WaveNetConfig(**SMALL, n_hidden=12)), lambda r: _contexts(r, T)),
    "wavenet dilated": (
        lambda: wavenet.build(wavenet.WaveNetConfig(**SMALL, kind="dilated", n_hidden=8, n_skip=8, n_stack=1)), _windows,
    ),
    "rnn": (lambda: rnn.RNN(rnn.RNNConfig(**SMALL, cell="rnn", n_hidden=8)), _windows),
    "gru fused": (lambda: rnn.RNN(rnn.RNNConfig(**SMALL, cell="gru", n_hidden=8, fused=True)), _windows),
    "lstm fused": (lambda: rnn.RNN(rnn.RNNConfig(**SMALL, cell="lstm", n_hidden=8, fused=True)), _windows),
    "bow": (lambda: bow.BagOfWords(bow.BowConfig(**SMALL, n_hidden=8)), _windows),
    "transformer": (
        lambda: transformer.Transformer(transformer.TransformerConfig(**SMALL, n_layer=1, n_head=2, block_size=T)), _windows,
    ),
    "gpt": (lambda: gpt.GPT(gpt.GPTConfig(**SMALL, n_layer=2, n_head=2, block_size=T, bias=True)), _windows),
    "gpt_lecture": (
        lambda: gpt_lecture.LectureGPT(gpt_lecture.LectureConfig(**SMALL, n_layer=1, n_head=2, block_size=T, dropout=0.0)),
        _windows,
    ),
    "resnet": (lambda: resnet.ResNet(resnet.ResNetConfig(width=4)), _images),
    "seq2seq": (
        lambda: seq2seq.Seq2Seq(seq2seq.Seq2SeqConfig(**SMALL, n_layer=1, n_head=2, source_size=T, target_size=T)),
        lambda r: (_windows(r)[0], *_windows(r)),
    ),
}  # fmt: skip


def train(build, batch, device: str, steps: int = 3):
    """Losses and final weights of a few steps from one seed."""
    torch.manual_seed(0)
    model = build().to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    given = [torch.tensor(a, device=device) for a in batch(np.random.default_rng(1))]
    losses = []
    for _ in range(steps):
        _, loss = model(*given)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: t.detach().cpu().numpy() for name, t in model.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_alike(cuda, name):
    expected, weights = train(*MODELS[name], "cpu")
    losses, found = train(*MODELS[name], cuda)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    assert losses[-1] < losses[0]
    for key, w in weights.items():
        np.testing.assert_allclose(found[key], w, rtol=5e-3, atol=5e-4, err_msg=key)


def test_gpt_writes_alike(cuda):
    """Sampling, with its cache of keys and values: the same tokens from the same seed."""
    tokens = []
    for device in ("cpu", cuda):
        torch.manual_seed(0)
        model = gpt.GPT(gpt.GPTConfig(**SMALL, n_layer=1, n_head=2, block_size=T)).to(device).eval()
        torch.manual_seed(1)
        start = torch.zeros(1, 1, dtype=torch.long, device=device)
        tokens.append(model.generate(start, 12, temperature=0.8, top_k=5).tolist())
    assert tokens[0] == tokens[1]


def test_dropout_in_training_is_repeatable(cuda):
    config = gpt.GPTConfig(**SMALL, n_layer=1, n_head=2, block_size=T, dropout=0.2)
    one, two = (train(lambda: gpt.GPT(config), _windows, cuda)[0] for _ in range(2))
    assert one == two
