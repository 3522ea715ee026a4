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
    assert m.__spec__.loader is None or m.__spec__.loader.__class__.__name__ != "Found", name
assert sys.meta_path[0].__class__.__name__ != "Opening"
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


LATER = """
import sys
before = {*sys.modules}  # what the environment loads with Python itself
import tinygrad_zth as torch
torch.zeros(1)
def loaded(room): return any(m.startswith(f"tinygrad_zth.{room}") for m in sys.modules)
print([room for room in ("checkpoint", "optim", "profiler", "testing", "utils", "viz") if loaded(room)])
print([m for m in ("numpy.random", "pathlib", "json", "zipfile", "logging") if m in sys.modules and m not in before])
"""


def test_what_few_programs_use_is_loaded_when_it_is_asked_for():
    assert run(LATER).splitlines() == ["[]", "[]"]


@pytest.mark.parametrize(
    "uses",
    [
        {
            "torch.autograd.gradcheck": "testing",
            "torch.save": "checkpoint",
            "torch.utils.checkpoint.checkpoint; torch.utils.data.DataLoader": "utils",
            "torch.profiler.profile": "profiler",
            "torch.optim.SGD": "optim",
        },
        {
            "from tinygrad_zth.autograd import gradgradcheck": "testing",
            "from tinygrad_zth import load": "checkpoint",
            "import tinygrad_zth.utils.data as data": "utils",
            "from tinygrad_zth import optim; optim.lr_scheduler.StepLR": "optim",
        },
        {"torch.checkpoint.load": "checkpoint", "import tinygrad_zth.optim; torch.optim.SGD": "optim"},
    ],
)
def test_a_room_that_is_loaded_later_is_there_for_whoever_asks(uses):
    steps = "".join(
        f"assert not loaded({r!r})\n{use}\nassert loaded({r!r}) and {r!r} in vars(torch)\n" for use, r in uses.items()
    )
    names = "{'load', 'optim', 'profiler', 'save', 'testing', 'utils'}"
    assert run(
        f"{LATER}\n{steps}\nassert {names} <= set(dir(torch)) and {names} <= set(torch.__all__)\nprint('fine')"
    ).endswith("fine")


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
for where, name in ((torch, "complex64"), (torch, "nothing_of_the_kind"), (torch.autograd, "nothing")):
    try:
        getattr(where, name)
    except AttributeError as error:
        print(error)
try:
    import tinygrad_zth.nowhere
except ModuleNotFoundError as error:
    print(error)
"""
    absent, unknown, nothing, nowhere = run(code).splitlines()
    assert "complex numbers are not supported" in absent
    assert unknown.endswith("has no attribute 'nothing_of_the_kind'")
    assert nothing == "module 'tinygrad_zth.autograd' has no attribute 'nothing'"
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


def test_an_interrupted_load_is_taken_up_again():
    code = """
import sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "tinygrad_zth.linalg":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
import tinygrad_zth
sys.meta_path.sort(key=lambda f: type(f).__name__ != "Interrupt")
try:
    import tinygrad_zth.nn
except KeyboardInterrupt:
    print("interrupted")
from tinygrad_zth.autograd import Function
print(Function.__name__, tinygrad_zth.tensor(1).item())
"""
    assert run(code).splitlines() == ["interrupted", "Function 1"]


def test_a_name_set_before_the_first_use_stays():
    assert run("import tinygrad_zth as t; t.relu = 5; t.tensor; print(t.relu)") == "5"


def test_a_star_brings_the_names_and_no_rooms():
    code = "import types as before; from tinygrad_zth import *; print('api' in vars(), 'loading' in vars(), relu)"
    assert run(code).startswith("False False <function")


def test_it_can_be_asked_where_a_submodule_is():
    code = """
import importlib.util, sys
spec = importlib.util.find_spec("tinygrad_zth.nn")
print(spec.origin.endswith("__init__.py"), bool(spec.submodule_search_locations), bool(spec.loader.get_code(spec.name)))
import tinygrad_zth.nn as nn
importlib.reload(nn)
print(nn.__package__, nn.__spec__.name, type(nn.__loader__).__name__)
"""
    assert run(code).splitlines() == ["True True True", "tinygrad_zth.nn tinygrad_zth.nn SourceFileLoader"]


def test_it_can_be_run_and_pickled_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_zth.nn"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "is a package and cannot be directly executed" in done.stderr
    assert (
        run("import pickle, tinygrad_zth as t; print(pickle.loads(pickle.dumps(t)) is t, t.tensor(1).item())")
        == "True 1"
    )
    assert run("import pickle, tinygrad_zth as t; t.nn; print(pickle.loads(pickle.dumps(t)) is t)") == "True"
