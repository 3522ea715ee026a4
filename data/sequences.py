"""Whole words as sequences: what is predicted at each position, and where nothing is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .tokenizer import CharTokenizer


def word_sequences(
    words: Sequence[str], tokenizer: CharTokenizer, block_size: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Each word as one row: the terminator and its characters, and beside it what follows each.

    The data set of makemore.py: ``"ab"`` of block size 4 gives x = [0, a, b, 0] and
    y = [a, b, 0, -1]; -1 is to be ignored by the loss.

    Returns:
        x and y of shape (N, block_size), both int64. ``block_size`` is one more than the longest word
        where it is None.

    Raises:
        ValueError: the tokenizer has no terminator, a word has the terminator in it or is longer than
            ``block_size - 1``, or has a character that the tokenizer does not know.
    """
    if tokenizer.terminator is None:
        raise ValueError("word_sequences: the tokenizer has no terminator to end the words with")
    end = tokenizer.stoi[tokenizer.terminator]
    longest = max(map(len, words), default=0)
    size = longest + 1 if block_size is None else block_size
    if longest + 1 > size:
        word = next(word for word in words if len(word) == longest)
        raise ValueError(f"word_sequences: {word!r} has {longest} characters, block_size {size} holds {size - 1}")
    x = np.full((len(words), size), end, dtype=np.int64)
    y = np.full((len(words), size), -1, dtype=np.int64)
    for row, word in enumerate(words):
        if tokenizer.terminator in word:
            raise ValueError(f"word_sequences: the word {word!r} has the terminator in it")
        tokens = tokenizer.encode(word)
        x[row, 1 : len(word) + 1] = tokens
        y[row, : len(word)] = tokens
        y[row, len(word)] = end
    return x, y
