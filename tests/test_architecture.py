"""The floors of the house: imports point down, files stay small, optional libraries stay optional.

The imports are read from the source text (ast), so that one inside a function counts as well; only
what stands under ``if TYPE_CHECKING:`` does not, since it never runs.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tinygrad_zth"

# Each floor knows only itself and those beneath it. A new module is entered here once.
FLOORS: list[set[str]] = [
    {"value", "version"},
    {
        "storage",
        "dtypes",
        "device",
        "generator",
        "backends",
        "printing",
        "analysis",
        "approximations",
        "gamma",
        "incomplete_gamma",
        "partial_order",
        "sampling",
        "absent",
        "settings",
        "types",
        "type_info",
    },
    {"tensor", "autograd", "broadcasting", "graph", "operation", "template", "refusal", "inplace", "function"},
    {"ops", "linalg", "random", "jacobians", "func"},
    {"fused"},
    {
        "nn",
        "optim",
        "utils",
        "checkpoint",
        "serialization",
        "special",
        "cuda",
        "amp",
        "compiler",
        "distributed",
        "jit",
        "profiler",
    },
    {"viz", "testing", "__main__"},
    {"api"},
    {"loading"},
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}

# What models/, data/ and benchmarks/ may import of the framework: what a user would.
PUBLIC = {
    "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler",
    "utils", "utils.data", "autograd", "cuda", "special", "linalg", "fft", "testing",
    "value", "viz",
}  # fmt: skip

# The houses beside the package, and which of each other they may import.
SIDES = {
    "data": {"data"},
    "models": {"models", "data"},
    "benchmarks": {"benchmarks", "models", "data"},
}

# Lines a file may have; an exception is named with a bound of its own, and is one room still.
BOUND = 550
TEST_BOUND = 800
BOUNDS = {
    "tinygrad_zth/value.py": 600,  # the whole scalar engine in one sitting, by design
}
# A file that is itself imported lazily, and the optional library that it is written around.
AROUND = {"tinygrad_zth/testing/strategies.py": "hypothesis"}
FORBIDDEN_NAMES = {"utils.py", "util.py", "misc.py", "helpers.py", "common.py"}


class Import(NamedTuple):
    """An imported module: its dotted name, the line, and whether importing the file runs it."""

    module: str
    line: int
    top_level: bool


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statements(body: list[ast.stmt], top: bool) -> Iterator[tuple[ast.stmt, bool]]:
    for node in body:
        if _is_type_checking(node):
            yield from _statements(node.orelse, top)  # type: ignore[attr-defined]
            continue
        yield node, top
        inside = top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []), inside)
        for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            yield from _statements(part.body, inside)


def imports_of(path: Path, root: Path) -> list[Import]:
    """Every module that the file at ``path`` imports, relative names resolved against ``root``."""
    parts = path.relative_to(root).with_suffix("").parts
    package = parts[:-1]  # a module's package; for __init__.py the package that it is
    found = []
    for node, top in _statements(ast.parse(path.read_text(encoding="utf-8")).body, True):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*base, *([node.module] if node.module else [])])
            folder = root.joinpath(*source.split("."))
            for alias in node.names:
                inner = folder / alias.name
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                name = f"{source}.{alias.name}" if is_module else source
                found.append(Import(name, node.lineno, top))
    return found


def sources(root: Path, *folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def room_of(module: str) -> str:
    """The entry of FLOORS that a module belongs to: ``tinygrad_zth.nn.init`` is in ``nn``."""
    return module.split(".")[1] if "." in module else ""


def arrows_up(root: Path) -> list[str]:
    """Imports inside the package that point up, and modules that stand on no floor."""
    wrong = []
    for path in sources(root, PACKAGE):
        where = path.relative_to(root).as_posix()
        room = path.relative_to(root / PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue  # the front door stands above all floors
        if room not in FLOOR:
            wrong.append(f"{where}: {room!r} is on no floor: enter it in FLOORS of {Path(__file__).name}")
            continue
        for item in imports_of(path, root):
            if item.module.split(".")[0] != PACKAGE:
                if item.module.split(".")[0] in {*SIDES, "tests"}:
                    wrong.append(f"{where}:{item.line} imports {item.module}, outside the package")
                continue
            other = room_of(item.module)
            if not other:
                wrong.append(f"{where}:{item.line} imports the front door, which is above it")
            elif other in FLOOR and FLOOR[other] > FLOOR[room]:
                floors = f"from floor {FLOOR[room]} to {FLOOR[other]}"
                wrong.append(f"{where}:{item.line} imports {item.module}: up, {floors}")
    return wrong


def through_the_back_door(root: Path) -> list[str]:
    """Imports of models/, data/ and benchmarks/ that a user of the framework could not write."""
    wrong = []
    for side, allowed in SIDES.items():
        for path in sources(root, side):
            for item in imports_of(path, root):
                first, _, rest = item.module.partition(".")
                private = first == PACKAGE and rest and rest not in PUBLIC
                if side == "benchmarks":
                    private = False  # they time the parts too
                foreign = first in {*SIDES, "tests"} and first not in allowed
                if private or foreign:
                    where = path.relative_to(root).as_posix()
                    wrong.append(f"{where}:{item.line} imports {item.module}")
    return wrong


def heavy_imports(root: Path) -> list[str]:
    """Top-level imports beyond the standard library, NumPy and the project; torch anywhere."""
    own = {PACKAGE, *SIDES, "numpy"}
    wrong = []
    for path in sources(root, PACKAGE, *SIDES):
        where = path.relative_to(root).as_posix()
        for item in imports_of(path, root):
            first = item.module.split(".")[0]
            if item.top_level and first == AROUND.get(where):
                continue
            if item.top_level and first not in own and first not in sys.stdlib_module_names:
                wrong.append(f"{where}:{item.line} imports {first} at top level")
            elif first == "torch" and not where.startswith("benchmarks/"):
                wrong.append(f"{where}:{item.line} imports the real torch")
    return wrong


def too_long(root: Path, bounds: dict[str, int]) -> list[str]:
    wrong = []
    for path in sources(root, PACKAGE, *SIDES, "tests", ".ci"):
        where = path.relative_to(root).as_posix()
        lines = len(path.read_text(encoding="utf-8").splitlines())
        bound = bounds.get(where, TEST_BOUND if where.startswith("tests/") else BOUND)
        if lines > bound:
            wrong.append(f"{where} has {lines} lines, its bound is {bound}")
    return wrong


def test_imports_point_down():
    assert not arrows_up(ROOT)


def test_models_and_data_use_the_public_surface_only():
    assert not through_the_back_door(ROOT)


def test_optional_libraries_are_imported_lazily():
    assert not heavy_imports(ROOT)


def test_the_scalar_engine_imports_nothing_of_ours():
    imported = {item.module.split(".")[0] for item in imports_of(ROOT / PACKAGE / "value.py", ROOT)}
    assert imported <= set(sys.stdlib_module_names)


def test_files_stay_within_their_bound():
    assert not too_long(ROOT, BOUNDS)


def test_no_exception_from_the_bound_outlives_its_need():
    stale = [
        name
        for name in BOUNDS
        if not (ROOT / name).exists() or len((ROOT / name).read_text("utf-8").splitlines()) <= BOUND
    ]
    assert not stale


def test_every_file_has_a_subject():
    files = sources(ROOT, PACKAGE, *SIDES, "tests", ".ci")
    assert not [path for path in files if path.name in FORBIDDEN_NAMES]


def test_importing_the_framework_loads_numpy_and_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import tinygrad_zth; tinygrad_zth.Tensor;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(run.stdout.split())
    assert PACKAGE in loaded
    # NumPy's compiled parts register their Cython runtime as modules of its own.
    loaded = {name for name in loaded if "cython" not in name}
    assert loaded <= {PACKAGE, "numpy", *sys.stdlib_module_names}


# --- the checks themselves, on a small house that breaks each rule ---


@pytest.fixture
def house(tmp_path: Path):
    def build(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return build


@pytest.mark.parametrize(
    "line",
    [
        "from .nn import Module",
        "from . import nn",
        "import tinygrad_zth",
        "import tinygrad_zth.nn.functional",
        "def f():\n    from .ops.view import reshape",
        "try:\n    pass\nexcept ValueError:\n    from . import nn",
        "import models.gpt",
    ],
)
def test_an_arrow_up_is_seen(house, line):
    root = house(
        {
            "tinygrad_zth/__init__.py": "from . import nn\n",
            "tinygrad_zth/nn/__init__.py": "from ..tensor import Tensor\n",
            "tinygrad_zth/ops/view.py": "from ..tensor import Tensor\n",
            "tinygrad_zth/tensor.py": "import numpy as np\n",
        }
    )
    assert not arrows_up(root)
    house({"tinygrad_zth/tensor.py": line + "\n"})
    (found,) = arrows_up(root)
    assert found.startswith("tinygrad_zth/tensor.py:")


def test_imports_for_types_alone_do_not_count(house):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .nn import Module\n"
    assert not arrows_up(house({"tinygrad_zth/tensor.py": text}))


def test_a_module_on_no_floor_is_seen(house):
    (found,) = arrows_up(house({"tinygrad_zth/attic.py": ""}))
    assert "on no floor" in found


@pytest.mark.parametrize(
    "line",
    ["from tinygrad_zth.ops import view", "import tinygrad_zth.tensor", "import tests.conftest"],
)
def test_a_model_that_reaches_inside_is_seen(house, line):
    root = house({"models/gpt.py": "import tinygrad_zth as torch\nfrom tinygrad_zth import nn\n"})
    house({"tinygrad_zth/ops/view.py": "", "tinygrad_zth/nn/__init__.py": ""})
    assert not through_the_back_door(root)
    house({"models/gpt.py": line + "\n"})
    assert len(through_the_back_door(root)) == 1


def test_a_heavy_import_is_seen_at_top_level_only(house):
    root = house({"models/plot.py": "def draw():\n    import matplotlib.pyplot\n"})
    assert not heavy_imports(root)
    house({"models/plot.py": "try:\n    import matplotlib.pyplot\nexcept ImportError:\n    pass\n"})
    assert len(heavy_imports(root)) == 1
    house({"models/plot.py": "def draw():\n    import torch\n"})
    assert len(heavy_imports(root)) == 1


def test_a_file_past_its_bound_is_seen(house):
    root = house({"data/long.py": "x = 1\n" * (BOUND + 1)})
    assert len(too_long(root, {})) == 1
    assert not too_long(root, {"data/long.py": BOUND + 1})
