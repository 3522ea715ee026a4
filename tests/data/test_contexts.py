"""The examples of makemore, against the loop of the lecture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import CharTokenizer, split_words
from data.contexts import context_windows


def by_the_loop(words, tokenizer, block_size):
    X, Y = [], []
    for word in words:
        context = [0] * block_size
        for character in word + ".":
            index = tokenizer.stoi[character]
            X.append(context)
            Y.append(index)
            context = [*context[1:], index]
    return X, Y


@given(st.lists(st.text("abcxyz", max_size=7), max_size=10), st.integers(1, 9))
def test_the_windows_are_those_of_the_loop(words, block_size):
    tokenizer = CharTokenizer.from_words(words)
    X, Y = context_windows(words, tokenizer, block_size)
    expected_X, expected_Y = by_the_loop(words, tokenizer, block_size)
    assert X.dtype == Y.dtype == np.int64
    assert X.shape == (len(expected_Y), block_size)
    assert X.tolist() == expected_X
    assert Y.tolist() == expected_Y


def test_emma():
    tokenizer = CharTokenizer.from_words(["abcdefghijklmnopqrstuvwxyz"])
    X, Y = context_windows(["emma"], tokenizer)
    assert X.tolist() == [[0, 0, 0], [0, 0, 5], [0, 5, 13], [5, 13, 13], [13, 13, 1]]
    assert Y.tolist() == [5, 13, 13, 1, 0]


def test_a_terminator_that_is_not_zero():
    tokenizer = CharTokenizer("ab|", "|")
    X, Y = context_windows(["ab"], tokenizer, 2)
    assert X.tolist() == [[2, 2], [2, 0], [0, 1]]
    assert Y.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "tokenizer", "block_size", "says"),
    [
        (["ab"], CharTokenizer("ab"), 3, "no terminator"),
        (["ab"], CharTokenizer(".ab", "."), 0, "block_size is 0"),
        (["ab", "a.b"], CharTokenizer(".ab", "."), 3, "'a.b'"),
        (["ab", "abc"], CharTokenizer(".ab", "."), 3, "'c'"),
    ],
)
def test_what_cannot_be_windowed(words, tokenizer, block_size, says):
    with pytest.raises(ValueError) as caught:
        context_windows(words, tokenizer, block_size)
    assert says in str(caught.value)


def test_the_sizes_that_the_lecture_prints(real_names):
    tokenizer = CharTokenizer.from_words(real_names)
    sizes = [context_windows(part, tokenizer)[0].shape[0] for part in split_words(real_names)]
    assert sizes == [182625, 22655, 22866]
