"""The benchmark's parts: its workloads learn and are the same work, its driver tells when they are not."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

import tinygrad_zth as torch
from benchmarks import __main__ as command
from benchmarks import kernels, lines, random_streams
from benchmarks.pairs import Contestant, Missing, Result, compare
from benchmarks.peers import raw_numpy
from benchmarks.workloads import BARS, WORKLOADS

SLOW = {"gpt_baby", "resnet", "conv"}  # a step of these takes longer than a test should


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in SLOW])
def test_a_workload_runs_and_gives_a_finite_number(name):
    step = WORKLOADS[name](torch)
    assert all(abs(step()) < 1e4 for _ in range(2))


@pytest.mark.parametrize(("name", "batches"), [("lstm", 64), ("gpt_small", 8)])
def test_a_training_step_lowers_the_loss_of_what_it_repeats(name, batches):
    step = WORKLOADS[name](torch)
    losses = [step() for _ in range(4 * batches)]
    assert sum(losses[-batches:]) < sum(losses[:batches])


def test_lecture_3_by_hand_has_the_same_first_loss_as_a_uniform_guess():
    assert raw_numpy()() == pytest.approx(3.2958, abs=0.15)


@pytest.mark.parametrize("row", [row for row in kernels.rows() if row.endswith(":small")])
def test_a_kernel_row_runs(row):
    assert abs(kernels.kernel_step(torch, row.removeprefix("kernel:"))()) < 1e6


def test_the_driver_measures_in_turn_and_names_what_is_missing():
    result = compare("mlp_bn", ["ours", "nobody"], rounds=2)
    assert len(result.seconds["ours"]) == 2 and result.time("ours") > 0
    assert list(result.missing) == ["nobody"]
    assert "mlp_bn" in command.line(result)


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    result = Result("x", {"ours": [1.0, 2.0, 10.0], "torch": [2.0, 6.0, 10.0]}, {}, {"ours": 0, "torch": 0})
    assert result.ratio("torch") == 2.0
    assert command.verdict(1.9, 2.0) == "2 !" and command.verdict(2.0, 2.0) == "2"
    assert set(BARS) <= set(WORKLOADS)


def test_an_unknown_row_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        command.main(["--only", "nothing"])
    assert "no row nothing; the rows are mlp_bn" in capsys.readouterr().err


def test_a_contestant_that_cannot_start_says_why():
    with pytest.raises(Missing, match="KeyError"):
        Contestant("nobody", "mlp_bn")


def test_the_cost_of_an_operation_is_measured_above_numpys(monkeypatch, capsys):
    from benchmarks import overhead

    real = overhead.lowest
    monkeypatch.setattr(overhead, "lowest", lambda f, calls=1, repetitions=1: real(f, 1, 2))
    assert overhead.main(["--only", "mul,matmul,sum over rows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines[1:]] == ["mul", "matmul", "sum over rows", "median", "bar"]
    for name, case in overhead._cases().items():
        figures = overhead.measure(case)
        assert set(figures) == set(overhead.BARS), name
    with pytest.raises(SystemExit):
        overhead.main(["--only", "nothing"])


@pytest.mark.parametrize("row", [row.removeprefix("kernel:") for row in kernels.rows() if row.endswith(":small")])
def test_a_kernel_and_its_definition_do_the_same_work(row):
    fused, plain = kernels.kernel_step(torch, row), kernels.kernel_step(torch, row, written_out=True)
    assert fused() == pytest.approx(plain(), rel=1e-3, abs=1e-5)


def test_the_scaling_benchmark_measures_and_draws(tmp_path, capsys, monkeypatch):
    from benchmarks import scaling

    monkeypatch.setattr(scaling, "SWEEPS", {"width": (32, 64), "block": (16, 32)})
    monkeypatch.setattr(scaling, "NODES", (100, 1000))
    chart, record = tmp_path / "scaling.png", tmp_path / "scaling.json"
    arguments = ["--only", "width,block,graph", "--rounds", "1", "--json", str(record)]
    assert scaling.main([*arguments, "--chart", str(chart)] if find_spec("matplotlib") else arguments) == 0
    found = json.loads(record.read_text())
    for sweep in ("width", "block"):
        for figures in found[sweep].values():
            assert figures["fraction"] > 0 and figures["bound_us"] > 0 and figures["us_per_token"] > 0
    assert found["graph"]["1000"]["collector off"] > 0 and "operations" in capsys.readouterr().out
    assert not find_spec("matplotlib") or chart.stat().st_size > 1000
    size, batch = scaling.configuration("block", 32)
    assert (size.block, batch) == (32, 24)  # as many tokens as in a step of the small GPT
    with pytest.raises(SystemExit):
        scaling.main(["--only", "nothing"])


def test_lines_are_timed_in_a_step_and_left_as_they_were(capsys):
    name = "fused.cross_entropy:cross_entropy_forward"
    code = lines.found(name).__code__
    with lines.stamped([name]) as times:
        assert lines.found(name).__code__ is not code
        loss = torch.nn.functional.cross_entropy(torch.zeros(2, 4), torch.tensor([1, 3]))
    assert lines.found(name).__code__ is code and loss.item() == pytest.approx(1.3863, abs=1e-4)
    assert len(times) > 10 and all(len(seconds) == 1 for seconds in times.values())
    assert lines.main(["mlp_bn", name, "ops.sort:sort", "--steps", "3"]) == 0
    printed = capsys.readouterr().out
    assert "e, sums, shift = exp_rows(rows)" in printed and "not called in this step" in printed


@pytest.mark.parametrize("name", ["nowhere:f", "ops.reduce:nothing", "ops.reduce:var_of", "ops.reduce"])
def test_a_function_that_is_none_is_refused(name, capsys):
    with pytest.raises(SystemExit):
        lines.main(["mlp_bn", name])
    assert name in capsys.readouterr().err


def test_every_row_of_the_baseline_runs_and_is_stored():
    from benchmarks import regressions

    assert set(json.loads(regressions.BASELINE.read_text())) == set(regressions.ROWS)
    for name, build in regressions.ROWS.items():
        row = build()
        row.ours()
        row.raw()
        assert regressions.ratio(row, rounds=1) > 0, name


def test_what_has_become_slower_is_seen(monkeypatch, tmp_path, capsys):
    from benchmarks import regressions

    baseline = tmp_path / "baseline.json"
    monkeypatch.setattr(regressions, "BASELINE", baseline)
    ratios = iter([2.0, 3.0, 2.9, 2.7, 2.8, 2.9, 2.5])
    monkeypatch.setattr(regressions, "ratio", lambda row: next(ratios))
    assert regressions.main(["--store", "--only", "softmax"]) == 0
    assert json.loads(baseline.read_text()) == {"softmax": 2.0}
    assert regressions.main(["--only", "softmax"]) == 1  # 3.0, 2.9, 2.7, 2.8: never within 2.6
    assert "softmax" in capsys.readouterr().err
    assert regressions.main(["--only", "softmax"]) == 0  # 2.9, and then 2.5
    assert json.loads(baseline.read_text()) == {"softmax": 2.0}


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
class TestRandomStreams:
    @pytest.mark.parametrize("n", [10, 27, 700])
    @pytest.mark.parametrize("row", random_streams.ROWS)
    def test_a_row_draws_what_pytorch_draws(self, row, n):
        assert random_streams.same(torch, pytest.importorskip("torch"), row, n)

    def test_other_numbers_are_not_compared(self, monkeypatch):
        monkeypatch.setitem(
            random_streams.ROWS, "rand", lambda library, n: lambda: library.rand(n) + (library is torch)
        )
        with pytest.raises(RuntimeError, match="rand of 3: other numbers"):
            random_streams.compare(torch, pytest.importorskip("torch"), "rand", 3, 1)

    @pytest.mark.parametrize(("bar", "status"), [(1e9, 0), (0.0, 1)])
    def test_a_row_over_its_bar_fails(self, bar, status, monkeypatch, capsys):
        monkeypatch.setitem(random_streams.BARS, "rand", bar)
        assert random_streams.main(["--only", "rand", "--sizes", "5000", "--rounds", "1"]) == status
        assert capsys.readouterr().out.endswith(" !\n") == bool(status)

    def test_an_unknown_row_is_refused(self, capsys):
        with pytest.raises(SystemExit):
            random_streams.main(["--only", "randx"])
        assert "no row randx; the rows are rand, randn" in capsys.readouterr().err
