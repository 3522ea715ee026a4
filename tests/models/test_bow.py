"""The causal bag of words."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch
from models.bow import BagOfWords, BowConfig, CausalAverage


def test_the_average_is_over_the_past_and_nothing_else():
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    average = CausalAverage(9).double()
    expected = x.cumsum(1) / torch.arange(1.0, 8.0).view(7, 1)
    torch.testing.assert_close(average(x), expected)
    assert not list(average.parameters()) and not average.state_dict()  # made anew, not kept in files


def test_the_order_of_the_past_is_forgotten_but_for_its_places():
    model = BagOfWords(BowConfig())
    with torch.no_grad():
        model.places.weight.zero_()
    x = torch.tensor([[3, 1, 4, 1, 5]])
    shuffled = torch.tensor([[1, 4, 1, 3, 5]])
    torch.testing.assert_close(model(x)[0][:, -1], model(shuffled)[0][:, -1])
    assert (model(x)[0][:, 1] - model(shuffled)[0][:, 1]).abs().max() > 1e-3


def test_no_output_depends_on_a_later_input():
    model = BagOfWords(BowConfig())
    x = torch.randint(27, (4, 16))
    for t in range(15):
        other = x.clone()
        other[:, t + 1 :] = (other[:, t + 1 :] + 1) % 27
        torch.testing.assert_close(model(x)[0][:, : t + 1], model(other)[0][:, : t + 1], rtol=0, atol=1e-6)


def test_what_does_not_fit_is_refused():
    model = BagOfWords(BowConfig(block_size=4))
    with pytest.raises(ValueError, match=r"T from 1 to 4, got \(1, 5\)"):
        model(torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        model(torch.zeros(3, dtype=torch.int64))
