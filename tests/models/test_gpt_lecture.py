"""The GPT lecture: four ways to average, attention in its three uses, and each step's model; bigram_lm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models import gpt_lecture
from models.bigram_lm import BigramConfig, BigramLanguageModel
from models.gpt_lecture import STEPS, Block, Head, LectureConfig, LectureGPT, MultiHead
from tinygrad_zth import nn
from tinygrad_zth.testing import assert_close

AVERAGES = [getattr(gpt_lecture, f"average_by_{way}") for way in ("loop", "matmul", "softmax", "attention")]
SMALL = {"vocab_size": 11, "block_size": 6, "n_embd": 8, "n_head": 2, "n_layer": 2}


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_the_four_averages_are_equal(B, T, C, seed):
    torch.manual_seed(seed)
    x = torch.randn(B, T, C, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(B, T, C, dtype=torch.float64)
    results = [average(x) for average in AVERAGES]
    gradients = [torch.autograd.grad((out * weights).sum(), x)[0] for out in results]
    for out, g in zip(results[1:], gradients[1:]):
        assert_close(out, results[0], rtol=1e-12, atol=1e-12)
        assert_close(g, gradients[0], rtol=1e-12, atol=1e-12)
    assert_close(results[0][:, -1], x.mean(1))


def test_a_head_is_scaled_dot_product_attention():
    head = Head(LectureConfig(**SMALL), 4).eval()
    x = torch.randn(2, 6, 8)
    q, k, v = head.query(x), head.key(x), head.value(x)
    assert_close(head(x), F.scaled_dot_product_attention(q, k, v, is_causal=True), rtol=1e-5, atol=1e-6)
    weights = head.weights(x)
    assert_close(weights.sum(-1), torch.ones(2, 6))
    assert not weights.triu(1).any()


def test_the_affinities_have_the_variance_of_their_parts():
    head = Head(LectureConfig(n_embd=64, block_size=16), 64, causal=False).eval()
    head.query, head.key = nn.Identity(), nn.Identity()
    x = torch.randn(8, 16, 64)
    raw = x @ x.transpose(1, 2)
    off = ~torch.eye(16, dtype=torch.bool)
    assert raw[:, off].var().item() == pytest.approx(64, rel=0.2)
    scaled = head.weights(x).log()  # log softmax: the affinities, but for a constant a row
    assert (scaled - scaled.mean(-1, keepdim=True))[:, off].var().item() < 2


def test_an_encoders_head_sees_everything_and_a_decoders_the_past():
    config = LectureConfig(**SMALL)
    x = torch.randn(1, 6, 8)
    for causal in (True, False):
        head = Head(config, 8, causal).eval()
        base = head(x)
        for t in range(6):
            other = x.clone()
            other[:, t] += 1
            changed = (head(other) - base).abs().amax(-1)[0] > 1e-7
            assert changed.tolist() == ([i >= t for i in range(6)] if causal else [True] * 6)


def test_cross_attention_asks_here_and_answers_from_there():
    config = LectureConfig(**SMALL)
    cross = MultiHead(config, causal=False).eval()
    x, memory = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    out = cross(x, memory)
    assert out.shape == (2, 3, 8)
    order = torch.tensor([4, 2, 0, 1, 3])
    assert_close(cross(x, memory[:, order]), out, rtol=1e-5, atol=1e-6)  # keys and values are a set
    assert_close(cross(x.flip(1), memory), out.flip(1), rtol=1e-5, atol=1e-6)  # queries do not meet
    heads = [F.scaled_dot_product_attention(h.query(x), h.key(memory), h.value(memory)) for h in cross.heads]
    assert_close(out, cross.proj(torch.cat(heads, -1)), rtol=1e-5, atol=1e-6)


def test_the_mask_is_a_buffer():
    head = Head(LectureConfig(**SMALL), 4)
    assert "past" in dict(head.named_buffers()) and "past" in head.state_dict()
    assert "past" not in dict(head.named_parameters())
    assert head.double().past.dtype == torch.bool  # moved with the module, but floating types only are converted


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_a_causal_language_model(step):
    model = LectureGPT(LectureConfig(step=step, **SMALL)).eval()
    x = torch.randint(11, (2, 6))
    logits, loss = model(x, torch.randint(11, (2, 6)))
    assert logits.shape == (2, 6, 11) and abs(loss.item() - math.log(11)) < 1.0
    for t in range(5):
        other = x.clone()
        other[:, t + 1 :] = (x[:, t + 1 :] + 1) % 11
        assert_close(model(other)[0][:, : t + 1], logits[:, : t + 1], rtol=0, atol=1e-6)


def test_each_step_adds_what_its_name_says():
    has = {}
    for step in STEPS:
        model = LectureGPT(LectureConfig(step=step, dropout=0.5, **SMALL))
        modules = list(model.modules())
        has[step] = (
            sum(isinstance(m, Head) for m in modules),
            any(isinstance(m, nn.ReLU) for m in modules),
            sum(isinstance(m, Block) for m in modules),
            sum(isinstance(m, nn.LayerNorm) for m in modules),
            any(isinstance(m, nn.Dropout) and m.p for m in modules),
        )
    assert has == {
        "head": (1, False, 1, 0, False),
        "multi_head": (2, False, 1, 0, False),
        "feed_forward": (2, True, 1, 0, False),
        "residual": (4, True, 2, 0, False),
        "norm": (4, True, 2, 5, False),
        "dropout": (4, True, 2, 5, True),
    }


def test_blocks_add_to_the_stream_and_normalise_before():
    block = Block(LectureConfig(step="norm", **SMALL)).eval()
    x = torch.randn(2, 6, 8)
    h = x + block.attention(block.norms[0](x))
    assert torch.equal(block(x), h + block.feed_forward(block.norms[1](h)))


def test_dropout_is_in_training_only():
    model = LectureGPT(LectureConfig(dropout=0.5, **SMALL))
    x = torch.randint(11, (2, 6))
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"block size, 6, got \(1, 7\)"):
        LectureGPT(LectureConfig(**SMALL))(torch.zeros(1, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match="step: expected one of head, multi_head"):
        LectureConfig(step="chat")
    with pytest.raises(ValueError, match="8 channels cannot be shared evenly by 3 heads"):
        LectureConfig(**{**SMALL, "n_head": 3})


# ---- bigram_lm ----------------------------------------------------------------------------------


def test_a_bigram_looks_at_one_token():
    model = BigramLanguageModel(BigramConfig(vocab_size=7))
    x, y = torch.randint(7, (3, 5)), torch.randint(7, (3, 5))
    logits, loss = model(x, y)
    assert torch.equal(logits, model.table.weight[x])
    log_p = F.log_softmax(model.table.weight, dim=1)
    assert loss.item() == pytest.approx(-log_p[x, y].mean().item(), rel=1e-6)
    with pytest.raises(ValueError, match=r"\(B, T\), got \(5,\)"):
        model(x[0, :5])


def test_the_best_table_is_that_of_the_counts():
    """Trained on every pair of a text, softmax(table) becomes the counts' frequencies."""
    torch.manual_seed(0)
    text = torch.randint(3, (400,)) * torch.randint(2, (400,))
    counts = torch.zeros(3, 3).index_put((text[:-1], text[1:]), torch.ones(399), accumulate=True)
    model = BigramLanguageModel(BigramConfig(vocab_size=3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.0)
    for _ in range(200):
        _, loss = model(text[None, :-1], text[None, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert_close(F.softmax(model.table.weight, 1), counts / counts.sum(1, keepdim=True), rtol=0, atol=2e-3)
