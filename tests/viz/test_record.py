"""The recorder: what it sees, when, and that it leaves no trace."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from tests.viz.small_models import Tagger, batch
from tinygrad_zth import nn, viz


def train(model, steps, optimizer=None, accumulate=1, lr=0.1):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        for _ in range(accumulate):
            model(*batch())[1].backward()
        optimizer.step()
    return optimizer


def test_figures_are_those_of_the_layers_and_parameters():
    torch.manual_seed(1)
    model = Tagger()
    x, y = batch()
    seen = {}
    handle = model.layers[1].register_forward_hook(lambda m, a, out: seen.update(out=out))
    before = {n: p.detach().numpy().copy() for n, p in model.named_parameters()}
    with viz.record(model, every=1) as rec:
        logits, loss = model(x, y)
        seen["out"].retain_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.5 * p.grad
    handle.remove()
    (snapshot,) = rec.snapshots
    assert snapshot.loss == loss.item() and rec.losses == [(0, loss.item())]
    layer, out = snapshot.layers["layers.1"], seen["out"].detach().numpy()
    assert layer.kind == "Tanh" and layer.output["shape"] == list(out.shape)
    assert layer.output["mean"] == pytest.approx(out.mean(), abs=1e-6)
    assert layer.output["std"] == pytest.approx(out.std(), rel=1e-5)
    assert layer.output["saturated"] == pytest.approx((abs(out) > math.sqrt(0.94)).mean())
    assert sum(layer.output["counts"]) == out.size and (layer.output["low"], layer.output["high"]) == (-1, 1)
    assert layer.gradient["std"] == pytest.approx(seen["out"].grad.numpy().std(), rel=1e-5)
    for name, p in model.named_parameters():
        w = snapshot.weights[name]
        assert w.std == pytest.approx(before[name].std(), rel=1e-5)
        assert w.gradient["std"] == pytest.approx(p.grad.numpy().std(), rel=1e-4)
        assert w.update_std == pytest.approx(0.5 * w.gradient["std"], rel=1e-3)
        assert w.update_ratio == pytest.approx(w.update_std / w.std)


def test_steps_are_counted_and_recorded_every_so_often():
    model = Tagger()
    with viz.record(model, every=4) as rec:
        optimizer = train(model, 9)
        model.eval()
        model(*batch())  # an evaluation is no step
        model.train()
        with torch.no_grad():
            model(*batch())
    assert [s.step for s in rec.snapshots] == [0, 4, 8]
    assert [step for step, _ in rec.losses] == list(range(9))
    assert rec.step == 9
    with viz.record(model, every=4, start=rec.step) as more:
        train(model, 4, optimizer)
    assert [s.step for s in more.snapshots] == [12]


def test_an_optimizer_counts_the_steps_where_several_batches_make_one():
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with viz.record(model, every=2, optimizer=optimizer) as rec:
        train(model, 5, optimizer, accumulate=3)
    assert [s.step for s in rec.snapshots] == [0, 2, 4] and rec.step == 5
    assert [step for step, _ in rec.losses] == [step for step in range(5) for _ in range(3)]
    assert all(w.update_std > 0 for s in rec.snapshots for w in s.weights.values())


def test_the_next_step_can_be_asked_for():
    model = Tagger()
    with viz.record(model, every=100) as rec:
        train(model, 3)
        rec.record_next()
        train(model, 3)
    assert [s.step for s in rec.snapshots] == [0, 3]


def hooks_of(model):
    return sum(
        len(table)
        for m in model.modules()
        for table in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)
    ) + sum(len(p._node.extra.after or ()) for p in model.parameters())


def test_it_costs_nothing_when_off_and_changes_nothing_when_on():
    ends = []
    for every in (None, 1, 3):
        torch.manual_seed(3)
        model = Tagger()
        if every is None:
            train(model, 6)
        else:
            with viz.record(model, every=every):
                train(model, 4)
                assert hooks_of(model) > 0
                if every == 3:  # step 3 has been passed; between recorded steps only the counting hooks
                    train(model, 1)
                    assert hooks_of(model) == 2
                else:
                    train(model, 1)
            train(model, 1)
        assert hooks_of(model) == 0
        ends.append([p.detach().numpy() for p in model.parameters()])
    for other in ends[1:]:
        for a, b in zip(ends[0], other):
            np.testing.assert_array_equal(a, b)


def test_hooks_go_when_the_block_ends_by_an_error():
    model = Tagger()
    with pytest.raises(ZeroDivisionError), viz.record(model, every=1) as rec:
        train(model, 2)
        raise ZeroDivisionError
    assert hooks_of(model) == 0 and len(rec.snapshots) == 2


def test_a_model_with_no_named_layers_is_its_own_layer():
    pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra: plot)")

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return torch.tanh(x * self.w)

    model = Bare()
    with viz.record(model, every=1) as rec:
        model(torch.randn(4, 3)).sum().backward()
    assert list(rec.at().layers) == ["Bare"] and list(rec.at().weights) == ["w"]
    viz.activations(rec)


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(TypeError, match="expected an nn.Module, got list"):
        viz.record([1, 2])
    with pytest.raises(ValueError, match="every: expected an integer from 1 up, got 0"):
        viz.record(Tagger(), every=0)
    with pytest.raises(ValueError, match="no layer 'attic'; it has emb, layers"):
        viz.record(Tagger(), layers=["attic"])
    rec = viz.record(Tagger())
    with pytest.raises(ValueError, match="the recording is empty"):
        rec.at()
    with rec, pytest.raises(RuntimeError, match="attached already"):
        rec.__enter__()
    with viz.record(Tagger(), every=2) as rec:
        train(rec.model, 3)
    with pytest.raises(ValueError, match="step 1 was not recorded; these were: 0, 2"):
        rec.at(1)


def test_losses_made_outside_and_samples_are_noted():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    with viz.record(model, every=1) as rec:
        for _ in range(2):
            loss = F.mse_loss(model(torch.randn(5, 3)), torch.zeros(5, 4))
            rec.note(loss=loss.item(), sample="abc")
            loss.backward()
    assert [step for step, _ in rec.losses] == [0, 1] and rec.samples == [(0, "abc"), (1, "abc")]


def test_a_recurrent_layer_is_gathered_over_its_calls():
    cell = nn.Sequential(nn.Tanh())
    x = torch.randn(4, 3)
    with viz.record(cell, every=1) as rec:
        y = cell(x)
    tanh = nn.Tanh()
    both = nn.ModuleDict({"t": tanh})

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = both

        def forward(self, x):
            return tanh(tanh(x))

    with viz.record(Twice(), every=1) as twice:
        twice.model(x)
    once, all_calls = rec.at().layers["0"].output, twice.at().layers["both.t"].output
    assert sum(all_calls["counts"]) == 2 * sum(once["counts"])
    values = np.concatenate([y.numpy().ravel(), np.tanh(y.numpy()).ravel()])
    assert all_calls["std"] == pytest.approx(values.std(), rel=1e-5)


def test_only_the_first_and_the_last_snapshot_keep_histograms():
    pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra: plot)")
    model = Tagger()
    with viz.record(model, every=1) as rec:
        train(model, 4)
    kept = [s.layers["layers.1"].output["counts"] is not None for s in rec.snapshots]
    assert kept == [True, False, False, True]
    assert rec.snapshots[1].layers["layers.1"].output["std"] > 0
    with pytest.raises(ValueError, match="histograms were not kept"):
        viz.activations(rec, step=1)


def test_numbers_that_are_not_finite_are_counted_apart():
    model = nn.Sequential(nn.Linear(2, 2))
    with viz.record(model, every=1) as rec:
        model(torch.tensor([[float("nan"), 1.0], [0.5, 1.0]]))
    output = rec.at().layers["0"].output
    assert output["not_finite"] == 2 and sum(output["counts"]) == 2 and math.isfinite(output["mean"])
    assert "2 numbers that are not finite" in str(viz.findings(rec)[0])


# ---- files --------------------------------------------------------------------------------------


def test_a_recording_survives_its_file(tmp_path):
    model = Tagger()
    with viz.record(model, every=2) as rec:
        train(model, 3)
        rec.note(sample="text")
    path = rec.save(tmp_path)
    assert path == tmp_path / "diagnosis.json" and [p.name for p in tmp_path.iterdir()] == ["diagnosis.json"]
    again = viz.Recording.load(tmp_path)
    assert again.snapshots == rec.snapshots
    assert (again.losses, again.samples, again.about) == (rec.losses, rec.samples, rec.about)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"about": {}}', '{"about": {}, "snapshots": [1], "losses": [], "samples": []}']
)
def test_a_half_written_recording_is_named(tmp_path, text):
    (tmp_path / "diagnosis.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"diagnosis.json is not a whole recording"):
        viz.Recording.load(tmp_path)


def test_a_recording_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    with viz.record(Tagger(), every=1) as rec:
        train(rec.model, 1)
    rec.save(tmp_path)
    before = (tmp_path / "diagnosis.json").read_text()

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rec.save(tmp_path)
    assert (tmp_path / "diagnosis.json").read_text() == before and len(list(tmp_path.iterdir())) == 1
    json.loads(before)
