"""The training loop: what it learns, keeps and resumes, and how it stops."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zth as torch
import tinygrad_zth.nn.functional as F
from models.gpt import GPT, GPTConfig
from models.gpt import SPEC as GPT_SPEC
from models.shared import trainer as trainer_module
from models.shared.command_line import main
from models.shared.diagnosis import NotFiniteError
from models.shared.observer import Observer
from models.shared.run_folder import BEST, COLUMNS, LAST, RunFolder
from models.shared.settings import Settings, setting
from models.shared.trainer import Trainer, TrainSettings, learning_rate, parameter_groups, targets_in
from models.tasks.examples import Examples
from models.tasks.text import TextCorpus
from tinygrad_zth import nn
from tinygrad_zth.backends import counter

# ---- a problem whose answers are known -----------------------------------------------------------


@dataclass(frozen=True)
class Config(Settings):
    width: int = setting(8, "of the hidden layer", at_least=1)


class Classifier(nn.Module):
    def __init__(self, width: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = Config(width)
        self.one, self.two = nn.Linear(4, width), nn.Linear(width, 3)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, y=None):
        logits = self.two(self.drop(torch.relu(self.one(x))))
        return logits, None if y is None else F.cross_entropy(logits, y, ignore_index=-1)


def problem(n: int = 60, batch_size: int = 8, ignored: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(n, 4, generator=generator)
    y = x[:, :3].argmax(1)
    y[:ignored] = -1
    cut = n * 2 // 3
    return Examples({"train": (x[:cut], y[:cut]), "val": (x[cut:], y[cut:])}, batch_size, {"rows": n})


QUICK = TrainSettings(
    max_iters=12, batch_size=8, lr=0.05, warmup_iters=2, eval_interval=4, eval_iters=2, log_interval=2
)


def changed(**values) -> TrainSettings:
    return TrainSettings.from_dict(QUICK.to_dict() | values)


def make(settings: TrainSettings = QUICK, path: Path | None = None, seed: int = 0, **kwargs) -> Trainer:
    torch.manual_seed(seed)
    model = Classifier(dropout=0.2)
    return Trainer(model, problem(), settings, None if path is None else RunFolder(path), {"name": "test"}, **kwargs)


def weights(trainer: Trainer) -> dict[str, list]:
    return {name: t.tolist() for name, t in trainer.model.state_dict().items()}


def test_it_learns_and_two_runs_from_one_seed_are_equal_to_the_bit(monkeypatch):
    monkeypatch.setattr(
        counter.stream, "source", "cpu"
    )  # on a device, too, the masks that the figures below were seen with

    def run(seed: int) -> tuple[float | None, float | None, dict[str, list]]:
        trainer = make(changed(max_iters=150), seed=seed)  # sets the default stream, which dropout draws from
        return trainer.evaluate_whole(), trainer.fit(), weights(trainer)

    one, two, other = run(0), run(0), run(1)
    assert one[1] < 0.35 < 0.9 < one[0]
    assert one == two and one[1] != other[1]


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_stopped_and_resumed_is_equal_to_the_bit(stop_at, tmp_path):
    class StopAfter(Observer):
        def after_step(self, trainer, figures):
            if trainer.step == stop_at:
                trainer.stop._signal = 2  # what the handler of Ctrl-C does

    whole = make(path=tmp_path / "whole")
    loss = whole.fit()
    part = make(path=tmp_path / "part", observers=[StopAfter()])
    assert part.fit() is None and part.step == stop_at and part.stop
    resumed = make(path=tmp_path / "part", seed=99)
    resumed.load_state_dict(torch.load(tmp_path / "part" / LAST))
    assert resumed.fit() == loss
    a, b = torch.load(tmp_path / "whole" / LAST), torch.load(tmp_path / "part" / LAST)
    for each in (a, b):
        each.pop("seconds")
    _equal(a, b)
    rows = [[{k: v for k, v in row.items() if k not in ("seconds", "tokens_per_s", "memory_mb")} for row in RunFolder(p).metrics()]
            for p in (tmp_path / "whole", tmp_path / "part")]  # fmt: skip
    assert rows[0] == rows[1]


def _equal(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            _equal(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            _equal(x, y)
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    else:
        assert a == b


def test_how_often_it_is_evaluated_changes_nothing():
    results = []
    for settings in (changed(eval_interval=1, eval_iters=5), changed(eval_interval=100)):
        trainer = make(settings)
        results.append((trainer.fit(), weights(trainer)))
    assert results[0] == results[1]


def test_other_data_is_refused_on_resuming(tmp_path):
    make(path=tmp_path).fit()
    trainer = make()
    trainer.data = problem(n=63)
    with pytest.raises(ValueError, match="other data: rows was 60, is 63"):
        trainer.load_state_dict(torch.load(tmp_path / LAST))


# ---- one step ------------------------------------------------------------------------------------


class Recorded:
    """Gives out the rows of a table in order, in batches of a size."""

    def __init__(self, x, y, batch_size):
        self.x, self.y, self.batch_size, self.at = x, y, batch_size, 0

    def batch(self, split, generator):
        rows = slice(self.at, self.at + self.batch_size)
        self.at += self.batch_size
        return self.x[rows], self.y[rows]

    def whole(self, split):
        yield self.x, self.y

    def describe(self):
        return {}


@pytest.mark.parametrize("ignored", [0, 5])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_accumulation_equals_the_big_batch(ignored, optimizer):
    x, y = torch.randn(24, 4, dtype=torch.float64), torch.randint(3, (24,))
    y[:ignored] = -1  # the first of the small batches then has fewer targets than the others
    models = []
    for batch_size, accum in ((24, 1), (6, 4)):
        torch.manual_seed(5)
        model = Classifier().double()
        settings = changed(batch_size=batch_size, grad_accum=accum, optimizer=optimizer, momentum=0.9, grad_clip=0.1)
        trainer = Trainer(model, Recorded(x, y, batch_size), settings)
        loss, norm = trainer.train_step()
        models.append((loss, norm, model.state_dict()))
    (loss, norm, big), (same_loss, same_norm, small) = models
    assert same_loss == pytest.approx(loss, abs=1e-12) and same_norm == pytest.approx(norm, abs=1e-12)
    for name, t in big.items():
        torch.testing.assert_close(small[name], t, rtol=0, atol=1e-9)


def test_the_gradient_is_clipped_to_its_norm():
    trainer = make(changed(grad_clip=0.01))
    _, norm = trainer.train_step()
    total = math.sqrt(sum(p.grad.double().square().sum().item() for p in trainer.parameters))
    assert norm > 0.05 and total == pytest.approx(0.01, rel=1e-3)


def test_the_schedules():
    s = TrainSettings(max_iters=100, lr=1.0, min_lr=0.1, warmup_iters=10)
    rates = [learning_rate(step, s) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11) and rates[10] == 1.0 and rates[100] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.55) and all(a < b for a, b in zip(rates[:10], rates[1:11]))
    assert all(a > b for a, b in zip(rates[10:], rates[11:]))
    constant = TrainSettings(max_iters=100, lr=1.0, schedule="constant", warmup_iters=0)
    assert {learning_rate(step, constant) for step in range(100)} == {1.0}
    step = TrainSettings(max_iters=100, lr=1.0, min_lr=0.1, schedule="step", warmup_iters=0)
    assert [learning_rate(i, step) for i in (0, 49, 50, 99)] == [1.0, 1.0, 0.1, 0.1]


def test_matrices_decay_and_biases_do_not():
    decay, rest = parameter_groups(Classifier(), 0.1)
    assert [p.dim() for p in decay["params"]] == [2, 2] and decay["weight_decay"] == 0.1
    assert [p.dim() for p in rest["params"]] == [1, 1] and rest["weight_decay"] == 0.0


def test_the_whole_is_weighed_by_its_targets():
    data = problem(n=60, batch_size=8, ignored=11)
    trainer = Trainer(Classifier(), data, QUICK)
    x, y = data.parts["train"]
    logits = trainer.model(x)[0].detach()
    expected = F.cross_entropy(logits[y >= 0], y[y >= 0]).item()
    data.batch_size = 8  # more than one batch, and the first of them nearly all ignored
    batches = [(x[i : i + 8], y[i : i + 8]) for i in (4, 0, 12, 20, 28, 36)]
    batches = [batch for batch in batches if targets_in(batch)]
    parts = torch.cat([b[1] for b in batches])
    manual = sum(
        F.cross_entropy(trainer.model(a)[0], b, ignore_index=-1).item() * int((b >= 0).sum()) for a, b in batches
    )
    assert trainer._mean_loss(iter(batches)) == pytest.approx(manual / int((parts >= 0).sum()), rel=1e-6)
    assert trainer.evaluate_whole("train") == pytest.approx(expected, rel=1e-5)


# ---- what is no number ---------------------------------------------------------------------------


class Breaks(nn.Module):
    """Divides by zero from a given step on."""

    def __init__(self, at: int, how: str) -> None:
        super().__init__()
        self.inner, self.at, self.how, self.calls = Classifier(), at, how, 0

    def forward(self, x, y=None):
        logits, _ = self.inner(x)
        if self.training:
            self.calls += 1
        if self.calls > self.at and self.training:
            if self.how == "forward":
                logits = torch.log(logits - logits)  # log(0), and 0 * inf behind it
            else:  # finite forward; backward, the root at zero: 0 * inf
                logits = logits + (logits - logits.detach()).sqrt() * 0
        return logits, F.cross_entropy(logits, y)


@pytest.mark.parametrize("how, operation", [("forward", "LogBackward0|Log"), ("backward", "Sqrt")])
def test_a_loss_that_is_no_number_stops_and_names_step_and_operation(how, operation, tmp_path):
    torch.manual_seed(0)
    model = Breaks(at=6, how=how)
    trainer = Trainer(model, problem(), QUICK, RunFolder(tmp_path), {"name": "test"})
    with pytest.raises(NotFiniteError, match=rf"at step 6: [^\n]*({operation})[^\n]*checkpoint, of step 4, is in"):
        trainer.fit()
    kept = torch.load(tmp_path / LAST)
    assert kept["step"] == 4
    assert all(torch.isfinite(t).all() for t in kept["model"].values())
    assert trainer.step == 6  # the weights are those before the broken step
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_weight_that_is_no_number_is_named(tmp_path):
    trainer = make(path=tmp_path)

    class Spoil(Observer):
        def after_step(self, trainer, figures):
            if trainer.step == 5:
                trainer.model.two.bias.data[1] = float("nan")

    trainer.observers.append(Spoil())
    with pytest.raises(NotFiniteError, match=r"at step 5: the parameter two.bias was already not finite"):
        trainer.fit()
    assert torch.load(tmp_path / LAST)["step"] == 4


def test_a_validation_loss_that_is_no_number_is_not_kept(tmp_path):
    trainer = make(path=tmp_path)

    class Spoil(Observer):
        def after_step(self, trainer, figures):
            if trainer.step == 8:
                trainer.model.two.bias.data[1] = float("inf")

    trainer.observers.append(Spoil())
    with pytest.raises(NotFiniteError, match=r"the validation loss is (nan|inf) at step 8.*of step 4"):
        trainer.fit()
    assert torch.load(tmp_path / LAST)["step"] == torch.load(tmp_path / BEST)["step"] == 4


# ---- observers -----------------------------------------------------------------------------------


class Log(Observer):
    def __init__(self):
        self.events = []

    def begin(self, trainer):
        self.events.append(("begin", trainer.step))

    def backward(self, trainer):
        assert all(p.grad is not None for p in trainer.parameters)
        self.before = weights(trainer)
        self.events.append(("backward", trainer.step))

    def after_step(self, trainer, figures):
        assert weights(trainer) != self.before and math.isfinite(figures["train_loss"])
        self.events.append(("after_step", trainer.step))

    def evaluation(self, trainer, figures):
        assert math.isfinite(figures["val_loss"])
        self.events.append(("evaluation", trainer.step))

    def end(self, trainer):
        self.events.append(("end", trainer.step))


def test_observers_are_called_in_order_and_change_nothing():
    log = Log()
    loss = make(changed(max_iters=3, eval_interval=2), observers=[log]).fit()
    assert loss == make(changed(max_iters=3)).fit()
    assert log.events == [
        ("begin", 0), ("evaluation", 0), ("backward", 0), ("after_step", 1), ("backward", 1), ("after_step", 2),
        ("evaluation", 2), ("backward", 2), ("after_step", 3), ("evaluation", 3), ("end", 3),
    ]  # fmt: skip


def test_observers_learn_of_the_end_after_an_error(tmp_path):
    log = Log()
    torch.manual_seed(0)
    trainer = Trainer(Breaks(at=1, how="forward"), problem(), QUICK, observers=[log])
    with pytest.raises(NotFiniteError, match="No checkpoint was kept"):
        trainer.fit()
    assert log.events[-1] == ("end", 1)


# ---- the run's folder ----------------------------------------------------------------------------


def test_the_folder_of_a_run(small, tmp_path, capsys):
    assert main(GPT_SPEC, small()) == 0
    run = RunFolder(tmp_path / "run")
    config = json.loads((run.path / "config.json").read_text("utf-8"))
    assert config["config"]["n_embd"] == 16 and config["train"]["max_iters"] == 20 and config["name"] == "gpt"
    assert config["data"]["characters"] == 6000
    rows = run.metrics()
    assert list(rows[0]) == list(COLUMNS)
    assert [int(row["step"]) for row in rows] == [0, 2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20]
    evaluated = [row["step"] for row in rows if row["val_loss"]]
    assert evaluated == ["0", "5", "10", "15", "20"]
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])
    assert all(float(row["tokens_per_s"]) > 0 and float(row["grad_norm"]) > 0 for row in rows[1:])
    summary = json.loads((run.path / "summary.json").read_text("utf-8"))
    assert summary["step"] == 20 and summary["best_val_loss"] <= float(rows[-1]["val_loss"])
    assert len((run.path / "sample.txt").read_text("utf-8")) > 500
    pytest.importorskip("matplotlib")
    assert (run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert not [path for path in run.path.iterdir() if path.name.endswith(".tmp") or path.name == ".probe"]
    out = capsys.readouterr().out
    assert "step  5/20" in out and "val " in out and "tok/s" in out and "parameters" in out


def test_without_matplotlib_there_is_no_picture_and_no_error(small, tmp_path, monkeypatch):
    monkeypatch.setattr("models.shared.pictures.find_spec", lambda name: None)
    assert main(GPT_SPEC, [*small(max_iters=2), "--quiet"]) == 0
    assert not (tmp_path / "run" / "loss.png").exists()


def test_a_half_written_row_is_dropped_on_resuming(tmp_path):
    run = RunFolder(tmp_path)
    run.begin_metrics(-1)
    for step in (0, 2, 4):
        run.add_metrics({"step": step, "train_loss": 1.0, "seconds": 0.1})
    with open(tmp_path / "metrics.csv", "a", encoding="utf-8") as file:
        file.write("6,1.0")
    assert [row["step"] for row in run.metrics()] == ["0", "2", "4"]
    run.begin_metrics(2)
    assert [row["step"] for row in run.metrics()] == ["0", "2"]


def test_a_gpt_learns_a_text_to_a_stated_loss():
    text = "the quick brown fox jumps over the lazy dog. " * 40
    corpus = TextCorpus(text)
    config = GPTConfig(vocab_size=len(corpus.tokenizer), block_size=16, n_layer=2, n_head=2, n_embd=32)
    settings = changed(max_iters=150, batch_size=8, lr=5e-3, min_lr=5e-4, warmup_iters=5, eval_interval=150)
    torch.manual_seed(1337)
    trainer = Trainer(GPT(config), corpus.batches(config, 8), settings)
    assert trainer.evaluate_whole() == pytest.approx(np.log(len(corpus.tokenizer)), abs=0.1)
    loss = trainer.fit()
    assert loss is not None and loss < 0.25


def test_the_settings_are_checked():
    for wrong in ({"max_iters": 0}, {"lr": -1.0}, {"beta2": 1.0}, {"schedule": "none"}, {"grad_accum": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TrainSettings(**wrong)
    with pytest.raises(TypeError, match="max_iters: expected int"):
        TrainSettings(max_iters=2.5)
    assert trainer_module.make_optimizer(nn.Tanh(), QUICK) is None
