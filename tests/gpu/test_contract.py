"""The package's calls of CuPy held to the snapshot of CuPy's names and signatures. No CuPy is needed, but to renew it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zth  # noqa: F401  (fills the tables)
from tests.gpu.simulated import CUPY
from tests.gpu.strict import snapshot
from tests.gpu.strict.contract import breaches, breaches_of, entry_of
from tests.properties.table import operations
from tinygrad_zth.backends import Kernels

ROOT = Path(__file__).resolve().parents[2]


def test_every_name_and_keyword_is_cupys():
    found = breaches(ROOT / "tinygrad_zth")
    assert not found, "\n".join(f"{path}:{f.line}: {f.name}: {f.what}" for path, all_ in found.items() for f in all_)


def test_every_numpy_function_that_is_looked_up_by_name_is_there():
    """``op(np.exp)`` is ``cupy.exp`` on a device: the table finds it when it is first called there."""
    tables = {name: o.kernels for name, o in operations().items() if isinstance(o.kernels, Kernels)}
    looked_up = {
        name: t.kernel.__name__
        for name, t in tables.items()
        if "cupy" not in t.others and isinstance(t.kernel, np.ufunc | type(np.sum))
    }
    looked_up = {name: n for name, n in looked_up.items() if getattr(np, n, None) is tables[name].kernel}
    assert len(looked_up) > 30
    absent = {name: n for name, n in looked_up.items() if entry_of([n])[0] is None}
    assert not absent


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("xp.scatter_add(a, i, b)", "has no such name"),
        ("backend_of(x).xp.linalg.schur(x)", "has no such name"),
        ("self.xp.cuda.runtime.memGetInf()", "has no such name"),
        ("self._cupy.fromnumeric", "has no such name"),
        ("xp.add(x, y, where=m)", "takes no where"),
        ("xp.exp(x, None, y)", "more than 2 arguments"),
        ("xp.matmul(x, y, z)", "too many positional"),
        ("xp.clip(x, min=0)", "'a_min'"),
        ("xp.sum(x, initial=0)", "'initial'"),
        ("xp.var(x, correction=1)", "'correction'"),
        ("xp.lib.stride_tricks.as_strided(x, s, t, writeable=True)", "'writeable'"),
        ("xp.cuda.Device(0).uses()", None),  # of what a call gives nothing is known
        ("np.schur(x)", None),
        ("xp.add(x, y, out=z); xp.sum(x, axis, keepdims=True); xp.float32(1); xp.cuda.Stream.null", None),
        ("xp.take(x, *more, axis=0)", None),
    ],
)
def test_what_the_check_finds(text, what):
    found = breaches_of(text)
    assert [f for f in found if what in f.what] if what else not found, found


def test_the_snapshot_is_of_the_version_that_the_tests_run_on():
    assert snapshot.read()["version"] == CUPY


def test_the_snapshot_is_what_the_installed_cupy_says():
    """The file is made by a script; here it is made again."""
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("CuPy is not installed (extra: gputest)")
    # In a process of its own: in this one the simulated device may have put its functions in CuPy's place.
    code = "import json; from tests.gpu.strict.snapshot import describe; print(json.dumps(describe()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert not done.returncode, done.stderr
    now, kept = json.loads(done.stdout), snapshot.read()
    if now["version"] != CUPY:
        pytest.skip(f"CuPy {now['version']} is installed, the snapshot is of {CUPY}")
    for module in snapshot.MODULES:
        # Modules that a test has imported since, and libraries that are here and were not there, are no difference.
        mine, theirs = (
            {n: e for n, e in api[module].items() if e["kind"] not in ("module", "absent")} for api in (now, kept)
        )
        both = set(mine) & set(theirs)
        assert not set(theirs) - set(mine), f"{module}: gone"
        assert {n: mine[n] for n in both} == {n: theirs[n] for n in both}
