"""The checks: sound models pass, each kind of sabotage is caught by its check, nothing is left changed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.viz.small_models import Tagger, batch
from tinygrad_zth import nn, viz


def failed(model, data=None, **options):
    torch.manual_seed(0)
    return {v.name for v in viz.check(model, data or batch(8, 6), **options) if v.passed is False}


# ---- three models ---------------------------------------------------------------------------------


def test_a_sound_language_model_passes_all():
    torch.manual_seed(1)
    results = viz.check(Tagger(), batch(8, 6), build=Tagger)
    assert results.passed and len(results) == 7 and all(v.passed for v in results), str(results)
    assert "passed" in str(results) and results.causality.passed


def test_a_sound_classifier_of_a_user_passes_what_applies():
    class Net(nn.Module):  # forward returns logits only: the loss is given
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(5, 32), nn.Linear(32, 3)
            with torch.no_grad():
                self.b.weight.mul_(0.1)

        def forward(self, x):
            return self.b(F.dropout(torch.relu(self.a(x)), 0.1, self.training))

    torch.manual_seed(2)
    data = (torch.randn(24, 5), torch.randint(0, 3, (24,)))
    results = viz.check(Net(), data, loss=F.cross_entropy, lr=1e-2)
    assert results.passed, str(results)
    assert {v.name for v in results if v.passed is None} == {"causality"}


def test_a_regressor_says_what_does_not_apply():
    torch.manual_seed(3)
    data = (torch.randn(16, 4), torch.randn(16, 1))
    results = viz.check(nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1)), data, loss=F.mse_loss, lr=1e-2)
    assert results.passed, str(results)
    assert results.initial_loss.passed is None and "give classes=" in results.initial_loss.why


# ---- sabotage: one model, spoilt on purpose ---------------------------------------------------------


class Loud(Tagger):
    """Its last layer shouts from the start."""

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.head.weight.mul_(300)


class Peeking(Tagger):
    """Its mixing lost the mask."""

    def mix(self, x):
        return x.mean(1, keepdim=True) + x


class Cut(Tagger):
    """A detach in the middle."""

    def mix(self, x):
        return super().mix(x.detach())


class Gossiping(Tagger):
    """It normalises over the batch, in evaluation too."""

    def mix(self, x):
        return super().mix(x) - x.mean(0, keepdim=True)


class Blind(Tagger):
    """It looks at positions, never at tokens."""

    def mix(self, x):
        return super().mix(x * 0 + torch.arange(x.shape[1]).view(1, -1, 1) / x.shape[1])


class Dicey(Tagger):
    """Noise from a stream that no seed reaches."""

    def mix(self, x):
        return super().mix(x) + torch.from_numpy(np.random.default_rng().normal(size=x.shape).astype("float32")) * 0.01


class Stuck(Tagger):
    """It can only give what a single weight allows."""

    def mix(self, x):
        return super().mix(x).mean((0, 1, 2), keepdim=True).expand(x.shape)


@pytest.mark.parametrize(
    ("model", "check"),
    [
        (Loud, "initial loss"),
        (Peeking, "causality"),
        (Cut, "gradient flow"),
        (Gossiping, "batch independence"),
        (Blind, "input dependence"),
        (Dicey, "seed reproducibility"),
        (Stuck, "overfit one batch"),
    ],
)
def test_each_sabotage_is_caught_by_its_check(model, check):
    torch.manual_seed(1)
    assert check in failed(model())


def test_four_at_once_are_all_caught():
    class Spoilt(Loud, Peeking, Cut, Dicey):
        def mix(self, x):
            noise = torch.from_numpy(np.random.default_rng().normal(size=x.shape).astype("float32"))
            return Peeking.mix(self, x.detach()) + 0.01 * noise

    assert {"initial loss", "causality", "gradient flow", "seed reproducibility"} <= failed(Spoilt())


def test_other_ways_to_go_wrong():
    class Trained(Tagger):
        def forward(self, idx, targets=None):
            logits, loss = super().forward(idx, targets)
            return logits, None if loss is None else loss * 0.01

    assert "initial loss" in failed(Trained())  # better than guessing before any training

    class Detached(Tagger):
        def forward(self, idx, targets=None):
            logits, loss = super().forward(idx, targets)
            return logits, loss.detach()

    found = viz.gradient_flow(Detached(), batch())
    assert found.passed is False and "detached" in found.why

    class NotFinite(Tagger):
        def mix(self, x):
            return super().mix(x) + (x * 0).sqrt()

    found = viz.gradient_flow(NotFinite(), batch())
    assert found.passed is False and "emb.weight is not finite" in found.why

    class Unused(Tagger):
        def __init__(self):
            super().__init__()
            self.attic = nn.Linear(3, 3)

    found = viz.gradient_flow(Unused(), batch())
    assert found.passed is False and "attic.weight gets none; attic.bias gets none" in found.why


def test_a_batch_norm_in_training_mode_only_is_no_leak():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    data = (torch.randn(12, 4), torch.randint(0, 2, (12,)))
    assert viz.batch_independence(model, data, loss=F.cross_entropy).passed


def test_nothing_is_left_changed():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
    data = (torch.randn(12, 4), torch.randint(0, 2, (12,)))
    model.eval()
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    inputs = data[0].numpy().copy()
    state = torch.get_rng_state()
    viz.check(model, data, loss=F.cross_entropy, steps=5)
    assert torch.equal(torch.get_rng_state(), state) and not model.training
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])
    assert all(p.grad is None for p in model.parameters())
    np.testing.assert_array_equal(data[0].numpy(), inputs)


def test_bad_input():
    with pytest.raises(TypeError, match="expected an nn.Module, got function"):
        viz.check(lambda x: x, batch())
    with pytest.raises(ValueError, match="the batch is empty"):
        viz.check(Tagger(), ())
    with pytest.raises(ValueError, match="Linear returns no 0-d loss: give loss="):
        viz.overfit_one_batch(nn.Linear(3, 3), (torch.ones(2, 3),))
    assert viz.batch_independence(Tagger(), batch(1, 4)).passed is None
    assert viz.causality(Tagger(), batch(3, 1)).passed is None
    with pytest.raises(AttributeError, match="no verdict 'attic'"):
        _ = viz.check(Tagger(), batch(), steps=1).attic
