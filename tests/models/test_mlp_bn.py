"""Initialisation, saturation, batch normalisation and its statistics, and the diagnostic pictures."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zth as torch
from models.mlp_bn import (
    MLPBN,
    SPEC,
    Diagnostics,
    MLPBNConfig,
    OwnBatchNorm1d,
    activations,
    calibrate,
    dead_units,
    saturation,
)
from models.shared.command_line import main
from models.shared.trainer import Trainer, TrainSettings
from tinygrad_zth import nn


def build(seed: int = 1, **settings) -> MLPBN:
    torch.manual_seed(seed)
    return MLPBN(MLPBNConfig(**settings))


def contexts(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(27, (n, 3), generator=generator), torch.randint(27, (n,), generator=generator)


@pytest.mark.parametrize("settings", [{}, {"batch_norm": False}, {"norm": "nn"}, {"n_layer": 5, "n_hidden": 100}])
def test_the_first_loss_is_that_of_guessing(settings):
    loss = build(**settings)(*contexts())[1].item()
    assert loss == pytest.approx(-math.log(1 / 27), rel=0.02)
    bad = build(init="unscaled", **settings)(*contexts())[1].item()
    assert bad > 2 * math.log(27)  # confidently wrong


def test_kaiming_keeps_the_variance_and_its_gain_is_needed():
    x, _ = contexts()
    model = build(n_layer=6, n_hidden=200, batch_norm=False)
    weights = [module.weight for module in model.hidden if isinstance(module, nn.Linear)]
    for w in weights:
        assert w.std().item() == pytest.approx(5 / 3 / math.sqrt(w.shape[1]), rel=0.05)
    stds = [h.std().item() for h in activations(model, x)]
    assert all(0.5 < std < 0.9 for std in stds)
    for w in weights:
        w.data *= 3 / 5  # a gain of one
    weaker = [h.std().item() for h in activations(model, x)]
    assert weaker[-1] < 0.5 * stds[-1] and all(a > b for a, b in zip(weaker, weaker[1:]))  # it dies away
    normed = build(n_layer=6, n_hidden=200)
    for w in (module.weight for module in normed.hidden if isinstance(module, nn.Linear)):
        w.data *= 3 / 5
    again = [h.std().item() for h in activations(normed, x)]
    assert max(again) - min(again) < 0.05  # batch normalisation does not care


def test_saturated_and_dead_units():
    x, y = contexts()
    assert saturation(activations(build(), x)[0]) < 0.2
    bad = activations(build(init="unscaled", batch_norm=False), x)[0]
    assert saturation(bad) > 0.5
    model = build(batch_norm=False)
    model.hidden[0].bias.data[7] = 100.0
    h = activations(model, x)[0]
    assert dead_units(h) == [7]
    model(x, y)[1].backward()
    gradients = model.hidden[0].weight.grad.abs().sum(1)
    assert gradients[7] == 0 and (gradients > 0).sum() == 199  # nothing reaches it: it will never learn
    assert dead_units(torch.tensor([[0.99, 0.5, 1.0], [-0.99, 0.98, 1.0]])) == [0, 2]


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 99), st.booleans())
def test_own_batch_norm_equals_nn_batch_norm(B, H, seed, training):
    own, theirs = OwnBatchNorm1d(H).double(), nn.BatchNorm1d(H).double()
    torch.manual_seed(seed)
    for p in own.parameters():
        p.data.normal_()
    state = own.state_dict()
    theirs.load_state_dict({**state, "num_batches_tracked": torch.tensor(0)})
    for _ in range(3):  # the running statistics move alike, too
        x = torch.randn(B, H, dtype=torch.float64) * 3 + 1
        own(x), theirs(x)
    own.train(training), theirs.train(training)
    one, two = (torch.randn(B, H, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for _ in "12")
    one.requires_grad_(), two.requires_grad_()
    a, b = own(one), theirs(two)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    weight = torch.randn(B, H, dtype=torch.float64)
    (a * weight).sum().backward(), (b * weight).sum().backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(own.weight.grad, theirs.weight.grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(own.running_mean, theirs.running_mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(own.running_var, theirs.running_var, rtol=0, atol=1e-12)


def test_batch_norm_refuses_what_it_cannot_normalise():
    with pytest.raises(ValueError, match=r"expected \(B, H\), got \(2, 3, 4\)"):
        OwnBatchNorm1d(4)(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="more than one example in training"):
        OwnBatchNorm1d(4)(torch.zeros(1, 4))
    assert OwnBatchNorm1d(4).eval()(torch.zeros(1, 4)).shape == (1, 4)


def test_both_norms_train_to_the_same_network(learn):
    weights = []
    for norm in ("own", "nn"):
        learned = learn(SPEC, 15, model={"norm": norm, "n_hidden": 20}, batch_size=16)
        weights.append(learned.model.head.weight.detach())
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=2e-4)


def test_running_and_calibrated_statistics(learn):
    learned = learn(SPEC, 400, model={"n_hidden": 50, "n_layer": 2}, batch_size=64)
    model, data = learned.model, learned.trainer.data
    running = learned.trainer.evaluate_whole()
    before = [norm.running_mean.clone() for norm in model.norms()]
    calibrate(model, data.whole("train"))
    calibrated = learned.trainer.evaluate_whole()
    assert abs(running - calibrated) < 0.02  # a thousandth or so: the running ones follow well
    for norm, old in zip(model.norms(), before):
        assert not torch.equal(norm.running_mean, old)
    x = torch.cat([batch[0] for batch in data.whole("train")])
    expected = (model.C[x].view(len(x), -1) @ model.hidden[0].weight.T).detach()
    torch.testing.assert_close(model.norms()[0].running_mean, expected.mean(0), rtol=0, atol=1e-4)
    torch.testing.assert_close(model.norms()[0].running_var, expected.var(0), rtol=1e-3, atol=1e-4)
    again = [norm.running_mean.clone() for norm in model.norms()]
    calibrate(model, data.whole("train"))  # of what is there already nothing changes
    for norm, mean in zip(model.norms(), again):
        torch.testing.assert_close(norm.running_mean, mean)


def test_the_deep_network_and_its_pictures(tmp_path, capsys):
    flags = ["--max-iters", "30", "--eval-interval", "30", "--batch-size", "32", "--n-hidden", "20"]
    assert main(SPEC, ["train", "--preset", "deep", "--out", str(tmp_path), *flags]) == 0
    assert "val loss with running statistics" in capsys.readouterr().out
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["config"]["n_layer"] == 6
    pytest.importorskip("matplotlib")
    for name in ("diagnostics.png", "saturation.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "diagnostics.png").stat().st_size > 50_000


def test_looking_changes_nothing():
    corpus = SPEC.task.load(None)
    config = MLPBNConfig(n_hidden=16, n_layer=2)
    settings = TrainSettings(max_iters=6, batch_size=8, eval_iters=1, eval_interval=3)
    states = []
    for observers in ([Diagnostics()], []):
        torch.manual_seed(2)
        trainer = Trainer(MLPBN(config), corpus.batches(config, 8), settings, observers=observers)
        trainer.fit()
        states.append(trainer.model.state_dict())
        if observers:
            ratios = observers[0].ratios
            assert [step for step, _ in ratios] == [1, 2, 3, 4, 5, 6] and len(ratios[0][1]) == 4
            # AdamW moves each weight by about the rate: the ratio is that over the weights' deviation.
            rate = settings.lr * 6 / 101
            assert ratios[-1][1][3] == pytest.approx(math.log10(rate / 0.0100), abs=0.7)
    assert all(torch.equal(t, states[1][name]) for name, t in states[0].items())


def test_it_learns_to_a_stated_loss(real_names, learn):
    learned = learn(SPEC, 300, lr=1e-2)
    assert learned.after < 2.36 < 3.2 < learned.before
