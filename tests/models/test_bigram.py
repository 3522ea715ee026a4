"""Counting and learning bigrams: two ways to one table."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from data import CharTokenizer, build_dataset
from models.bigram import SPEC, BigramConfig, CountingBigram, NeuralBigram, bigram_counts, probabilities, table
from models.shared.command_line import main
from models.shared.diagnosis import NotFiniteError
from models.shared.run_folder import BEST
from models.tasks.names import NamesCorpus

WORDS = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "ella", "luna", "aria", "eva", "nora"]


def examples(words=WORDS):
    tokenizer = CharTokenizer.from_words(words)
    x, y = (t.to(torch.get_default_device()) for t in build_dataset(words, tokenizer, 1))
    return tokenizer, x, y


def test_the_counts_are_those_of_the_loop():
    tokenizer, x, y = examples()
    expected = np.zeros((len(tokenizer), len(tokenizer)), dtype=np.int64)
    for word in WORDS:
        for a, b in itertools.pairwise("." + word + "."):
            expected[tokenizer.stoi[a], tokenizer.stoi[b]] += 1
    counts = bigram_counts(x[:, 0], y, len(tokenizer))
    assert counts.dtype == torch.int64 and counts.tolist() == expected.tolist()
    model = CountingBigram(BigramConfig(kind="counts", vocab_size=len(tokenizer)))
    for rows in (slice(0, 7), slice(7, None)):  # in two parts
        model.count(x[rows], y[rows])
    assert torch.equal(model.counts, counts)


def test_rows_are_normalised_and_the_wrong_axis_goes_unnoticed():
    tokenizer, x, y = examples()
    counts = bigram_counts(x[:, 0], y, len(tokenizer))
    p = probabilities(counts, 1.0)
    torch.testing.assert_close(p.sum(1), torch.ones(len(tokenizer), dtype=torch.float64))
    n = counts.double() + 1
    torch.testing.assert_close(p, n / n.sum(1, keepdim=True))  # (V, V) / (V, 1): each row by its own sum
    # The bug of the lecture: (V, V) / (V,) takes the sums for a row. Nothing is raised, every column is divided.
    wrong = n / n.sum(1)
    assert wrong.shape == p.shape
    assert (wrong.sum(1) - 1).abs().max() > 0.1
    assert torch.equal(wrong, n / n.sum(1)[None, :])
    symmetric = n + n.T  # only where rows and columns have equal sums do the columns sum to one then
    torch.testing.assert_close((symmetric / symmetric.sum(1)).sum(0), torch.ones(len(n), dtype=torch.float64))


def test_smoothing_and_rows_without_counts():
    counts = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 5]])
    assert probabilities(counts).tolist() == [[0.75, 0.25, 0], [1 / 3] * 3, [0, 0, 1]]
    assert probabilities(counts, 1.0)[0].tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    torch.testing.assert_close(probabilities(counts, 1e9), torch.full((3, 3), 1 / 3, dtype=torch.float64))


def test_the_number_of_the_lecture(real_names, tmp_path, capsys):
    assert main(SPEC, ["train", "--preset", "counts", "--out", str(tmp_path), "--quiet"]) == 0
    assert main(SPEC, ["eval", "--out", str(tmp_path), "--split", "all"]) == 0
    assert capsys.readouterr().out == "all   loss 2.4540\n"
    model, _ = SPEC.restore(tmp_path / BEST)
    assert model.counts.sum() == 228_146 and model.counts[0, 1] == 4410 and model.counts[14, 0] == 6763
    # The lecture adds up in float32, one after another: -559891.75 in all, 2.4541 a bigram. In double it is 2.45401.
    x, y = build_dataset(real_names, CharTokenizer.from_words(real_names), 1)
    logp = probabilities(model.counts).float().log()[x[:, 0], y].numpy()
    total = np.cumsum(logp, dtype=np.float32)[-1]
    assert total == -559891.75 and round(-total / len(logp), 4) == 2.4541
    assert -logp.mean(dtype=np.float64) == pytest.approx(2.454014, abs=1e-6)


def test_what_was_never_counted_is_impossible_without_smoothing(tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("\n".join("ab" * (1 + i % 5) + ("z" if i == 3 else "") for i in range(40)))
    flags = ["train", "--preset", "counts", "--part", "train", "--data", str(names), "--out", str(tmp_path / "run")]
    corpus = SPEC.task.load(str(names))
    if any("z" in word for word in corpus.words["val"]):
        with pytest.raises(NotFiniteError):
            main(SPEC, flags)
    model = CountingBigram(BigramConfig(kind="counts", vocab_size=3))
    model.count(torch.tensor([[0], [1]]), torch.tensor([1, 0]))
    assert model(torch.tensor([[0]]), torch.tensor([2]))[1].item() == math.inf
    smoothed = CountingBigram(BigramConfig(kind="counts", vocab_size=3, smoothing=1.0))
    smoothed.count(torch.tensor([[0], [1]]), torch.tensor([1, 0]))
    assert smoothed(torch.tensor([[0]]), torch.tensor([2]))[1].item() == pytest.approx(math.log(4))


def test_by_hand_and_fused_by_row_and_by_one_hot_are_equal():
    _, x, y = examples()
    results = []
    for lookup, softmax in itertools.product(("row", "one_hot"), ("fused", "by_hand")):
        torch.manual_seed(2)
        model = NeuralBigram(BigramConfig(vocab_size=15, lookup=lookup, softmax=softmax, l2=0.01)).double()
        logits, loss = model(x, y)
        loss.backward()
        results.append((logits.detach(), loss.item(), model.W.grad))
    for logits, loss, grad in results[1:]:
        assert torch.equal(logits, results[0][0])
        assert loss == pytest.approx(results[0][1], abs=1e-13)
        torch.testing.assert_close(grad, results[0][2], rtol=0, atol=1e-14)


def test_regularisation_acts_in_training_only_and_smooths():
    _, x, y = examples()
    model = NeuralBigram(BigramConfig(vocab_size=15, l2=0.5))
    trained = model(x, y)[1].item()
    assert trained == pytest.approx(model.eval()(x, y)[1].item() + 0.5 * (model.W**2).mean().item(), rel=1e-6)
    entropies = []
    for l2 in (0.0, 0.1, 10.0):
        torch.manual_seed(1)
        model = NeuralBigram(BigramConfig(vocab_size=15, l2=l2))
        optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
        for _ in range(150):
            model.zero_grad()
            model(x, y)[1].backward()
            optimizer.step()
        p = table(model)
        entropies.append(-(p * p.log()).sum(1).mean().item())
    assert entropies[0] < entropies[1] < entropies[2] and entropies[2] == pytest.approx(math.log(15), abs=0.03)


def test_trained_without_regularisation_it_comes_to_the_counts(real_names):
    """The 100 most frequent bigrams, to 0.01. A quarter of the names, for time; the counts are of the same ones."""
    corpus = NamesCorpus(real_names[::4])
    data = corpus.batches(BigramConfig(), 0)
    x, y = next(data.whole("train"))
    counts = bigram_counts(x[:, 0], y, 27)
    torch.manual_seed(1337)
    model = NeuralBigram(BigramConfig())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        model.zero_grad()
        model(x, y)[1].backward()
        optimizer.step()
    frequent = counts.flatten().topk(100).indices
    difference = (table(model).double() - probabilities(counts)).flatten()[frequent].abs()
    assert difference.max() < 0.01


def test_two_hundred_steps(real_names, learn):
    """The bound of a whole run, by the trainer, over an eighth of the names at a time."""
    learned = learn(SPEC, 200, batch_size=20_000, eval_iters=0, lr=50.0, warmup_iters=0)
    assert learned.before > 3.5 and learned.after <= 2.48


def test_names_are_sampled_from_the_table(tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("ab\n" * 30)  # after the beginning a, after a b, after b the end
    flags = ["--data", str(names), "--out", str(tmp_path / "run")]
    assert main(SPEC, ["train", "--preset", "counts", "--quiet", *flags]) == 0
    assert main(SPEC, ["sample", "--samples", "3", "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == "ab\nab\nab\n"
    assert main(SPEC, ["sample", "--samples", "1", "--prompt", "bba", "--out", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out == "bbab\n"
    assert main(SPEC, ["sample", "--prompt", "xy", "--out", str(tmp_path / "run")]) == 1
    assert "the character 'x' (U+0078) at position 1" in capsys.readouterr().err
    pytest.importorskip("matplotlib")
    assert (tmp_path / "run" / "table.png").read_bytes().startswith(b"\x89PNG")


def test_multinomial_draws_with_the_tables_frequencies():
    model = CountingBigram(BigramConfig(kind="counts", vocab_size=3))
    model.counts += torch.tensor([[6, 3, 1], [1, 0, 0], [0, 1, 0]])
    logits = model(torch.zeros(5000, 1, dtype=torch.int64))[0]
    drawn = torch.multinomial(F.softmax(logits, 1), 1, generator=torch.Generator().manual_seed(0)).flatten()
    shares = (torch.bincount(drawn, minlength=3) / 5000).tolist()
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
