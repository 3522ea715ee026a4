"""What a training run shows and keeps: the live line, --diagnose, --report, --tensorboard, check, compare."""

from __future__ import annotations

import io
import json
import mmap
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zth as torch
from models import __main__ as front
from models import gpt
from models.shared.command_line import main
from models.shared.memory import memory_mb
from models.shared.progress import Progress
from tinygrad_zth import viz

SMALL = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "4"]
SHORT = ["--eval-iters", "2", "--eval-interval", "10", "--log-interval", "5", "--warmup-iters", "2"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog.\n" * 40, encoding="utf-8")
    return path


def train(out: Path, text: Path, *flags: str, iters: int = 20) -> int:
    argv = ["train", "--out", str(out), "--data", str(text), "--max-iters", str(iters), *SMALL, *SHORT, *flags]
    return main(gpt.SPEC, argv)


# ---- the live line ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_plain_lines_have_all_figures():
    out = io.StringIO()
    with Progress(100, file=out) as progress:
        for step in range(1, 101):
            progress.see(5.0 - step / 50)
            progress.show(step, {"loss": f"{5 - step / 50:.4f}", "tok/s": "9,000"}, keep=step in (50, 100))
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["50/100", "100/100"]
    assert "loss 4.0000" in lines[0] and "tok/s 9,000" in lines[0] and re.search(r"ETA \d+:\d\d", lines[0])
    assert "ETA" not in lines[1]
    smooth = float(re.search(r"smooth ([\d.]+) ([▁▂▃▄▅▆▇█]+)", lines[1])[1])
    weights = 0.98 ** np.arange(99, -1, -1)
    assert smooth == pytest.approx((weights * (5 - np.arange(1, 101) / 50)).sum() / weights.sum(), abs=1e-4)
    curve = re.search(r"smooth [\d.]+ ([▁▂▃▄▅▆▇█]+)", lines[1])[1]
    assert curve[0] == "█" and curve[-1] == "▁" and len(curve) == 12
    assert memory_mb() is None or re.search(r"mem \d+ MB", lines[0])


def test_a_terminal_gets_a_bar_of_tqdm():
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra: cli)")
    out = Terminal()
    with Progress(10, 4, file=out) as progress:
        for step in range(5, 11):
            progress.see(2.0)
            progress.show(step, {"loss": "2.0000"}, keep=step == 10)
    assert "10/10" in out.getvalue() and "smooth 2.0000" in out.getvalue() and "\r" in out.getvalue()


def test_quiet_says_nothing_and_a_resumed_run_counts_on():
    out = io.StringIO()
    with Progress(10, quiet=True, file=out) as progress:
        progress.say("hello")
        progress.see(1.0)
        progress.show(1, {"loss": "1"}, keep=True)
    assert out.getvalue() == ""
    with Progress(100, 60, file=out) as progress:
        progress.show(61, {}, keep=True)
    assert out.getvalue().startswith("step  61/100")


def test_losses_that_are_no_numbers_and_old_terminals():
    class Ascii(io.StringIO):
        encoding = "ascii"

    out = Ascii()
    with Progress(3, file=out) as progress:
        progress.see(float("nan"))
        progress.see(2.0)
        progress.show(1, {"loss": "nan"}, keep=True)
    assert "smooth 2.0000" in out.getvalue()
    out.getvalue().encode("ascii")


def test_a_long_run_keeps_a_short_curve():
    with Progress(10**6, file=io.StringIO()) as progress:
        for step in range(5000):
            progress.done = step
            progress.see(step)
    assert len(progress._curve) < 100


def test_the_memory_is_that_of_the_process():
    before = memory_mb()
    if before is None:
        pytest.skip("this system does not say how much memory a process holds")
    # Fresh pages from the system: an array might be given memory that the process already holds.
    with mmap.mmap(-1, 64 * 2**20) as block:
        block.write(b"1" * len(block))
        after = memory_mb()
    assert after >= before + 55


# ---- train --diagnose, --report, --tensorboard ------------------------------------------------------


@pytest.fixture
def reported(monkeypatch):
    """The folders that a report was asked for; the page itself has its own tests, and takes its time."""
    asked: list[Path] = []
    monkeypatch.setattr(viz, "report", lambda path: asked.append(Path(path)) or path)
    return asked


