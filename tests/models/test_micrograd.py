"""The two-moons demo behind the shared command line; and the benchmark's contestants."""

from __future__ import annotations

import json
import math
import random
import sys
from importlib.util import find_spec

import pytest

import tinygrad_zth as torch
from benchmarks import micrograd as benchmark
from models.micrograd import SPEC, ByValue, Micrograd, MicrogradConfig, loss_of
from models.shared.command_line import main
from models.shared.trainer import Trainer, TrainSettings
from models.tasks.moons import SEEDS, moons, plane, scores_of
from tinygrad_zth.value import MLP


def trainer_of(seed: int = 1337, steps: int = 200, **config) -> Trainer:
    settings = TrainSettings.from_dict({**SPEC.presets["moons"].train, "max_iters": steps, "seed": seed})
    made = MicrogradConfig(**config)
    torch.manual_seed(seed)
    return ByValue(Micrograd(made), SPEC.task.load(None).batches(made, settings.batch_size), settings)


def accuracy(trainer: Trainer, part: str) -> float:
    return SPEC.task.measures(trainer.model, "", trainer.data.whole(part))["accuracy"]


@pytest.mark.parametrize("seed", [1337, 0])
def test_learns_the_moons_to_the_last_point(seed):
    trainer = trainer_of(seed, steps=60)
    losses = [trainer.train_step()[0] for _ in range(60)]
    assert accuracy(trainer, "train") == 1.0
    assert accuracy(trainer, "val") > 0.95
    assert losses[-1] < 0.05 < 0.5 < losses[0]


def test_the_same_seed_gives_the_same_model():
    small = {"width": 4, "depth": 1, "points": 10}
    runs = []
    for seed in (1, 1, 2):
        trainer = trainer_of(seed, steps=3, **small)
        runs.append(([trainer.train_step() for _ in range(3)], trainer.model.numbers.tolist()))
    assert runs[0] == runs[1] != runs[2]


def test_moons_are_two_half_circles():
    xs, ys = moons(101, 0.0, 0)
    assert (ys.count(1), ys.count(-1)) == (51, 50)
    for (x, y), label in zip(xs, ys):
        centre, sign = ((0.0, 0.0), 1) if label > 0 else ((1.0, 0.5), -1)
        assert math.dist((x, y), centre) == pytest.approx(1.0)
        assert sign * (y - centre[1]) >= -1e-12
    noisy, _ = moons(101, 0.1, 0)
    deviations = [a - b for p, q in zip(noisy, xs) for a, b in zip(p, q)]
    assert 0.08 < math.sqrt(sum(d * d for d in deviations) / len(deviations)) < 0.12
    assert moons(101, 0.1, 0) == moons(101, 0.1, 0)
    for n in (1, 2, 3):
        assert len(moons(n, 0.1, 0)[0]) == n


def test_the_loss_is_the_mean_hinge_and_the_weight_decay():
    random.seed(0)
    model = MLP(2, [3, 1])
    xs, ys = moons(8, 0.1, 0)
    scores = [model(x).data for x in xs]
    hinge = sum(max(0.0, 1 - y * s) for y, s in zip(ys, scores)) / 8
    squares = sum(p.data**2 for p in model.parameters())
    loss = loss_of(model, xs, ys, 0.01)
    assert loss.data == pytest.approx(hinge + 0.01 * squares)
    loss_of(model, xs, ys, 0.0).backward()
    plain = [p.grad for p in model.parameters()]
    model.zero_grad()
    loss.backward()
    for p, g in zip(model.parameters(), plain):
        assert p.grad == pytest.approx(g + 0.02 * p.data)


def test_a_step_is_gradient_descent_on_the_values():
    trainer = trainer_of(steps=10, points=6, width=3, depth=1, l2=0.01)
    model = trainer.model
    assert [p.data for p in model.mlp.parameters()] == model.numbers.tolist()  # from the start
    x, y = trainer.data.parts["train"]
    loss = loss_of(model.values(), x.tolist(), (2 * y - 1).tolist(), 0.01)
    loss.backward()
    expected = [p.data - 1.0 * p.grad for p in model.mlp.parameters()]  # the rate of step 0 is 1
    assert trainer.train_step()[0] == loss.data
    assert model.numbers.tolist() == pytest.approx(expected, abs=1e-12)
    assert [p.data for p in model.values().parameters()] == model.numbers.tolist()
    scores, hinge = model(x, y)
    assert hinge.item() == pytest.approx(((1 - (2 * y - 1) * scores).clamp(min=0)).mean().item())


