"""The kinds of data: their batches, what the model must know of them, and how their samples are written."""

from __future__ import annotations

import json

import pytest

import tinygrad_zth as torch
from models.shared.sampling import Choice
from models.tasks import images as images_module
from models.tasks.examples import Examples, digest_of
from models.tasks.images import ImagesTask, in_letters
from models.tasks.names import NamesCorpus, NamesTask
from models.tasks.pairs import BEGIN, END, PAD, PairsTask
from models.tasks.task import SampleRequest
from models.tasks.text import TextTask
from tinygrad_zth import nn


class Config:
    block_size = 3


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# ---- tables of examples ---------------------------------------------------------------------------


def table(n: int = 10) -> dict:
    x = torch.arange(n)
    return {"train": (x[:, None], x), "val": (x[:2, None], x[:2])}


def test_batches_are_rows_and_the_whole_is_all_of_them_once():
    data = Examples(table(), 4, {})
    x, y = data.batch("train", stream())
    assert x.shape == (4, 1) and torch.equal(x[:, 0], y)
    assert torch.equal(data.batch("train", stream())[1], y)  # the stream decides
    assert sum((batch[1].tolist() for batch in data.whole("train")), []) == list(range(10))
    everything = Examples(table(), 0, {}).batch("train", stream())
    assert everything[1].tolist() == list(range(10))
    wide = torch.zeros(5000, 100)
    sizes = [len(b[0]) for b in Examples({"train": (wide, wide[:, 0].long())}, 8, {}).whole("train")]
    assert sum(sizes) == 5000 and max(sizes) == 40  # 4,096 numbers at a time


def test_tables_that_cannot_be():
    x = torch.arange(10)
    with pytest.raises(ValueError, match="batch_size: 11 is larger than the data: the train part has 10"):
        Examples(table(), 11, {})
    with pytest.raises(ValueError, match=r"the val part has \[0\] rows"):
        Examples({"train": (x, x), "val": (x[:0], x[:0])}, 1, {})
    with pytest.raises(ValueError, match=r"the train part has \[9, 10\] rows"):
        Examples({"train": (x, x[:9])}, 1, {})
    assert digest_of(x) == digest_of(x.clone()) != digest_of(x + 1)


# ---- names ------------------------------------------------------------------------------------------


WORDS = [f"{a}{b}" for a in ("ann", "ben", "cy", "dora") for b in ("a", "ie", "o")]


def test_names_as_contexts_and_as_sequences():
    corpus = NamesCorpus(WORDS)
    assert [len(corpus.words[part]) for part in NamesTask.splits] == [9, 1, 2, 12]
    assert corpus.sizes() == {"vocab_size": len(corpus.tokenizer)} and corpus.vocabulary == corpus.tokenizer.to_json()
    data = corpus.batches(Config, 4)
    x, y = data.parts["all"]
    assert x.shape == (sum(len(word) + 1 for word in WORDS), 3) and y.shape == x.shape[:1]
    assert corpus.tokenizer.decode(x[4]) == "nna" and y[4] == 0  # "anna" and its end

    corpus = NamesCorpus(WORDS, sequences=True)
    longest = max(map(len, WORDS))
    assert corpus.sizes()["block_size"] == longest + 1
    config = type("C", (), corpus.sizes())
    data = corpus.batches(config, 2)
    for _ in range(10):
        x, y = data.batch("train", torch.Generator())
        assert x.shape == y.shape and (y[:, -1] >= 0).any()  # cut to the longest name of the batch
    assert {b[0].shape[1] for b in data.whole("val")} == {len(corpus.words["val"][0]) + 1}


def test_a_vocabulary_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(WORDS))
    vocabulary = NamesTask().load(str(path)).vocabulary
    path.write_text("\n".join([*WORDS, "zo\u00eb"]), encoding="utf-8")
    with pytest.raises(ValueError, match="the character '\u00eb'|the character 'z'"):
        NamesTask().load(str(path), vocabulary).batches(Config, 2)
    path.write_text("a\nb")
    with pytest.raises(ValueError, match="has 2 names; at least 10 are needed"):
        NamesTask().load(str(path))


