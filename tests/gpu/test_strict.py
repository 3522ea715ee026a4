"""The stand-in for CuPy, and the suite on it.

What the stand-in answers and refuses is held to the real CuPy on the simulated device, expression by expression. Then
the tests of operations, layers, optimisers and models run with their tensors on it, in processes of their own
(``pytest --device=strict`` runs all that is not marked ``host``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.gpu.strict import array as strict_array
from tests.gpu.strict.namespace import cupy as strict

ROOT = Path(__file__).resolve().parents[2]

# Each is evaluated with xp, x (3, 4) float32, i (2,) int64, m (3, 4) bool, n (3,) int32, h: NumPy's, on the host.
EXPRESSIONS = """
x + h; h + x; x * np.float32(2); np.float64(2) * x; 2.0 * x; x + np.array(2.0); x @ h; np.add(x, h); x + [1, 2, 3, 4]
xp.add(x, x, where=m); xp.add(x, x, order="C"); xp.exp([1.0]); xp.add(x, x, dtype="d"); xp.sqrt(n); xp.exp(n.astype("b"))
x.sum(); x.sum(0, where=m); x.max(initial=0); x.var(correction=1); x.var(ddof=1); x.mean(0, keepdims=True); x.argmax(1)
xp.sum(x, 0, initial=1); xp.maximum.reduce(x); xp.add.reduce(x, 1); xp.multiply.accumulate(x); xp.maximum.accumulate(x)
x[0, 0]; x[i]; x[:, i]; x[m]; x[5]; x[xp.asarray([3, -4, 7])]; x[1:, None]; x[..., 0]; x[i, i]; x[i.astype("f")]
np.asarray(x); h[i]; range(n[0]); [1, 2][n[0]]; float(x[0, 0]); int(n[1]); bool(x[0, 0]); bool(x); hash(x); f"{x[0, 1]:.1f}"
xp.clip(x, 1, None); xp.clip(x, min=1); xp.where(m, x, 0); xp.where(m, x, h); xp.concatenate([x, h]); xp.stack([x, x], 1)
xp.array([x[0], x[1]]); xp.array([h[0], h[1]]); xp.array(["a"]); xp.array([None]); xp.asarray(h, "d"); xp.zeros((2, 0)).sum()
x.T + 1; (x.T + 1).flags.c_contiguous; x.T.copy().flags.c_contiguous; x.flags.writeable; x.ctypes; x.resize(4, 3); x.base is None
x[1:].base is x; x.T[1:].base is x; (x + 1).base is None; x.reshape(2, 6).base is x; xp.broadcast_to(x, (2, 3, 4)).base is x
xp.lib.stride_tricks.as_strided(x, (2,), (4,)).base is None; x.diagonal().base is x; x.real.base is None; x.T.ravel().base is None
x.astype("i").dtype; xp.asarray([np.nan, 1]).astype(bool); x.fill(h); x.tolist(); x.item(); x[0, 0].item(); x.get() + h
n // 0; n ** -1; n % 2; 5 - n; -n; ~n; abs(-x); n << 1; x < 2; x == h; x == None; n & 1; x / n; n.astype("B") - 3
np.exp(x); np.sum(x, 1); np.where(m, x, x); np.linalg.norm(x); np.stack([x, x]); np.sign(x); np.concatenate([x, h])
xp.einsum("ij,kj", x, x); xp.matmul(x, x.T); xp.dot(x[0], x[1]); x @ x; xp.tensordot(x, x, 2); xp.outer(x[0], x[1])
xp.tril(x); xp.cumsum(x, 1); xp.repeat(x, 2, 0); xp.roll(x, 1); xp.pad(x, 1); xp.flip(x, 1); xp.moveaxis(x, 0, 1); xp.diff(x)
xp.bincount(n, x[:, 0]); xp.searchsorted(x[0], x[1]); xp.nonzero(m); xp.nan_to_num(x); xp.isnan(x).any(); xp.array_equal(x, x)
xp.take_along_axis(x, xp.argmax(x, 1)[:, None], 1); xp.unravel_index(i, (2, 3)); xp.frexp(x); xp.arctan2(x, x); xp.ldexp(x, 1)
xp.full((2,), 3); xp.arange(3); xp.linspace(0, 1, 3); xp.eye(2, dtype="f"); xp.tri(3); xp.empty_like(x).shape; xp.ones_like(x)
xp.scatter_add; xp.frompyfunc; x.to_device; x.foo; xp.add.foo; xp.lib.stride_tricks.as_strided(x, (2,), (4,), writeable=True)
len(x); list(x)[0]; 3 in x; iter(x[0, 0]); x.T.shape; x.strides; x.nbytes; x.device.id; x.size; x.real; x.swapaxes(0, 1)
""".replace("\n", "; ")
WRITES = [
    "x[0] = h[0]", "x[...] = 3", "x[1:] = x[:2]", "x[i] = x[:2]", "x[m] = 0", "x[0] = [1, 2, 3, 4]", "x += 1", "x += h",
    "n += 0.5", "x *= n[:, None]", "xp.copyto(x, h)", "xp.add.at(x, i, x[:2])", "xp.multiply.at(x, i, x[:2])",
    "x = x.astype('d') / 3; xp.maximum.at(x, i, x[:2] + 1)", "x[0] = np.nan; xp.minimum.at(x, i, x[:2])", "xp.add.at(m, i, True)", "xp.maximum.at(x, i, x[:2] + 9)", "xp.add(x, x, out=x)", "xp.add(x, x, x)", "xp.matmul(x, x.T, x)", "x.set(h + 1)",
    "v = x[1:].view(); v._set_shape_and_strides((2, 2), (8, 4), True, True); v += 1; assert v.base is x",
    "v = x.view(); v._set_shape_and_strides((2, 2), (8,), True, True)", "x[0, 0] = np.array(7.0)", "x.sum(0, out=x[0])", "xp.concatenate([x[:1], x[1:]], 0, x)", "x @= x", "xp.add(x, x, out=h)",
]  # fmt: skip


def outcome(xp, code: str):
    """What a piece of code does to fresh arrays: a value, or the kind of exception."""
    h = np.arange(12, dtype=np.float32).reshape(3, 4)
    space = {
        "np": np, "xp": xp, "h": h.copy(), "x": xp.asarray(h), "i": xp.asarray(np.array([2, 0])),
        "m": xp.asarray(h > 5), "n": xp.asarray(np.array([3, 1, 2], np.int32)),
    }  # fmt: skip
    try:
        found = eval(code, space) if code in CODES else exec(code, space)
    except Exception as error:
        return type(error).__name__ if not isinstance(error, TypeError | ValueError | AttributeError) else "refused"
    found = found if code in CODES else (space["x"], space["n"], space["m"])
    return _read(xp, found)


def _read(xp, value):
    if isinstance(value, xp.ndarray):
        array = xp.asnumpy(value)
        return ("array", array.dtype.str, array.shape, array.tolist())
    if isinstance(value, tuple | list):
        return [_read(xp, v) for v in value]
    if isinstance(value, np.ndarray):
        return ("host", value.tolist())
    return (
        str(value)
        if isinstance(value, str | np.dtype)
        else value
        if isinstance(value, bool | int | float)
        else type(value).__name__
    )


CODES = [e.strip() for e in EXPRESSIONS.split(";") if e.strip()]


@pytest.fixture
def real(only_simulated):
    """The real CuPy, for as long as a test."""
    import cupy

    return cupy


@pytest.mark.parametrize("code", [*CODES, *WRITES])
def test_it_does_what_cupy_does(real, code):
    mine, theirs = outcome(strict, code), outcome(real, code)
    if isinstance(theirs, str) and theirs not in ("refused", "int64", "bool"):
        assert mine in (theirs, "refused")  # the kind of exception may be a general one
    else:
        assert repr(mine) == repr(theirs) or _near(mine, theirs)


def _near(mine, theirs) -> bool:
    """The same numbers to rounding, the same dtype and shape."""
    if isinstance(mine, tuple) and isinstance(theirs, tuple) and mine[:3] == theirs[:3]:
        return np.allclose(mine[3], theirs[3], rtol=1e-6, equal_nan=True)
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return all(_near(a, b) for a, b in zip(mine, theirs, strict=True))
    return mine == theirs


def test_it_refuses_what_cupy_leaves_undefined():
    x = strict.zeros((3,))
    twice = strict.asarray(np.array([1, 1]))
    with pytest.raises(AssertionError, match="names a place twice"):
        x[twice] = strict.ones(2)
    with pytest.raises(TypeError, match="copied to the device at every use"):
        x[np.array([0, 1])]
    assert np.isnan(strict.empty(3).get()).all()  # what nobody wrote
    with pytest.raises(NotImplementedError, match="runs no CUDA kernels"):
        strict.RawKernel("", "k")
    assert not isinstance(x, np.ndarray) and strict_array.ndarray is strict.ndarray


# ---------------------------------------------------------------------------- the suite on it

SUITES = {
    "operations": ["tests/properties"],
    "kernels and layers": ["tests/fused", "tests/ops", "tests/nn", "tests/testing"],
    "optimisers and the engine": ["tests/optim", "tests/test_autograd.py", "tests/test_bad_input.py"],
    "PyTorch's programs and errors": ["tests/parity/test_snippets.py", "tests/parity/test_errors.py"],
    "two devices": ["tests/gpu/strict/mixed_devices.py"],
    "models": ["tests/models/test_learning.py", "tests/models/test_gpt.py", "tests/models/test_rnn.py", "tests/models/test_mlp.py"],
}  # fmt: skip


def run(*arguments: str) -> SimpleNamespace:
    """pytest with its tensors on the stand-in: what it says, and how many tests passed, failed and were left out."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--device=strict", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", *arguments],
        capture_output=True, text=True, cwd=ROOT, env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    found = re.findall(r"(\d+) (passed|failed|errors?|skipped)", done.stdout.splitlines()[-1] if done.stdout else "")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for n, what in found:
        counts["failed" if what.startswith("error") else what] += int(n)
    return SimpleNamespace(code=done.returncode, text=done.stdout + done.stderr, **counts)


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_on_the_stand_in(suite, record_property):
    if suite in ("PyTorch's programs and errors", "two devices") and find_spec("torch") is None:
        pytest.skip("torch is not installed (extra: parity)")
    done = run(*SUITES[suite])
    record_property("layer_counts", {"passed": done.passed, "failed": done.failed, "skipped": done.skipped})
    assert done.code == 0 and done.passed > 30, done.text[-6000:]


def test_a_mixture_of_host_and_device_fails_there(tmp_path):
    """The layer notices: an operation that hands a host array to the device is an error on it, and none on the host."""
    text = (
        "import numpy as np\nimport tinygrad_zth as torch\nfrom tinygrad_zth.operation import op\n"
        "mixed = op(lambda x: x * np.arange(3.0), name='test_mixed')\n"
        "def test_mixed():\n    mixed(torch.ones(3, dtype=torch.float64))\n"
    )
    where = ROOT / "tests" / f"test_mixed_{os.getpid()}.py"  # beside conftest.py, which knows --device
    where.write_text(text)
    try:
        assert run(str(where), "--device=cpu").code == 0
        done = run(str(where))
    finally:
        where.unlink()
    assert done.code == 1 and done.failed == 1 and "Unsupported type" in done.text
