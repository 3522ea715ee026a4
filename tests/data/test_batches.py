"""Batches of Tensors, against the lines of the lectures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from data import CharTokenizer, build_dataset, get_batch
from data.contexts import context_windows


@given(st.data(), st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_the_windows_are_those_of_the_lecture(draw, batch_size, block_size, seed):
    length = draw.draw(st.integers(block_size + 1, block_size + 40))
    tokens = torch.arange(1000, 1000 + length)
    x, y = get_batch(tokens, batch_size, block_size, generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    ix = torch.randint(len(tokens) - block_size, (batch_size,), generator=generator)
    assert x.tolist() == [tokens[int(i) : int(i) + block_size].tolist() for i in ix]
    assert y.tolist() == [tokens[int(i) + 1 : int(i) + block_size + 1].tolist() for i in ix]
    assert x.dtype == y.dtype == torch.int64
    assert x.is_contiguous() and y.is_contiguous()


def test_the_default_stream_is_used_and_the_last_window_is_reached():
    tokens = torch.arange(5)
    torch.manual_seed(1337)
    x, _ = get_batch(tokens, 64, 3)
    torch.manual_seed(1337)
    again, _ = get_batch(tokens, 64, 3)
    assert x.tolist() == again.tolist()
    assert sorted({int(row[0]) for row in x}) == [0, 1]
    other, _ = get_batch(tokens, 64, 3)
    assert x.tolist() != other.tolist()


def test_the_batch_of_the_gpt_lecture(real_shakespeare):
    tokenizer = CharTokenizer.from_text(real_shakespeare)
    tokens = torch.tensor(tokenizer.encode(real_shakespeare), dtype=torch.long)
    train = tokens[: int(0.9 * len(tokens))]
    torch.manual_seed(1337)
    x, y = get_batch(train, 4, 8)
    assert x.tolist() == [  # printed in the lecture
        [24, 43, 58, 5, 57, 1, 46, 43],
        [44, 53, 56, 1, 58, 46, 39, 58],
        [52, 58, 1, 58, 46, 39, 58, 1],
        [25, 17, 27, 10, 0, 21, 1, 54],
    ]
    assert y[:, -1].tolist() == [39, 1, 46, 39]


@pytest.mark.parametrize(
    ("tokens", "batch_size", "block_size", "says"),
    [
        (torch.arange(8), 4, 8, "8 tokens are too few for windows of 8: at least 9"),
        (torch.arange(0), 4, 8, "0 tokens"),
        (torch.zeros(3, 4), 1, 1, r"shape \(3, 4\)"),
        (torch.arange(8), 0, 4, "batch_size is 0"),
        (torch.arange(8), 1, 0, "block_size is 0"),
    ],
)
def test_what_cannot_be_batched(tokens, batch_size, block_size, says):
    with pytest.raises(ValueError, match=says):
        get_batch(tokens, batch_size, block_size)


def test_the_dataset_of_makemore():
    words = ["emma", "ava"]
    tokenizer = CharTokenizer.from_words(words)
    X, Y = build_dataset(words, tokenizer, 4)
    contexts, following = context_windows(words, tokenizer, 4)
    assert X.dtype == Y.dtype == torch.int64
    assert tuple(X.shape) == (9, 4) and tuple(Y.shape) == (9,)
    assert np.array_equal(X.numpy(), contexts) and np.array_equal(Y.numpy(), following)
