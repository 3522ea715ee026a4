"""makemore's Transformer: GPT's blocks, on names."""

from __future__ import annotations

import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models import gpt
from models.transformer import Transformer, TransformerConfig


def test_it_has_makemores_size():
    model = Transformer(TransformerConfig())
    assert sum(p.numel() for p in model.parameters()) == 204_544  # makemore: "number of parameters: 204544"
    assert type(model.transformer) is gpt.Transformer  # the same code, not a copy


def test_padding_does_not_count():
    torch.manual_seed(1)
    model = Transformer(TransformerConfig(n_layer=1, n_embd=8, n_head=2))
    x, y = torch.randint(27, (2, 6)), torch.randint(27, (2, 6))
    y[0, 2:] = -1
    logits, loss = model(x, y)
    expected = F.cross_entropy(torch.cat((logits[0, :2], logits[1])), torch.cat((y[0, :2], y[1])))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    other = x.clone()
    other[0, 2:] = 0  # nor does what stands there: those positions are later ones
    assert model(other, y)[1].item() == pytest.approx(loss.item(), rel=1e-6)


def test_what_does_not_fit_is_refused():
    model = Transformer(TransformerConfig(block_size=4, n_embd=8, n_head=2))
    with pytest.raises(ValueError, match=r"T from 1 to 4, got \(1, 5\)"):
        model(torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="64 channels cannot be shared evenly by 5 heads"):
        TransformerConfig(n_head=5)
