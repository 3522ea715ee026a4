"""Characters to integers and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import CharTokenizer

WORDS = st.lists(st.text(st.characters(exclude_characters="."), max_size=8), max_size=8)


def test_the_vocabulary_of_the_lectures():
    tokenizer = CharTokenizer.from_words(["emma", "zoe", "abcdefghijklmnopqrstuvwxyz"])
    assert tokenizer.vocab_size == len(tokenizer) == 27
    assert tokenizer.stoi["."] == 0 and tokenizer.stoi["a"] == 1 and tokenizer.stoi["z"] == 26
    assert tokenizer.encode("emma") == [5, 13, 13, 1]
    assert tokenizer.decode([5, 13, 13, 1, 0]) == "emma."


@given(st.text())
def test_a_text_comes_back(text):
    tokenizer = CharTokenizer.from_text(text)
    tokens = tokenizer.encode(text)
    assert len(tokens) == len(text)
    assert tokenizer.decode(tokens) == text
    assert tokenizer.decode(np.array(tokens, dtype=np.int64)) == text
    assert sorted(set(tokens)) == list(range(tokenizer.vocab_size))
    assert tokenizer.characters == sorted(tokenizer.characters)


@given(WORDS)
def test_words_come_back_and_so_does_the_state(words):
    tokenizer = CharTokenizer.from_words(words)
    again = CharTokenizer.from_json(tokenizer.to_json())
    assert again == tokenizer
    for word in words:
        assert again.decode(again.encode(word + ".")) == word + "."


@given(st.text(min_size=1), st.characters(), st.data())
def test_an_unknown_character_is_named_with_its_position(text, unknown, draw):
    tokenizer = CharTokenizer.from_text(text.replace(unknown, ""))
    known = "".join(tokenizer.characters)
    before = draw.draw(st.text(st.sampled_from(known), max_size=5)) if known else ""
    with pytest.raises(ValueError) as caught:
        tokenizer.encode(before + unknown + before + unknown)
    assert f"the character {unknown!r}" in str(caught.value)
    assert f"position {len(before)} " in str(caught.value)


@pytest.mark.parametrize("token", [3, -1, 10**30, "a", None, 0.5])
def test_a_token_outside_the_vocabulary_is_named(token):
    tokenizer = CharTokenizer("abc")
    with pytest.raises(ValueError, match=r"at position 1 is not an integer from 0 to 2") as caught:
        tokenizer.decode([0, token])
    assert repr(token) in str(caught.value)


@pytest.mark.parametrize(
    ("characters", "terminator", "says"),
    [
        ("aba", None, "'a' occurs twice"),
        (["a", "bc"], None, "'bc' is not one character"),
        (["a", ""], None, "'' is not one character"),
        (["a", 1], None, "1 is not one character"),
        ("ab", ".", "terminator '.'"),
    ],
)
def test_a_vocabulary_that_cannot_be(characters, terminator, says):
    with pytest.raises(ValueError, match="CharTokenizer") as caught:
        CharTokenizer(characters, terminator)
    assert says in str(caught.value)


def test_a_word_with_the_terminator_in_it():
    with pytest.raises(ValueError, match=r"'a\.b'"):
        CharTokenizer.from_words(["ab", "a.b"])
    assert CharTokenizer.from_words(["a.b"], terminator="|").encode("a.b|") == [2, 1, 3, 0]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"characters": "abc"}', '{"characters": [1]}'])
def test_a_state_that_is_none(text):
    with pytest.raises(ValueError):
        CharTokenizer.from_json(text)


def test_tokenizers_are_equal_by_content():
    assert CharTokenizer("abc") == CharTokenizer("abc")
    assert CharTokenizer("abc") != CharTokenizer("acb")
    assert CharTokenizer(".ab", ".") != CharTokenizer(".ab")
    assert CharTokenizer("abc") != "abc"
    assert json.loads(CharTokenizer("é", None).to_json())["characters"] == ["é"]
