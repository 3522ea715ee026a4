"""docs/parity.md says what is so: it is what its generator writes, and its claims name tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the page is written against torch (extra: parity)")

from tinygrad_zth import absent  # noqa: E402

from .differences import DIFFERENCES  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.parity


def test_the_page_is_current():
    command = [sys.executable, str(ROOT / ".ci" / "parity_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_differences_are_of_names_that_exist():
    """Each key is a name of PyTorch's: a difference whose name is gone would be printed nowhere."""
    for key in DIFFERENCES:
        thing = torch.Tensor if key.startswith("Tensor.") else torch
        for part in key.split(".")[1:]:
            thing = getattr(thing, part)


def test_what_tensors_do_without_is_spelled_out():
    """Each method of PyTorch's that belongs to a subject left out, so that asking for it gives the reason."""
    names = {n for n in dir(torch.Tensor) if not n.startswith("_") and absent.explanation(n)}
    assert names <= absent.METHODS
