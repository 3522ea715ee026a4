"""A text as a language model is trained on it: characters, two parts, windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
from data import CharTokenizer, split_text, tiny_shakespeare
from data.batches import get_batch
from tinygrad_zth import nn

from .task import Batch, SampleRequest, Task
from .writing import write_characters

SPLITS = ("train", "val")


class TextTask(Task):
    """Continue a text, character by character. The first 90 % are for training, the rest is "val".

    The model: ``model(x, y) -> (logits (B, T, V), loss)`` of x and y (B, T), integers; its settings
    have ``vocab_size`` and ``block_size``.
    """

    data_help = "a text file (default: tinyshakespeare)"
    prompt_help = "what to go on from (default: a new line)"
    temperature = 0.8

    def load(self, source: str | None, vocabulary: str | None = None, device: str = "cpu") -> TextCorpus:
        """The text of the file ``source``; tinyshakespeare where it is None."""
        tokenizer = None if vocabulary is None else CharTokenizer.from_json(vocabulary)
        return TextCorpus(read_text(source), tokenizer, device)

    def write(self, model: nn.Module, vocabulary: str, request: SampleRequest) -> Iterator[str]:
        """The prompt and its continuation, a character at a time."""
        tokenizer = CharTokenizer.from_json(vocabulary)
        prompt = request.prompt
        if prompt is None:
            prompt = "\n" if "\n" in tokenizer.stoi else tokenizer.characters[0]
        for number in range(request.samples):
            if number:
                yield "-" * 40 + "\n"
            characters = write_characters(model, self.next_logits(model, request.use_cache), tokenizer, prompt, request)
            first = next(characters)  # the prompt is known to be good before it is shown
            yield prompt + first
            yield from characters
            yield "\n"


def read_text(source: str | None) -> str:
    """The text of the file ``source``; tinyshakespeare where it is None.

    Raises:
        OSError: the file cannot be read. ValueError: it is not UTF-8 text, or it is empty.
    """
    if source is None:
        return tiny_shakespeare()
    try:
        text = Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise type(error)(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8 text: {error}") from error
    if not text:
        raise ValueError(f"{source} is empty")
    return text


class TextCorpus:
    """A text cut into its first 90 % for training and the rest for validation.

    text: what to learn.
    tokenizer: its vocabulary; made of the text's own characters where it is None.
    device: where the batches go.

    Raises:
        ValueError: a character is not in the tokenizer's vocabulary; it is named.
    """

    def __init__(self, text: str, tokenizer: CharTokenizer | None = None, device: str = "cpu") -> None:
        self.tokenizer = CharTokenizer.from_text(text) if tokenizer is None else tokenizer
        self.device = device
        tokens = torch.tensor(self.tokenizer.encode(text), dtype=torch.int64)  # (N,)
        train, val = split_text(tokens)
        self.parts = {"train": train, "val": val}
        self.vocabulary = self.tokenizer.to_json()
        self._digest = hashlib.sha256(text.encode()).hexdigest()

    def sizes(self) -> dict[str, Any]:
        """The size of the vocabulary."""
        return {"vocab_size": len(self.tokenizer)}

    def summary(self) -> str:
        """How many characters there are to learn from."""
        return f"{len(self.parts['train']):,} characters to learn from, {len(self.tokenizer)} different ones"

    def batches(self, config: Any, batch_size: int) -> TextWindows:
        """Batches of windows of ``config.block_size`` tokens. Raises as :class:`TextWindows` does."""
        return TextWindows(self, config.block_size, batch_size)

    def describe(self) -> dict[str, Any]:
        """What tells this text from another: kept in checkpoints."""
        size = sum(len(part) for part in self.parts.values())
        return {"characters": size, "sha256": self._digest}


class TextWindows:
    """Batches of a corpus: the trainer's source of data.

    Raises:
        ValueError: a part is not longer than ``block_size``, or the training part has fewer
            windows than a batch takes.
    """

    def __init__(self, corpus: TextCorpus, block_size: int, batch_size: int) -> None:
        self.corpus, self.block_size, self.batch_size = corpus, block_size, batch_size
        if batch_size < 1:
            raise ValueError("batch_size: expected at least 1: a text has no end of windows")
        for name in SPLITS:
            size = len(corpus.parts[name])
            if size <= block_size:
                raise ValueError(
                    f"block_size: {block_size} is too long for the text: its {name} part has "
                    f"{size} characters, and at least {block_size + 1} are needed"
                )
        if batch_size > (windows := len(corpus.parts["train"]) - block_size):
            raise ValueError(
                f"batch_size: {batch_size} is larger than the data: the train part has {windows} "
                f"windows of {block_size} characters"
            )

    def describe(self) -> dict[str, Any]:
        """What tells this data from other data."""
        return self.corpus.describe()

    def batch(self, split: str, generator: torch.Generator) -> Batch:
        """Windows at random places: x and y, (B, T) each; y is one token further."""
        return get_batch(
            self.corpus.parts[split],
            self.batch_size,
            self.block_size,
            generator=generator,
            device=self.corpus.device,
        )

    def whole(self, split: str) -> Iterator[Batch]:
        """The part once from end to end, in windows that do not overlap; a last short one is left out."""
        tokens, T = self.corpus.parts[split], self.block_size
        count = (len(tokens) - 1) // T
        x, y = tokens[: count * T].view(count, T), tokens[1 : count * T + 1].view(count, T)
        for first in range(0, count, self.batch_size):
            rows = slice(first, first + self.batch_size)
            yield x[rows].to(self.corpus.device), y[rows].to(self.corpus.device)
