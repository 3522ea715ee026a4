"""Programs written for PyTorch, run once under it and once with the import changed; what they print is compared.

The words must be equal; numbers must agree to the digits that float32 arithmetic in another order leaves.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the programs are compared with torch (extra: parity)")

import tinygrad_zth as zth  # noqa: E402

torch.set_num_threads(1)  # small programs, and other tests beside this one
PROGRAMS = sorted((Path(__file__).resolve().parent.parent / "programs").glob("*.py"))
NUMBER = re.compile(r"[-+]?\d+\.\d*(?:e[-+]?\d+)?|[-+]?\d+(?:e[-+]?\d+)?")
pytestmark = [pytest.mark.parity, pytest.mark.host]  # what they print is the CPU's


def with_our_import(source: str) -> str:
    """The program with its import lines changed, and nothing else."""
    source = re.sub(r"^import torch$", "import tinygrad_zth as torch", source, flags=re.M)
    source = re.sub(r"^import torch\.", "import tinygrad_zth.", source, flags=re.M)
    return re.sub(r"^from torch\b", "from tinygrad_zth", source, flags=re.M)


def printed(source: str, name: str) -> list[str]:
    """The lines that the program prints. Where objects are in memory, and in which module classes, is left out."""
    out = io.StringIO()
    random.seed(0)
    with warnings.catch_warnings(), contextlib.redirect_stdout(out):
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, name, "exec"), {"__name__": "__main__"})
        finally:  # the switches that a program may have set
            for library in (torch, zth):
                library.backends.cuda.matmul.allow_tf32 = False
                library.set_float32_matmul_precision("highest")
    text = re.sub(r" at 0x[0-9a-f]+", "", out.getvalue())
    text = text.replace("tinygrad_zth.tensor.Tensor", "torch.Tensor")
    return re.sub(r"[ \n]+", " ", text).replace("[ ", "[").replace("tensor( ", "tensor(").split(" ")


def agree(theirs: str, ours: str) -> bool:
    """Whether two printed words are the same text around numbers that are close."""
    if theirs == ours:
        return True
    if NUMBER.sub("#", theirs) != NUMBER.sub("#", ours):
        return False
    pairs = zip(NUMBER.findall(theirs), NUMBER.findall(ours), strict=True)
    return all("." in a and abs(float(a) - float(b)) <= 2e-3 * max(1.0, abs(float(a))) for a, b in pairs)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_prints_the_same(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert with_our_import(source) != source
    theirs, ours = printed(source, path.name), printed(with_our_import(source), path.name)
    different = [(a, b) for a, b in zip(theirs, ours, strict=False) if not agree(a, b)]
    assert not different and len(theirs) == len(ours), different[:10]


def test_the_programs_cover_what_was_promised():
    """A makemore MLP with BatchNorm by hand, a small GPT, an LSTM; and a difference would be seen."""
    assert {"mlp_batchnorm", "gpt", "lstm", "nano"} <= {p.stem for p in PROGRAMS}
    assert agree("0.12345", "0.1235") and not agree("0.12", "0.22") and not agree("12", "13") and not agree("a.", "b.")
