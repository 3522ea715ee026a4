"""The cuts of the lectures."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import split_text, split_words


@given(st.text(), st.floats(0, 1))
def test_a_text_is_cut_in_two(text, fraction):
    first, second = split_text(text, fraction)
    assert first + second == text
    assert len(first) == int(fraction * len(text))


def test_the_cut_of_the_gpt_lecture():
    first, second = split_text(np.arange(1115394))
    assert (len(first), len(second)) == (1003854, 111540)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_that_is_none(fraction):
    with pytest.raises(ValueError, match="fraction"):
        split_text("abc", fraction)


@given(st.lists(st.text(max_size=3)), st.integers(0, 100))
def test_words_are_shuffled_as_in_the_lecture_and_cut_in_three(words, seed):
    before = list(words)
    expected = list(words)
    random.Random(seed).shuffle(expected)
    state = random.getstate()
    parts = split_words(words, seed)
    assert random.getstate() == state
    assert words == before
    assert sum(parts, []) == expected
    assert len(parts[0]) == int(0.8 * len(words))
    assert len(parts[0]) + len(parts[1]) == int(0.9 * len(words))


def test_the_global_functions_of_random_give_the_same():
    words = [str(i) for i in range(50)]
    shuffled = list(words)
    state = random.getstate()
    random.seed(42)
    random.shuffle(shuffled)
    random.setstate(state)
    assert sum(split_words(words), []) == shuffled
    assert sum(split_words(words, seed=None), []) == words


def test_the_real_names(real_names):
    train, dev, test = split_words(real_names)
    assert [len(train), len(dev), len(test)] == [25626, 3203, 3204]
    assert train[:3] == ["yuheng", "diondre", "xavien"]
