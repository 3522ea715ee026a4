"""The examples of makemore: so many characters of context, and the character that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .tokenizer import CharTokenizer


def context_windows(
    words: Sequence[str], tokenizer: CharTokenizer, block_size: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Every (context, next character) pair of ``words``, word after word.

    A word is preceded by ``block_size`` terminators and followed by one, so that a word of ``n``
    characters gives ``n + 1`` examples. The data set of the MLP lecture (makemore, part 2).

    Returns:
        X of shape (N, block_size) and Y of shape (N,), both int64.

    Raises:
        ValueError: the tokenizer has no terminator, ``block_size`` is below 1, a word has the
            terminator in it, or a character that the tokenizer does not know.
    """
    if tokenizer.terminator is None:
        raise ValueError("context_windows: the tokenizer has no terminator to end the words with")
    if block_size < 1:
        raise ValueError(f"context_windows: block_size is {block_size}, expected at least 1")
    end = tokenizer.stoi[tokenizer.terminator]
    for word in words:
        if tokenizer.terminator in word:
            raise ValueError(f"context_windows: the word {word!r} has the terminator in it")
    # All words in one row, each preceded by its padding: an example is a window of that row, and
    # the windows that count are those whose last element belongs to a word or ends it.
    row: list[int] = []
    lengths = np.array([len(word) + 1 for word in words], dtype=np.int64)
    padding = [end] * block_size
    for word in words:
        row += padding
        row += tokenizer.encode(word)
        row.append(end)
    tokens = np.array(row, dtype=np.int64)
    # Where the example k of word w starts: behind w + 1 paddings' worth of earlier examples.
    starts = np.arange(lengths.sum()) + np.repeat(np.arange(len(lengths)) * block_size, lengths)
    contexts = tokens[starts[:, None] + np.arange(block_size)]
    return contexts, tokens[starts + block_size]
