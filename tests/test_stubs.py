"""The generated stubs say what the package offers, and hold for programs that are checked strictly."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted((ROOT / "tests" / "typed").glob("*.py"))
STUBS = sorted((ROOT / "tinygrad_zth").rglob("*.pyi"))
Check = Callable[..., tuple[str, int]]


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """``mypy --strict`` on files, as a user would run it: what it says, and its exit status."""
    api = pytest.importorskip("mypy.api")
    cache = tmp_path_factory.mktemp("mypy")

    def run(*files: Path, root: Path = ROOT, silent: str = "silent") -> tuple[str, int]:
        options = ["--strict", f"--follow-imports={silent}", "--config-file=", f"--cache-dir={cache}"]
        before = os.getcwd()
        os.chdir(root)
        try:
            out, err, status = api.run([*options, *map(str, files)])
        finally:
            os.chdir(before)
        return out + err, status

    return run


def test_stubs_are_current():
    """What .ci/stubs.py would write is what is there."""
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "stubs.py"), "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------------------- users' programs


def test_programs_of_users_are_strict(mypy):
    """A lecture's MLP, a GPT, a training loop, and one that asserts types: no complaint, and nothing is ignored."""
    programs = [path for path in PROGRAMS if path.name != "wrong.py"]
    assert len(programs) >= 4 and not any("type: ignore" in path.read_text() for path in programs)
    out, status = mypy(*programs)
    assert status == 0, out


def test_mistakes_are_reported_line_by_line(mypy):
    """Wrong names, types and counts of arguments, attributes and results: each is reported, and nothing else is."""
    path = ROOT / "tests" / "typed" / "wrong.py"
    out, status = mypy(path)
    assert status == 1
    reported = {int(n) for n in re.findall(r"wrong\.py:(\d+): error", out)}
    marked = {n for n, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert len(marked) >= 40
    assert reported == marked, out


@pytest.mark.parametrize("path", [p for p in PROGRAMS if p.name != "wrong.py"], ids=lambda path: path.stem)
def test_programs_of_users_run(path):
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------------------- what an editor shows


def functions_of(path: Path) -> Iterator[tuple[str, list[ast.FunctionDef]]]:
    """The public functions, methods and properties of a stub by name, each with its overloads."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, list[ast.FunctionDef]]]:
        found: dict[str, list[ast.FunctionDef]] = {}
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                if not any(isinstance(d, ast.Attribute) for d in node.decorator_list):  # a property's setter
                    found.setdefault(prefix + node.name, []).append(node)
        yield from found.items()

    yield from walk(ast.parse(path.read_text()).body, "")


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.relative_to(ROOT / "tinygrad_zth").as_posix())
def test_every_function_of_a_stub_has_a_docstring_and_a_result(path):
    without = [name for name, forms in functions_of(path) if not any(map(ast.get_docstring, forms))]
    assert not without
    # What these return depends on their arguments' values, or on a file.
    open_ones = {"load", "Tensor.tolist"}
    vague = {name for name, forms in functions_of(path) if any(ast.unparse(f.returns) == "Any" for f in forms)}
    assert vague <= open_ones


def test_the_stub_of_tensor_has_every_method():
    """What ``dir(tensor)`` lists, an editor completes."""
    import tinygrad_zth as zth

    stub = ast.parse((ROOT / "tinygrad_zth" / "tensor.pyi").read_text())
    (body,) = (node.body for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Tensor")
    listed = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    assert {name for name in dir(zth.ones(())) if not name.startswith("_")} <= listed


@pytest.mark.parametrize(
    "name",
    """nn nn.functional nn.init nn.utils nn.utils.rnn nn.utils.parametrize nn.utils.parametrizations optim
    optim.lr_scheduler optim.swa_utils utils.data utils.checkpoint autograd jacobians linalg special amp func cuda
    random profiler testing value viz""".split(),
)
def test_every_public_name_has_a_docstring(name):
    """Functions, classes, and the methods and properties of classes; a method may have it from the one it overrides."""
    import tinygrad_zth as zth

    module = import_module(f"{zth.__name__}.{name}")
    without = []
    for key in getattr(module, "__all__", None) or [k for k in dir(module) if not k.startswith("_")]:
        member = getattr(module, key)
        if not getattr(member, "__module__", "").startswith("tinygrad_zth") or inspect.ismodule(member):
            continue
        if not inspect.getdoc(member):
            without.append(key)
        for attribute in vars(member) if inspect.isclass(member) else ():
            function = inspect.getattr_static(member, attribute)
            if isinstance(function, staticmethod | classmethod):
                function = function.__func__
            if not attribute.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                if not inspect.getdoc(getattr(member, attribute)):
                    without.append(f"{key}.{attribute}")
    assert not without


# ---------------------------------------------------------------------------- what stands behind a stub


def test_rooms_behind_a_stub_are_strict(mypy, tmp_path):
    """mypy reads a stub in a room's place. Here each such room is read itself, beside all the other stubs."""
    package = shutil.copytree(
        ROOT / "tinygrad_zth", tmp_path / "tinygrad_zth", ignore=shutil.ignore_patterns("__pycache__")
    )
    for stub in STUBS:
        if stub.name in ("__init__.pyi", "return_types.pyi"):  # nothing but names; made in a loop
            continue
        here = package / stub.relative_to(ROOT / "tinygrad_zth")
        text = here.read_text()
        here.unlink()
        room = here.with_suffix(".py")
        out, _ = mypy(room, root=tmp_path)
        here.write_text(text)
        wrong = [line for line in out.splitlines() if f"{room.name}:" in line and "error" in line]
        assert not wrong, "\n".join(wrong)
