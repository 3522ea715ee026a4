"""The two-moons demo, from its data to its command line; and the benchmark's contestants."""

from __future__ import annotations

import json
import math
import random
import sys
from importlib.util import find_spec

import pytest

from benchmarks import micrograd as benchmark
from models import micrograd
from models.micrograd import Config, accuracy, build, load, loss_of, main, moons, plane, save, train
from tinygrad_zth.value import MLP


@pytest.mark.parametrize("seed", [1337, 0, 3])
def test_learns_the_moons_to_the_last_point(seed):
    config = Config(seed=seed)
    model, losses = train(config, log=False)
    assert accuracy(model, *moons(config.points, config.noise, config.seed)) == 1.0
    assert accuracy(model, *moons(400, config.noise, "new")) > 0.95
    assert losses[-1] < 0.05 < 0.5 < losses[0]
    assert len(losses) == config.steps


def test_the_same_config_gives_the_same_model():
    config = Config(steps=3, hidden=(4,), points=10)
    (a, losses), (b, again) = train(config, log=False), train(config, log=False)
    assert losses == again
    assert [p.data for p in a.parameters()] == [p.data for p in b.parameters()]
    other, _ = train(Config(steps=3, hidden=(4,), points=10, seed=1), log=False)
    assert [p.data for p in other.parameters()] != [p.data for p in a.parameters()]


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
    model = build(Config(hidden=(3,)))
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": 0},
        {"steps": 0},
        {"noise": -1.0},
        {"lr": math.nan},
        {"hidden": (0,)},
        {"weight_decay": math.inf},
    ],
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Config(**wrong)


def test_a_loss_that_is_no_number_stops_the_run():
    with pytest.raises(RuntimeError, match=r"the loss is (nan|inf) at step \d+; try a smaller lr"):
        train(Config(lr=1e30, points=10, hidden=(4, 4), steps=50), log=False)


def test_save_and_load_keep_every_bit(tmp_path):
    config = Config(steps=2, points=6, hidden=(3, 2), nonlin="tanh")
    model, _ = train(config, log=False)
    save(tmp_path / "new" / "model.json", model, config)
    again, same_config = load(tmp_path / "new" / "model.json")
    assert same_config == config
    assert [p.data for p in again.parameters()] == [p.data for p in model.parameters()]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "",
        lambda text: text.replace('"tanh"', '"wave"'),
        lambda text: json.dumps({**json.loads(text), "parameters": [1.0]}),
        lambda text: json.dumps({**json.loads(text), "config": {"depth": 3}}),
    ],
)
def test_a_damaged_model_is_refused(tmp_path, damage, capsys):
    config = Config(hidden=(2,), nonlin="tanh")
    path = tmp_path / "model.json"
    save(path, build(config), config)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match="is not a model that `train` saved"):
        load(path)
    assert main(["eval", "--out", str(tmp_path)]) == 1
    assert "is not a model" in capsys.readouterr().err


def test_the_plane_in_letters():
    class LeftIsPlus(MLP):
        def __call__(self, x):
            return -x[0]

    text = plane(LeftIsPlus(2, [1]), [(-1.0, 0.0), (2.0, 1.0), (99.0, 99.0)], [1, -1, 1])
    lines = text.splitlines()
    assert {len(line) for line in lines} == {64}
    assert all(line[0] == "+" and line[-1] == "." for line in lines)
    assert (text.count("O"), text.count("x")) == (1, 1)
    row = next(i for i, line in enumerate(lines) if "x" in line)
    assert row < next(i for i, line in enumerate(lines) if "O" in line)  # y grows upward


def test_the_command_line(tmp_path, capsys):
    out = str(tmp_path / "run")
    small = ["--steps", "30", "--points", "20", "--hidden", "8", "--out", out]
    assert main(small) == 0  # `train` where no command is named
    text = capsys.readouterr().out
    assert "step    0" in text and "step   29" in text and "33 parameters" in text
    assert (tmp_path / "run" / "model.json").is_file()
    if find_spec("matplotlib"):
        picture = (tmp_path / "run" / "boundary.png").read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 5000
    assert not list((tmp_path / "run").glob("*.tmp"))

    assert main(["eval", "--points", "50", "--out", out]) == 0
    text = capsys.readouterr().out
    assert "of 20" in text and "of 50" in text
    assert main(["sample", "0.0", "1.0", "--out", out]) == 0
    answers = [capsys.readouterr().out]
    assert main(["sample", "1.0", "-0.5", "--out", out]) == 0
    answers.append(capsys.readouterr().out)
    assert [answer[:2] for answer in answers] == ["+1", "-1"]
    assert main(["sample", "--out", out]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 21


def test_without_matplotlib_it_says_how_to_get_the_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(micrograd, "find_spec", lambda name: None)
    assert main(["train", "--steps", "1", "--points", "4", "--out", str(tmp_path)]) == 0
    assert "pip install matplotlib" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {"model.json", "sample.txt", "summary.json"}


def test_errors_of_the_command_line(tmp_path, capsys):
    assert main(["eval", "--out", str(tmp_path / "none")]) == 1
    assert "run `train` first" in capsys.readouterr().err
    assert main(["train", "--steps", "0"]) == 1
    assert "steps must be at least 1, got 0" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    blocked = str(tmp_path / "file" / "run")
    assert main(["train", "--steps", "1", "--points", "4", "--out", blocked]) == 1
    assert "error:" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["sample", "1.0"])
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0


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