@pytest.mark.parametrize(
    "wrong", [{"points": 0}, {"noise": -1.0}, {"width": 0}, {"depth": -1}, {"l2": math.inf}, {"nonlin": "wave"}]
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MicrogradConfig(**wrong)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, capsys):
    flags = ["--lr", "1e30", "--points", "10", "--width", "4", "--max-iters", "50", "--out", str(tmp_path)]
    assert main(SPEC, ["train", "--quiet", *flags]) == 1
    assert "is not finite at step" in capsys.readouterr().err or "the loss is" in capsys.readouterr().err


def test_the_plane_in_letters():
    points, labels = [(-1.0, 0.0), (2.0, 1.0), (99.0, 99.0)], [1, -1, 1]
    text = plane(lambda row: [-x for x, _ in row], points, labels)  # +1 on the left half
    lines = text.splitlines()
    assert {len(line) for line in lines} == {64}
    assert all(line[0] == "+" and line[-1] == "." for line in lines)
    assert (text.count("O"), text.count("x")) == (1, 1)
    row = next(i for i, line in enumerate(lines) if "x" in line)
    assert row < next(i for i, line in enumerate(lines) if "O" in line)  # y grows upward


def test_the_command_line(tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    small = ["--max-iters", "100", "--points", "20", "--width", "8", "--depth", "2"]
    assert main(SPEC, ["train", *small, *out]) == 0
    text = capsys.readouterr().out
    assert "105 parameters" in text and "accuracy 1.0000 on the train part" in text
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["accuracy"] == 1.0 and summary["parameters"] == 105
    assert "<svg" in (tmp_path / "run" / "neuron.svg").read_text("utf-8")
    if find_spec("matplotlib"):
        picture = (tmp_path / "run" / "boundary.png").read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 5000

    assert main(SPEC, ["eval", *out]) == 0
    train, val = capsys.readouterr().out.splitlines()
    assert train.startswith("train loss ") and "accuracy 1.0000" in train and val.startswith("val ")
    answers = []
    for point in ("0.0 1.0", "1.0,-0.5"):
        assert main(SPEC, ["sample", "--prompt", point, *out]) == 0
        answers.append(capsys.readouterr().out)
    assert [answer[:2] for answer in answers] == ["+1", "-1"]
    assert main(SPEC, ["sample", *out]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 21 and "O" in text and "x" in text
    assert main(SPEC, ["sample", "--prompt", "1.0", *out]) == 1
    assert "expected two numbers, x and y, got '1.0'" in capsys.readouterr().err

    resumed = ["train", "--resume", "--max-iters", "110", "--quiet", *out]
    assert main(SPEC, resumed) == 0  # as every model's, a run goes on
    assert json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))["step"] == 110


def test_the_model_as_a_function_of_points():
    trainer = trainer_of(points=4, width=2, depth=1)
    points = [(0.1, 0.2), (1.0, -0.3)]
    assert scores_of(trainer.model)(points) == [trainer.model.mlp(point).data for point in points]
    assert moons(4, 0.08, SEEDS["train"])[0] == [tuple(p) for p in trainer.data.parts["train"][0].tolist()]


# ---- benchmarks/micrograd.py ---------------------------------------------------------------------


def test_the_fused_and_the_plain_contestant_do_the_same_work():
    steps = []
    for forward in (lambda model, x: model(x), benchmark.plain_forward):
        random.seed(0)
        steps.append(benchmark.training_step(MLP(2, [4, 4, 1]), forward, n=6, lr=0.1))
    losses = [[step() for _ in range(5)] for step in steps]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]


def test_the_measurement_refuses_different_work():
    steps = {"micrograd": lambda: 1.0, "ours": lambda: 1.0}
    seconds = benchmark.measure(steps, rounds=3, per_turn=2)
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert benchmark.ratio({"micrograd": [4.0, 9.0, 8.0], "ours": [1.0, 1.0, 4.0]}, "ours") == 4.0
    with pytest.raises(RuntimeError, match="the losses differ"):
        benchmark.measure({**steps, "ours": lambda: 2.0}, rounds=1, per_turn=1)


def test_without_the_published_package_it_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    assert benchmark.main([]) == 1
    assert "pip install micrograd" in capsys.readouterr().err


@pytest.mark.perf
def test_at_least_four_times_faster_than_the_published_package():
    if find_spec("micrograd") is None:
        pytest.skip("the published package is not installed: pip install micrograd")
    assert "micrograd.nn" in sys.modules or benchmark.contestants()
    seconds = benchmark.measure(benchmark.contestants(), rounds=7, per_turn=5)
    assert benchmark.ratio(seconds, "ours") >= 4.0
