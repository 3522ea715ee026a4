"""The command line that all models share: what it says, what it refuses, and what a stop leaves behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import models
import tinygrad_zth as torch
from data.texts import python_reference
from models.__main__ import main as models_main
from models.gpt import SPEC
from models.shared.command_line import main
from models.shared.run_folder import BEST, LAST, RunFolder

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "models.gpt", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition, process: subprocess.Popen, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "waited for nothing"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def run_of_five_steps(tmp_path_factory, small_flags) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    text = folder / "text.txt"
    text.write_text(python_reference()[:6000], encoding="utf-8")  # as text_file's: a run knows its text by content
    flags = [part for flag in (small_flags | {"--max-iters": "5"}).items() for part in flag]
    assert main(SPEC, ["train", "--data", str(text), "--out", str(folder / "run"), "--quiet", *flags]) == 0
    return folder / "run"


@pytest.fixture
def trained(run_of_five_steps, tmp_path) -> Path:
    """A copy of a run, to be spoilt."""
    return Path(shutil.copytree(run_of_five_steps, tmp_path / "run"))


# ---- the list of models, help ---------------------------------------------------------------------


def test_the_models_are_listed(capsys):
    assert models_main([]) == 0
    out = capsys.readouterr().out
    for path in (ROOT / "models").glob("*.py"):
        if not path.name.startswith("_"):
            assert f"  {path.stem} " in out
    assert all(models.known().values())  # each says what it is


@pytest.mark.parametrize("command", [["models", "gtp"], ["models.gtp", "train"]])
def test_an_unknown_model_lists_the_known_ones(command):
    run = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: unknown model 'gtp' (did you mean 'gpt'?); the known ones are ")
    assert "bigram" in run.stderr and "Traceback" not in run.stderr


def test_a_model_by_either_way(tmp_path):
    for command in (["models", "gpt"], ["models.gpt"]):
        arguments = [sys.executable, "-m", *command, "eval", "--out", str(tmp_path)]
        run = subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        assert run.returncode == 1 and "make one with: python -m models.gpt train" in run.stderr


def test_the_help_says_what_can_be_set(capsys):
    with pytest.raises(SystemExit) as stop:
        main(SPEC, ["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for flag in ("--preset", "--data", "--device", "--seed", "--grad-accum", "--grad-clip", "--warmup-iters",
                 "--schedule", "--eval-interval", "--resume", "--out", "--n-layer", "--dropout"):  # fmt: skip
        assert flag in out
    for name, preset in SPEC.presets.items():
        assert f"{name} " in out and preset.about[:30] in out
    assert "learning rate, at its highest (0.002)" in out  # the default preset's value, not the class's
    assert "--vocab-size" not in out
    for command in ("sample", "eval", "find-lr"):
        with pytest.raises(SystemExit):
            main(SPEC, [command, "--help"])
        assert "--out" in capsys.readouterr().out


def test_an_unknown_preset_lists_the_known_ones(small, capsys):
    assert main(SPEC, [*small(), "--preset", "huge"]) == 1
    assert capsys.readouterr().err == "error: unknown preset 'huge'; the known ones are tiny, lecture, baby\n"


# ---- sample, eval, find-lr ------------------------------------------------------------------------


def test_sample_and_eval(trained, text_file, capsys):
    out = ["--out", str(trained)]
    assert main(SPEC, ["sample", *out, "--prompt", "The ", "--length", "40", "--seed", "3"]) == 0
    first = capsys.readouterr().out
    assert first.startswith("The ") and len(first) == 4 + 40 + 1
    assert main(SPEC, ["sample", *out, "--prompt", "The ", "--length", "40", "--seed", "3", "--no-cache"]) == 0
    assert capsys.readouterr().out == first  # the cache changes nothing, and the seed decides
    assert main(SPEC, ["sample", *out, "--prompt", "The ", "--length", "40", "--seed", "4"]) == 0
    assert capsys.readouterr().out != first
    assert main(SPEC, ["sample", *out, "--length", "5", "--samples", "3", "--top-k", "1", "--top-p", "0.5"]) == 0
    parts = capsys.readouterr().out.split("-" * 40 + "\n")
    assert len(parts) == 3 and len(set(parts)) == 1  # the most probable each time

    assert main(SPEC, ["eval", *out, "--data", str(text_file)]) == 0
    train, val = capsys.readouterr().out.splitlines()
    assert train.startswith("train loss ") and val.startswith("val   loss ")
    best = torch.load(trained / BEST)
    assert best["name"] == "gpt" and "optimizer" not in best
    assert main(SPEC, ["eval", *out, "--data", str(text_file), "--split", "val", "--batch-size", "1"]) == 0
    assert capsys.readouterr().out.split()[2] == val.split()[2]


def test_a_sample_longer_than_the_block(trained, capsys):
    assert main(SPEC, ["sample", "--out", str(trained), "--prompt", "x" * 50, "--length", "60"]) == 0
    assert len(capsys.readouterr().out) == 50 + 60 + 1  # the block is 16: it goes on from the last 16


@pytest.mark.parametrize(
    "flags, says",
    [
        (["--prompt", "caf\u00e9"], "encode: the character '\u00e9' (U+00E9) at position 3 is not among"),
        (["--prompt", ""], "the prompt is empty"),
        (["--length", "0"], "--length and --samples: expected at least 1"),
        (["--temperature", "-1"], "temperature: expected a number from 0 up, got -1.0"),
        (["--top-k", "0"], "top_k: expected an integer from 1 up, got 0"),
        (["--top-p", "1.5"], "top_p: expected a number above 0 up to 1, got 1.5"),
    ],
)
def test_a_sample_that_cannot_be(trained, flags, says, capsys):
    assert main(SPEC, ["sample", "--out", str(trained), *flags]) == 1
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == ""


def test_the_learning_rate_finder(small, tmp_path, capsys):
    flags = ["find-lr", *small()[1:], "--low", "1e-4", "--high", "100", "--steps", "30"]
    assert main(SPEC, flags) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lr ")]
    rates = [float(line.split()[1]) for line in lines]
    assert rates[0] == 1e-4 and rates == sorted(rates) and len(rates) > 5
    factors = [b / a for a, b in zip(rates, rates[1:])]
    assert max(factors) / min(factors) < 1.1
    assert main(SPEC, [*flags[:-6], "--low", "1", "--high", "0.1"]) == 1
    assert "expected 0 < low < high" in capsys.readouterr().err
    pytest.importorskip("matplotlib")
    assert (tmp_path / "run" / "lr.png").read_bytes().startswith(b"\x89PNG")


# ---- checkpoints that do not fit ------------------------------------------------------------------


def test_no_checkpoint_says_how_to_make_one(tmp_path, capsys):
    for command in (["sample"], ["eval"], ["train", "--resume"]):
        assert main(SPEC, [*command, "--out", str(tmp_path / "none")]) == 1
        assert "make one with: python -m models.gpt train --out" in capsys.readouterr().err


def test_a_corrupt_checkpoint_is_an_error_of_one_line(trained, small, capsys):
    whole = (trained / BEST).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"nonsense", whole[: len(whole) // 2], whole[:-30], bytes(flipped)):
        (trained / BEST).write_bytes(content)
        (trained / LAST).write_bytes(content)
        for arguments in (["sample", "--out", str(trained)], [*small(), "--resume"]):
            assert main(SPEC, arguments) == 1
            err = capsys.readouterr().err
            assert err.startswith("error: ") and str(trained) in err and len(err.splitlines()) == 1


def test_another_file_and_another_model_are_named(trained, capsys):
    torch.save({"weights": torch.ones(2)}, trained / BEST)
    assert main(SPEC, ["sample", "--out", str(trained)]) == 1
    assert "is not a checkpoint of a run: it has no name, config, vocabulary" in capsys.readouterr().err
    state = torch.load(trained / LAST)
    torch.save({**state, "name": "bow"}, trained / BEST)
    assert main(SPEC, ["sample", "--out", str(trained)]) == 1
    assert "is a checkpoint of 'bow', not of 'gpt'" in capsys.readouterr().err


def test_weights_that_do_not_fit_are_named(trained, capsys):
    state = torch.load(trained / LAST)
    state["config"]["n_embd"] = 32
    del state["model"]["transformer.ln_f.weight"]
    torch.save(state, trained / BEST)
    assert main(SPEC, ["sample", "--out", str(trained)]) == 1
    err = capsys.readouterr().err
    assert "transformer.ln_f.weight" in err and "size mismatch for transformer.wpe.weight" in err


def test_what_cannot_be_resumed(trained, small, tmp_path, capsys):
    assert main(SPEC, [*small(max_iters=8, n_layer=3), "--resume"]) == 1
    assert "n_layer is 2 in the checkpoint, 3 on the command line" in capsys.readouterr().err
    assert main(SPEC, [*small(max_iters=3), "--resume"]) == 1
    assert "max_iters: 3 is behind the checkpoint, which is at 5" in capsys.readouterr().err
    other = tmp_path / "other.txt"
    other.write_text((tmp_path / "text.txt").read_text("utf-8")[::-1], encoding="utf-8")
    assert main(SPEC, ["train", "--resume", "--out", str(trained), "--data", str(other), "--max-iters", "8"]) == 1
    assert "the checkpoint was trained on other data" in capsys.readouterr().err
    other.write_text("\u2603" * 4000, encoding="utf-8")
    assert main(SPEC, ["train", "--resume", "--out", str(trained), "--data", str(other), "--max-iters", "8"]) == 1
    assert "a run goes on with the data that it began with, which --data names" in capsys.readouterr().err
    assert main(SPEC, [*small(max_iters=8), "--resume", "--quiet"]) == 0
    assert torch.load(trained / LAST)["step"] == 8


# ---- data and folders that do not do ---------------------------------------------------------------


def test_an_unwritable_folder(small, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out in ("file", "file/run"):
        assert main(SPEC, small(out)) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: the run's folder ") and "cannot be written to" in err
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / LAST).mkdir()  # a folder where the checkpoint goes
    assert main(SPEC, [*small("taken", max_iters=1), "--quiet"]) == 1
    assert LAST in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, says",
    [
        (None, "text.txt cannot be read: No such file"),
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"too short", "block_size: 16 is too long for the text"),
        (b"abc" * 60, "batch_size: 500 is larger than the data"),
    ],
)
def test_a_text_that_does_not_do(content, says, small, text_file, capsys):
    if content is None:
        text_file.unlink()
    else:
        text_file.write_bytes(content)
    assert main(SPEC, small(batch_size=500)) == 1
    assert says in capsys.readouterr().err


def test_a_text_with_unknown_characters_is_refused_by_eval(trained, tmp_path, capsys):
    other = tmp_path / "other.txt"
    other.write_text("\u03b1\u03b2" * 100, encoding="utf-8")
    assert main(SPEC, ["eval", "--out", str(trained), "--data", str(other)]) == 1
    assert "'\u03b1' (U+03B1) at position 0" in capsys.readouterr().err


# ---- stopped in the middle -------------------------------------------------------------------------


@pytest.mark.host  # another process made the weights that are compared
def test_ctrl_c_saves_says_how_to_go_on_and_nothing_is_lost(small, text_file, tmp_path):
    settings = {"max_iters": 5000, "eval_interval": 50, "log_interval": 1, "schedule": "constant"}
    process = start(small("cut", **settings))
    folder = tmp_path / "cut"
    wait_for(lambda: folder.is_dir() and len(RunFolder(folder).metrics()) > 3, process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "everything is saved. Go on with:" in out and "Traceback" not in out
    command = out.splitlines()[-1].strip()
    assert command == f"python -m models.gpt train --resume --out {folder} --data {text_file}"
    step = torch.load(folder / LAST)["step"]
    assert f"stopped at step {step};" in out and 0 < step < 5000

    end = step + 10  # the command goes on; here not to the end
    assert main(SPEC, [*command.split()[3:], "--quiet", "--max-iters", str(end)]) == 0
    assert main(SPEC, [*small("whole", **{**settings, "max_iters": end}), "--quiet"]) == 0
    a, b = torch.load(folder / LAST), torch.load(tmp_path / "whole" / LAST)
    assert a["step"] == b["step"] == end
    for part in ("model", "random"):
        assert all(torch.equal(a[part][name], t) for name, t in b[part].items())
    rows = [[(row["step"], row["train_loss"], row["val_loss"]) for row in RunFolder(path).metrics()]
            for path in (folder, tmp_path / "whole")]  # fmt: skip
    assert rows[0] == rows[1]


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_checkpoint(small, tmp_path):
    rng = random.Random(1)
    arguments = small("killed", max_iters=100_000, eval_interval=1, eval_iters=1)
    folder = tmp_path / "killed"
    seen = 0
    for attempt in range(3):
        process = start([*arguments, *(["--resume"] if attempt else [])])
        try:
            wait_for(lambda s=seen: (folder / LAST).is_file() and _step(folder) > s, process)
            time.sleep(rng.uniform(0.0, 0.05))  # it saves twice a step: most of its time it is writing
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        for name in (LAST, BEST):
            state = torch.load(folder / name)  # whole, whichever it is
            assert all(bool(torch.isfinite(t).all()) for t in state["model"].values())
        seen, before = _step(folder), seen
        assert seen > before


def _step(folder: Path) -> int:
    return torch.load(folder / LAST)["step"]


def test_a_second_run_in_the_same_folder_starts_over(small, trained, capsys):
    assert main(SPEC, small(max_iters=5)) == 0
    assert "has an earlier run, which is started over (--resume continues one)" in capsys.readouterr().out
    assert [row["step"] for row in RunFolder(trained).metrics() if row["val_loss"]] == ["0", "5"]
    assert json.loads((trained / "summary.json").read_text("utf-8"))["step"] == 5
