"""The zoo's models through their command lines: trained a little, sampled, evaluated, and misused."""

from __future__ import annotations

import pytest

from models import bigram_lm, bow, gpt_lecture, resnet, rnn, seq2seq, transformer, wavenet
from models.shared.command_line import main

NAMES = "\n".join(["anna", "otto", "emma", "ada", "bob", "eve", "hannah", "lil"] * 4)
TEXT = "the quick brown fox jumps over the lazy dog, and the dog does not mind. " * 12
SMALL = ["--n-embd", "8"]
MODELS = {
    "tree": (wavenet.SPEC, NAMES, ["--preset", "tree", *SMALL, "--n-hidden", "8"]),
    "dilated": (wavenet.SPEC, NAMES, ["--preset", "dilated", "--n-hidden", "8"]),
    "rnn": (rnn.SPEC, NAMES, [*SMALL, "--n-hidden", "8"]),
    "bow": (bow.SPEC, NAMES, SMALL),
    "transformer": (transformer.SPEC, NAMES, [*SMALL, "--n-head", "2", "--n-layer", "1"]),
    "bigram_lm": (bigram_lm.SPEC, TEXT, []),
    "gpt_lecture": (gpt_lecture.SPEC, TEXT, [*SMALL, "--n-head", "2", "--n-layer", "1", "--block-size", "8"]),
}
SHORT = ["--max-iters", "3", "--batch-size", "4", "--eval-iters", "1", "--quiet"]


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a command in the test's run folder; its status, output and errors."""

    def of(spec, command, *flags):
        status = main(spec, [command, "--out", str(tmp_path / "run"), *flags])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return of


@pytest.mark.parametrize("name", MODELS)
def test_from_training_to_sample(name, run, tmp_path):
    spec, text, flags = MODELS[name]
    file = tmp_path / "data.txt"
    file.write_text(text)
    assert run(spec, "train", *flags, *SHORT, "--data", str(file))[0] == 0
    status, out, _ = run(spec, "sample", "--samples", "2", "--length", "20")
    assert status == 0 and set(out) <= set(text) | {"\n", "-"} and out.strip()
    prompt = "an" if text is NAMES else "the d"
    status, out, _ = run(spec, "sample", "--samples", "1", "--length", "5", "--prompt", prompt)
    assert status == 0 and out.startswith(prompt)
    status, out, _ = run(spec, "eval", "--data", str(file), "--split", "val")
    assert status == 0 and out.startswith("val")
    # What is not in the vocabulary is named.
    status, out, err = run(spec, "sample", "--prompt", "a1")
    assert (status, out) == (1, "") and "'1'" in err and len(err.splitlines()) == 1
    # Another model's checkpoint, and weights that do not fit the flags.
    other = bow.SPEC if spec is not bow.SPEC else rnn.SPEC
    status, _, err = run(other, "sample")
    assert status == 1 and f"is a checkpoint of {spec.name!r}, not of {other.name!r}" in err
    if flags:
        status, _, err = run(spec, "train", "--resume", "--data", str(file), flags[-2], "16")
        assert status == 1 and "the checkpoint is of another model" in err and "16 on the command line" in err


@pytest.mark.parametrize(
    "spec", [s.SPEC for s in (wavenet, rnn, bow, transformer, resnet, bigram_lm, gpt_lecture, seq2seq)]
)
def test_what_does_not_exist_is_named_with_what_does(spec, run):
    status, _, err = run(spec, "train", "--preset", "gigantic")
    assert status == 1 and f"unknown preset 'gigantic'; the known ones are {', '.join(spec.presets)}" in err
    status, _, err = run(spec, "sample")
    assert status == 1 and f"make one with: python -m models.{spec.name} train --out" in err


def test_images_are_told_apart_by_their_number(run, tmp_path):
    pytest.importorskip("sklearn")
    assert run(resnet.SPEC, "train", "--width", "4", *SHORT)[0] == 0
    status, out, _ = run(resnet.SPEC, "sample", "--samples", "2")
    assert status == 0 and "image 0:" in out and "image 1:" in out
    status, out, _ = run(resnet.SPEC, "eval", "--split", "test")
    assert status == 0 and "accuracy" in out
    status, _, err = run(resnet.SPEC, "sample", "--prompt", "1000")
    assert status == 1 and "0 to 179, got 1000" in err


def test_cifar10_without_a_network_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TINYGRAD_ZTH_DATA", str(tmp_path))
    status, _, err = run(resnet.SPEC, "train", "--preset", "resnet20", "--data", "cifar10")
    assert status == 1 and len(err.splitlines()) == 1 and "TINYGRAD_ZTH_OFFLINE" in err
