"""Bengio's MLP: equal ways to embed and to join, and what it learns."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from models.mlp import MLP, SPEC, MLPConfig, embed, join, to_plane
from models.shared.command_line import main
from models.shared.lr_finder import sweep
from models.shared.trainer import Trainer, TrainSettings

SIZES = st.integers(1, 5)


@given(SIZES, SIZES, SIZES, st.integers(1, 9))
def test_indexing_equals_one_hot(B, T, C, V):
    table = torch.randn(V, C, dtype=torch.float64, requires_grad=True)
    x = torch.randint(V, (B, T))
    by_index, by_one_hot = embed(table, x, "index"), embed(table, x, "one_hot")
    assert by_index.shape == (B, T, C) and torch.equal(by_index, by_one_hot)
    weight = torch.randn(B, T, C, dtype=torch.float64)
    (one,) = torch.autograd.grad((by_index * weight).sum(), table)
    (two,) = torch.autograd.grad((by_one_hot * weight).sum(), table)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-14)


@given(SIZES, SIZES, SIZES)
def test_view_cat_and_unbind_join_alike(B, T, C):
    emb = torch.randn(B, T, C, requires_grad=True)
    joined = {how: join(emb, how) for how in ("view", "cat", "unbind")}
    for how, result in joined.items():
        assert result.shape == (B, T * C) and torch.equal(result, joined["view"])
        (gradient,) = torch.autograd.grad((result * torch.arange(float(T * C))).sum(), emb)
        assert gradient.flatten(1).tolist() == [list(range(T * C))] * B
        assert (result.data_ptr() == emb.data_ptr()) == (how == "view")  # a view moves nothing


def test_all_ways_give_the_same_model():
    x, y = torch.randint(27, (6, 3)), torch.randint(27, (6,))
    losses = []
    for lookup, how in itertools.product(("index", "one_hot"), ("view", "cat", "unbind")):
        torch.manual_seed(0)
        losses.append(MLP(MLPConfig(lookup=lookup, join=how))(x, y)[1].item())
    assert len(losses) == 6 and max(losses) - min(losses) < 1e-6


def test_the_learning_rate_finder_finds_a_valley(real_names):
    corpus = SPEC.task.load(None)
    config = MLPConfig(n_hidden=50)
    settings = TrainSettings(optimizer="sgd", batch_size=64, weight_decay=0.0, grad_clip=0.0)
    torch.manual_seed(1)
    trainer = Trainer(MLP(config), corpus.batches(config, 64), settings)
    points = sweep(trainer, 1e-3, 1e3, 200)
    rates, losses = [r for r, _ in points], [loss for _, loss in points]
    assert rates[0] == pytest.approx(1e-3) and len(points) < 200  # it ended where the loss broke out
    smooth = [sum(losses[i : i + 5]) / 5 for i in range(len(losses) - 4)]
    lowest = smooth.index(min(smooth))
    assert 0.05 < rates[lowest] < 20
    assert smooth[0] > min(smooth) + 0.4 < smooth[-1]


def test_the_embedding_as_points():
    table = torch.randn(27, 2)
    assert torch.equal(to_plane(table), table)
    line = torch.arange(27.0)[:, None] * torch.tensor([[1.0, -2.0, 0.5, 3.0]])
    points = to_plane(line)
    assert points.shape == (27, 2) and points[:, 1].abs().max() < 1e-3  # all variance lies along one axis
    assert points[:, 0].std().item() == pytest.approx((line.std(0) ** 2).sum().sqrt().item(), rel=1e-4)
    assert to_plane(torch.randn(27, 1)).shape == (27, 2)


def test_it_learns_to_a_stated_loss(real_names, learn):
    learned = learn(SPEC, 300, lr=1e-2)
    assert learned.before == pytest.approx(3.3, abs=0.1)
    assert learned.after < 2.38


def test_its_run_has_the_picture_of_the_embedding(tmp_path):
    flags = ["--out", str(tmp_path), "--max-iters", "5", "--eval-iters", "1", "--quiet"]
    assert main(SPEC, ["train", "--preset", "plane", *flags]) == 0
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))["config"]
    assert config["n_embd"] == 2
    names = (tmp_path / "sample.txt").read_text("utf-8").splitlines()
    assert len(names) == 20 and max(map(len, names)) <= 30
    pytest.importorskip("matplotlib")
    assert (tmp_path / "embedding.png").read_bytes().startswith(b"\x89PNG")
