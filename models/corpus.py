"""A text as a language model is trained on it: characters, two parts, windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tinygrad_zth as torch
from data import CharTokenizer, split_text, tiny_shakespeare
from data.batches import get_batch

Batch = tuple[torch.Tensor, torch.Tensor]
SPLITS = ("train", "val")


def read_text(source: str | None) -> str:
    """The text of the file ``source``; tinyshakespeare where it is None.

    Raises:
        OSError: the file cannot be read. ValueError: it is not UTF-8 text, or it is empty.
    """
    if source is None:
        return tiny_shakespeare()
    try:
        text = Path(source).read_text(encoding="utf-8")
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
        self._digest = hashlib.sha256(text.encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """What tells this text from another: kept in checkpoints."""
        size = sum(len(part) for part in self.parts.values())
        return {"characters": size, "sha256": self._digest}

    def windows(self, block_size: int, batch_size: int) -> TextWindows:
        """Its batches of windows of ``block_size`` tokens. Raises as :class:`TextWindows` does."""
        return TextWindows(self, block_size, batch_size)


class TextWindows:
    """Batches of a corpus: the trainer's source of data.

    Raises:
        ValueError: a part is not longer than ``block_size``, or the training part has fewer
            windows than a batch takes.
    """

    def __init__(self, corpus: TextCorpus, block_size: int, batch_size: int) -> None:
        self.corpus, self.block_size, self.batch_size = corpus, block_size, batch_size
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
