"""Given names, to be invented: a table of contexts, or whole names as sequences.

80 % of the names are for training, 10 % are "val" and 10 % "test", after ``random.seed(42)`` and a
shuffle, as in the lectures; "all" is all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from data import CharTokenizer, build_dataset, names, split_words
from data.sequences import word_sequences
from tinygrad_zth import nn

from ..shared.sampling import NextLogits
from .examples import Examples, digest_of
from .task import Batch, SampleRequest, Task
from .writing import write_characters

PARTS = ("train", "val", "test", "all")


class NamesTask(Task):
    """Names, read as the model wants them.

    sequences false: x (B, block_size), the characters before, and y (B,), the one that follows:
        ``model(x, y) -> (logits (B, V), loss)``. Its settings have vocab_size and block_size.
    sequences true: x and y (B, T), whole names; where y is -1 nothing is predicted:
        ``model(x, y) -> (logits (B, T, V), loss)``. The data sets block_size: the longest name and one more.
        A batch is cut to its longest name.
    """

    splits = PARTS
    data_help = "a file with a name a line (default: the names of makemore)"
    prompt_help = "how the names begin (default: in any way)"
    length, samples = 30, 20

    def __init__(self, *, sequences: bool = False) -> None:
        self.sequences = sequences

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> NamesCorpus:
        """The names of the file ``source``; those of makemore where it is None."""
        tokenizer = None if vocabulary is None else CharTokenizer.from_json(vocabulary)
        return NamesCorpus(read_names(source), tokenizer, device, sequences=self.sequences)

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """A name a line."""
        tokenizer = CharTokenizer.from_json(vocabulary)
        prompt = request.prompt or ""
        beginning = tokenizer.terminator + prompt if tokenizer.terminator else prompt
        for _ in range(request.samples):
            next_logits = self.next_logits(model, request.use_cache)
            yield prompt + "".join(write_characters(model, next_logits, tokenizer, beginning, request)) + "\n"

    def next_logits(self, model: nn.Module, use_cache: bool = True) -> NextLogits:
        """For contexts: the last ``block_size`` tokens, behind terminators where there are fewer."""
        if self.sequences:
            return super().next_logits(model, use_cache)
        size = model.config.block_size

        def of_context(idx: torch.Tensor) -> torch.Tensor:
            context = F.pad(idx, (max(0, size - idx.shape[1]), 0))  # the terminator is token 0
            logits: torch.Tensor = model(context[:, -size:])[0]
            return logits

        return of_context


def read_names(source: str | None) -> list[str]:
    """The names of the file ``source``, one a line; makemore's where it is None.

    Raises:
        OSError: the file cannot be read. ValueError: it is not UTF-8 text, or has fewer than ten names.
    """
    if source is None:
        return names()
    try:
        text = Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise type(error)(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8 text: {error}") from error
    words = [line.strip() for line in text.splitlines() if line.strip()]
    if len(words) < 10:
        raise ValueError(f"{source} has {len(words)} names; at least 10 are needed, for all parts to have one")
    return words


class NamesCorpus:
    """Names cut into their parts.

    tokenizer: the vocabulary; the terminator "." and the names' own characters where it is None.

    Raises:
        ValueError: a character is not in the tokenizer's vocabulary; it is named.
    """

    def __init__(
        self,
        words: Sequence[str],
        tokenizer: CharTokenizer | None = None,
        device: str = "cpu",
        *,
        sequences: bool = False,
    ) -> None:
        self.tokenizer = CharTokenizer.from_words(words) if tokenizer is None else tokenizer
        self.vocabulary = self.tokenizer.to_json()
        self.device, self.sequences = device, sequences
        train, val, test = split_words(words)
        self.words = {"train": train, "val": val, "test": test, "all": list(words)}
        self.longest = max(map(len, words))

    def sizes(self) -> dict[str, Any]:
        """The size of the vocabulary, and for sequences the block: the longest name and its end."""
        size = {"vocab_size": len(self.tokenizer)}
        return size | {"block_size": self.longest + 1} if self.sequences else size

    def summary(self) -> str:
        """How many names there are to learn from."""
        return f"{len(self.words['train']):,} names to learn from, {len(self.tokenizer)} different characters"

    def batches(self, config: Any, batch_size: int) -> Examples:
        """The names as the model of these settings wants them. Raises as :class:`Examples` does."""
        parts = {name: self._encode(words, config.block_size) for name, words in self.words.items()}
        about = {"names": len(self.words["all"]), "sha256": digest_of(*parts["all"])}
        trim = _to_the_longest if self.sequences else None
        return Examples(parts, batch_size, about, device=self.device, trim=trim)

    def _encode(self, words: Sequence[str], block_size: int) -> Batch:
        if self.sequences:
            x, y = word_sequences(words, self.tokenizer, block_size)
            return torch.from_numpy(x), torch.from_numpy(y)
        return build_dataset(words, self.tokenizer, block_size)


def _to_the_longest(batch: Batch) -> Batch:
    """Without the positions at the end where no name of the batch has anything to predict."""
    x, y = batch
    longest = int((y >= 0).sum(1).max().item())
    return x[:, :longest], y[:, :longest]
