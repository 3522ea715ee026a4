"""``python -m benchmarks.gpu``: it runs from end to end on the simulated device, and its figures are what it says."""

from __future__ import annotations

import json
import os

import pytest

import tinygrad_zth as torch
from benchmarks import gpu, kernels
from benchmarks.pairs import Result


def test_it_runs_on_the_simulated_device_and_keeps_no_times(only_simulated, capsys, tmp_path):
    file, chart = tmp_path / "figures.json", tmp_path / "chart.png"
    arguments = ["--on", "simulated", "--only", "gelu:small,sgd", "--json", str(file)]
    drawn = True
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        drawn = False
    assert gpu.main([*arguments, *(["--chart", str(chart)] if drawn else [])]) == 0
    said = capsys.readouterr().out
    assert said.startswith("SIMULATED DEVICE") and "kernel:gelu:small" in said and " ms" not in said
    kept = json.loads(file.read_text())
    assert kept["device"]["simulated"] is True and kept["device"]["reduced"] is True and len(kept["rows"]) == 2
    assert "BENCHMARK_REDUCED" not in os.environ and "BENCHMARK_DEVICE" not in os.environ
    for row in kept["rows"]:
        assert row["ms"] == {} and row["gb_s"] is None
        assert row["loss"]["cupy"] == pytest.approx(row["loss"]["ours"], rel=1e-3)
    assert chart.exists() or not drawn


def test_without_a_device_it_says_what_is_missing(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a device")
    assert gpu.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no GPU to measure") and "--on simulated" in said


def test_without_matplotlib_it_says_so_before_it_works(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.main(["--on", "simulated", "--chart", "chart.png"]) == 1
    assert "--chart needs matplotlib" in capsys.readouterr().err


def test_a_difference_between_the_devices_is_an_error(monkeypatch):
    class Liar:
        def __init__(self, name, workload):
            self.loss = {"ours": 1.0, "cupy": 1.5}[name]

        def run(self, steps):
            return 0.0, self.loss

        def finish(self):
            return 0

    monkeypatch.setattr(gpu, "Contestant", Liar)
    with pytest.raises(RuntimeError, match=r"mlp_bn: the CPU has 1.0, the device 1.5: not the same work"):
        gpu.agreement(["mlp_bn"])


def test_the_figures_of_a_row():
    rows, columns = kernels.SIZES["large"]
    result = Result("kernel:softmax:large", {"ours": [0.02], "cupy": [0.0001]}, {}, {"ours": 0, "cupy": 0})
    row = gpu.Row(result, {"stated_gb_s": 2000})
    assert row.gb_s == pytest.approx(5 * 4 * rows * columns / 0.0001 / 1e9)
    assert row.fraction == pytest.approx(row.gb_s / 2000)
    assert " 200.00 " in row.line() and row.to_dict()["gb_s"] == row.gb_s
    attention = gpu.Row(
        Result("kernel:attention:small", {"ours": [1.0], "cupy": [0.5]}, {}, {"ours": 0, "cupy": 0}), {"copy_gb_s": 1}
    )
    batch, heads, length, width = kernels.ATTENTION["small"]
    assert attention.tflop_s == pytest.approx(7 * batch * heads * length**2 * width / 0.5 / 1e12)
    assert gpu.least_bytes("mlp_bn") is None and gpu.flops("mlp_bn") is None
    assert all(gpu.least_bytes(name) for name in kernels.rows())


def test_every_row_of_the_benchmark_is_there(capsys):
    assert set(gpu.chosen(None)) == {*gpu.WORKLOADS, *kernels.rows()}
    with pytest.raises(SystemExit, match="no row has nothing in its name"):
        gpu.chosen("nothing")


def test_a_copy_is_timed_on_the_device(cuda):
    assert gpu.copy_speed(megabytes=1, times=1) > 0
