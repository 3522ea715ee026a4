"""Pairs of texts, one to be translated into the other, made by a function: the task of an encoder-decoder.

Tokens 0, 1 and 2 are padding, begin and end; the characters of both sides follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tinygrad_zth as torch
from data import CharTokenizer
from tinygrad_zth import nn

from .examples import Examples, digest_of
from .task import Batch, SampleRequest, Task, device_of

PAD, BEGIN, END = 0, 1, 2
SPECIAL = ("\x00", "\x02", "\x03")  # control characters that stand for them in the vocabulary
Pair = tuple[str, str]


class PairsTask(Task):
    """Translate ``source`` into ``target``.

    make: the pairs of a part, "train", "val" or "test": no source of one is in another.
    translate: ``translate(model, sources (B, S), request) -> list of B lists of tokens``, without BEGIN
        and END: how the model decodes, greedily or by beam.

    A batch is (sources (B, S), inputs (B, T), targets (B, T)): sources padded with PAD, inputs BEGIN and the
    target's tokens, targets the same one further, with END, and -1 where there is padding. The model:
    ``model(sources, inputs, targets) -> (logits (B, T, V), loss)``; its settings have ``vocab_size``,
    ``source_size`` and ``target_size``, the longest of each side in tokens.
    """

    splits = ("train", "val", "test")
    tested = "test"
    prompt_help = "what to translate (default: some of the test part)"
    length, samples = 100, 5
    temperature = 0.0

    def __init__(
        self,
        make: Callable[[str], Sequence[Pair]],
        translate: Callable[[nn.Module, torch.Tensor, SampleRequest], list[list[int]]],
    ) -> None:
        self.make, self.translate = make, translate

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> PairsCorpus:
        """The generated pairs."""
        tokenizer = None if vocabulary is None else CharTokenizer.from_json(vocabulary)
        return PairsCorpus({name: list(self.make(name)) for name in self.splits}, tokenizer, device)

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """A line for each: the source, an arrow, the translation."""
        tokenizer = CharTokenizer.from_json(vocabulary)
        if request.prompt is None:
            sources = [source for source, _ in self.make("test")[: request.samples]]
        else:
            sources = [request.prompt]
        for source in sources:
            row = torch.tensor([encode(tokenizer, source)], dtype=torch.int64, device=device_of(model))
            (answer,) = self.translate(model, row, request)
            yield f"{source} -> {tokenizer.decode(answer)}\n"

    def measures(self, model: nn.Module, vocabulary: str, batches: Iterator[Batch]) -> dict[str, float]:
        """exact_match: the share of sources whose translation is right in every character."""
        right = count = 0
        request = SampleRequest(self.length)
        for sources, _, targets in batches:
            answers = self.translate(model, sources, request)
            for answer, target in zip(answers, targets.tolist()):
                right += answer == [token for token in target if token >= 0][:-1]
            count += len(sources)
        return {"exact_match": right / count}


class PairsCorpus:
    """Pairs by part, encoded and padded.

    Raises:
        ValueError: a character is not in the tokenizer's vocabulary; it is named.
    """

    def __init__(self, pairs: dict[str, list[Pair]], tokenizer: CharTokenizer | None, device: str = "cpu") -> None:
        if tokenizer is None:
            characters = sorted({c for part in pairs.values() for pair in part for text in pair for c in text})
            tokenizer = CharTokenizer([*SPECIAL, *characters])
        self.tokenizer, self.device = tokenizer, device
        self.vocabulary = tokenizer.to_json()
        everything = [pair for part in pairs.values() for pair in part]
        self.source_size = max(len(source) for source, _ in everything) + 1
        self.target_size = max(len(target) for _, target in everything) + 1
        self.parts = {name: self._encode(part) for name, part in pairs.items()}

    def sizes(self) -> dict[str, Any]:
        """vocab_size, and the longest of each side, its end included."""
        return {
            "vocab_size": len(self.tokenizer),
            "source_size": self.source_size,
            "target_size": self.target_size,
        }

    def summary(self) -> str:
        """How many pairs there are to learn from."""
        return f"{len(self.parts['train'][0]):,} pairs to learn from, {len(self.tokenizer)} different tokens"

    def batches(self, config: Any, batch_size: int) -> ByLength:
        """The pairs, each batch of similar lengths and cut to its longest. Raises as :class:`Examples` does."""
        about = {"pairs": len(self.parts["train"][0]), "sha256": digest_of(*self.parts["train"])}
        return ByLength(self.parts, batch_size, about, device=self.device, trim=_to_the_longest)

    def _encode(self, pairs: list[Pair]) -> Batch:
        sources, inputs, targets = [], [], []
        for source, target in sorted(pairs, key=lambda pair: len(pair[0])):
            answer = self.tokenizer.encode(target)
            sources.append(_padded(encode(self.tokenizer, source), self.source_size, PAD))
            inputs.append(_padded([BEGIN, *answer], self.target_size, PAD))
            targets.append(_padded([*answer, END], self.target_size, -1))
        return torch.tensor(sources), torch.tensor(inputs), torch.tensor(targets)


def _padded(tokens: list[int], size: int, filler: int) -> list[int]:
    return tokens + [filler] * (size - len(tokens))


class ByLength(Examples):
    """Examples in the order of their sources' lengths; a batch is drawn from neighbours, and is padded little.

    All rows are equally probable: a place is drawn, then rows from the 16 batches' worth behind it, and
    behind the longest come the shortest again.
    """

    def batch(self, split: str, generator: torch.Generator) -> Batch:
        """``batch_size`` random rows of similar lengths (with replacement); with batch_size 0, all rows."""
        part = self.parts[split]
        if self.batch_size:
            count = len(part[0])
            place = torch.randint(count, (1,), generator=generator)
            rows = torch.randint(min(count, 16 * self.batch_size), (self.batch_size,), generator=generator)
            rows = ((place + rows) % count).to(part[0].device)
            part = tuple(t[rows] for t in part)
        return _to_the_longest(part)


def encode(tokenizer: CharTokenizer, source: str) -> list[int]:
    """The tokens of a source, with END behind. Raises ValueError for an unknown character, or none at all."""
    if not source:
        raise ValueError("there is nothing to translate; give at least one character")
    return [*tokenizer.encode(source), END]


def _to_the_longest(batch: Batch) -> Batch:
    sources, inputs, targets = batch
    S, T = int((sources != PAD).sum(1).max().item()), int((targets >= 0).sum(1).max().item())
    return sources[:, :S], inputs[:, :T], targets[:, :T]