class Alphabet(nn.Module):
    """After each token the next of the vocabulary; after the last the end."""

    def __init__(self, contexts: bool) -> None:
        super().__init__()
        self.contexts, self.config = contexts, Config
        self.p = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x, y=None):
        self.seen.append(tuple(x.shape))
        following = (x + 1) % 5
        if self.contexts:
            following = following[:, -1]
        return torch.nn.functional.one_hot(following, 5).float() * 100, None


@pytest.mark.parametrize("sequences", [False, True])
def test_names_are_written_to_their_end_from_a_prompt(sequences):
    vocabulary = json.dumps({"characters": [".", "a", "b", "c", "d"], "terminator": "."})
    task, model = NamesTask(sequences=sequences), Alphabet(not sequences)
    request = SampleRequest(30, 2, choice=Choice(0.0))
    assert "".join(task.write(model, vocabulary, request)) == "abcd\nabcd\n"
    shapes = set(model.seen)
    assert shapes == ({(1, 1), (1, 2), (1, 3)} if sequences else {(1, 3)})  # at most block_size, or just that
    assert "".join(task.write(model, vocabulary, SampleRequest(30, 1, "dabb", Choice(0.0)))) == "dabbcd\n"
    assert "".join(task.write(model, vocabulary, SampleRequest(2, 1, None, Choice(0.0)))) == "ab\n"
    with pytest.raises(ValueError, match="the character 'q'"):
        list(task.write(model, vocabulary, SampleRequest(3, 1, "q")))


# ---- texts ------------------------------------------------------------------------------------------


def test_a_text_in_windows(tmp_path):
    path = tmp_path / "text"
    path.write_text("abcdefghij" * 30)
    corpus = TextTask().load(str(path))
    data = corpus.batches(Config, 2)
    x, y = data.batch("val", stream())
    assert x.shape == y.shape == (2, 3) and torch.equal((x + 1) % 10, y)
    whole = torch.cat([x for x, _ in data.whole("val")]).flatten()
    assert whole.tolist() == [i % 10 for i in range(27)]  # 29 have a follower; the last short window is left out
    with pytest.raises(ValueError, match="batch_size: expected at least 1"):
        corpus.batches(Config, 0)


# ---- images -----------------------------------------------------------------------------------------


def test_the_digits_standardised_and_cut():
    pytest.importorskip("sklearn")
    corpus = ImagesTask().load(None)
    assert corpus.sizes() == {"channels": 1, "image_size": 8, "classes": 10}
    assert [len(corpus.parts[part][0]) for part in ImagesTask.splits] == [1437, 180, 180]
    x = corpus.parts["train"][0]
    assert abs(x.mean().item()) < 1e-5 and x.std().item() == pytest.approx(1, abs=1e-5)
    assert "1,437 images of 8 x 8" in corpus.summary()
    assert ImagesTask().load("digits", corpus.vocabulary).vocabulary == corpus.vocabulary
    with pytest.raises(ValueError, match="unknown images 'mnist'; the known ones are digits, cifar10"):
        ImagesTask().load("mnist")
    other = json.dumps({"source": "cifar10", "classes": ["cat", "dog"]})
    with pytest.raises(ValueError, match="the model tells apart .*cat.*, these images are of"):
        ImagesTask().load("digits", other)


class Answers(nn.Module):
    """Says the same class of every image."""

    def __init__(self, answer: int) -> None:
        super().__init__()
        self.answer = answer
        self.p = nn.Parameter(torch.zeros(1))

    def forward(self, x, y=None):
        return torch.nn.functional.one_hot(torch.full((len(x),), self.answer), 10).float(), None


