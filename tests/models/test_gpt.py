"""The GPT: its architecture, its cache, its weights from elsewhere, and what it learns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models.gpt import GPT, PRESETS, SPEC, GPTConfig
from models.shared.sampling import Choice, stream
from models.shared.trainer import TrainSettings
from tests.device_mode import settle

SMALL = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=16)


def small(**changes) -> GPT:
    torch.manual_seed(3)
    model = GPT(GPTConfig.from_dict(SMALL.to_dict() | changes))
    for p in model.parameters():  # larger than at the start, so that differences show
        p.data.mul_(5 if p.dim() > 1 else 1)
    return model


def test_the_sizes_are_nanogpts():
    expected = {
        "tiny": (4, 4, 128, 64, 12, 2000),
        "lecture": (4, 4, 64, 32, 16, 5000),
        "baby": (6, 6, 384, 256, 64, 5000),
    }
    assert set(PRESETS) == set(expected)
    for name, (layers, heads, channels, block, batch, steps) in expected.items():
        config = GPTConfig.from_dict({"vocab_size": 65, **PRESETS[name].model})
        train = TrainSettings.from_dict(PRESETS[name].train)
        assert (config.n_layer, config.n_head, config.n_embd, config.block_size) == (layers, heads, channels, block)
        assert (train.batch_size, train.max_iters) == (batch, steps)
    baby = GPT(GPTConfig.from_dict({"vocab_size": 65, **PRESETS["baby"].model}))
    assert baby.num_params(embeddings=False) == 10_646_784  # nanoGPT prints 10.65M
    assert PRESETS["tiny"].model["dropout"] == 0.0


def test_the_start():
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=3, n_embd=64, bias=True))
    assert model.transformer.wte.weight is model.lm_head.weight
    assert model.transformer.h[0].attn.c_attn.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for name, p in model.named_parameters():
        if name.endswith("c_proj.weight"):
            assert p.std().item() == pytest.approx(0.02 / math.sqrt(6), rel=0.1)
        if name.endswith("bias"):
            assert not p.any()
    x, y = torch.randint(65, (8, 64)), torch.randint(65, (8, 64))
    assert model(x, y)[1].item() == pytest.approx(math.log(65), abs=0.15)
    untied = GPT(GPTConfig(tie_weights=False))
    assert untied.transformer.wte.weight is not untied.lm_head.weight
    assert untied.num_params() == GPT(GPTConfig()).num_params() + 65 * 128


def test_no_logit_depends_on_a_later_token():
    model, x = small(), torch.randint(11, (3, 8))
    logits, _ = model(x)
    for t in range(7):
        other = x.clone()
        other[:, t + 1 :] = (other[:, t + 1 :] + 1) % 11
        changed, _ = model(other)
        torch.testing.assert_close(changed[:, : t + 1], logits[:, : t + 1], rtol=0, atol=1e-5)
        assert (changed[:, t + 1 :] - logits[:, t + 1 :]).abs().max() > 1e-3


def test_the_loss_is_the_mean_over_all_positions():
    model, x, y = small(), torch.randint(11, (2, 5)), torch.randint(11, (2, 5))
    logits, loss = model(x, y)
    p = F.softmax(logits, -1)
    expected = -torch.stack([p[b, t, y[b, t]].log() for b in range(2) for t in range(5)]).mean()
    assert logits.shape == (2, 5, 11) and loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert model(x)[1] is None


@given(st.integers(1, 12), st.integers(0, 14), st.integers(1, 3), st.booleans())
def test_cached_and_uncached_are_equal(prompt, new, batch, tied):
    model = small(tie_weights=tied).eval()
    idx = torch.randint(11, (batch, prompt))
    with torch.no_grad():
        cached, plain = model.continuation(True), model.continuation(False)
        text = idx
        for _ in range(new):  # over the end of the block, too
            a, b = cached(text), plain(text)
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
            text = torch.cat((text, b.argmax(-1, keepdim=True)), 1)
    a = model.generate(idx, new, generator=torch.Generator().manual_seed(1), use_cache=True)
    b = model.generate(idx, new, generator=torch.Generator().manual_seed(1), use_cache=False)
    assert torch.equal(a, b) and a.shape == (batch, prompt + new) and torch.equal(a[:, :prompt], idx)


def test_several_new_tokens_at_once_go_through_the_cache():
    model = small().eval()
    x = torch.randint(11, (2, 8))
    with torch.no_grad():
        growing = model.continuation()
        for end in (2, 3, 7, 8):
            torch.testing.assert_close(growing(x[:, :end]), model(x[:, :end])[0][:, -1], rtol=1e-4, atol=1e-5)


def test_generating_leaves_mode_and_grad_mode_as_they_were():
    model = small(dropout=0.5)
    pieces = model.stream(torch.zeros(1, 1, dtype=torch.int64), 3, generator=torch.Generator().manual_seed(0))
    next(pieces)
    assert model.training and torch.is_grad_enabled()
    first = model.generate(torch.zeros(1, 1, dtype=torch.int64), 5, temperature=0.0)
    assert torch.equal(first, model.generate(torch.zeros(1, 1, dtype=torch.int64), 5, temperature=0.0))


def test_what_does_not_fit_is_refused():
    model = small()
    with pytest.raises(ValueError, match=r"T from 1 to the block size, 8, got \(1, 9\)"):
        model(torch.zeros(1, 9, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"got \(4,\)"):
        model(torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="the prompt is empty"):
        model.generate(torch.zeros(1, 0, dtype=torch.int64), 3)
    with pytest.raises(ValueError, match="max_new_tokens: expected 0 or more, got -1"):
        model.generate(torch.zeros(1, 1, dtype=torch.int64), -1)
    with pytest.raises(IndexError):
        model(torch.full((1, 2), 11))
        settle()
    with pytest.raises(ValueError, match="16 channels cannot be shared evenly by 3 heads"):
        small(n_head=3)
    with pytest.raises(ValueError, match="dropout: expected a number from 0 to below 1, got 1"):
        small(dropout=1.0)


def test_weights_of_nanogpt_and_of_gpt2_fit():
    model = small(bias=True)
    x = torch.randint(11, (2, 8))
    expected, _ = model(x)
    state = {f"_orig_mod.{name}": t for name, t in model.state_dict().items()}
    state["_orig_mod.transformer.h.0.attn.bias"] = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(GPT.from_state_dict(state, n_head=2)(x)[0], expected)
    matrices = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    turned = {k: t.t() if k.endswith(matrices) else t for k, t in model.state_dict().items() if k != "lm_head.weight"}
    again = GPT.from_state_dict(turned, n_head=2)
    assert again.config.tie_weights and again.config.bias
    torch.testing.assert_close(again(x)[0], expected)
    with pytest.raises(RuntimeError, match="these are not the weights of a GPT"):
        GPT.from_state_dict({"weight": x}, n_head=2)
    del turned["transformer.h.1.mlp.c_fc.bias"]
    with pytest.raises(RuntimeError, match="transformer.h.1.mlp.c_fc.bias"):
        GPT.from_state_dict(turned, n_head=2)


# ---- choosing a token ------------------------------------------------------------------------------


LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 5.0, 0.0]])


def test_temperature_top_k_and_top_p():
    p = F.softmax(LOGITS, -1)
    torch.testing.assert_close(Choice().probabilities(LOGITS), p)
    torch.testing.assert_close(Choice(temperature=0.5).probabilities(LOGITS), F.softmax(LOGITS * 2, -1))
    assert Choice(temperature=0.0).probabilities(LOGITS).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    two = Choice(top_k=2).probabilities(LOGITS)[0]
    assert two.tolist() == pytest.approx([*(p[0, :2] / p[0, :2].sum()).tolist(), 0, 0])
    torch.testing.assert_close(Choice(top_k=9).probabilities(LOGITS), p)
    # 0.644, 0.237, 0.087, 0.032: the first alone fills 0.6, it and the second 0.8
    kept = [(Choice(top_p=q).probabilities(LOGITS)[0] > 0).tolist() for q in (0.6, 0.8, 0.9, 1.0)]
    assert kept == [[True, False, False, False], [True, True, False, False], [True, True, True, False], [True] * 4]


def test_the_draws_follow_the_probabilities():
    many = LOGITS[:1].expand(4000, 4)
    drawn = Choice(top_k=3)(many, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn.flatten(), minlength=4) / 4000
    torch.testing.assert_close(shares, Choice(top_k=3).probabilities(LOGITS)[0], rtol=0, atol=0.03)
    assert drawn.shape == (4000, 1) and shares[3] == 0


def test_streaming_gives_each_token_as_it_is_made():
    asked = []

    def next_logits(idx):
        asked.append(idx.shape[1])
        return F.one_hot(idx[:, -1] + 1, 9).float() * 100

    pieces = stream(small(), next_logits, torch.tensor([[1, 2]]), 4, Choice())
    assert not asked and next(pieces).tolist() == [[3]] and asked == [2]
    assert [piece.item() for piece in pieces] == [4, 5, 6] and asked == [2, 3, 4, 5]


# ---- learning ----------------------------------------------------------------------------------------


def test_it_learns_shakespeare_to_a_stated_loss(learn, real_shakespeare):
    size = {"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 32}
    result = learn(SPEC, 200, "lecture", model=size, lr=4e-3, eval_iters=20)
    assert result.before == pytest.approx(math.log(65), abs=0.1)
    assert result.after < 2.5
