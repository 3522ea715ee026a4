"""The generated stubs say what the package offers, and hold for a program that is checked strictly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import tinygrad_zth as torch


def loss_of(x: torch.Tensor, w: torch.Tensor) -> float:
    h: torch.Tensor = (x @ w).tanh().relu()
    total = h.sum(dim=1).mean()
    total.backward()
    return float(total) + float(h.shape[0])


w = torch.randn(3, 2, requires_grad=True)
print(loss_of(torch.ones(4, 3), w), w.grad, w.T.contiguous().view(-1)[0])
"""


def test_stubs_are_current():
    """What .ci/stubs.py would write is what is there."""
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "stubs.py"), "--check"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_user_program_is_strict(tmp_path):
    """``mypy --strict`` passes on a small program written against the package, and catches a wrong name."""
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    out, err, status = api.run([*options, str(program)])
    assert status == 0, out + err
    program.write_text(PROGRAM.replace(".tanh()", ".tanhh()"))
    out, err, status = api.run([*options, str(program)])
    assert status == 1 and "tanhh" in out


def test_a_training_program_is_strict_and_runs(tmp_path):
    """Module, Parameter, a Dataset of pairs, loaders, optimiser, schedule, decorators: ``mypy --strict`` has no complaint."""
    api = pytest.importorskip("mypy.api")
    program = ROOT / "tests" / "typed" / "train_mlp.py"
    options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    out, err, status = api.run([*options, str(program)])
    assert status == 0, out + err
    wrong = tmp_path / "wrong.py"
    wrong.write_text(program.read_text().replace("return float(hits)", "return hits.device"))
    out, err, status = api.run([*options, str(wrong)])
    assert status == 1 and "wrong.py" in out
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and "torch.Size([3]) torch.float32 cpu" in done.stdout, done.stderr