def test_accuracy_and_samples_of_images():
    pytest.importorskip("sklearn")
    task = ImagesTask()
    corpus = task.load(None)
    labels = corpus.parts["test"][1]
    model = Answers(int(labels[0]))
    measures = task.measures(model, corpus.vocabulary, corpus.batches(None, 16).whole("test"))
    assert measures == {"accuracy": pytest.approx((labels == labels[0]).float().mean().item())}
    first, second = task.write(model, corpus.vocabulary, SampleRequest(1, 2, None, Choice(0.0)))
    assert f"image 0: {int(labels[0])} (right)" in first and len(first.splitlines()) == 9
    assert "image 1: " in second and ("right" in second) == bool(labels[1] == labels[0])
    for prompt, says in (("x", "expected the number of an image, got 'x'"), ("180", "0 to 179, got 180")):
        with pytest.raises(ValueError, match=says):
            list(task.write(model, corpus.vocabulary, SampleRequest(1, 1, prompt)))
    assert in_letters(torch.tensor([[[0.0, 1.0], [0.5, 0.25]]])) == "  @@\n==::"
    assert in_letters(torch.ones(3, 1, 2)) == "    "


def test_cifar10_is_cut_from_its_training_part(monkeypatch):
    def small(*, train: bool):
        n = 40 if train else 10
        return torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8), torch.arange(n) % 10

    monkeypatch.setattr(images_module.cifar10, "cifar10", small)
    corpus = ImagesTask().load("cifar10")
    assert [len(corpus.parts[part][0]) for part in ImagesTask.splits] == [36, 4, 10]
    assert corpus.sizes() == {"channels": 3, "image_size": 32, "classes": 10}


# ---- pairs ------------------------------------------------------------------------------------------


PAIRS = {"train": [("ab", "ba"), ("abc", "cba"), ("b", "b")], "val": [("ca", "ac")], "test": [("bc", "cb"), ("a", "a")]}


def reverse(model, sources, request):
    return [[token for token in row if token > END][::-1] for row in sources.tolist()]


def test_pairs_are_padded_and_cut():
    task = PairsTask(PAIRS.__getitem__, reverse)
    corpus = task.load(None)
    assert corpus.sizes() == {"vocab_size": 6, "source_size": 4, "target_size": 4}
    sources, inputs, targets = corpus.batches(None, 3).parts["train"]
    a, b, c = 3, 4, 5
    # In the order of the sources' lengths.
    assert sources.tolist() == [[b, END, PAD, PAD], [a, b, END, PAD], [a, b, c, END]]
    assert inputs.tolist() == [[BEGIN, b, 0, 0], [BEGIN, b, a, 0], [BEGIN, c, b, a]]
    assert targets.tolist() == [[b, END, -1, -1], [b, a, END, -1], [c, b, a, END]]
    (batch,) = corpus.batches(None, 2).whole("test")
    assert [t.shape for t in batch] == [(2, 3)] * 3  # cut to the longest


def test_exact_match_and_translations():
    task = PairsTask(PAIRS.__getitem__, reverse)
    corpus = task.load(None)
    model = nn.Linear(1, 1)
    assert task.measures(model, corpus.vocabulary, corpus.batches(None, 1).whole("train")) == {"exact_match": 1.0}
    wrong = PairsTask(PAIRS.__getitem__, lambda model, sources, request: [[3]] * len(sources))
    assert wrong.measures(model, corpus.vocabulary, corpus.batches(None, 1).whole("test")) == {"exact_match": 0.5}
    assert list(task.write(model, corpus.vocabulary, SampleRequest(9, 1))) == ["bc -> cb\n"]
    assert list(task.write(model, corpus.vocabulary, SampleRequest(9, 1, "abba"))) == ["abba -> abba\n"]
    with pytest.raises(ValueError, match="the character 'z'"):
        list(task.write(model, corpus.vocabulary, SampleRequest(9, 1, "z")))
    with pytest.raises(ValueError, match="there is nothing to translate"):
        list(task.write(model, corpus.vocabulary, SampleRequest(9, 1, "")))
