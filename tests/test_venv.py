""".ci/venv.py and the Makefile where nothing can be downloaded."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.host  # no tensor is made

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / ".ci" / "venv.py"
# pip finds nothing anywhere, at once: what it meets without a network, without the waiting.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}


def run(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("a folder") / "venv"
    done = run(folder, "test", **OFFLINE)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.fixture
def env(made: tuple[Path, str]) -> tuple[Path, str]:
    """An environment made without a network, in a folder with a space, and what was said. It is whole at the
    beginning of each test, whatever the tests before have taken away."""
    assert run(made[0], "test", **OFFLINE).returncode == 0  # does nothing where nothing is missing
    return made


def python_of(folder: Path) -> str:
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def test_without_a_network_this_pythons_packages_are_used(env, tmp_path):
    folder, said = env
    assert "nothing could be installed: using the packages that" in said
    code = "import numpy, pytest, hypothesis, data; print(data.__file__)"
    done = subprocess.run([python_of(folder), "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert Path(done.stdout.strip()) == ROOT / "data" / "__init__.py"


def test_a_second_run_changes_nothing(env):
    folder, _ = env
    stamp = folder / "tinygrad_zth.json"
    before = stamp.stat().st_mtime_ns
    done = run(folder, "test", **OFFLINE)
    assert done.returncode == 0
    assert "remove it to install afresh" in done.stderr
    assert stamp.stat().st_mtime_ns == before


def test_two_runs_at_once_share_the_work(env):
    folder, _ = env
    (folder / "tinygrad_zth.json").unlink()
    command = [sys.executable, str(SCRIPT), str(folder), "test"]
    both = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **OFFLINE}) for _ in range(2)
    ]
    said = [child.communicate()[1] for child in both]
    assert [child.returncode for child in both] == [0, 0], said
    assert sum("nothing could be installed" in text for text in said) == 1


def test_an_environment_without_its_python_is_made_again(env):
    folder, _ = env
    for path in Path(python_of(folder)).parent.glob("python*"):
        path.unlink()
    assert run(folder, "test", **OFFLINE).returncode == 0
    subprocess.run([python_of(folder), "-c", "import pytest"], check=True)


def test_ci_gets_no_fallback(env):
    done = run("--no-fallback", env[0], "test", **OFFLINE)
    assert done.returncode == 1
    assert "pip could not install" in done.stderr


def test_a_folder_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "thesis.txt").write_text("years of work")
    done = run(tmp_path / "venv", **OFFLINE)
    assert done.returncode == 1
    assert "is not a virtual environment" in done.stderr
    assert (tmp_path / "venv" / "thesis.txt").read_text() == "years of work"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("venv_tool", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_missing_is_named(env, tool, monkeypatch, capsys):
    folder, _ = env
    monkeypatch.setattr(tool, "NEEDS", {"test": ("pytest", "no_such_library")})
    monkeypatch.setattr(sys, "argv", ["venv.py", str(folder), "test", "cli"])
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    (folder / "tinygrad_zth.json").unlink()
    with pytest.raises(SystemExit) as caught:
        tool.main()
    assert "has no no_such_library" in str(caught.value.code)
    assert not (folder / "tinygrad_zth.json").exists()


def test_new_metadata_makes_the_stamp_stale(env, tool, monkeypatch):
    folder, _ = env
    tool.write_stamp(folder, {"test"}, offline=True)
    assert tool.read_stamp(folder) == {
        "fingerprint": tool.fingerprint(), "extras": ["test"], "offline": True,
    }  # fmt: skip
    monkeypatch.setattr(tool, "ROOT", Path(shutil.copytree(ROOT / ".ci", folder / "other")))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / "other" / name)
    assert tool.read_stamp(folder) == {}  # the checkout has moved
    (folder / tool.STAMP).write_text(json.dumps({"extras": ["test"]})[:-3])
    assert tool.read_stamp(folder) == {}


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("python", ["", "false", "/nowhere/python3"])
def test_make_says_which_python_it_needs(python, tmp_path):
    done = subprocess.run(
        ["make", "venv", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (tmp_path / "venv").exists()
