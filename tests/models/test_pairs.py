"""Batches of pairs: of similar lengths, every pair as probable as any other."""

from __future__ import annotations

import tinygrad_zth as torch
from models.tasks.pairs import BEGIN, END, PAD, PairsCorpus

PAIRS = [("a" * (1 + i % 40), str(i)) for i in range(800)]


def test_a_pair_is_encoded_as_it_is_described():
    corpus = PairsCorpus({"train": [("ba", "1"), ("c", "22")]}, None)
    code = corpus.tokenizer.stoi
    sources, inputs, targets = corpus.parts["train"]
    assert sources.tolist() == [[code["c"], END, PAD], [code["b"], code["a"], END]]  # the shorter first
    assert inputs.tolist() == [[BEGIN, code["2"], code["2"]], [BEGIN, code["1"], PAD]]
    assert targets.tolist() == [[code["2"], code["2"], END], [code["1"], END, -1]]


def test_batches_are_of_similar_lengths_and_cut_to_the_longest():
    data = PairsCorpus({"train": PAIRS}, None).batches(None, 4)
    generator = torch.Generator().manual_seed(0)
    widths = []
    for _ in range(50):
        sources, inputs, targets = data.batch("train", generator)
        lengths = (sources != PAD).sum(1)
        assert sources.shape[1] == lengths.max() and inputs.shape == targets.shape
        widths.append((sources.shape[1] - lengths.min()).item())
    assert sorted(widths)[40] <= 5  # 64 neighbours of 800 pairs of 40 lengths; some batches wrap around


def test_every_pair_is_as_probable_as_any_other():
    corpus = PairsCorpus({"train": PAIRS[:40]}, None)
    data = corpus.batches(None, 2)
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(41, dtype=torch.int64)
    for _ in range(4000):
        lengths = (data.batch("train", generator)[0] != PAD).sum(1) - 1
        counts += torch.bincount(lengths, minlength=41)
    expected = 8000 / 40
    chi_squared = ((counts[1:] - expected) ** 2 / expected).sum().item()
    assert chi_squared < 80  # 39 degrees of freedom; drawn in pairs, so that its mean is somewhat above 39
