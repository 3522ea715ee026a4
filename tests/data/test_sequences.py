"""Whole words as rows, as makemore has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import CharTokenizer, word_sequences

WORDS = st.lists(st.text("abcxyz", min_size=1, max_size=7), min_size=1, max_size=20)


def test_the_row_of_the_docstring():
    x, y = word_sequences(["ab"], CharTokenizer.from_words(["ab"]), 4)
    assert x.tolist() == [[0, 1, 2, 0]] and y.tolist() == [[1, 2, 0, -1]]


@given(WORDS, st.integers(0, 3))
def test_each_row_predicts_its_word_and_its_end(words, spare):
    tokenizer = CharTokenizer.from_words(words)
    longest = max(map(len, words))
    x, y = word_sequences(words, tokenizer, longest + 1 + spare if spare else None)
    assert x.shape == y.shape == (len(words), longest + 1 + spare) and x.dtype == y.dtype == "int64"
    for word, before, after in zip(words, x.tolist(), y.tolist()):
        n = len(word)
        assert tokenizer.decode(before[1 : n + 1]) == word == tokenizer.decode(after[:n])
        assert before[0] == 0 == after[n] and not any(before[n + 1 :]) and set(after[n + 1 :]) <= {-1}


@pytest.mark.parametrize(
    "words, tokenizer, block_size, says",
    [
        (["ab"], CharTokenizer("ab"), None, "no terminator"),
        (["abcd"], CharTokenizer.from_words(["abcd"]), 4, "'abcd' has 4 characters, block_size 4 holds 3"),
        (["a.b"], CharTokenizer.from_words(["ab"]), None, "has the terminator in it"),
        (["az"], CharTokenizer.from_words(["ab"]), None, "the character 'z'"),
    ],
)
def test_what_cannot_be_a_row(words, tokenizer, block_size, says):
    with pytest.raises(ValueError, match=says):
        word_sequences(words, tokenizer, block_size)


def test_the_real_names(real_names):
    x, y = word_sequences(real_names, CharTokenizer.from_words(real_names))
    assert x.shape == (32_033, 16)  # the longest name has 15 characters
    assert (y >= 0).sum() == 228_146
