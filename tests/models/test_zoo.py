"""The table of results: its rows are commands that there are, its page is that of its figures, its bounds are met."""

from __future__ import annotations

import importlib
import json
import re
import shlex

import pytest

import models
from benchmarks import zoo
from benchmarks.zoo import ROWS, Row

FIGURES = zoo.recorded()
UNDER_A_MINUTE = [name for name, f in FIGURES.items() if name in ROWS and (f["cpu_minutes"] or 60) < 1]


def parser_of(model: str):
    spec = importlib.import_module(f"models.{model}").SPEC
    return importlib.import_module("models.shared.command_line").parser_of(spec)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_row_is_a_command_that_there_is(row):
    assert row.model in models.known()
    args = parser_of(row.model).parse_args(shlex.split(row.command)[3:])
    spec = importlib.import_module(f"models.{row.model}").SPEC
    assert (args.preset or spec.preset) in spec.presets
    assert row.split is None or row.split in spec.task.splits


def test_every_model_has_a_row():
    # gpt_lecture is the lecture's steps one by one; the row gpt-lecture trains the same size as models/gpt.py.
    assert {row.model for row in ROWS.values()} >= set(models.known()) - {"gpt_lecture"}


def test_the_bounds_are_those_of_the_project():
    bounds = {
        "micrograd": 1.0, "bigram-counts": 2.4541, "bigram-neural": 2.48, "mlp": 2.17, "mlp_bn": 2.11, "backprop": 2.12,
        "wavenet-tree": 2.0, "wavenet-dilated": 2.0, "rnn": 2.05, "gru": 2.05, "lstm": 2.05, "bow": 2.25,
        "transformer": 1.99, "bigram_lm": 2.52, "gpt-tiny": 1.88, "gpt-lecture": 1.85, "resnet-basic": 0.985,
    }  # fmt: skip
    assert {name: ROWS[name].bound for name in bounds} == bounds
    assert ROWS["resnet-basic"].higher and ROWS["micrograd"].higher and not ROWS["mlp"].higher


def test_a_bound_is_met_to_four_decimals():
    low, high = Row("a", "mlp", 2.17), Row("b", "resnet", 0.985, higher=True)
    assert [low.met(v) for v in (2.1, 2.17, 2.170049, 2.1701)] == [True, True, True, False]
    assert [high.met(v) for v in (0.99, 0.985, 0.9849)] == [True, True, False]
    assert not low.met(float("nan")) and not high.met(float("nan"))


def test_the_page_is_that_of_the_figures():
    assert FIGURES, "docs/results.json: python -m benchmarks.zoo"
    page = zoo.PAGE.read_text(encoding="utf-8")
    assert page == zoo.page(FIGURES)
    for name, f in FIGURES.items():
        row = ROWS[name]
        assert f["met"] == row.met(f["value"]) and f["bound"] == row.bound and f["command"] == row.command
        assert re.search(rf"^\| {re.escape(name)} \| .* {f['value']:.4f} \|", page, re.M)
    without = {name: f for name, f in FIGURES.items() if name != "mlp"}
    assert "Not trained yet:" in zoo.page(without) and "| mlp |" not in zoo.page(without)
    missed = {"mlp": {**FIGURES["mlp"], "met": False}}
    assert "**no**" in zoo.page(missed)


def test_a_row_is_trained_and_written_down(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "PAGE", tmp_path / "results.md")
    monkeypatch.setattr(zoo, "FIGURES", tmp_path / "results.json")
    row = Row("counts", "bigram", 9.0, "--preset counts --quiet", split="all")
    monkeypatch.setattr(zoo, "ROWS", {"counts": row, "worse": Row("worse", "bigram", 0.1)})
    assert zoo.main(["counts", "--runs", str(tmp_path / "runs")]) == 0
    f = json.loads((tmp_path / "results.json").read_text("utf-8"))["counts"]
    assert f["met"] and f["measure"] == "loss on all" and f["parameters"] == 729 and 0 < f["minutes"] < 5
    assert len(f["sample"].splitlines()) == 20 and 2 < f["value"] < 2.6
    monkeypatch.setattr(zoo, "run", lambda row, folder: {**f, "bound": row.bound, "met": row.met(f["value"])})
    assert zoo.main(["worse", "--runs", str(tmp_path / "runs")]) == 1
    captured = capsys.readouterr()
    assert "missed: worse" in captured.err
    assert "| counts |" in (tmp_path / "results.md").read_text("utf-8")
    assert set(zoo.recorded()) == {"counts", "worse"}


def test_unknown_rows_and_failing_commands(tmp_path, capsys):
    assert zoo.main(["gtp"]) == 1
    assert "unknown row gtp; the known ones are micrograd, " in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="ended with status 1"):
        zoo.run(Row("x", "bigram", 1.0, "--preset none"), tmp_path)
    assert zoo.main(["--list"]) == 0
    assert "python -m models.gpt train --preset tiny" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", UNDER_A_MINUTE)
def test_what_takes_under_a_minute_reaches_its_number(name, tmp_path, real_names, real_shakespeare):
    result = zoo.run(ROWS[name], tmp_path)
    assert result["met"], f"{result['measure']} {result['value']}, bound {result['bound']}"
