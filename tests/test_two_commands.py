"""The two commands of the README: `make gpt` in a fresh clone without a network, and the plain lines for Windows."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.gpt import SPEC
from models.shared.command_line import parser_of

pytestmark = pytest.mark.host  # in processes of their own, on the host

ROOT = Path(__file__).resolve().parent.parent
# No package can be had, no text can be had, and none is in a cache: what a machine without a network meets.
NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "TINYGRAD_ZTH_OFFLINE": "1"}
SMALL = "--max-iters 3 --eval-interval 3 --eval-iters 1 --n-layer 1 --n-head 1 --n-embd 8 --block-size 64"


def fresh_clone(folder: Path) -> Path:
    """A clone of what is committed; where this is no checkout of git, a copy of what a clone would have."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True)
        if archive.returncode == 0:
            folder.mkdir()
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            return folder
    parts = ("tinygrad_zth", "models", "data", "benchmarks", ".ci")
    for part in parts:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "Makefile", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_gpt_in_a_fresh_clone_without_a_network(tmp_path):
    clone = fresh_clone(tmp_path / "clone")
    env = {**os.environ, **NO_NETWORK, "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    for name in ("TINYGRAD_ZTH_DATA", "VIRTUAL_ENV", "PYTHONPATH", "VENV", "MAKEFLAGS"):
        env.pop(name, None)
    command = ["make", "gpt", f"PYTHON={sys.executable}", f"GPT_TRAIN=--preset tiny {SMALL}", "GPT_SAMPLE=--length 80"]
    done = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nothing could be installed: using the packages that" in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("data: ")]
    assert len(told) == 1 and "using Python's own reference text" in told[0]  # one clear line
    trained, _, sample = done.stdout.partition(f'sample --out "{"runs/gpt"}"')
    assert "step 3/3" in trained and "validation loss" in trained
    assert len(sample.strip("\n")) >= 70  # eighty characters, of which the last may be blank
    made = {path.relative_to(clone).parts[0] for path in clone.iterdir()} - {p.name for p in ROOT.iterdir()}
    assert made <= {".venv", ".venv.lock", "runs", "tinygrad_zth.egg-info"}


def plain_lines() -> list[str]:
    """The commands of the README's block for Windows."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```\w*\n(.*?)```", page, re.S) if "Scripts\\activate" in b]
    return [line for line in block.splitlines() if line]


def test_the_plain_lines_are_commands_that_there_are():
    lines = plain_lines()
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg", encoding="utf-8")
    seen = set()
    for line in lines:
        words = shlex.split(line, posix=False)
        if words[:3] == ["python", "-m", "models.gpt"]:
            args = parser_of(SPEC).parse_args(words[3:])
            assert args.out == Path("runs/gpt")
            assert getattr(args, "preset", None) in (None, *SPEC.presets)
            seen.add(words[3])
        elif words[:4] == ["python", "-m", "pip", "install"]:
            named = re.fullmatch(r"\.\[(.*)\]", words[-1])[1].split(",")
            assert set(named) <= set(extras["options.extras_require"])
            assert {"test"} <= set(named)
            seen.add("install")
        elif words[:3] == ["python", "-m", "pytest"]:
            assert words[3:] == []
            seen.add("test")
    assert seen == {"train", "sample", "install", "test"}


def test_the_makefile_and_the_plain_lines_do_the_same():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^GPT_TRAIN \?= --preset tiny$", makefile, re.M)
    assert "python -m models.gpt train --preset tiny --out runs/gpt" in plain_lines()
    assert "python -m models.gpt sample --out runs/gpt" in plain_lines()