def test_diagnose_writes_a_recording_and_a_report_and_changes_nothing(tmp_path, text, reported):
    assert train(tmp_path / "plain", text, "--quiet", "--dropout", "0.1") == 0
    assert not reported
    assert train(tmp_path / "seen", text, "--quiet", "--diagnose", "--dropout", "0.1") == 0
    assert reported == [tmp_path / "seen"]
    weights = [torch.load(tmp_path / name / "last.npz")["model"] for name in ("plain", "seen")]
    for key, value in weights[0].items():
        np.testing.assert_array_equal(value.numpy(), weights[1][key].numpy())
    rec = viz.Recording.load(tmp_path / "seen")
    assert [s.step for s in rec.snapshots] == list(range(20))
    assert [step for step, _ in rec.samples] == [0, 10, 20] and len(rec.losses) == 20
    assert all(w.update_std is not None for w in rec.at().weights.values())
    assert not (tmp_path / "plain" / "diagnosis.json").exists()
    config = json.loads((tmp_path / "seen" / "config.json").read_text())
    assert config["environment"]["tinygrad_zth"] == torch.__version__
    assert train(tmp_path / "plain", text, "--quiet", "--report") == 0
    assert reported == [tmp_path / "seen", tmp_path / "plain"]


def test_a_resumed_run_goes_on_with_its_recording(tmp_path, text, reported):
    assert train(tmp_path, text, "--quiet", "--diagnose", iters=10) == 0
    assert train(tmp_path, text, "--quiet", "--diagnose", "--resume", iters=20) == 0
    rec = viz.Recording.load(tmp_path)
    assert [s.step for s in rec.snapshots] == list(range(20))
    assert [step for step, _ in rec.losses] == list(range(20))
    assert [step for step, _ in rec.samples] == [0, 10, 20]


def test_event_files_are_written_by_the_library(tmp_path, text):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed (extra: tensorboard)")
    assert train(tmp_path, text, "--quiet", "--tensorboard") == 0
    (events,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
    found = events.read_bytes()
    assert all(name in found for name in (b"train_loss", b"val_loss", b"lr", b"tokens_per_s"))


def test_a_missing_library_is_named_before_the_training(tmp_path, text, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert train(tmp_path, text, "--tensorboard") == 1
    assert "pip install 'tinygrad_zth[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "metrics.csv").exists()


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process here")
def test_ctrl_c_keeps_everything_and_the_run_goes_on(tmp_path, text, reported, monkeypatch, capsys):
    see = Progress.see

    def interrupted(self: Progress, loss: float) -> None:
        see(self, loss)
        if self.done == 6:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Progress, "see", interrupted)
    assert train(tmp_path, text, "--diagnose") == 130
    assert "stopped at step 7; everything is saved" in capsys.readouterr().out and reported == [tmp_path]
    assert [step for step, _ in viz.Recording.load(tmp_path).losses] == list(range(7))
    monkeypatch.setattr(Progress, "see", see)
    assert train(tmp_path, text, "--diagnose", "--resume") == 0
    rec = viz.Recording.load(tmp_path)
    assert [step for step, _ in rec.losses] == list(range(20)) == [s.step for s in rec.snapshots]
    assert "20/20" in capsys.readouterr().out


# ---- check, compare, report -------------------------------------------------------------------------


def test_check_runs_all_checks(text, capsys):
    assert main(gpt.SPEC, ["check", "--data", str(text), *SMALL, "--steps", "150"]) == 0
    out = capsys.readouterr().out
    for name in ("initial loss", "gradient flow", "causality", "batch independence", "seed", "input", "overfit"):
        assert re.search(rf"^{name}.*passed", out, re.MULTILINE), out


def test_check_catches_a_spoilt_model(text, capsys, monkeypatch):
    attend = torch.nn.functional.scaled_dot_product_attention

    def without_mask(q, k, v, is_causal=False, **options):
        return attend(q, k, v, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", without_mask)
    assert main(gpt.SPEC, ["check", "--data", str(text), *SMALL, "--steps", "10"]) == 1
    assert re.search(r"^causality +FAILED .*sees the future", capsys.readouterr().out, re.MULTILINE)


def test_runs_are_compared_and_reported_from_the_front(tmp_path, text, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: plot)")
    for name, lr in (("a", "0.001"), ("b", "0.01")):
        assert train(tmp_path / name, text, "--quiet", "--lr", lr, iters=10) == 0
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert front.main(["compare", *runs, "--html", str(tmp_path / "both.html")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^train.lr +0.001 +0.01$", out, re.MULTILINE) and (tmp_path / "both.html").exists()
    assert front.main(["report", runs[0]]) == 0
    assert (tmp_path / "a" / "report.html").exists()
    assert front.main(["compare", runs[0], str(tmp_path / "nowhere")]) == 1
    assert "error: there is no run's folder" in capsys.readouterr().err
    assert front.main(["report", str(tmp_path)]) == 1
