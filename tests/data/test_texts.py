"""The texts themselves: the real ones, and what stands in for them."""

from __future__ import annotations

import pytest

import data
from data.texts import NAMES, TINY_SHAKESPEARE, given_names, python_reference


def test_the_real_names(real_names, monkeypatch):
    assert data.names() == real_names
    assert len(real_names) == 32033
    assert real_names[:3] == ["emma", "olivia", "ava"]


def test_the_real_shakespeare(real_shakespeare):
    assert data.tiny_shakespeare() == real_shakespeare
    assert len(real_shakespeare) == TINY_SHAKESPEARE.size == 1115394
    assert data.CharTokenizer.from_text(real_shakespeare).vocab_size == 65


def test_the_addresses_are_the_canonical_ones():
    for source in (NAMES, TINY_SHAKESPEARE):
        assert source.url.startswith("https://raw.githubusercontent.com/karpathy/")
        assert len(bytes.fromhex(source.sha256)) == 32


def test_the_given_names():
    names = given_names()
    assert len(names) == len(set(names)) >= 2000
    assert all(name.isascii() and name.isalpha() and name.islower() for name in names)
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert data.CharTokenizer.from_words(names).vocab_size == 27


def test_the_python_reference_text():
    pytest.importorskip("pydoc_data.topics")
    text = python_reference()
    assert len(text) > 400_000
    assert '"assert"' in text
    assert text == python_reference()
