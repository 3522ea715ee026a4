"""The package is loaded when it is first used, and nobody can tell by which way they came in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    """What ``code`` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_alone_loads_nothing_not_even_numpy():
    assert run("import sys, tinygrad_zth; print('numpy' in sys.modules, tinygrad_zth.__version__)").startswith("False ")


WHOLE = """
import sys, types, tinygrad_zth as torch
assert torch.tensor([1.0]).sum().item() == 1 and str(torch.device("cpu")) == "cpu"
assert torch.autograd.Function and torch.autograd.gradcheck and torch.nn.parallel and torch.utils.checkpoint
assert None not in (torch.nn, torch.optim, torch.Tensor, torch.float32, torch.no_grad)
rooms = {name: m for name, m in sys.modules.items() if name.startswith("tinygrad_zth.")}
for name, m in rooms.items():  # none loaded twice, none left with the spec of the finder
    assert m.__spec__.loader is None or m.__spec__.loader.__class__.__name__ != "FirstSubmodule", name
assert sys.meta_path[0].__class__.__name__ != "FirstSubmodule"
import tinygrad_zth.tensor, tinygrad_zth.device
assert callable(torch.tensor) and not isinstance(torch.tensor, types.ModuleType) and torch.device.__class__ is type
print("whole")
"""


@pytest.mark.parametrize(
    "way_in",
    [
        "import tinygrad_zth as torch; torch.tensor(1)",
        "import tinygrad_zth as torch; assert 'randn' in dir(torch)",
        "from tinygrad_zth import tensor, nn; tensor(1)",
        "from tinygrad_zth import *; tensor(1); nn.Linear(2, 3)",
        "import tinygrad_zth.nn as nn; nn.Linear(2, 3)",
        "import tinygrad_zth.nn.functional as F; F.relu",
        "from tinygrad_zth.autograd import Function; Function",
        "from tinygrad_zth.nn.parameter import Parameter; Parameter",
        "from tinygrad_zth.tensor import Tensor; Tensor",
        "from tinygrad_zth.device import device; device('cpu')",
        "import tinygrad_zth.optim.lr_scheduler",
        "from tinygrad_zth.value import Value; Value(1)",
        "import tinygrad_zth.viz",
        "import importlib; importlib.import_module('tinygrad_zth.utils.data')",
    ],
)
def test_every_way_in_leads_to_the_whole(way_in):
    assert run(way_in + "\n" + WHOLE) == "whole"


def test_many_threads_may_be_the_first():
    code = """
import threading, tinygrad_zth as torch
start, seen = threading.Barrier(8), []
def first(i):
    start.wait()
    seen.append((torch.tensor(i).item(), torch.nn.Linear.__name__, str(torch.device("cpu"))))
threads = [threading.Thread(target=first, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(seen) == [(i, "Linear", "cpu") for i in range(8)])
"""
    assert run(code) == "True"


def test_what_is_not_there_is_said_in_the_same_way():
    code = """
import tinygrad_zth as torch
for name in ("complex64", "nothing_of_the_kind"):
    try:
        getattr(torch, name)
    except AttributeError as error:
        print(error)
try:
    import tinygrad_zth.nowhere
except ModuleNotFoundError as error:
    print(error)
"""
    absent, unknown, nowhere = run(code).splitlines()
    assert "complex numbers are not supported" in absent
    assert unknown.endswith("has no attribute 'nothing_of_the_kind'")
    assert nowhere == "No module named 'tinygrad_zth.nowhere'"


def test_a_failure_while_loading_is_told_and_leaves_the_package_usable():
    code = """
import sys, tinygrad_zth as torch
sys.modules["numpy"] = None
try:
    torch.tensor
except ImportError as error:
    print(type(error).__name__, "numpy" in str(error))
del sys.modules["numpy"]
print(torch.tensor(3).item())
"""
    assert run(code).splitlines() == ["ModuleNotFoundError True", "3"]
