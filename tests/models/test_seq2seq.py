"""The encoder-decoder Transformer: its parts, its masks, how it learns by heart and how it decodes."""

from __future__ import annotations

import itertools
import math

import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models import seq2seq
from models.seq2seq import Attention, DecoderLayer, EncoderLayer, Seq2Seq, Seq2SeqConfig, sinusoids
from models.tasks.pairs import BEGIN, END, PAD, PairsCorpus
from tinygrad_zth import nn
from tinygrad_zth.testing import assert_close

SMALL = {"vocab_size": 9, "source_size": 7, "target_size": 6, "n_layer": 2, "n_head": 2, "n_embd": 8}
KINDS = list(itertools.product(("pre", "post"), ("sinusoidal", "learned")))


def small(norm: str = "pre", positions: str = "sinusoidal", seed: int = 1) -> Seq2Seq:
    torch.manual_seed(seed)
    model = Seq2Seq(Seq2SeqConfig(norm=norm, positions=positions, **SMALL)).eval()
    with torch.no_grad():
        if positions == "learned":  # zeros at first, and positions would be alike
            model.position.normal_()
    return model


def sources() -> torch.Tensor:
    return torch.tensor([[3, 4, 5, END, PAD], [6, 7, 8, 3, END]])


def test_the_sinusoids_are_the_papers():
    table = sinusoids(5, 6)
    for pos in range(5):
        for i in range(3):
            angle = pos / 10000 ** (2 * i / 6)
            assert table[pos, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[pos, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    # What the paper chose them for: the encoding k further is a fixed linear map of the encoding here.
    k, rate = 3, 10000 ** (-2 / 6)
    c, s = math.cos(k * rate), math.sin(k * rate)
    turned = torch.stack((table[:2, 2] * c + table[:2, 3] * s, table[:2, 3] * c - table[:2, 2] * s), 1)
    assert_close(table[3:5, 2:4], turned, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_layers_equal_nns(norm):
    """The same weights in ``nn.TransformerEncoderLayer`` and ``nn.TransformerDecoderLayer`` give the same."""
    config = Seq2SeqConfig(norm=norm, **SMALL)
    encoder, decoder = EncoderLayer(config).eval(), DecoderLayer(config).eval()
    kind = {"nhead": 2, "dim_feedforward": 32, "dropout": 0.0, "batch_first": True, "norm_first": norm == "pre"}
    theirs = nn.TransformerEncoderLayer(8, **kind).eval(), nn.TransformerDecoderLayer(8, **kind).eval()

    def attention(own: Attention) -> dict[str, torch.Tensor]:
        return {
            "in_proj_weight": torch.cat((own.query.weight, own.key_value.weight)),
            "in_proj_bias": torch.cat((own.query.bias, own.key_value.bias)),
            "out_proj.weight": own.proj.weight,
            "out_proj.bias": own.proj.bias,
        }

    for own, other, n in ((encoder, theirs[0], 2), (decoder, theirs[1], 3)):
        state = {f"self_attn.{k}": v for k, v in attention(own.attention).items()}
        if n == 3:
            state |= {f"multihead_attn.{k}": v for k, v in attention(own.cross).items()}
        for i, j in ((1, 0), (2, 2)):
            state |= {f"linear{i}.{k}": v for k, v in own.feed_forward[j].state_dict().items()}
        for i in range(1, n + 1):
            state |= {f"norm{i}.{k}": v for k, v in getattr(own, f"sub{i}").norm.state_dict().items()}
        other.load_state_dict(state)
    x, y = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    seen = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    mask = seen.view(2, 1, 1, 5)
    memory = encoder(x, mask)
    assert_close(memory, theirs[0](x, src_key_padding_mask=~seen), rtol=1e-4, atol=1e-5)
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    expected = theirs[1](y, memory, tgt_mask=future, memory_key_padding_mask=~seen)
    assert_close(decoder(y, memory, mask), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("norm", "positions"), KINDS)
def test_padding_changes_nothing(norm, positions):
    model = small(norm, positions)
    short = sources()[:1, :4]
    inputs = torch.tensor([[BEGIN, 5, 4]])
    logits, _ = model(short, inputs)
    padded = F.pad(short, (0, 3), value=PAD)
    assert_close(model(padded, inputs)[0], logits, rtol=1e-4, atol=1e-5)
    both = model(sources(), inputs.expand(2, -1))[0]  # beside a longer one in a batch
    assert_close(both[:1], logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("norm", "positions"), KINDS)
def test_the_decoder_sees_all_of_the_source_and_the_past_of_the_target(norm, positions):
    model = small(norm, positions)
    source, inputs = torch.tensor([[3, 4, 5, 6, END]]), torch.tensor([[BEGIN, 5, 4, 7]])
    logits, _ = model(source, inputs)
    for t in range(4):
        other = inputs.clone()
        other[:, t] = 8
        changed = (model(source, other)[0] - logits).abs().amax(-1)[0] > 1e-6
        assert changed.tolist() == [i >= t for i in range(4)]
    for s in range(5):
        other = source.clone()
        other[:, s] = 8
        assert ((model(other, inputs)[0] - logits).abs().amax(-1) > 1e-6).all()


def test_positions_tell_orders_apart():
    model = small()
    inputs = torch.tensor([[BEGIN]])
    a, b = model(torch.tensor([[3, 4, END]]), inputs)[0], model(torch.tensor([[4, 3, END]]), inputs)[0]
    assert not torch.allclose(a, b, atol=1e-4)
    model.position.zero_()  # without them the source is a set
    a, b = model(torch.tensor([[3, 4, END]]), inputs)[0], model(torch.tensor([[4, 3, END]]), inputs)[0]
    assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_loss_is_teacher_forcing_without_the_padding():
    model = small()
    inputs = torch.tensor([[BEGIN, 5, PAD], [BEGIN, 4, 7]])
    targets = torch.tensor([[5, END, -1], [4, 7, END]])
    logits, loss = model(sources(), inputs, targets)
    log_p = F.log_softmax(logits, -1)
    kept = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    expected = -sum(log_p[b, t, targets[b, t]].item() for b, t in kept) / 5
    assert loss.item() == pytest.approx(expected, rel=1e-5)


# ---- decoding -----------------------------------------------------------------------------------


def score(model: Seq2Seq, source: torch.Tensor, answer: list[int], penalty: float) -> float:
    """The log-probability of an answer, END included, by its length as the beam divides it."""
    logits, _ = model(source, torch.tensor([[BEGIN, *answer[:-1]]]))
    log_p = F.log_softmax(logits[0], -1)
    total = sum(log_p[t, token].item() for t, token in enumerate(answer))
    return total / ((5 + len(answer)) / 6) ** penalty


def cut(row: list[int]) -> list[int]:
    return row[: row.index(END) + 1] if END in row else row


def test_greedy_takes_the_most_probable_at_each_step():
    model = small()
    for source, row in zip(sources(), model.translate(sources()).tolist()):
        answer = cut(row)
        assert row[len(answer) :] == [PAD] * (len(row) - len(answer))
        for t in range(len(answer)):
            logits, _ = model(source[source != PAD][None], torch.tensor([[BEGIN, *answer[:t]]]))
            assert logits[0, -1].argmax().item() == answer[t]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_beam_of_one_is_greedy_and_a_wide_one_finds_the_best(seed):
    model = small(seed=seed)
    with torch.no_grad():
        model.embed.weight *= 2.0  # less sure of itself, and of END, than untrained weights are
    greedy = model.translate(sources()).tolist()
    one = model._beam(*model.encode(sources()), 1, 0.6).tolist()
    assert [cut(row) for row in one] == [cut(row) for row in greedy]
    for beams in (2, 5):
        assert model.translate(sources(), beams=beams).shape[1] <= 6
    # All 9^2 + ... answers of up to two tokens, by brute force: with room for all of them the beam is exact.
    config = Seq2SeqConfig(**{**SMALL, "target_size": 2})
    short = Seq2Seq(config).eval()
    short.load_state_dict(model.state_dict())
    source = sources()[1:]
    answers = [[END], *([a, b] for a in range(9) for b in range(9) if a != END)]
    best = max(answers, key=lambda answer: score(short, source, answer, 0.6))
    memory, mask = short.encode(source)
    with torch.no_grad():
        (row,) = short._beam(memory, mask, 9, 0.6).tolist()
    assert cut(row) == best


def test_a_wider_beam_is_no_worse_here():
    """Not so in general; for a model that is unsure, a beam of 4 finds what greedy search misses."""
    better = 0
    for seed in range(8):
        model = small(seed=seed)
        source = sources()[1:]
        greedy, beam = (cut(model.translate(source, k).tolist()[0]) for k in (1, 4))
        a, b = score(model, source, greedy, 0.6), score(model, source, beam, 0.6)
        better += b > a + 1e-6
        assert b > a - 1e-4
    assert better


@pytest.mark.parametrize(("norm", "positions"), KINDS)
def test_it_learns_pairs_by_heart(norm, positions):
    pairs = [("ten", "10"), ("zwei", "2"), ("seven", "7"), ("one two", "12"), ("two one", "21"), ("seventy", "70")]
    corpus = PairsCorpus({"train": pairs}, None)
    torch.manual_seed(2)
    config = Seq2SeqConfig(n_layer=1, n_head=2, n_embd=16, norm=norm, positions=positions, **corpus.sizes())
    model = Seq2Seq(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for _ in range(80):
        _, loss = model(*corpus.parts["train"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    for beams in (1, 3):
        rows = model.translate(corpus.parts["train"][0], beams).tolist()
        assert [corpus.tokenizer.decode(cut(row)[:-1]) for row in rows] == [target for _, target in pairs]


def test_what_does_not_fit_is_refused():
    model = small()
    with pytest.raises(ValueError, match=r"a source of shape \(B, T\) with T from 1 to 7, got \(1, 8\)"):
        model(torch.ones(1, 8, dtype=torch.int64), torch.ones(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"a target of shape \(B, T\) with T from 1 to 6, got \(2, 7\)"):
        model(sources(), torch.ones(2, 7, dtype=torch.int64))
    with pytest.raises(ValueError, match="2 sources, but 3 targets"):
        model(sources(), torch.ones(3, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="beams: expected at least 1, got 0"):
        model.translate(sources(), beams=0)
    with pytest.raises(ValueError, match="norm: expected one of pre, post"):
        Seq2SeqConfig(norm="both")
    with pytest.raises(ValueError, match="sinusoids come in pairs"):
        Seq2SeqConfig(n_embd=9, n_head=3)


def test_the_command_line_translates(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(seq2seq, "PAIRS", {"train": 60, "val": 10, "test": 10})
    out = ["--out", str(tmp_path / "run")]
    tiny = ["--n-embd", "8", "--n-head", "2", "--n-layer", "1", "--max-iters", "2", "--batch-size", "4"]
    assert seq2seq.main(seq2seq.SPEC, ["train", *out, *tiny, "--quiet"]) == 0
    capsys.readouterr()
    assert seq2seq.main(seq2seq.SPEC, ["sample", *out, "--prompt", "am 3. Mai 1907", "--beams", "2"]) == 0
    assert capsys.readouterr().out.startswith("am 3. Mai 1907 -> ")
    assert seq2seq.main(seq2seq.SPEC, ["eval", *out, "--split", "test"]) == 0
    assert "exact_match" in capsys.readouterr().out
    assert seq2seq.main(seq2seq.SPEC, ["sample", *out, "--prompt", "três"]) == 1
    assert "'ê'" in capsys.readouterr().err
    assert seq2seq.main(seq2seq.SPEC, ["sample", *out, "--prompt", "one " * 40]) == 1
    assert "a source of shape" in capsys.readouterr().err
