"""The package builds, declares what it needs, and works outside the clone, by itself."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

pytestmark = pytest.mark.host  # in processes of their own, on the host

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "cuda12", "cuda13", "cli", "plot", "data", "safetensors", "test", "parity", "dev", "all", "gputest", "tensorboard",
    "random",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the project, built without a network by the setuptools that is installed."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("setuptools is not installed (extra: test)")
    if int(version.split(".")[0]) < 77:
        pytest.skip(f"setuptools {version} is older than the build backend needs (77)")
    # In a copy: a build leaves build/ and *.egg-info beside the sources.
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for name in ("tinygrad_zth", "models", "data", "tests"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    code = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=source, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_carries_the_package_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tinygrad_zth"}
    shipped = {name for name in names if not name.startswith("tinygrad_zth-")}
    package = ROOT / "tinygrad_zth"
    kinds = (".py", ".pyi", ".cu", ".cuh")
    sources = [p for p in package.rglob("*") if p.suffix in kinds or p.name == "py.typed"]
    assert shipped == {p.relative_to(ROOT).as_posix() for p in sources}


def test_the_wheel_needs_numpy_alone(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    (name,) = [n for n in archive.namelist() if n.endswith("dist-info/METADATA")]
    metadata = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    needs = metadata.get_all("Requires-Dist")
    assert [need for need in needs if "extra ==" not in need] == ["numpy>=2.0"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS


def test_the_wheel_imports_and_computes_outside_the_clone(wheel: Path, tmp_path: Path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import tinygrad_zth as torch; from pathlib import Path;"
        "assert Path(torch.__file__).is_relative_to(Path('site').resolve()), torch.__file__;"
        "x = torch.tensor([1.0, 2.0], requires_grad=True); (x * x).sum().backward();"
        "assert x.grad.tolist() == [2.0, 4.0]"
    )
    # -S would hide numpy; -P keeps the working directory's own modules out.
    run = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, 'site'); {code}"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_says_the_version_of_its_metadata(wheel: Path):
    import tinygrad_zth

    assert wheel.name.split("-")[1] == tinygrad_zth.__version__
