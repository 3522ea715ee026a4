"""Attention whose dropout is yet to be drawn, by a counter: NumPy's kernels, too, take the mask that the counter gives."""

from __future__ import annotations

import numpy as np

import tinygrad_zth as torch
from tinygrad_zth.fused.attention import attention
from tinygrad_zth.fused.dropout import CountedMask, counted_dropout, made

COUNTED = CountedMask(0.3, 2**40 + 7, 5, (2, 6, 9))


def written_out() -> np.ndarray:
    return counted_dropout(np.ones(COUNTED.shape), COUNTED.p, COUNTED.seed, COUNTED.offset)


def test_a_mask_is_made_and_an_array_or_none_stays_as_it_is():
    like = np.zeros(3, np.float32)
    mask = made(COUNTED, like)
    assert mask.dtype == like.dtype and 0 < (mask == 0).mean() < 0.6
    np.testing.assert_array_equal(mask, written_out().astype(np.float32))
    assert made(mask, like) is mask and made(None, like) is None


def test_attention_by_a_counter_is_attention_by_the_mask():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((2, 6, 4), (2, 9, 4), (2, 9, 3), (6, 9))]
    weights = torch.tensor(rng.standard_normal((2, 6, 3)))
    found = []
    for noise in (COUNTED, torch.tensor(written_out())):
        inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
        out = attention(*inputs, noise, False, 0.4)
        found.append([out, *torch.autograd.grad(out, inputs, weights)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
